"""Claims on exact policy gradient over many arms (P11, P19 to P22)."""

import numpy as np
from scipy.special import softmax

from theory.predict import class_concentration, many_arms
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import improvement, penalised_step
from theory.verify.experiments import many_arms as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project"
_EXACT = {"statistic": "difference"}

_PROB = softmax(np.array([1.2, -0.4, 0.3, 0.9, -1.0, 0.1, 0.0, -0.6]))
_IS_CORRECT = np.arange(8) < 3
_PASS_RATE = float(_PROB[_IS_CORRECT].sum())

_REWARD = np.array([1.0, 0.8, 0.5, 0.1])
_LATE_TIME = 1e9

_THREE_GOOD = np.log([0.30, 0.22, 0.12, 0.20, 0.16])
_THREE_REWARD = np.array([1.0, 1.0, 1.0, 0.0, 0.0])

_PLATEAU = np.array([0.01, 0.05, 0.94])
_SHORT = np.array([0.05, 0.01, 0.94])
_ANCHOR = np.array([1.0, 0.9, 0.1])

_INSTANCES = improvement.random_instances(np.random.default_rng(21), 400)


def _late_shares() -> np.ndarray:
    return _LATE_TIME * many_arms.predicted_late_share(_LATE_TIME, 1.0 - _REWARD[1:], 4)


_COUNTED = (7525, 35)


def _crossings(step_size: float = 0.4) -> list[int]:
    return [many_arms.predicted_crossing(start, _ANCHOR, step_size) for start in (_PLATEAU, _SHORT)]


def _gradient_with_wrong_baseline(logits: np.ndarray, reward: np.ndarray) -> np.ndarray:
    prob = softmax(logits)
    return experiment.exact_gradient(logits, reward) + 0.3 * prob


def _cross_ratio_claim(rule: str, group_size: int) -> Claim:
    direction = experiment.rule_direction(rule, group_size)

    def measure(moving, reward, num_updates: int) -> Measurement:
        return experiment.measure_cross_ratio(moving, _THREE_GOOD, reward, 12.0, num_updates)

    def half_natural(logits: np.ndarray, reward: np.ndarray) -> np.ndarray:
        return direction(logits, reward) / np.sqrt(softmax(logits))

    return Claim(
        id=f"P20-{rule.replace('_', '-')}",
        what=f"cross-ratio of three equally good arms, {rule}",
        statement="(1/pi_a - 1/pi_b)/(1/pi_a - 1/pi_c) is constant along the exact flow",
        tags=("P20", "diversity", "exact", rule),
        source=_DERIVED,
        theory=(class_concentration.predicted_cross_ratio,),
        predicted=lambda: class_concentration.predicted_cross_ratio(softmax(_THREE_GOOD)[:3]),
        experiment=lambda rng, size: measure(direction, _THREE_REWARD, size),
        mutants=(
            Mutant(
                "arms that are not equally good",
                experiment=lambda rng, size: measure(
                    direction, np.array([1.0, 0.9, 0.8, 0.0, 0.0]), size
                ),
            ),
            Mutant(
                "a step divided by the root of the policy, halfway to the natural gradient",
                experiment=lambda rng, size: measure(half_natural, _THREE_REWARD, size),
            ),
        ),
        tolerance=1e-7,
        mutant_tolerance=1e-2,
        size={"quick": 100, "full": 500},
        **_EXACT,
    )


def _share_ratio(direction: experiment.Direction, num_updates: int) -> float:
    run = experiment.measure_share_ratio(direction, _THREE_GOOD, _THREE_REWARD, 4.0, num_updates)
    return float(run.value[0])


def _trust_region_share_ratio() -> float:
    prob = softmax(_THREE_GOOD)
    ratio, _ = penalised_step.constrained_optimum(_THREE_REWARD, prob, 0.05)
    return float(prob[0] * ratio[0] / (prob[1] * ratio[1]))


