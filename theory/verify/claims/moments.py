"""Claims on the gradient of one rollout under constant baselines (P5), and the best one (P6)."""

from dataclasses import replace

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from theory.predict import moments
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import moments as rounds

_DERIVED = "derived in this project (catalogue entry {})"
_EXACT = {"statistic": "difference"}

_BASELINES = (0.0, 0.5, -1.0)
_LOGITS = np.array([1.1, 0.2, 0.0, -0.7, -1.6])
_PROB = np.exp(_LOGITS) / np.exp(_LOGITS).sum()
# Two rewards for each arm, with probabilities that differ from arm to arm.
_PAID = np.array([[1.0, 0.8, 0.1, 0.5, 0.9], [0.6, -0.2, 0.3, 0.5, -1.0]])
_SHARE = np.array([0.7, 0.5, 0.2, 1.0, 0.6])
_PAID_PROB = np.stack([_SHARE, 1.0 - _SHARE])
_NOISE = (_LOGITS, _PAID, _PAID_PROB)
_MEAN = (_PAID * _PAID_PROB).sum(axis=0)
_VARIANCE = (_PAID**2 * _PAID_PROB).sum(axis=0) - _MEAN**2


def rule_over(baseline: float) -> UpdateRule:
    """Return REINFORCE over a constant baseline.

    Args:
        baseline: the constant, in units of reward.

    Returns:
        The rule.
    """
    return get_rule("constant_baseline", baseline=baseline)


_RULES = [rule_over(baseline) for baseline in _BASELINES]


def _over_own_half() -> UpdateRule:
    return replace(get_rule("raw_reward"), advantage=lambda reward: reward - 0.5 * reward)


def _means() -> np.ndarray:
    return np.tile(moments.predicted_gradient_mean(_PROB, _MEAN), (len(_BASELINES), 1))


def _means_that_follow_the_baseline() -> np.ndarray:
    return _means() - np.outer(_BASELINES, _PROB)


def _covariances(variance: np.ndarray = _VARIANCE) -> np.ndarray:
    return np.array(
        [
            moments.predicted_gradient_covariance(
                _PROB, _MEAN, baseline=baseline, reward_variance=variance
            )
            for baseline in _BASELINES
        ]
    )


def _squares_about_zero() -> np.ndarray:
    gradient = moments.predicted_gradient_mean(_PROB, _MEAN)
    return _covariances() + np.outer(gradient, gradient)


_COIN_LOGITS = np.array([0.9, 0.0, -0.4])
_COIN_PROB = np.exp(_COIN_LOGITS) / np.exp(_COIN_LOGITS).sum()
_COIN_MEAN = np.array([0.9, 0.4, 0.05])
_COIN_BASELINE = 0.6


def _coin_moments(own_length_only: bool = False, baseline: float = _COIN_BASELINE) -> np.ndarray:
    gradient = moments.predicted_gradient_mean(_COIN_PROB, _COIN_MEAN)
    variance = _COIN_MEAN * (1.0 - _COIN_MEAN)
    if own_length_only:
        square = variance + (_COIN_MEAN - baseline) ** 2
        length = float(_COIN_PROB * square @ (1.0 - _COIN_PROB) ** 2)
    else:
        length = moments.predicted_gradient_mean_square(
            _COIN_PROB, _COIN_MEAN, baseline=baseline, reward_variance=variance
        )
    return np.append(gradient[:-1], length)


def _coin_mean_over_baseline() -> np.ndarray:
    moved = _coin_moments()
    moved[:-1] -= _COIN_BASELINE * _COIN_PROB[:-1]
    return moved


_BANDITS = (
    _NOISE,
    (np.zeros(4), np.array([[1.0, 0.0, 0.0, 0.3]]), np.ones((1, 4))),
    (np.array([-3.0, 0.0, 0.5]), np.array([[1.0, 0.2, 0.0]]), np.ones((1, 3))),
)


def _policies() -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (np.exp(logits) / np.exp(logits).sum(), (paid * prob).sum(axis=0))
        for logits, paid, prob in _BANDITS
    ]


_PAIRS = ((0.864, 1.0, 0.0), (0.05, 1.0, 0.0), (0.3, 0.9, 0.5))


def _pair_noise(success_prob: float, *reward: float) -> tuple[np.ndarray, ...]:
    return np.log([success_prob, 1.0 - success_prob]), np.array([reward]), np.ones((1, 2))


