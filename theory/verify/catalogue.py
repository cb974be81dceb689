"""The claims, as data: each entry of the catalogue with its experiment, statistic and mutants.

Predictions are called through their modules, so that a change there reaches every claim.
"""

from theory.verify.claim import Claim
from theory.verify.claims.batch_curves import BATCH_CLAIMS
from theory.verify.claims.inner_loop import INNER_LOOP_CLAIMS
from theory.verify.claims.learning_curves import CURVE_CLAIMS
from theory.verify.claims.take_off import TAKE_OFF_CLAIMS
from theory.verify.claims.trust_region import TRUST_REGION_CLAIMS

CLAIMS: tuple[Claim, ...] = (
    *CURVE_CLAIMS,
    *BATCH_CLAIMS,
    *INNER_LOOP_CLAIMS,
    *TRUST_REGION_CLAIMS,
    *TAKE_OFF_CLAIMS,
)
"""All claims, in the order of the catalogue; ids are distinct."""
