"""Experiments on banditlab's dual ascent with an exact policy step in between (P39).

Shapes: K arms, S settings.
"""

from collections.abc import Callable

import numpy as np

from banditlab.dual import DualAscent, multiplier_step
from banditlab.rules import get_rule
from theory.verify.experiments.penalty_optimum import ascended_ratio
from theory.verify.measurement import Measurement

_MOST_DUAL_STEPS = 400
_RELATIVE_SHIFT = 2e-4

VarianceAt = Callable[[float], float]


def exact_variance(advantage: np.ndarray, prob: np.ndarray) -> VarianceAt:
    """Ratio variance of the penalised optimum over all arms, as a function of the multiplier.

    Args:
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, shape [K].

    Returns:
        The function.
    """

    def variance_at(multiplier: float) -> float:
        rule = get_rule("variance_penalty", multiplier=multiplier)
        ratio = ascended_ratio(rule, advantage, prob, prob)
        return float(prob @ (ratio - 1.0) ** 2)

    return variance_at


def moved_multiplier(variance_at: VarianceAt, dual: DualAscent, multiplier: float) -> float:
    """Multiplier after an exact policy step and a dual step.

    Args:
        variance_at: ratio variance as a function of the multiplier.
        dual: settings of the ascent.
        multiplier: multiplier before.

    Returns:
        The next multiplier.
    """
    moved = multiplier_step(
        np.array([multiplier]),
        np.array([variance_at(multiplier)]),
        bound=dual.bound,
        dual_step_size=dual.dual_step_size,
    )
    return float(moved[0])


def resting_multiplier(variance_at: VarianceAt, dual: DualAscent) -> float:
    """Multiplier at which a stable ascent ends.

    Args:
        variance_at: ratio variance as a function of the multiplier.
        dual: settings of the ascent.

    Returns:
        The multiplier.

    Raises:
        FloatingPointError: the ascent did not settle.
    """
    multiplier = dual.initial
    for _ in range(_MOST_DUAL_STEPS):
        before, multiplier = multiplier, moved_multiplier(variance_at, dual, multiplier)
        if abs(multiplier - before) < 1e-14 * multiplier:
            return multiplier
    raise FloatingPointError(
        f"resting_multiplier: {dual} did not settle in {_MOST_DUAL_STEPS} steps. Lower the step."
    )


def measure_dual_factors(
    variance_at: VarianceAt, dual: DualAscent, dual_step_sizes: np.ndarray
) -> Measurement:
    """Resting multiplier of a stable ascent, and the factor of a small deviation from it.

    The factor is that of one dual step from either side of the resting multiplier, extrapolated
    to no deviation.

    Args:
        variance_at: ratio variance as a function of the multiplier.
        dual: settings of a stable ascent.
        dual_step_sizes: steps of which the factor is measured, stable or not, shape [S].

    Returns:
        The multiplier and the factors, shape [1 + S].
    """
    resting = resting_multiplier(variance_at, dual)

    def factor(dual_step_size: float, shift: float) -> float:
        other = DualAscent(dual.bound, dual_step_size, dual.initial)
        above, below = (
            moved_multiplier(variance_at, other, resting + sign * shift) for sign in (1.0, -1.0)
        )
        return (above - below) / (2.0 * shift)

    shift = _RELATIVE_SHIFT * resting
    return Measurement.exact(
        [
            resting,
            *(
                (4.0 * factor(float(size), shift / 2.0) - factor(float(size), shift)) / 3.0
                for size in dual_step_sizes
            ),
        ]
    )


def measure_last_multipliers(
    variance_at: VarianceAt,
    *,
    bound: float,
    initial: float,
    dual_step_sizes: np.ndarray,
    num_steps: int,
) -> Measurement:
    """Last two multipliers of an ascent, the lower one first.

    Args:
        variance_at: ratio variance as a function of the multiplier.
        bound: largest ratio variance.
        initial: multiplier at the start.
        dual_step_sizes: steps of the ascents, shape [S].
        num_steps: dual steps.

    Returns:
        Multipliers, shape [S, 2].
    """
    found = []
    for dual_step_size in dual_step_sizes:
        dual = DualAscent(bound, float(dual_step_size), initial)
        path = [initial]
        for _ in range(num_steps):
            path.append(moved_multiplier(variance_at, dual, path[-1]))
        found.append(sorted(path[-2:]))
    return Measurement.exact(found)
