"""A ratio-variance penalty whose pull is bounded: it cannot throw a sample down (P40).

The penalised weight ratio (A - 2 multiplier (ratio - 1)) grows as the square of a large ratio, so
that one step too far is answered by a fall that is exponential in it. Divided by ratio^2 above
ratio 1, that is min(ratio, 1/ratio) (A - 2 multiplier (ratio - 1)), it vanishes at the same ratio*
= 1 + A/(2 multiplier), and is REINFORCE's at ratio 1, but is 2 multiplier (ratio*/ratio - 1) above
1: never below -2 multiplier. What is bounded is the overshoot. Many samples that move together may
still swing about ratio*: near ratio 1 the slope is the old one.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require_positive
from theory.predict.stability import predicted_fixed_ratio

_STEP_REMEDY = "At 0 nothing moves"
_MULTIPLIER_REMEDY = "Without a penalty nothing pulls back"


def predicted_largest_weight(advantage: ArrayLike, multiplier: float) -> np.ndarray:
    """Largest size of the bounded weight at any ratio: max(|A|, 2 multiplier).

    No sample thus pulls more than REINFORCE lets it for an advantage of that size, whatever its
    ratio has become.

    Assumes:
        Nothing; elementwise.

    Derivation:
        Above ratio 1 the weight runs monotonically from A to -2 multiplier. Below, it is ratio (A
        + 2 multiplier - 2 multiplier ratio), a parabola between 0 at ratio 0 and A at ratio 1,
        whose top (A + 2 multiplier)^2/(8 multiplier), at a ratio below 1 for |A| < 2 multiplier,
        is less than 2 multiplier there.

    Args:
        advantage: advantage of each sample, in units of reward, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The bound, in units of reward, shape [*].

    Raises:
        ValueError: the multiplier is not above 0.

    References:
        Derived here.
    """
    require_positive("predicted_largest_weight", "multiplier", multiplier, _MULTIPLIER_REMEDY)
    return np.maximum(np.abs(np.asarray(advantage, dtype=np.float64)), 2.0 * multiplier)


def predicted_bounded_contraction(
    step: float, advantage: ArrayLike, multiplier: float
) -> np.ndarray:
    """Factor of the deviation from ratio* per inner step: 1 - 2 multiplier step min(ratio*, 1)^2.

    Stable for every advantage up to multiplier * step = 1, where the penalty itself is stable up to
    multiplier * step * ratio*^2 = 1.

    Assumes:
        One isolated sample whose log-probability moves by step * weight, and a small deviation.

    Derivation:
        The slope of the weight in log ratio at ratio* is -2 multiplier ratio* min(ratio*,
        1/ratio*).

    Args:
        step: shift of the log-probability per unit of weight, nats.
        advantage: advantage of each sample, in units of reward, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The factor, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    require_positive("predicted_bounded_contraction", "step", step, _STEP_REMEDY)
    slope = np.minimum(predicted_fixed_ratio(advantage, multiplier), 1.0) ** 2
    return 1.0 - 2.0 * multiplier * step * slope


def predicted_bounded_second_log_ratio(step: float, advantage: float, multiplier: float) -> float:
    """Log-ratio after two inner epochs: step A + 2 multiplier step (ratio* e^(-step A) - 1).

    Assumes:
        One isolated sample of positive advantage.

    Derivation:
        The first step is REINFORCE's, to log ratio step A; the weight there is 2 multiplier
        (ratio*/ratio - 1).

    Args:
        step: shift of the log-probability per unit of weight, nats.
        advantage: advantage of the sample, above 0, in units of reward.
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The log-ratio, nats; falls linearly in the step, where the penalty's falls as e^(2 step A).

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_bounded_second_log_ratio"
    _require_rising(function, step, advantage)
    fixed = float(predicted_fixed_ratio(advantage, multiplier))
    first = step * advantage
    return first + 2.0 * multiplier * step * (fixed * float(np.exp(-first)) - 1.0)


def predicted_deepest_bounded_fall(step: float, advantage: float, multiplier: float) -> float:
    """Largest old over new probability of a sample of positive advantage, in any inner epoch.

    max(1, e^(c - 1)/(ratio* c)) with c = 2 multiplier step, and 1 where c <= 1.

    Assumes:
        One isolated sample, sampled by the policy that the epochs start from.

    Derivation:
        Below ratio* the weight is positive and the sample rises. Above, let v = log(ratio/ratio*):
        an epoch leads to v + c (e^-v - 1), which is at least min(0, 1 + log c - c), at v = log c.

    Args:
        step: shift of the log-probability per unit of weight, nats.
        advantage: advantage of the sample, above 0, in units of reward.
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The bound, at least 1, where the sample begins.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; above ratio 1 the map of ratio*/ratio is Ricker's, x exp(c (1 - x)).

    Examples:
        >>> [round(predicted_deepest_bounded_fall(step, 1.0, 0.5), 3) for step in (1.0, 2.0, 4.0)]
        [1.0, 1.0, 2.511]
    """
    _require_rising("predicted_deepest_bounded_fall", step, advantage)
    fixed = float(predicted_fixed_ratio(advantage, multiplier))
    pull = 2.0 * multiplier * step
    return 1.0 if pull <= 1.0 else max(1.0, float(np.exp(pull - 1.0)) / (fixed * pull))


def _require_rising(function: str, step: float, advantage: float) -> None:
    require_positive(function, "step", step, _STEP_REMEDY)
    require_positive(function, "advantage", advantage, "This is about samples that are to rise")