MANY_ARMS_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P11-speed",
        what="speed of the pass rate, 3 correct and 5 wrong unequal arms",
        statement="dp/dt = q^2 sum_correct pi^2 + p^2 sum_wrong pi^2",
        tags=("P11", "concentration", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(class_concentration.predicted_class_speed,),
        predicted=lambda: class_concentration.predicted_class_speed(_PROB, _IS_CORRECT),
        experiment=lambda rng, size: experiment.measure_class_speed(_PROB, _IS_CORRECT),
        mutants=(
            Mutant(
                "kernel p^2 q^2 with equal arms",
                lambda: class_concentration.predicted_equal_class_speed(_PASS_RATE, 3, 5),
            ),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        **_EXACT,
    ),
    Claim(
        id="P11-equal",
        what="speed of the pass rate, equal arms, 2 to 2000 of them",
        statement="dp/dt = (1/g + 1/m) p^2 q^2: it vanishes as classes grow",
        tags=("P11", "concentration", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(class_concentration.predicted_equal_class_speed,),
        predicted=lambda: [
            class_concentration.predicted_equal_class_speed(0.3, num, num)
            for num in (1, 10, 100, 1000)
        ],
        experiment=lambda rng, size: Measurement.exact(
            [
                experiment.measure_class_speed(
                    np.repeat([0.3 / num, 0.7 / num], num), np.repeat([True, False], num)
                ).value[0]
                for num in (1, 10, 100, 1000)
            ]
        ),
        mutants=(Mutant("p^2 q^2 whatever the number of arms", lambda: np.full(4, 0.0441)),),
        tolerance=1e-14,
        mutant_tolerance=1e-3,
        axis=Axis("arms of each class", (1, 10, 100, 1000), is_log=True),
        **_EXACT,
    ),
    Claim(
        id="P19-shares",
        what="t * probability of three wrong arms at t = eta * updates = 1e9",
        statement="pi_j -> 1/(K eta gap_j t): each wrong arm costs the same, 1/(K eta t)",
        tags=("P19", "late", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(many_arms.predicted_late_share,),
        predicted=_late_shares,
        experiment=lambda rng, size: experiment.measure_late_shares(
            _REWARD, _LATE_TIME, 1.0 / size
        ),
        mutants=(
            Mutant("1/(eta gap t), without K", lambda: 4.0 * _late_shares()),
            Mutant("the same share for each arm", lambda: np.full(3, _late_shares().mean())),
        ),
        tolerance=1e-2,
        mutant_tolerance=1e-1,
        size={"quick": 250, "full": 2000},
        axis=Axis("reward of the wrong arm", _REWARD[1:]),
        **_EXACT,
    ),
    _cross_ratio_claim("raw_reward", 1),
    _cross_ratio_claim("grpo", 4),
    Claim(
        id="P20-natural",
        what="ratio of two equally good arms, natural gradient and trust region",
        statement="pi_a/pi_b is constant under the natural gradient and a population trust region",
        tags=("P20", "diversity", "exact", "raw_reward", "variance_penalty"),
        source=_DERIVED,
        theory=(class_concentration.predicted_share_ratio,),
        predicted=lambda: np.full(
            2, class_concentration.predicted_share_ratio(softmax(_THREE_GOOD)[:2])
        ),
        experiment=lambda rng, size: Measurement.exact(
            [_share_ratio(experiment.natural_gradient, size), _trust_region_share_ratio()]
        ),
        mutants=(
            Mutant(
                "the plain policy gradient, which favours the larger arm",
                experiment=lambda rng, size: Measurement.exact(
                    np.full(2, _share_ratio(experiment.exact_gradient, size))
                ),
            ),
        ),
        tolerance=1e-10,
        mutant_tolerance=1e-1,
        size={"quick": 100, "full": 500},
        axis=Axis("step", ("natural gradient", "trust region")),
        **_EXACT,
    ),
    Claim(
        id="P21-improvement",
        what="gain of one exact step over 400 random bandits, step sizes to 1e5",
        statement=(
            "V' - V = sum pi (r - V)(e^(eta g) - 1)/Z >= 0 for every step size, g = pi (r - V)"
        ),
        tags=("P21", "monotone", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(many_arms.predicted_improvement,),
        predicted=lambda: [
            many_arms.predicted_improvement(softmax(logits), reward, step_size)
            for logits, reward, step_size in _INSTANCES
        ],
        experiment=lambda rng, size: improvement.measure_improvements(_INSTANCES),
        mutants=(
            Mutant(
                "a gradient with a baseline other than V",
                experiment=lambda rng, size: improvement.measure_improvements(
                    _INSTANCES, _gradient_with_wrong_baseline
                ),
            ),
        ),
        tolerance=1e-11,
        mutant_tolerance=1e-2,
        axis=Axis("random bandit"),
        **_EXACT,
    ),
    Claim(
        id="P21-worst",
        what="largest 1 - gain/(moved * range) found by search, step sizes to 1e5",
        statement="no exact step loses: 1 - (V' - V)/(total variation * reward range) <= 1",
        tags=("P21", "monotone", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(many_arms.predicted_largest_waste,),
        predicted=lambda: many_arms.predicted_largest_waste(),
        experiment=lambda rng, size: improvement.measure_largest_waste(rng, size),
        mutants=(
            Mutant(
                "the bound tightened to .95", lambda: 0.95 * many_arms.predicted_largest_waste()
            ),
            Mutant(
                "steps on a single sample, which lose on average for some bandits",
                experiment=lambda rng, size: improvement.measure_largest_waste(
                    rng, size, is_sampled=True
                ),
            ),
        ),
        statistic="bound",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        size={"quick": 60, "full": 1000},
    ),
    Claim(
        id="P22-anchor",
        what="updates until the best arm has more than 1/2, two starts",
        statement=(
            "7525 updates from (.01, .05, .94) and 35 from (.05, .01, .94): the policies number "
            "7526 and 36, counted from 1; eta = 2/5"
        ),
        tags=("P22", "plateau", "exact", "raw_reward"),
        source="setting of arXiv 2005.06392, figure 1, as the catalogue quotes it",
        theory=(many_arms.predicted_crossing,),
        predicted=lambda: [*_crossings(), *_COUNTED],
        experiment=lambda rng, size: Measurement.exact(
            np.tile(experiment.measure_crossings([_PLATEAU, _SHORT], _ANCHOR, 0.4).value, 2)
        ),
        mutants=(
            Mutant("step size 1/2", lambda: [*_crossings(0.5), *_COUNTED]),
            Mutant("the figures as numbers of updates", lambda: [*_crossings(), 7526, 36]),
        ),
        tolerance=1e-9,
        mutant_tolerance=0.9,
        axis=Axis("start, by recursion and by figure", ("long", "short", "7525", "35")),
        **_EXACT,
    ),
)
