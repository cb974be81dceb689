"""Claims on the way to a rare success when failures have reward -1 (P57)."""

import numpy as np
from scipy.special import logit

from banditlab.rules import get_rule
from theory.predict import signed_take_off, wrong_answer_noise
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import first_success as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; reward -1 as arXiv 2601.14599 tries it (read in digest)"
_TAGS = ("P57", "negative-reward")

_SIGNED = get_rule("negative_reward")
_RAW = get_rule("raw_reward")

_RARE = 1e-3
_STEP = 1.0
_ROLLOUTS = 900


def _no_success(step_size: float = _STEP) -> np.ndarray:
    return signed_take_off.predicted_no_success(logit(_RARE), _ROLLOUTS, step_size=step_size)


def _measure_no_success(rule=_SIGNED) -> Experiment:
    return lambda rng, size: experiment.measure_no_success(rule, _RARE, _ROLLOUTS, _STEP)


def _take_off() -> float:
    return _RARE * signed_take_off.predicted_signed_take_off_rollouts(logit(_RARE), _STEP)


_TWO = float(logit(0.01))
_WAIT = 200

_COUNTS = [50, 200]


def _decay(step_size: float = _STEP) -> np.ndarray:
    return wrong_answer_noise.predicted_rare_decay(_COUNTS, step_size)


_POWERS = (1, 2)


def _gaps() -> np.ndarray:
    return 2.0 * _STEP * np.array(_POWERS)


def _growths() -> np.ndarray:
    return np.array(
        [wrong_answer_noise.predicted_growth_of_wrong_odds(_STEP, power) for power in _POWERS]
    )


_VERY_RARE = 1e-4
_DISCOVERY_STEPS = (0.5, 1.0)


def _discoveries() -> np.ndarray:
    return np.array(
        [
            _VERY_RARE**2 * wrong_answer_noise.predicted_discovery_rollouts(_VERY_RARE, step_size)
            for step_size in _DISCOVERY_STEPS
        ]
    )


def _measure_discoveries(rule=_SIGNED) -> Experiment:
    return lambda rng, size: Measurement.exact(
        [
            experiment.measure_discovery(rule, logit(_VERY_RARE), step_size).value
            for step_size in _DISCOVERY_STEPS
        ]
    )


def _without_growth() -> np.ndarray:
    steps = np.array(_DISCOVERY_STEPS)
    return (np.expm1(steps) - steps) / 4.0


