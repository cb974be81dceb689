"""Claims on the penalised inner loop beyond its stability, and on the clip's (P40)."""

from collections.abc import Callable

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from theory.predict import penalty_overshoot
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import penalty_overshoot as experiment

_DERIVED = "derived in this project, beyond the catalogue"
_TAGS = ("P40", "stability", "inner-epochs", "exact", "variance_penalty")

_MULTIPLIER, _FIXED = 2.0, 1.25
_PENALTY = get_rule("variance_penalty", multiplier=_MULTIPLIER)
_HALF = get_rule("variance_penalty", multiplier=_MULTIPLIER / 2.0)
_OF_UNIT = {"advantage": 1.0, "multiplier": _MULTIPLIER}

_EXCESS = np.array([1.04, 1.1, 1.18])
_CYCLING = _EXCESS / (_MULTIPLIER * _FIXED**2)
_THROWN = np.array([0.5, 0.7, 0.85, 1.0, 1.3])
_RETURNING = np.array([0.8, 0.85])


def _cycles() -> np.ndarray:
    return np.array(
        [penalty_overshoot.predicted_ratio_cycle(float(step), **_OF_UNIT) for step in _CYCLING]
    )


def _small_swing_cycles() -> np.ndarray:
    """To first order in the swing: s^2 = 6 (excess - 1)/(6 - excess)."""
    swing = np.sqrt(6.0 * (_EXCESS - 1.0) / (6.0 - _EXCESS))
    return _FIXED * np.stack([1.0 - swing / 2.0, 1.0 + swing / 2.0], axis=1)


def _second() -> np.ndarray:
    return np.array(
        [penalty_overshoot.predicted_second_log_ratio(float(step), **_OF_UNIT) for step in _THROWN]
    )


def _return_epochs() -> np.ndarray:
    return np.array(
        [
            penalty_overshoot.predicted_return_epochs(
                penalty_overshoot.predicted_second_log_ratio(float(step), **_OF_UNIT),
                step=float(step),
                **_OF_UNIT,
            )
            for step in _RETURNING
        ]
    )


def _measure(
    function: Callable[..., object], rule: UpdateRule, steps: np.ndarray, *how: int
) -> Experiment:
    return lambda rng, size: function(rule, steps, *how)


def _measure_falls(name: str) -> Experiment:
    return lambda rng, size: experiment.measure_deepest_falls(rng, get_rule(name), size, 12)


PENALTY_OVERSHOOT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P40-cycle",
        what="last two ratios of a lone success, three step sizes beyond stability",
        statement=(
            "beyond multiplier step ratio*^2 = 1 the ratio ends up between ratio* cosh(s/2) "
            "exp(-+s/2)/cosh(s), s cosh(s)^2 = multiplier step ratio*^2 sinh(s)"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(penalty_overshoot.predicted_ratio_cycle,),
        predicted=_cycles,
        experiment=_measure(experiment.measure_cycles, _PENALTY, _CYCLING, 600),
        mutants=(
            Mutant("the fixed ratio still attracts", lambda: np.full((3, 2), _FIXED)),
            Mutant("a symmetric swing of the small-swing size", _small_swing_cycles),
            Mutant(
                "multiplier in place of 2 multiplier",
                experiment=_measure(experiment.measure_cycles, _HALF, _CYCLING, 600),
            ),
        ),
        statistic="difference",
        tolerance=1e-9,
        mutant_tolerance=1e-3,
        axis=Axis("multiplier * step * ratio*^2", at=np.repeat(_EXCESS, 2)),
        unit="ratio",
    ),
    Claim(
        id="P40-thrown",
        what="log-ratio of a lone success after two inner epochs, five step sizes",
        statement=(
            "the second epoch throws the arm to log ratio = step A + step e^(step A) (A - 2 "
            "multiplier (e^(step A) - 1))"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(penalty_overshoot.predicted_second_log_ratio,),
        predicted=_second,
        experiment=_measure(experiment.measure_second_log_ratios, _PENALTY, _THROWN),
        mutants=(
            Mutant(
                "multiplier in place of 2 multiplier",
                experiment=_measure(experiment.measure_second_log_ratios, _HALF, _THROWN),
            ),
            Mutant(
                "the weight without its outer ratio",
                lambda: _THROWN * (2.0 - 2.0 * _MULTIPLIER * np.expm1(_THROWN)),
            ),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-1,
        axis=Axis("step size", at=_THROWN),
        unit="log-ratio, nats",
    ),
    Claim(
        id="P40-dead",
        what="inner epochs until a success that was thrown down comes back, at most 2000",
        statement="an arm that overshoots far enough is killed: its ratio goes to 0 and stays",
        tags=_TAGS,
        source="catalogue entry P40",
        theory=(penalty_overshoot.predicted_return_epochs,),
        predicted=lambda: np.full(len(_RETURNING), 2000.0),
        experiment=_measure(experiment.measure_return_epochs, _PENALTY, _RETURNING, 2000),
        mutants=(Mutant("it comes back within 10 epochs", lambda: np.full(len(_RETURNING), 10.0)),),
        statistic="difference",
        tolerance=3.0,
        mutant_tolerance=50.0,
        expected_verdict="rejected",
        evidence=(
            "The weight of a thrown-down sample is positive, ratio (A + 2 multiplier), so it comes "
            "back after (1/ratio)/(step (A + 2 multiplier)) epochs (P40-return), to overshoot "
            "again. Only beyond about e^-30, at steps a little larger, is it dead in practice."
        ),
        axis=Axis("step size", at=_RETURNING),
        unit="inner epochs",
    ),
    Claim(
        id="P40-return",
        what="inner epochs until a success that was thrown down comes back, two step sizes",
        statement=(
            "epochs = (1/ratio - 1 + c log(1/ratio))/(step force), force = A + 2 multiplier, c = "
            "(2 multiplier + step force^2/2)/force"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(
            penalty_overshoot.predicted_return_epochs,
            penalty_overshoot.predicted_second_log_ratio,
        ),
        predicted=_return_epochs,
        experiment=_measure(experiment.measure_return_epochs, _PENALTY, _RETURNING, 2000),
        mutants=(
            Mutant("it stays dead", lambda: np.full(len(_RETURNING), 2000.0)),
            Mutant(
                "pulled by A alone, without the penalty's 2 multiplier",
                lambda: _return_epochs() * (1.0 + 2.0 * _MULTIPLIER),
            ),
        ),
        statistic="difference",
        tolerance=3.0,
        mutant_tolerance=50.0,
        axis=Axis("step size", at=_RETURNING),
        unit="inner epochs",
    ),
    Claim(
        id="P40-clip",
        what="deepest fall of a lone success under the clip, step sizes from 0.01 to 100",
        statement="under the clip no step size makes a lone sample of positive advantage fall",
        tags=("P40", "stability", "inner-epochs", "exact", "clip"),
        source="catalogue entry P40; derived in this project",
        theory=(penalty_overshoot.predicted_deepest_clipped_fall,),
        predicted=lambda: penalty_overshoot.predicted_deepest_clipped_fall(),
        experiment=_measure_falls("clip"),
        mutants=(
            Mutant("the penalty in its place", experiment=_measure_falls("variance_penalty")),
            Mutant("it must rise by a tenth", lambda: 0.9),
        ),
        statistic="bound",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        size={"quick": 60, "full": 2000},
        unit="old over new probability",
    ),
)