MOMENT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P5-mean",
        what="mean gradient of a rollout over three constant baselines, five noisy arms",
        statement="E[(R - b) s] = pi_a (r_a - V), whatever the baseline b",
        tags=("P5", "moments", "baseline", "exact", "constant_baseline"),
        source=_DERIVED.format("P5"),
        theory=(moments.predicted_gradient_mean,),
        predicted=_means,
        experiment=lambda rng, size: rounds.measure_mean(_RULES, *_NOISE),
        mutants=(
            Mutant("a mean that moves with b", _means_that_follow_the_baseline),
            Mutant(
                "a baseline with half of the sample's own reward in it",
                experiment=lambda rng, size: rounds.measure_mean(
                    [*_RULES[:-1], _over_own_half()], *_NOISE
                ),
            ),
        ),
        tolerance=1e-14,
        mutant_tolerance=1e-3,
        axis=Axis("baseline and arm (numbered)"),
        unit="gradient on the logit",
        **_EXACT,
    ),
    Claim(
        id="P5-covariance",
        what="covariance of the gradient of a rollout over three baselines, five noisy arms",
        statement="Cov = sum_a pi_a E[(R_a - b)^2] s_a s_a^T - g g^T",
        tags=("P5", "moments", "baseline", "exact", "constant_baseline"),
        source=_DERIVED.format("P5"),
        theory=(moments.predicted_gradient_covariance,),
        predicted=_covariances,
        experiment=lambda rng, size: rounds.measure_covariance(_RULES, *_NOISE),
        mutants=(
            Mutant("without - g g^T", _squares_about_zero),
            Mutant("rewards without noise", lambda: _covariances(np.zeros(5))),
            Mutant(
                "a covariance that does not depend on b",
                lambda: np.tile(_covariances()[0], (len(_BASELINES), 1, 1)),
            ),
        ),
        tolerance=1e-13,
        mutant_tolerance=1e-3,
        axis=Axis("entry (numbered)"),
        unit="covariance",
        **_EXACT,
    ),
    Claim(
        id="P5-sampled",
        what="mean gradient and mean square of drawn rollouts, three arms of 0/1 rewards",
        statement=(
            "E[g_a] = pi_a (r_a - V) and E|g|^2 = sum_a pi_a E[(R_a - b)^2] (1 - 2 pi_a + C), C = "
            "sum_a pi_a^2; b = 0.6"
        ),
        tags=("P5", "moments", "baseline", "sampled", "constant_baseline"),
        source=_DERIVED.format("P5"),
        theory=(moments.predicted_gradient_mean, moments.predicted_gradient_mean_square),
        predicted=_coin_moments,
        experiment=lambda rng, size: rounds.measure_sampled_moments(
            rng, rule_over(_COIN_BASELINE), _COIN_LOGITS, _COIN_MEAN, size
        ),
        mutants=(
            Mutant("n_a = (1 - pi_a)^2 only", lambda: _coin_moments(own_length_only=True)),
            Mutant("a mean that moves with b", _coin_mean_over_baseline),
            Mutant("a mean square without b", lambda: _coin_moments(baseline=0.0)),
        ),
        statistic="z",
        size={"quick": 60_000, "full": 1_000_000},
        axis=Axis("quantity", at=("g of arm 1", "g of arm 2", "|g|^2")),
        unit="moment",
    ),
    Claim(
        id="P6-best-baseline",
        what="constant baseline of the least trace, three bandits",
        statement="b* = sum_a pi_a n_a r_a / sum_a pi_a n_a, n_a = 1 - 2 pi_a + C",
        tags=("P6", "moments", "baseline", "exact", "constant_baseline"),
        source="the form of Greensmith, Bartlett and Baxter 2004; derived in this project",
        theory=(moments.predicted_best_baseline,),
        predicted=lambda: [moments.predicted_best_baseline(*policy) for policy in _policies()],
        experiment=lambda rng, size: rounds.measure_best_baseline(rule_over, _BANDITS),
        mutants=(
            Mutant("the mean reward V", lambda: [prob @ reward for prob, reward in _policies()]),
            Mutant(
                "weights pi_a (1 - pi_a)^2",
                lambda: [
                    (prob * (1.0 - prob) ** 2) @ reward / (prob @ (1.0 - prob) ** 2)
                    for prob, reward in _policies()
                ],
            ),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=Axis("bandit (numbered)"),
        unit="baseline, units of reward",
        **_EXACT,
    ),
    Claim(
        id="P6-two-arms",
        what="constant baseline of the least trace, three pairs of arms",
        statement="b* = (1 - p) r_1 + p r_2: the mean reward with the probabilities exchanged",
        tags=("P6", "moments", "baseline", "exact", "constant_baseline"),
        source=_DERIVED.format("P6"),
        theory=(moments.predicted_best_two_arm_baseline,),
        predicted=lambda: [moments.predicted_best_two_arm_baseline(*pair) for pair in _PAIRS],
        experiment=lambda rng, size: rounds.measure_best_baseline(
            rule_over, [_pair_noise(*pair) for pair in _PAIRS]
        ),
        mutants=(
            Mutant("the mean reward V", lambda: [p * r + (1.0 - p) * s for p, r, s in _PAIRS]),
            Mutant("the mean of the two", lambda: [0.5 * (r + s) for _, r, s in _PAIRS]),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=Axis("p", at=[pair[0] for pair in _PAIRS]),
        unit="baseline, units of reward",
        **_EXACT,
    ),
)