FIRST_SUCCESS_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P57-no-success",
        what="probability of no success in 1 to 900 rollouts, endless wrong arms, p0 = 1e-3",
        statement=(
            "prod (1 - p_k), z <- z + step p, about (1 - step p0 n)^(1/step): failures raise p, "
            "and there is a success within 1/(step p0) rollouts"
        ),
        tags=(*_TAGS, "take-off", "exact", "negative_reward"),
        source=_DERIVED,
        theory=(signed_take_off.predicted_no_success,),
        predicted=_no_success,
        experiment=_measure_no_success(),
        mutants=(
            Mutant("failures carry no information: (1 - p0)^n", lambda: _no_success(1e-12)),
            Mutant("the raw reward", experiment=_measure_no_success(_RAW)),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-2,
        axis=Axis("rollouts", at=np.arange(1, _ROLLOUTS + 1)),
        unit="probability",
    ),
    Claim(
        id="P57-take-off",
        what="p0 * rollouts to p = 1/2, endless wrong arms, reward 1 or -1",
        statement=(
            "mean 1/(step + 1 - e^-step) for p0 to 0, here at p0 = 1e-3 from its recursion; with "
            "the raw reward 1/(1 - e^-step)"
        ),
        tags=(*_TAGS, "take-off", "sampled", "negative_reward"),
        source=_DERIVED,
        theory=(signed_take_off.predicted_signed_take_off_rollouts,),
        predicted=_take_off,
        experiment=lambda rng, size: experiment.measure_take_off(
            rng, _SIGNED, success_prob=_RARE, step_size=_STEP, num_runs=size
        ),
        mutants=(
            Mutant("the raw reward", lambda: -1.0 / np.expm1(-_STEP)),
            Mutant(
                "twice as fast as the raw reward, whatever the step",
                lambda: -0.5 / np.expm1(-_STEP),
            ),
        ),
        statistic="z",
        size={"quick": 1_200, "full": 8_000},
        unit="p0 * rollouts",
    ),
    Claim(
        id="P57-growth",
        what="growth of the odds x of one of two wrong arms, E[x'^n - x^n]/x^(n - 1), n = 1, 2",
        statement=(
            "e^(2 n step) - 1 - 2 n step for large x: failures, whose mean gradient is 0, "
            "concentrate the policy on one wrong answer; step = 1"
        ),
        tags=(*_TAGS, "noise", "exact", "negative_reward"),
        source=f"{_DERIVED}; for reward +1 it is catalogue entry P30",
        theory=(wrong_answer_noise.predicted_growth_of_wrong_odds,),
        predicted=_growths,
        experiment=lambda rng, size: experiment.measure_growth_of_wrong_odds(
            _SIGNED, _STEP, _POWERS
        ),
        mutants=(
            Mutant(
                "reward +1 on both: 2 n step - 1 + e^(-2 n step)",
                lambda: (
                    2.0 * _STEP * np.array(_POWERS) + np.expm1(-2.0 * _STEP * np.array(_POWERS))
                ),
            ),
            Mutant("failures flatten the policy", lambda: -_growths()),
            Mutant("2 n^2 step^2, for small steps", lambda: 0.5 * _gaps() ** 2),
        ),
        statistic="difference",
        tolerance=1e-4,
        mutant_tolerance=1e-2,
        axis=Axis("power", at=_POWERS),
        unit="growth per rollout",
    ),
    Claim(
        id="P57-decay",
        what="mean p/p0 of a very rare arm after 50 and 200 failures on two wrong arms",
        statement=(
            "m_n(0), m_(n+1)(x) = E[m_n(x')], m_0 = 1/cosh(x/2), about sqrt(2 pi/n)/step: nothing "
            "teaches, and p falls; step = 1"
        ),
        tags=(*_TAGS, "noise", "sampled", "negative_reward"),
        source=_DERIVED,
        theory=(wrong_answer_noise.predicted_rare_decay,),
        predicted=_decay,
        experiment=lambda rng, size: experiment.measure_rare_decay(
            rng, _SIGNED, _COUNTS, step_size=_STEP, num_runs=size
        ),
        mutants=(
            Mutant("a tenth less noise", lambda: _decay(0.9)),
            Mutant("no change: the gradient of failures alone is 0", lambda: np.ones(2)),
            Mutant("1/n", lambda: _decay()[0] * _COUNTS[0] / np.array(_COUNTS)),
        ),
        statistic="z",
        size={"quick": 8_000, "full": 60_000},
        axis=Axis("rollouts", at=_COUNTS),
        unit="p over p0",
    ),
    Claim(
        id="P57-discovery",
        what="p0^2 * mean rollouts to the first success, two wrong arms, steps 0.5 and 1",
        statement=(
            "(e^step - 1 - step)/(4 (1 + 2 step)(1 + 3 step)) for p0 to 0, where the raw reward "
            "takes 1/p0 rollouts; p0 = 1e-4"
        ),
        tags=(*_TAGS, "noise", "exact", "negative_reward"),
        source=_DERIVED,
        theory=(wrong_answer_noise.predicted_discovery_rollouts,),
        predicted=_discoveries,
        experiment=_measure_discoveries(),
        mutants=(
            Mutant("the raw reward: p0", experiment=_measure_discoveries(_RAW)),
            Mutant("failures without their gift to the correct arm", _without_growth),
            Mutant(
                "step^2/8, for small steps",
                lambda: np.array(_DISCOVERY_STEPS) ** 2 / 8.0,
            ),
        ),
        statistic="difference",
        tolerance=3e-4,
        mutant_tolerance=5e-3,
        axis=Axis("step size", at=_DISCOVERY_STEPS),
        unit="p0^2 * rollouts",
    ),
    Claim(
        id="P57-waiting",
        what="probability of no success in 200 rollouts, two wrong arms, p0 = 0.01",
        statement=(
            "f_(n+1) = sum over both failures of probability * f_n(after); (1 - p0)^n = 0.134 with "
            "the raw reward; step = 1"
        ),
        tags=(*_TAGS, "noise", "sampled", "negative_reward"),
        source=_DERIVED,
        theory=(wrong_answer_noise.predicted_still_waiting,),
        predicted=lambda: wrong_answer_noise.predicted_still_waiting(_TWO, _WAIT, _STEP),
        experiment=lambda rng, size: experiment.measure_still_waiting(
            rng, _SIGNED, log_odds=_TWO, num_rollouts=_WAIT, step_size=_STEP, num_runs=size
        ),
        mutants=(
            Mutant("the raw reward", lambda: np.array(0.99**_WAIT)),
            Mutant(
                "endless wrong arms",
                lambda: signed_take_off.predicted_no_success(_TWO, _WAIT, step_size=_STEP)[-1],
            ),
        ),
        statistic="z",
        size={"quick": 6_000, "full": 60_000},
        unit="probability",
    ),
)
