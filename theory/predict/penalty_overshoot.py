"""What the penalised inner loop does beyond its stability: a cycle, then a fall and a return (P40).

An isolated sample of positive advantage has one number, the ratio, and one map per inner epoch:
log ratio += step ratio (A - 2 multiplier (ratio - 1)). `theory.predict.stability` says when its
fixed point attracts; here is what comes after. With the excess multiplier step ratio*^2 above 1
the ratio swings between two values; further out it swings so high that the penalty, which grows as
its square, throws it down to almost 0. There the weight is almost 0 as well: the arm climbs back,
but that takes as many epochs as the ratio is small.
"""

import numpy as np
from scipy.optimize import brentq

from theory.predict.conditions import require, require_positive
from theory.predict.stability import predicted_fixed_ratio

LARGEST_CYCLE_EXCESS = 1.25
"""Just beyond it (1.2517) the cycle of two values itself gives way to one of four."""


def _require_map(function: str, step: float, advantage: float, multiplier: float) -> None:
    require_positive(function, "step", step, "At 0 nothing moves")
    require_positive(function, "advantage", advantage, "This is about samples that are to rise")
    require_positive(function, "multiplier", multiplier, "Without a penalty nothing overshoots")


def predicted_ratio_cycle(step: float, advantage: float, multiplier: float) -> tuple[float, float]:
    """Two ratios between which an unstable sample swings, the lower one first.

    ratio* cosh(s/2) exp(-+s/2)/cosh(s), where s cosh(s)^2 = excess sinh(s), excess = multiplier
    step ratio*^2 and ratio* = 1 + advantage/(2 multiplier).

    Assumes:
        One isolated sample, excess between 1 and 1.25, where the cycle attracts.

    Derivation:
        Let the ratios be y and y e^s. Both moves of the log-ratio add up to 0, which gives y +
        y e^s = (y^2 + y^2 e^(2 s))/ratio*, and each is s in size, which gives the equation of s. A
        solution other than 0 exists for excess > 1: the loss of stability is a soft one.

    Args:
        step: shift of the log-probability per unit of weight, nats.
        advantage: advantage of the sample, above 0, in units of reward.
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The lower and the higher ratio.

    Raises:
        ValueError: an argument is out of range, or the cycle does not attract.

    References:
        Derived here.

    Examples:
        >>> [round(ratio, 4) for ratio in predicted_ratio_cycle(0.35, 1.0, 2.0)]
        [1.0174, 1.417]
    """
    function = "predicted_ratio_cycle"
    _require_map(function, step, advantage, multiplier)
    fixed = float(predicted_fixed_ratio(advantage, multiplier))
    excess = multiplier * step * fixed**2
    require(
        1.0 < excess < LARGEST_CYCLE_EXCESS,
        function,
        "step",
        f"such that multiplier * step * ratio*^2 is between 1 and {LARGEST_CYCLE_EXCESS}",
        f"an excess of {excess:g}",
        "Below 1 the ratio settles; above, it swings between more than two values",
    )

    def imbalance(swing: float) -> float:
        return swing * np.cosh(swing) ** 2 / np.sinh(swing) - excess

    swing = brentq(imbalance, 1e-9, 3.0, xtol=1e-15, rtol=1e-14)
    centre = fixed * np.cosh(swing / 2.0) / np.cosh(swing)
    return float(centre * np.exp(-swing / 2.0)), float(centre * np.exp(swing / 2.0))


def predicted_second_log_ratio(step: float, advantage: float, multiplier: float) -> float:
    """Log-ratio after two inner epochs, the first of which knows no penalty.

    step A + step e^(step A) (A - 2 multiplier (e^(step A) - 1)).

    Assumes:
        One isolated sample.

    Derivation:
        At ratio 1 the penalty's gradient is 0, so the first step leads to step A whatever the
        multiplier; the second one meets the penalty there.

    Args:
        step: shift of the log-probability per unit of weight, nats.
        advantage: advantage of the sample, above 0, in units of reward.
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The log-ratio, nats; about -2 multiplier step e^(2 step A) for large steps.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    _require_map("predicted_second_log_ratio", step, advantage, multiplier)
    first = float(np.exp(step * advantage))
    return step * advantage + step * first * (advantage - 2.0 * multiplier * (first - 1.0))


def predicted_return_epochs(
    log_ratio: float, *, step: float, advantage: float, multiplier: float
) -> float:
    """Inner epochs in which a ratio that was thrown down comes back to 1.

    (1/ratio - 1 + c log(1/ratio))/(step force) with force = advantage + 2 multiplier and c = (2
    multiplier + step force^2/2)/force.

    Assumes:
        One isolated sample; a ratio far below 1, so that the count is large. Correct to a few
        epochs, those near ratio 1.

    Derivation:
        Each epoch lowers 1/ratio by step force - ratio (2 multiplier step + step^2 force^2/2) +
        O(ratio^2); add up the second term along ratio = 1/(1/ratio_0 - step force n).

    Args:
        log_ratio: log of the low ratio, nats.
        step: shift of the log-probability per unit of weight, nats.
        advantage: advantage of the sample, above 0, in units of reward.
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The number of epochs.

    Raises:
        ValueError: an argument is out of range, or the ratio is not low.

    References:
        Derived here.
    """
    function = "predicted_return_epochs"
    _require_map(function, step, advantage, multiplier)
    require(
        -700.0 < log_ratio < -2.0,
        function,
        "log_ratio",
        "between -700 and -2, the regime of a ratio that was thrown down",
        log_ratio,
        "Take that of predicted_second_log_ratio",
    )
    force = advantage + 2.0 * multiplier
    second = (2.0 * multiplier + step * force**2 / 2.0) / force
    return float(np.expm1(-log_ratio) - second * log_ratio) / (step * force)


def predicted_deepest_clipped_fall() -> float:
    """Largest old over new probability of a sample of positive advantage under the clip: 1.

    Assumes:
        One isolated sample; any step size, clip width and number of inner epochs. Samples that
        share probability can push each other down, but the clip lets one that has fallen rise.

    Derivation:
        The weight is ratio A or 0, never below 0, so the log-ratio never falls.

    Returns:
        The bound, which the sample fills where it begins.

    References:
        Derived here.
    """
    return 1.0
