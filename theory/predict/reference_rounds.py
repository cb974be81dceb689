"""Where rounds held to a reference lead: two fixed points, a swing, or pass rate 1 (P47).

Without smoothing the round of `theory.predict.reference_tilt` is z <- z_ref + (2/coefficient)
cosh(z/2): convex in z, so it has two fixed points, or none. The upper one always repels. The lower
one attracts only while the reference is neither too good (then there is none) nor too bad (then
rounds swing about it): the rarer a success the larger its advantage, without end.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from theory.predict.conditions import as_log_odds, require
from theory.predict.reference_tilt import require_settings


def predicted_fixed_log_odds(ref_log_odds: float, coefficient: float) -> tuple[float, float]:
    """Fixed points of the round without smoothing: z = z_ref + (2/coefficient) cosh(z/2).

    The upper one repels: from above it the pass rate goes to 1.

    Assumes:
        Such points exist: z_ref below `predicted_highest_reference`. Then both lie above z_ref +
        2/coefficient.

    Derivation:
        cosh(z/2) >= 1, and cosh is convex: the excess of the right side over z has one minimum,
        where sinh(z/2) = coefficient, with a root on either side of it if it is negative.

    Args:
        ref_log_odds: log-odds of the reference, nats.
        coefficient: price of one nat, in units of advantage.

    Returns:
        Log-odds of the lower and the upper fixed point, nats.

    Raises:
        ValueError: an argument is out of range, or there is no fixed point.

    References:
        Derived here; the lower one is that of arXiv 2503.06639 (as the catalogue cites it).

    Examples:
        >>> from scipy.special import expit
        >>> lower, upper = predicted_fixed_log_odds(float(np.log(0.27 / 0.73)), 1.3)
        >>> [round(float(expit(z)), 4) for z in (lower, upper)]
        [0.6497, 0.969]
    """
    function = "predicted_fixed_log_odds"
    highest = predicted_highest_reference(coefficient)
    require(
        ref_log_odds < highest,
        function,
        "ref_log_odds",
        f"below {highest:g}, the regime in which there is a fixed point",
        ref_log_odds,
        "Above it every run goes to pass rate 1",
    )

    def excess(z: float) -> float:
        return ref_log_odds + 2.0 * np.cosh(z / 2.0) / coefficient - z

    turn = 2.0 * float(np.arcsinh(coefficient))
    far = turn + 1.0
    while excess(far) < 0.0:
        far += 1.0
    lowest = ref_log_odds + 2.0 / coefficient
    tolerance = {"xtol": 1e-14, "rtol": 1e-14}
    lower = lowest if excess(lowest) == 0.0 else brentq(excess, lowest, turn, **tolerance)
    return float(lower), float(brentq(excess, turn, far, **tolerance))


def predicted_largest_failure_odds(ref_log_odds: ArrayLike, coefficient: float) -> np.ndarray:
    """Bound on the odds of failure at any fixed point: exp(-z_ref - 2/coefficient).

    Assumes:
        Rounds without smoothing; filled where the fixed point is pass rate 1/2.

    Derivation:
        z = z_ref + (2/coefficient) cosh(z/2) and cosh >= 1: sqrt(p (1 - p)) is at most 1/2.

    Args:
        ref_log_odds: log-odds of the reference, nats, shape [*].
        coefficient: price of one nat, in units of advantage.

    Returns:
        Odds (1 - p)/p, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_largest_failure_odds"
    require_settings(function, coefficient)
    return np.exp(-as_log_odds(function, "ref_log_odds", ref_log_odds) - 2.0 / coefficient)


