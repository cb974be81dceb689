"""Claims on the doubly exponential start of a population trust region (P18)."""

import numpy as np

from theory.predict import trust_region_start
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments.trust_region_start import (
    measure_early_steps,
    measure_sampled_steps,
)

_BOUND = 0.01
_START = -100.0 * np.log(10.0)
_UPDATES = np.arange(1, 6)


def _predicted() -> np.ndarray:
    steps = trust_region_start.predicted_early_log_prob(_START, _UPDATES, _BOUND)
    return steps / np.log(10.0)


TRUST_REGION_START_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P18-start",
        what="log10 of the pass rate over five exact steps from 1e-100, bound .01",
        statement="p_n = bound^(1 - 2^-n) p0^(2^-n) while p_n << bound",
        tags=("P18", "trust-region", "exact", "variance_penalty"),
        source="derived in this project; a sampler never sees such an arm (P26)",
        theory=(trust_region_start.predicted_early_log_prob,),
        predicted=_predicted,
        experiment=lambda rng, size: measure_early_steps(_START, _BOUND, len(_UPDATES)),
        mutants=(
            Mutant(
                "geometric growth by 1 + sqrt(bound)",
                lambda: (_START + _UPDATES * np.log1p(np.sqrt(_BOUND))) / np.log(10.0),
            ),
            Mutant(
                "a bound twice as wide in each step",
                lambda: _predicted() + (1.0 - 0.5**_UPDATES) * np.log10(2.0),
            ),
            Mutant(
                "64 samples in place of the population: none is ever the arm",
                experiment=lambda rng, size: measure_sampled_steps(rng, _START, len(_UPDATES)),
            ),
        ),
        statistic="difference",
        tolerance=2e-3,
        mutant_tolerance=2e-2,
        axis=Axis("exact steps", _UPDATES),
        unit="log10 of the pass rate",
    ),
)
