"""The dual variable of the ratio-variance constraint, moved by dual ascent.

Shapes: * any leading shape, e.g. [R], one multiplier per run. Any array API backend.
"""

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from banditlab.validation import require, require_equal_shapes, require_finite_number

Array = Any


@dataclass(frozen=True)
class DualAscent:
    """Settings of dual ascent on a multiplier.

    Attributes:
        bound: largest ratio variance allowed, E_old[(ratio - 1)^2] <= bound, above 0.
        dual_step_size: step of the ascent, in units of reward, above 0.
        initial: multiplier at the start, in units of reward, at least 0.
    """

    bound: float
    dual_step_size: float
    initial: float

    def __post_init__(self) -> None:
        _require_settings("DualAscent", self.bound, self.dual_step_size)
        require_finite_number(
            "DualAscent",
            "initial",
            self.initial,
            low=0.0,
            remedy="A negative price would reward divergence; 0 begins without a penalty",
        )


def _require_settings(function: str, bound: float, dual_step_size: float) -> None:
    for name, value, remedy in (
        ("bound", bound, "It is the ratio variance allowed; 0.01 is a cautious step"),
        ("dual_step_size", dual_step_size, "Stable below multiplier / bound; try 1"),
    ):
        require_finite_number(function, name, value, low=0.0, is_low_open=True, remedy=remedy)


def multiplier_step(
    multiplier: Array, ratio_variance: Array, *, bound: float, dual_step_size: float
) -> Array:
    """Dual step: max(0, multiplier + dual_step_size * (ratio_variance - bound)).

    The ratio variance is that after the round's last inner step; before the first one it is 0 on
    fresh samples, whatever the policy then does. With an exact policy step in between, the fixed
    point is sd(advantage) / (2 sqrt(bound)), and it is stable if and only if dual_step_size *
    bound is less than it (theory P39).

    Args:
        multiplier: price of one unit of ratio variance, in units of reward, shape [*].
        ratio_variance: mean of (ratio - 1)^2 over the samples, shape [*].
        bound: largest ratio variance allowed.
        dual_step_size: step of the ascent, in units of reward.

    Returns:
        The next multiplier, shape [*].

    Raises:
        ValueError: the shapes differ, an entry is negative or not finite, or a setting is out of
            range.

    Examples:
        >>> import numpy as np
        >>> multiplier_step(np.array([0.5, 0.5]), np.array([0.2, 0.0]), bound=0.1, dual_step_size=1)
        array([0.6, 0.4])
    """
    require_equal_shapes("multiplier_step", multiplier=multiplier, ratio_variance=ratio_variance)
    _require_settings("multiplier_step", bound, dual_step_size)
    xp = array_namespace(multiplier, ratio_variance)
    for name, value in (("multiplier", multiplier), ("ratio_variance", ratio_variance)):
        require(
            bool(xp.all(xp.isfinite(value) & (value >= 0.0))),
            "multiplier_step",
            name,
            "finite and at least 0 throughout",
            "an array with other entries",
            "A policy that ran away gives infinite ratios; lower its step size",
        )
    moved = multiplier + dual_step_size * (ratio_variance - bound)
    return xp.where(moved > 0.0, moved, xp.zeros_like(moved))
