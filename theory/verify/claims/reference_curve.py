"""Claims on learning with a reference term in the loss: its end, its delay, its curve (P53)."""

import numpy as np
from scipy.special import expit, logit

from banditlab.rules import get_rule
from theory.predict import learning_curves, reference_curve
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import reference_term as experiment
from theory.verify.measurement import Measurement

_SOURCE = (
    "derived in this project; coefficient 0.001 and k3 in the loss as in the released code of "
    "arXiv 2601.22532 (in digest)"
)
_EXACT = {"statistic": "difference", "tolerance": 1e-10, "mutant_tolerance": 1e-2}
_USUAL = 0.001
_START = float(logit(0.05))

_FINALS = (
    ("k3", 0.001, 1),
    ("k3", 0.01, 1),
    ("k3", 0.1, 1),
    ("k3", 0.001, 8),
    ("k3", 0.01, 8),
    ("k2", 0.1, 1),
    ("k2", 0.3, 8),
)


def _finals() -> np.ndarray:
    return np.array(
        [
            reference_curve.predicted_final_log_odds(
                estimator, _START, coefficient=coefficient, group_size=group
            )
            for estimator, coefficient, group in _FINALS
        ]
    )


def _finals_of_raw_reward() -> np.ndarray:
    return np.array(
        [
            reference_curve.predicted_final_log_odds(estimator, _START, coefficient=coefficient)
            for estimator, coefficient, _ in _FINALS
        ]
    )


def _measure_finals(rng: np.random.Generator, size: int) -> Measurement:
    return Measurement.exact(
        [
            experiment.measure_final_log_odds(
                experiment.rule_with(estimator, coefficient), _START, group, width=20.0
            )
            for estimator, coefficient, group in _FINALS
        ]
    )


_RATES = np.array([0.1, 0.3, 0.5, 0.9, 0.99, 0.998])


def _times(coefficient: float = _USUAL) -> np.ndarray:
    return reference_curve.predicted_k3_time(
        logit(_RATES), _START, coefficient=coefficient, kernel=experiment.KERNEL
    )


def _times_without() -> np.ndarray:
    return learning_curves.predicted_raw_time(_START, logit(_RATES), kernel=experiment.KERNEL)


def _delay_bounds() -> np.ndarray:
    return reference_curve.predicted_delay_bound(logit(_RATES), coefficient=_USUAL)


def _measure_delays(estimator: str) -> Experiment:
    def measure(rng: np.random.Generator, size: int) -> Measurement:
        times = [
            experiment.measure_times(rule, logit(_RATES), _START)
            for rule in (experiment.rule_with(estimator, _USUAL), get_rule("raw_reward"))
        ]
        return Measurement.exact(times[0] / times[1])

    return measure


_CURVE_TIMES = np.linspace(20.0, 200.0, 10)
_CURVE_PRICE = 0.1


def _curve(coefficient: float = _CURVE_PRICE) -> np.ndarray:
    return reference_curve.predicted_k3_log_odds(
        _CURVE_TIMES, _START, coefficient=coefficient, kernel=experiment.KERNEL
    )


def _measure_curve(estimator: str) -> Experiment:
    return lambda rng, size: experiment.measure_curve(
        experiment.rule_with(estimator, _CURVE_PRICE), _START, _CURVE_TIMES, 20
    )


def _pass_rate_end(factor: float) -> np.ndarray:
    rate = factor * expit(-_finals())
    return np.log1p(-rate) - np.log(rate)


REFERENCE_CURVE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P53-end",
        what="log-odds at which the term stops learning, from p0 = 0.05",
        statement=(
            "k3: q = coefficient q_ref, nearly, so 0.001 ends at p = 0.99905; GRPO: S(p) = "
            "coefficient (p - p_ref); k2: z = z_ref + 1/coefficient, 1000 nats away at 0.001"
        ),
        tags=("P53", "reference", "exact", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_curve.predicted_final_log_odds,),
        predicted=_finals,
        experiment=_measure_finals,
        mutants=(
            Mutant("GRPO as raw reward", _finals_of_raw_reward),
            Mutant(
                "k3 like k2, z_ref + 1/coefficient",
                lambda: np.array([_START + 1.0 / coefficient for _, coefficient, _ in _FINALS]),
            ),
            Mutant("1 - p twice as large", lambda: _pass_rate_end(2.0)),
        ),
        axis=Axis(
            "estimator, coefficient, group size", at=[f"{e} {c:g} {g}" for e, c, g in _FINALS]
        ),
        unit="final log-odds (nats)",
        **_EXACT,
    ),
    Claim(
        id="P53-delay",
        what="time to p with k3 at 0.001 over time without it, raw reward, from p0 = 0.05",
        statement=(
            "closed form by partial fractions of 1/(p q (p q - coefficient (p - p_ref))): 1.0007 "
            "at p = 1/2, 1.0022 at 0.9, 1.040 at 0.99, 1.33 at 0.998"
        ),
        tags=("P53", "reference", "learning-curve", "exact", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_curve.predicted_k3_time,),
        predicted=lambda: _times() / _times_without(),
        experiment=_measure_delays("k3"),
        mutants=(
            Mutant("no delay", lambda: np.ones(len(_RATES))),
            Mutant("a coefficient of 0.0011", lambda: _times(0.0011) / _times_without()),
            Mutant("k2 for k3", experiment=_measure_delays("k2")),
        ),
        axis=Axis("1/(1 - pass rate)", at=1.0 / (1.0 - _RATES), is_log=True),
        unit="time with the term over time without",
        **_EXACT,
    ),
    Claim(
        id="P53-delay-bound",
        what="time to p with k3 at 0.001 over time without it, raw reward",
        statement="time with the term over time without it <= 1/(1 - coefficient/(1 - p))",
        tags=("P53", "reference", "bound", "exact", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_curve.predicted_delay_bound,),
        predicted=_delay_bounds,
        experiment=_measure_delays("k3"),
        mutants=(
            Mutant(
                "a fifth of the excess over 1",
                lambda: 1.0 + 0.2 * (_delay_bounds() - 1.0),
            ),
            Mutant("no delay at all", lambda: np.ones(len(_RATES))),
        ),
        statistic="bound",
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=Axis("1/(1 - pass rate)", at=1.0 / (1.0 - _RATES), is_log=True),
        unit="time with the term over time without",
    ),
    Claim(
        id="P53-curve",
        what="log-odds along the learning curve with k3 at 0.1, raw reward, from p0 = 0.05",
        statement="the inverse of P53-delay's time: it levels off near 1 - p = coefficient q_ref",
        tags=("P53", "reference", "learning-curve", "exact", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_curve.predicted_k3_log_odds,),
        predicted=_curve,
        experiment=_measure_curve("k3"),
        mutants=(
            Mutant(
                "without the term",
                lambda: learning_curves.predicted_raw_log_odds(
                    _START, _CURVE_TIMES, kernel=experiment.KERNEL
                ),
            ),
            Mutant("half the coefficient", lambda: _curve(0.5 * _CURVE_PRICE)),
            Mutant("k2 for k3", experiment=_measure_curve("k2")),
        ),
        axis=Axis("time, step_size * updates", at=_CURVE_TIMES),
        unit="log-odds (nats)",
        **_EXACT | {"tolerance": 1e-4},
    ),
)
