"""Dual ascent on the multiplier of the ratio variance, with an exact policy step in between (P39).

multiplier <- max(0, multiplier + dual_step_size (variance(multiplier) - bound)), where variance is
that of the penalised optimum: sd(A)^2/(4 multiplier^2) as long as every arm lives. Arms that died
at a small multiplier (`theory.predict.penalty_optimum`) add a variance that no multiplier changes,
so they move the fixed point and calm the ascent.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from theory.predict.conditions import require, require_positive

_BOUND_REMEDY = "It is the ratio variance allowed; 0.01 is usual"
_STEP_REMEDY = "At 0 the multiplier never adapts"


def _survivors(
    function: str, advantage: ArrayLike, prob: ArrayLike, bound: float
) -> tuple[float, float]:
    """Probability of the arms alive at the fixed point, and variance of A among them."""
    advantage, prob = (np.asarray(value, dtype=np.float64) for value in (advantage, prob))
    require(
        prob.ndim == 1 and prob.shape == advantage.shape,
        function,
        "prob",
        f"of the shape of `advantage`, {advantage.shape}, with one axis",
        prob.shape,
        "Give one probability per arm",
    )
    require(
        bool((prob > 0.0).all()) and abs(float(prob.sum()) - 1.0) < 1e-9,
        function,
        "prob",
        "positive and of sum 1",
        f"sum {prob.sum():g}, smallest {prob.min():g}",
        "Leave out arms of probability 0",
    )
    require_positive(function, "bound", bound, _BOUND_REMEDY)
    best = float(prob[advantage == advantage.max()].sum())
    largest = (1.0 - best) / best
    require(
        bound < largest,
        function,
        "bound",
        f"below {largest:g}, the ratio variance of a policy that takes the best arm only",
        bound,
        "A wider bound never binds, and the multiplier goes to 0",
    )
    order = np.argsort(-advantage)
    advantage, prob = advantage[order], prob[order]
    for num_alive in range(len(prob), 0, -1):
        alive = prob[:num_alive] / prob[:num_alive].sum()
        mass = float(prob[:num_alive].sum())
        centred = advantage[:num_alive] - alive @ advantage[:num_alive]
        variance = float(alive @ centred**2)
        # The worst of them dies at multiplier -mass * centred/2; by then the variance is this.
        largest = (1.0 - mass) / mass + variance / (mass * float(centred[-1]) ** 2)
        if bound <= largest:
            return mass, variance
    raise AssertionError("the bound lies below the largest variance")


def predicted_fixed_multiplier(advantage: ArrayLike, prob: ArrayLike, bound: float) -> float:
    """Multiplier at which dual ascent rests: sqrt(mass) sd(A)/(2 sqrt(bound - (1 - mass)/mass)).

    mass is the old probability of the arms alive there, and sd(A) is taken among them; where all
    live it is sd(A)/(2 sqrt(bound)).

    Assumes:
        The policy step is exact and over all arms; bound below (1 - best)/best, the ratio
        variance of a policy that takes the best arms only.

    Derivation:
        Arms alive have ratio 1/mass + (A - mean A)/(2 multiplier), dead ones 0: E_old[(ratio -
        1)^2] = (1 - mass)/mass + mass var(A)/(4 multiplier^2). Equate with the bound. As the
        multiplier falls arms die from the worst on, and the variance only ever rises.

    Args:
        advantage: advantage of each arm, in units of reward, shape [K].
        prob: old probability of each arm, shape [K].
        bound: largest E_old[(ratio - 1)^2].

    Returns:
        The multiplier, in units of reward.

    Raises:
        ValueError: an argument is out of range, or the bound never binds.

    References:
        Derived here; constraint as in arXiv 2601.03320 (abstract read).

    Examples:
        >>> predicted_fixed_multiplier([1.0, 0.0], [0.5, 0.5], 0.04)
        1.25
    """
    mass, variance = _survivors("predicted_fixed_multiplier", advantage, prob, bound)
    return float(np.sqrt(mass * variance / (bound - (1.0 - mass) / mass))) / 2.0


def predicted_dual_factor(
    advantage: ArrayLike, prob: ArrayLike, bound: float, dual_step_size: ArrayLike
) -> np.ndarray:
    """Factor of the multiplier's deviation per dual step.

    1 - 2 dual_step_size (bound - (1 - mass)/mass)/multiplier*; with every arm alive
    1 - 2 dual_step_size bound/multiplier*.

    Assumes:
        As `predicted_fixed_multiplier`, and a small deviation. Monotone approach while the factor
        is positive, stable above -1.

    Derivation:
        The variance of the exact step has the slope -2 (variance - (1 - mass)/mass)/multiplier,
        since only the part of the arms alive depends on the multiplier, as its inverse square.

    Args:
        advantage: advantage of each arm, in units of reward, shape [K].
        prob: old probability of each arm, shape [K].
        bound: largest E_old[(ratio - 1)^2].
        dual_step_size: step of the dual ascent, in units of reward, shape [*].

    Returns:
        The factor, shape [*].

    Raises:
        ValueError: an argument is out of range, or the bound never binds.

    References:
        Derived here.
    """
    function = "predicted_dual_factor"
    mass, _ = _survivors(function, advantage, prob, bound)
    dual_step_size = np.asarray(dual_step_size, dtype=np.float64)
    require(
        bool((dual_step_size > 0.0).all()),
        function,
        "dual_step_size",
        "above 0",
        dual_step_size.tolist(),
        _STEP_REMEDY,
    )
    fixed = predicted_fixed_multiplier(advantage, prob, bound)
    return 1.0 - 2.0 * dual_step_size * (bound - (1.0 - mass) / mass) / fixed


def predicted_multiplier_cycle(
    fixed_multiplier: float, bound: float, dual_step_size: float
) -> tuple[float, float]:
    """Two multipliers that dual ascent ends up between, the lower one first; equal where stable.

    The inverses u > v of the two have u + v = S and u v = 2 multiplier*^-3 /(excess S), where
    excess = dual_step_size bound/multiplier* and S > 0 solves S^3 - 2 S/multiplier*^2 = 4/(excess
    multiplier*^3).

    Assumes:
        Every arm lives at both multipliers; excess below about 1.2, where the cycle attracts.

    Derivation:
        The variance is bound multiplier*^2/multiplier^2. Both dual steps add up to 0: u^2 + v^2 =
        2/multiplier*^2; each is the difference of the multipliers: 1/v - 1/u = excess multiplier*^3
        (u^2 - v^2)/2. Real u and v exist for excess >= 1: stability is lost softly.

    Args:
        fixed_multiplier: where the ascent would rest, multiplier*, in units of reward.
        bound: largest E_old[(ratio - 1)^2].
        dual_step_size: step of the dual ascent, in units of reward.

    Returns:
        The lower and the higher multiplier.

    Raises:
        ValueError: an argument is out of range, or the cycle does not attract.

    References:
        Derived here.
    """
    function = "predicted_multiplier_cycle"
    require_positive(function, "fixed_multiplier", fixed_multiplier, "Take the predicted one")
    require_positive(function, "bound", bound, _BOUND_REMEDY)
    require_positive(function, "dual_step_size", dual_step_size, _STEP_REMEDY)
    excess = dual_step_size * bound / fixed_multiplier
    if excess <= 1.0:
        return fixed_multiplier, fixed_multiplier
    require(
        excess < 1.2,
        function,
        "dual_step_size",
        "such that dual_step_size * bound / multiplier* is below 1.2",
        f"{excess:g}",
        "Further out the multiplier takes more than two values, or 0",
    )
    # In units of the fixed multiplier.
    total = brentq(lambda s: s**3 - 2.0 * s - 4.0 / excess, 1.0, 3.0, xtol=1e-15, rtol=1e-14)
    spread = np.sqrt(total**2 - 8.0 / (excess * total))
    return (
        float(2.0 * fixed_multiplier / (total + spread)),
        float(2.0 * fixed_multiplier / (total - spread)),
    )
