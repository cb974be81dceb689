"""Claims on verifiers that err (P23)."""

import numpy as np

from banditlab.reward_laws import NoisyVerifier
from theory.predict import drift, noisy_verifier
from theory.verify.claim import Claim, Mutant
from theory.verify.experiments import noisy_verifier as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; the transition in arXiv 2601.04411, as the catalogue cites it"
_GRID = np.linspace(-6.0, 6.0, 13)
_GOOD, _USELESS, _INVERTED = (
    NoisyVerifier(0.8, 0.3),
    NoisyVerifier(0.6, 0.6),
    NoisyVerifier(0.3, 0.5),
)
_GROUP = 8


def _predicted(rule: str, verifier: NoisyVerifier, log_odds=_GRID, **how):
    return noisy_verifier.predicted_noisy_class_gradient(
        rule,
        log_odds,
        true_positive_rate=verifier.true_positive_rate,
        false_positive_rate=verifier.false_positive_rate,
        group_size=_GROUP,
        **how,
    )


def _clean_at_pass_rate(rule: str, verifier: NoisyVerifier) -> np.ndarray:
    gap = verifier.true_positive_rate - verifier.false_positive_rate
    return gap * drift.predicted_class_gradient(rule, _GRID, group_size=_GROUP)


def _exact_claim(rule: str) -> Claim:
    verifiers = (_GOOD, _USELESS, _INVERTED)
    return Claim(
        id=f"P23-{rule.replace('_', '-')}",
        what=f"class gradient under three verifiers, {rule}, G = 8",
        statement="class gradient = J p q S_G(m)/(m (1 - m)), J = TPR - FPR, m = FPR + J p",
        tags=("P23", "noisy-verifier", "drift", "exact", rule),
        source=_DERIVED,
        theory=(noisy_verifier.predicted_noisy_class_gradient,),
        predicted=lambda: [_predicted(rule, verifier) for verifier in verifiers],
        experiment=lambda rng, size: Measurement.exact(
            [
                experiment.measure_noisy_gradient(rule, _GRID, verifier, _GROUP).value
                for verifier in verifiers
            ]
        ),
        mutants=(
            Mutant(
                "J S_G(p), the clean gradient times J",
                lambda: [_clean_at_pass_rate("grpo", verifier) for verifier in verifiers],
            ),
            Mutant(
                "the sign of an inverted verifier lost",
                lambda: np.abs([_predicted(rule, verifier) for verifier in verifiers]),
            ),
        ),
        statistic="difference",
        tolerance=1e-12,
        mutant_tolerance=1e-3,
    )


def _sampled_claim(verifier: NoisyVerifier, word: str) -> Claim:
    log_odds = -2.0
    return Claim(
        id=f"P23-sampled-{word}",
        what=f"class gradient on drawn groups, grpo, {word} verifier",
        statement="the mean change of log-odds is 2 J p q S_8(m)/(m (1 - m)) per unit step",
        tags=("P23", "noisy-verifier", "drift", "sampled", "grpo"),
        source=_DERIVED,
        theory=(noisy_verifier.predicted_noisy_class_gradient,),
        predicted=lambda: _predicted("grpo", verifier, log_odds),
        experiment=lambda rng, size: experiment.measure_sampled_noisy_gradient(
            rng, "grpo", log_odds, verifier, _GROUP, size
        ),
        mutants=(
            Mutant(
                "the clean gradient",
                lambda: drift.predicted_class_gradient("grpo", log_odds, group_size=_GROUP),
            ),
            Mutant("the other sign", lambda: -_predicted("grpo", verifier, log_odds)),
            Mutant(
                "J S_8(p)",
                lambda: (
                    (verifier.true_positive_rate - verifier.false_positive_rate)
                    * drift.predicted_class_gradient("grpo", log_odds, group_size=_GROUP)
                ),
            ),
        ),
        statistic="z",
        size={"quick": 40_000, "full": 200_000},
    )


NOISY_VERIFIER_CLAIMS: tuple[Claim, ...] = (
    _exact_claim("grpo"),
    _exact_claim("leave_one_out"),
    _sampled_claim(_GOOD, "good"),
    _sampled_claim(NoisyVerifier(0.2, 0.6), "inverted"),
)