def predicted_round_factor(log_odds: ArrayLike, coefficient: float) -> np.ndarray:
    """Factor of a small deviation of the log-odds per round: sinh(z/2)/coefficient.

    A fixed point attracts where it lies between -1 and 1.

    Assumes:
        A round without smoothing, at its fixed point.

    Derivation:
        The derivative of z_ref + (2/coefficient) cosh(z/2).

    Args:
        log_odds: log-odds of the fixed point, nats, shape [*].
        coefficient: price of one nat, in units of advantage.

    Returns:
        The factor, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_round_factor"
    require_settings(function, coefficient)
    return np.sinh(as_log_odds(function, "log_odds", log_odds) / 2.0) / coefficient


def predicted_highest_reference(coefficient: float) -> float:
    """Log-odds of the reference above which no round rests: 2 arcsinh(c) - 2 sqrt(1 + 1/c^2).

    c is the coefficient. For a small one this is about 2 c - 2/c.

    Assumes:
        Rounds without smoothing, from any start.

    Derivation:
        At the minimum of the excess, sinh(z/2) = c, it is z_ref + (2/c) sqrt(1 + c^2) - 2
        arcsinh(c); above 0 each round raises z by at least that.

    Args:
        coefficient: price of one nat, in units of advantage.

    Returns:
        Log-odds, nats.

    Raises:
        ValueError: the coefficient is not above 0.

    References:
        Derived here.
    """
    require_settings("predicted_highest_reference", coefficient)
    return 2.0 * float(np.arcsinh(coefficient) - np.sqrt(1.0 + coefficient**-2))


def predicted_lowest_reference(coefficient: float) -> float:
    """Log-odds of the reference below which rounds swing: -2 arcsinh(c) - 2 sqrt(1 + 1/c^2).

    Assumes:
        Rounds without smoothing.

    Derivation:
        There the factor at the lower fixed point is -1, sinh(z/2) = -c. A rare success has a huge
        advantage, and the round that follows it a small one.

    Args:
        coefficient: price of one nat, in units of advantage.

    Returns:
        Log-odds, nats.

    Raises:
        ValueError: the coefficient is not above 0.

    References:
        Derived here.
    """
    require_settings("predicted_lowest_reference", coefficient)
    return -2.0 * float(np.arcsinh(coefficient) + np.sqrt(1.0 + coefficient**-2))


def predicted_swing(ref_log_odds: float, coefficient: float) -> tuple[float, float]:
    """Two log-odds between which rounds swing, the lower one first.

    Assumes:
        Rounds without smoothing, z_ref below `predicted_lowest_reference`; the swing attracts
        where the product of its two factors lies between -1 and 1. A run that begins at the
        reference reaches it only if its first round ends below the upper fixed point, so for (2/c)
        cosh(z_ref/2) < -2 z_ref; a still rarer success sends it on to pass rate 1.

    Derivation:
        A root of two rounds in a row that is none of one; it lies between z_ref + 2/coefficient,
        the lowest value of a round, and the fixed point.

    Args:
        ref_log_odds: log-odds of the reference, nats.
        coefficient: price of one nat, in units of advantage.

    Returns:
        The lower and the higher log-odds, nats.

    Raises:
        ValueError: an argument is out of range, or no swing attracts.

    References:
        Derived here.
    """
    function = "predicted_swing"
    lowest = predicted_lowest_reference(coefficient)
    require(
        ref_log_odds < lowest,
        function,
        "ref_log_odds",
        f"below {lowest:g}, the regime of swings",
        ref_log_odds,
        "Above it the rounds settle; take predicted_fixed_log_odds",
    )

    def after_round(z: float) -> float:
        return ref_log_odds + 2.0 * np.cosh(z / 2.0) / coefficient

    fixed, _ = predicted_fixed_log_odds(ref_log_odds, coefficient)
    low = ref_log_odds + 2.0 / coefficient
    # Just below the fixed point two rounds in a row lead away from it.
    near = fixed - 1e-3 * (fixed - low)
    found = float(brentq(lambda z: after_round(after_round(z)) - z, low, near, xtol=1e-14))
    factor = float(np.prod(predicted_round_factor([found, after_round(found)], coefficient)))
    require(
        abs(factor) < 1.0,
        function,
        "ref_log_odds",
        "such that the swing attracts",
        f"a factor of {factor:g} per two rounds",
        "Further out the rounds wander, or run to pass rate 1",
    )
    return found, float(after_round(found))
