"""Claims on where rounds held to a reference lead: fixed points, swings, pass rate 1 (P47)."""

import numpy as np
from scipy.special import logit

from theory.predict import reference_rounds, reference_tilt
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import reference_tilt as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; the recursion as arXiv 2503.06639 states it (not read)"
_BEYOND = "derived in this project, beyond the catalogue"
_TAGS = ("P47", "reference", "exact", "grpo_k3_corrected")
_EXACT = {"statistic": "difference"}

_COEFFICIENT = 1.3
_REFERENCES = logit(np.array([0.02, 0.1, 0.27, 0.4]))


def _fixed_points() -> np.ndarray:
    found = []
    for reference in _REFERENCES:
        points = reference_rounds.predicted_fixed_log_odds(float(reference), _COEFFICIENT)
        factors = reference_rounds.predicted_round_factor(points, _COEFFICIENT)
        found.append([*points, *factors])
    return np.array(found)


def _measure_fixed_points(rng: np.random.Generator, size: int) -> Measurement:
    return experiment.measure_fixed_points(_REFERENCES, _COEFFICIENT, 2.157, 9.0)


_COEFFICIENTS = np.array([0.2, 1.0, 3.0])


def _highest() -> list[float]:
    return [reference_rounds.predicted_highest_reference(float(price)) for price in _COEFFICIENTS]


# At -2/coefficient the fixed point is pass rate 1/2, where the bound is filled.
_BOUNDED = np.array([-4.5, -3.0, -2.0 / _COEFFICIENT, -1.0, -0.5])


def _measure_failure_odds(rng: np.random.Generator, size: int) -> Measurement:
    points = experiment.measure_fixed_points(_BOUNDED, _COEFFICIENT, 2.157, 9.0)
    return Measurement.exact(np.exp(-points.value.reshape(-1, 4)[:, 0]))


_SWINGING = np.array([-4.95, -5.1])


def _swings() -> np.ndarray:
    return np.array(
        [
            reference_rounds.predicted_swing(float(reference), _COEFFICIENT)
            for reference in _SWINGING
        ]
    )


def _fixed_twice() -> np.ndarray:
    return np.array(
        [
            2 * [reference_rounds.predicted_fixed_log_odds(float(reference), _COEFFICIENT)[0]]
            for reference in _SWINGING
        ]
    )


REFERENCE_ROUNDS_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P47-fixed-points",
        what="both fixed points and their factors, four base pass rates, coefficient 1.3",
        statement=(
            "without smoothing z = z_ref + (2/coefficient) cosh(z/2) has two solutions; a small "
            "deviation takes the factor sinh(z/2)/coefficient per round: the upper one repels"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(
            reference_rounds.predicted_fixed_log_odds,
            reference_rounds.predicted_round_factor,
        ),
        predicted=_fixed_points,
        experiment=_measure_fixed_points,
        mutants=(
            Mutant("both attract", lambda: np.minimum(_fixed_points(), [9.0, 9.0, 1.0, 1.0])),
            Mutant(
                "z_ref + 2/coefficient for the lower one",
                lambda: (
                    _fixed_points()
                    + np.outer(
                        _REFERENCES + 2.0 / _COEFFICIENT - _fixed_points()[:, 0], np.eye(4)[0]
                    )
                ),
            ),
        ),
        tolerance=1e-8,
        mutant_tolerance=1e-2,
        axis=Axis("lower and upper point, and factors, by base pass rate (numbered)"),
        unit="log-odds in nats, and factors",
        **_EXACT,
    ),
    Claim(
        id="P47-floor",
        what="odds of failure at the fixed point, five base pass rates, coefficient 1.3",
        statement="log-odds at the fixed point are at least z_ref + 2/coefficient",
        tags=_TAGS,
        source=_DERIVED,
        theory=(reference_rounds.predicted_largest_failure_odds,),
        predicted=lambda: reference_rounds.predicted_largest_failure_odds(_BOUNDED, _COEFFICIENT),
        experiment=_measure_failure_odds,
        mutants=(
            Mutant(
                "z_ref + 2.1/coefficient",
                lambda: reference_rounds.predicted_largest_failure_odds(
                    _BOUNDED + 0.1 / _COEFFICIENT, _COEFFICIENT
                ),
            ),
        ),
        statistic="bound",
        tolerance=1e-11,
        mutant_tolerance=1e-2,
        axis=Axis("log-odds of the base policy", at=_BOUNDED),
        unit="odds of failure",
    ),
    Claim(
        id="P47-runaway",
        what="base log-odds above which no round rests, three coefficients",
        statement=(
            "fixed points exist only below z_ref = 2 arcsinh(c) - 2 sqrt(1 + 1/c^2), c the "
            "coefficient; above, every run goes to pass rate 1"
        ),
        tags=_TAGS,
        source=_BEYOND,
        theory=(reference_rounds.predicted_highest_reference,),
        predicted=_highest,
        experiment=lambda rng, size: experiment.measure_highest_reference(_COEFFICIENTS),
        mutants=(
            Mutant("-2/c, where the fixed point is 1/2", lambda: -2.0 / _COEFFICIENTS),
            Mutant(
                "the lower limit, of swings",
                lambda: [
                    reference_rounds.predicted_lowest_reference(float(price))
                    for price in _COEFFICIENTS
                ],
            ),
        ),
        tolerance=1e-10,
        mutant_tolerance=1e-2,
        axis=Axis("coefficient", at=_COEFFICIENTS, is_log=True),
        unit="log-odds of the base policy, nats",
        **_EXACT,
    ),
    Claim(
        id="P47-swing",
        what="log-odds after the last two of 120 rounds from base pass rates below 0.9 %",
        statement=(
            "below z_ref = -2 arcsinh(c) - 2 sqrt(1 + 1/c^2) rounds swing between two pass rates: "
            "rare successes get a huge advantage, and the next round a small one"
        ),
        tags=_TAGS,
        source=_BEYOND,
        theory=(reference_rounds.predicted_swing,),
        predicted=_swings,
        experiment=lambda rng, size: experiment.measure_last_rounds(_SWINGING, _COEFFICIENT, 120),
        mutants=(
            Mutant("the fixed point attracts", _fixed_twice),
            Mutant(
                "the swing of the base policy and its first round",
                lambda: np.stack(
                    [
                        _SWINGING,
                        reference_tilt.predicted_tilted_log_odds(
                            _SWINGING, _SWINGING, coefficient=_COEFFICIENT
                        ),
                    ],
                    axis=1,
                ),
            ),
        ),
        tolerance=1e-9,
        mutant_tolerance=1e-2,
        axis=Axis("log-odds of the base policy", at=np.repeat(_SWINGING, 2)),
        unit="log-odds of success, nats",
        **_EXACT,
    ),
)
