"""Claims on dual ascent with an exact policy step in between (P39)."""

import numpy as np

from banditlab.dual import DualAscent
from theory.predict import dual_ascent
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import dual_ascent as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; constraint as in arXiv 2601.03320 and 2605.26784"
_TAGS = ("P39", "dual", "penalty", "exact", "variance_penalty_dual")
_EXACT = {"statistic": "difference", "mutant_tolerance": 1e-3}

# 0/1 rewards at pass rate .3, and six arms; a narrow bound and one at which arms die.
_BINARY = (np.array([1.0, 0.0]), np.array([0.3, 0.7]))
_SIX = (
    np.array([1.5, 0.9, 0.2, 1.2, -0.5, 0.6]),
    np.array([0.05, 0.30, 0.25, 0.10, 0.18, 0.12]),
)
_NARROW, _WIDE = 0.1, 1.5
# The products dual_step_size * bound are .12, .5, .8 and 1.5 times the resting multiplier.
_STEPS = np.array([0.12, 0.5, 0.8, 1.5]) * 0.7245 / _NARROW
_WIDE_STEPS = np.array([0.02, 0.1, 0.2])


def _factors(arms: tuple, bound: float, steps: np.ndarray, *, slope: float = 1.0) -> np.ndarray:
    resting = dual_ascent.predicted_fixed_multiplier(*arms, bound)
    factor = dual_ascent.predicted_dual_factor(*arms, bound, steps)
    return np.append(resting, 1.0 - slope * (1.0 - factor))


def _of_all_arms(arms: tuple, bound: float, steps: np.ndarray) -> np.ndarray:
    """As if no arm died."""
    advantage, prob = arms
    deviation = np.sqrt(prob @ (advantage - prob @ advantage) ** 2)
    resting = deviation / (2.0 * np.sqrt(bound))
    return np.append(resting, 1.0 - 2.0 * steps * bound / resting)


def _measure_factors(arms: tuple, dual: DualAscent, steps: np.ndarray) -> Experiment:
    return lambda rng, size: experiment.measure_dual_factors(
        experiment.exact_variance(*arms), dual, steps
    )


_CYCLE_BOUND = 0.1
_EXCESS = np.array([0.9, 1.05, 1.15])
_RESTING = 0.5 * np.sqrt(0.3 * 0.7 / _CYCLE_BOUND)
_CYCLE_STEPS = _EXCESS * _RESTING / _CYCLE_BOUND


def _cycles() -> np.ndarray:
    resting = dual_ascent.predicted_fixed_multiplier(*_BINARY, _CYCLE_BOUND)
    return np.array(
        [
            dual_ascent.predicted_multiplier_cycle(resting, _CYCLE_BOUND, float(step))
            for step in _CYCLE_STEPS
        ]
    )


def _measure_cycles(rng: np.random.Generator, size: int) -> Measurement:
    return experiment.measure_last_multipliers(
        experiment.exact_variance(*_BINARY),
        bound=_CYCLE_BOUND,
        initial=0.9,
        dual_step_sizes=_CYCLE_STEPS,
        num_steps=150,
    )


DUAL_ASCENT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P39-factor",
        what="resting multiplier and factors of a deviation, four dual steps, 0/1 rewards",
        statement=(
            "multiplier* = sd(A)/(2 sqrt(bound)); a deviation takes the factor 1 - 2 "
            "dual_step_size bound/multiplier*: stable iff dual_step_size bound < multiplier*"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(dual_ascent.predicted_fixed_multiplier, dual_ascent.predicted_dual_factor),
        predicted=lambda: _factors(_BINARY, _NARROW, _STEPS),
        experiment=_measure_factors(_BINARY, DualAscent(_NARROW, 3.0, 1.0), _STEPS),
        mutants=(
            Mutant(
                "1 - dual_step_size bound/multiplier*",
                lambda: _factors(_BINARY, _NARROW, _STEPS, slope=0.5),
            ),
            Mutant(
                "multiplier sd(A)/sqrt(bound)",
                lambda: _factors(_BINARY, _NARROW, _STEPS) * np.repeat([2.0, 1.0], [1, 4]),
            ),
        ),
        tolerance=1e-8,
        axis=Axis("quantity", at=["multiplier*", *(f"factor, {size:.2g}" for size in _STEPS)]),
        unit="multiplier in units of reward, and factors",
        **_EXACT,
    ),
    Claim(
        id="P39-dead-arms",
        what="resting multiplier and factors, six arms of which some die",
        statement=(
            "where arms of old probability 1 - mass die, multiplier* = sqrt(mass) sd(A)/(2 "
            "sqrt(bound - (1 - mass)/mass)), sd among the living, and the factor is 1 - 2 "
            "dual_step_size (bound - (1 - mass)/mass)/multiplier*"
        ),
        tags=_TAGS,
        source="derived in this project, beyond the catalogue",
        theory=(dual_ascent.predicted_fixed_multiplier, dual_ascent.predicted_dual_factor),
        predicted=lambda: _factors(_SIX, _WIDE, _WIDE_STEPS),
        experiment=_measure_factors(_SIX, DualAscent(_WIDE, 0.07, 0.3), _WIDE_STEPS),
        mutants=(
            Mutant("as if no arm died", lambda: _of_all_arms(_SIX, _WIDE, _WIDE_STEPS)),
            Mutant(
                "1 - 2 dual_step_size bound/multiplier*",
                lambda: np.append(
                    dual_ascent.predicted_fixed_multiplier(*_SIX, _WIDE),
                    1.0
                    - 2.0
                    * _WIDE_STEPS
                    * _WIDE
                    / dual_ascent.predicted_fixed_multiplier(*_SIX, _WIDE),
                ),
            ),
        ),
        tolerance=1e-7,
        axis=Axis("quantity", at=["multiplier*", *(f"factor, {size:.2g}" for size in _WIDE_STEPS)]),
        unit="multiplier in units of reward, and factors",
        **_EXACT,
    ),
    Claim(
        id="P39-cycle",
        what="last two multipliers of three ascents, one stable and two beyond",
        statement=(
            "for dual_step_size bound > multiplier* the ascent swings between 1/u and 1/v, u v (u "
            "+ v) = 2 multiplier*^-3 /excess and u^2 + v^2 = 2/multiplier*^2"
        ),
        tags=_TAGS,
        source="derived in this project, beyond the catalogue",
        theory=(
            dual_ascent.predicted_multiplier_cycle,
            dual_ascent.predicted_fixed_multiplier,
        ),
        predicted=_cycles,
        experiment=_measure_cycles,
        mutants=(
            Mutant("the resting multiplier still attracts", lambda: np.full((3, 2), _RESTING)),
            Mutant(
                "stable up to twice that step",
                lambda: np.array(
                    [
                        dual_ascent.predicted_multiplier_cycle(
                            float(_RESTING), _CYCLE_BOUND, float(step) / 2.0
                        )
                        for step in _CYCLE_STEPS
                    ]
                ),
            ),
        ),
        tolerance=1e-9,
        axis=Axis("dual_step_size * bound / multiplier*", at=np.repeat(_EXCESS, 2)),
        unit="multiplier, in units of reward",
        **_EXACT,
    ),
)
