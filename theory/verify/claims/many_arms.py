"""Claims on exact policy gradient over many arms (P11, P19 to P22)."""

import numpy as np
from scipy.special import softmax

from banditlab.expectation import expected_update
from banditlab.rules import get_rule
from theory.predict import class_concentration, many_arms
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import many_arms as experiment

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

_INSTANCES = experiment.random_instances(np.random.default_rng(21), 400)


def _late_shares() -> np.ndarray:
    return _LATE_TIME * many_arms.predicted_late_share(_LATE_TIME, 1.0 - _REWARD[1:], 4)


def _crossings(step_size: float = 0.4) -> list[int]:
    return [many_arms.predicted_crossing(start, _ANCHOR, step_size) for start in (_PLATEAU, _SHORT)]


def _gradient_with_wrong_baseline(logits: np.ndarray, reward: np.ndarray) -> np.ndarray:
    prob = softmax(logits)
    return experiment.exact_gradient(logits, reward) + 0.3 * prob


def _cross_ratio_claim(rule: str, group: int) -> Claim:
    start = softmax(_THREE_GOOD)[:3]

    def final_share_ratio(rng: np.random.Generator, size: int):
        logits = _THREE_GOOD
        for _ in range(600):
            change = expected_update(get_rule(rule), logits, _THREE_REWARD, group)
            # Divided by the policy: the natural gradient, under which shares keep their ratio.
            logits = logits + 0.01 * change / softmax(logits)
        inverse = np.exp(-logits[:3])
        return experiment.Measurement.exact(
            (inverse[0] - inverse[1]) / (inverse[0] - inverse[2]) + (logits[2] - logits[0])
        )

    return Claim(
        id=f"P20-{rule.replace('_', '-')}",
        what=f"cross-ratio of three equally good arms, {rule}",
        statement="(1/pi_a - 1/pi_b)/(1/pi_a - 1/pi_c) is constant along the exact flow",
        tags=("P20", "diversity", "exact", rule),
        source=_DERIVED,
        theory=(class_concentration.predicted_cross_ratio,),
        predicted=lambda: class_concentration.predicted_cross_ratio(start),
        experiment=lambda rng, size: experiment.measure_cross_ratio(
            rule, _THREE_GOOD, _THREE_REWARD, 12.0, size, group
        ),
        mutants=(
            Mutant("pi_a/pi_b constant", lambda: (start[0] - start[1]) / (start[0] - start[2])),
            Mutant("the natural gradient, under which shares stay", experiment=final_share_ratio),
        ),
        tolerance=1e-5,
        mutant_tolerance=1e-2,
        size={"quick": 100, "full": 1000},
        **_EXACT,
    )


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
        experiment=lambda rng, size: experiment.Measurement.exact(
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
        axis=Axis("reward of the wrong arm", _REWARD[1:][::-1]),
        **_EXACT,
    ),
    _cross_ratio_claim("raw_reward", 1),
    _cross_ratio_claim("grpo", 4),
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
        experiment=lambda rng, size: experiment.measure_improvements(_INSTANCES),
        mutants=(
            Mutant(
                "a gradient with a baseline other than V",
                experiment=lambda rng, size: experiment.measure_improvements(
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
        id="P22-anchor",
        what="updates until the best arm has more than 1/2, two starts",
        statement=(
            "the policies number 7526 from (.01, .05, .94) and 36 from (.05, .01, .94), counted "
            "from 1, are the first: after 7525 and 35 updates; eta = 2/5"
        ),
        tags=("P22", "plateau", "exact", "raw_reward"),
        source="setting of arXiv 2005.06392, figure 1, as the catalogue quotes it",
        theory=(many_arms.predicted_crossing,),
        predicted=_crossings,
        experiment=lambda rng, size: experiment.measure_crossings([_PLATEAU, _SHORT], _ANCHOR, 0.4),
        mutants=(Mutant("step size 1/2", lambda: _crossings(0.5)),),
        tolerance=0.5,
        mutant_tolerance=5.0,
        axis=Axis("start", ("(.01, .05, .94)", "(.05, .01, .94)")),
        **_EXACT,
    ),
)
