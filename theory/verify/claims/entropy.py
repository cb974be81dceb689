"""Claims on the entropy: its first and second order, and what it says of the reward (P13, P24)."""

import numpy as np
from scipy.special import softmax

from theory.predict import entropy
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import entropy as experiment
from theory.verify.measurement import Measurement

_LOGITS = np.array([1.5, 0.3, -0.2, 0.8, -1.1, 0.0, 0.6, -0.5])
_REWARD = np.array([0.2, 1.0, 0.0, 0.7, 0.4, 0.9, 0.1, 0.5])
_PROB = softmax(_LOGITS)
_EXACT = {"statistic": "difference"}


def _directions() -> list[np.ndarray]:
    """Policy gradient and natural gradient, written down here and not taken from banditlab."""
    advantage = _REWARD - _PROB @ _REWARD
    return [_PROB * advantage, advantage]


def _with_probability_for_logarithm() -> list[float]:
    return [
        -float(_PROB @ (_PROB * direction) - (_PROB @ _PROB) * (_PROB @ direction))
        for direction in _directions()
    ]


def _run(log10_wrong: float) -> np.ndarray:
    return experiment.two_class_run(log10_wrong, 3, 40)


def _line(log10_wrong: float, change: float = 0.0):
    pass_rate, nats = _run(log10_wrong)
    log_num_wrong = log10_wrong * np.log(10.0) + change
    return entropy.predicted_reward_from_entropy(nats, pass_rate, np.log(3.0), log_num_wrong)


_MANY = (3.0, 100.0)


ENTROPY_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P13-slope",
        what="slope of the entropy along policy gradient and natural gradient, 8 arms",
        statement="dH = -Cov_pi(log pi, d theta), remainder of second order",
        tags=("P13", "entropy", "exact", "raw_reward"),
        source="arXiv 2505.22617, as the catalogue cites its lemma; derived again",
        theory=(entropy.predicted_entropy_slope,),
        predicted=lambda: [
            entropy.predicted_entropy_slope(_PROB, direction) for direction in _directions()
        ],
        experiment=lambda rng, size: Measurement.exact(
            [
                experiment.measure_entropy_slope(_LOGITS, _REWARD, is_natural).value[0]
                for is_natural in (False, True)
            ]
        ),
        mutants=(
            Mutant("Cov with pi in place of log pi", _with_probability_for_logarithm),
            Mutant(
                "the other sign",
                lambda: [
                    -entropy.predicted_entropy_slope(_PROB, direction)
                    for direction in _directions()
                ],
            ),
        ),
        tolerance=1e-10,
        mutant_tolerance=1e-3,
        axis=Axis("update", ("policy gradient", "natural gradient")),
        **_EXACT,
    ),
    Claim(
        id="P13-noise",
        what="drift of the entropy under rewards of pure noise, 8 arms",
        statement="E dH = (eta s)^2/2 sum_a pi_a s_a^T (Hessian of H) s_a, second order",
        tags=("P13", "entropy", "noise", "exact", "raw_reward"),
        source="derived in this project",
        theory=(entropy.predicted_noise_entropy_drift,),
        predicted=lambda: entropy.predicted_noise_entropy_drift(_PROB),
        experiment=lambda rng, size: experiment.measure_noise_drift(_LOGITS, 2e-2),
        mutants=(
            Mutant("without the 1/2", lambda: 2 * entropy.predicted_noise_entropy_drift(_PROB)),
            Mutant("no drift", lambda: np.zeros(1)),
            Mutant(
                "arms drawn uniformly instead of by the policy",
                experiment=lambda rng, size: experiment.measure_noise_drift(
                    _LOGITS, 2e-2, arm_prob=np.full(8, 1 / 8)
                ),
            ),
        ),
        tolerance=1e-7,
        mutant_tolerance=1e-3,
        **_EXACT,
    ),
    Claim(
        id="P13-sampled",
        what="the same on drawn arms, each with both signs of the reward",
        statement="E dH = (eta s)^2/2 sum_a pi_a s_a^T (Hessian of H) s_a on drawn arms",
        tags=("P13", "entropy", "noise", "sampled", "raw_reward"),
        source="derived in this project",
        theory=(entropy.predicted_noise_entropy_drift,),
        predicted=lambda: entropy.predicted_noise_entropy_drift(_PROB),
        experiment=lambda rng, size: experiment.measure_sampled_noise_drift(
            rng, _LOGITS, 5e-3, size
        ),
        mutants=(
            Mutant("without the 1/2", lambda: 2 * entropy.predicted_noise_entropy_drift(_PROB)),
            Mutant("no drift", lambda: np.zeros(1)),
        ),
        statistic="z",
        size={"quick": 20_000, "full": 200_000},
    ),
    Claim(
        id="P24-line",
        what="pass rate from the entropy along a run, 1e3 and 1e100 wrong arms",
        statement="R = (log m + h(R) - H)/log(m/g), h the binary entropy; linear in H for m >> 1",
        tags=("P24", "entropy", "exact", "group_mean"),
        source="derived in this project",
        theory=(entropy.predicted_reward_from_entropy,),
        predicted=lambda: np.concatenate([_line(size) for size in _MANY]),
        experiment=lambda rng, size: Measurement.exact([_run(arms)[0] for arms in _MANY]),
        mutants=(
            Mutant(
                "one nat more of wrong arms",
                lambda: np.concatenate([_line(size, 1.0) for size in _MANY]),
            ),
        ),
        tolerance=1e-11,
        mutant_tolerance=1e-3,
        **_EXACT,
    ),
    Claim(
        id="P24-exponential",
        what="R^2 of the law R = -a exp(H) + b along a run, 1e3 and 1e100 wrong arms",
        statement="from p = .05 to .91 reward and entropy follow R = -a exp(H) + b (R^2 above .99)",
        tags=("P24", "entropy", "exact", "group_mean"),
        source="arXiv 2505.22617 (abstract read), an empirical law of language models",
        theory=(entropy.predicted_exponential_fit,),
        predicted=lambda: np.full(2, 1.0),
        experiment=lambda rng, size: Measurement.exact(
            [entropy.predicted_exponential_fit(*_run(arms)[::-1]) for arms in _MANY]
        ),
        mutants=(Mutant("no relation at all, R^2 = 0", lambda: np.zeros(2)),),
        expected_verdict="rejected",
        evidence=(
            "In a bandit of two classes the pass rate is linear in H (P24-line); over a run from "
            "p = .05 to .91 the exponential law has R^2 .896 with 1e3 wrong arms and .068 with "
            "1e100, a line .994 and .999996. What the law needs is a small range of H: per token "
            "of responses of 100 tokens, 1e100 arms, its R^2 is .962, of 1000 tokens .9996, since "
            "there the exponential is nearly its tangent. The published H is of language models."
        ),
        tolerance=1e-2,
        mutant_tolerance=1e-1,
        axis=Axis("wrong arms", ("1e3", "1e100")),
        **_EXACT,
    ),
)
