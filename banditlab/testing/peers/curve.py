"""Measure a score weight as a function of the ratio, as a black box.

A weight is a function of (ratio, sign of the advantage, old_log_prob) -> weight of one sample.
What is reported are numbers that it gave, never a hyperparameter that was read.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

WeightAt = Callable[[float, float, float], float]
RATIOS = (0.5, 0.9, 1.1, 1.5, 4.0)
OLD_LOG_PROB = -1.5
"""log-probability of the sample under the old policy, nats; at ratio 4 it is below 0 still."""
_FAR_LOG_PROB = -7.0
_SCAN = np.linspace(-6.0, 6.0, 241) + 0.0123
"""Log-ratios of the scan for kinks; off the usual kinks, so that none is hit by chance."""


def _bisect(is_left: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(48):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if is_left(middle) else (low, middle)
    return 0.5 * (low + high)


def silent_ranges(weight_at: WeightAt, sign: float) -> list[list[float | None]]:
    """Ranges of the ratio in which the weight is exactly 0, found by a scan and bisection.

    Args:
        weight_at: the weight.
        sign: of the advantage.

    Returns:
        [low, high] for each, in ratios; None where it goes on to the end of the scan, a ratio
        of e^-6 or e^6.
    """

    def is_silent(log_ratio: float) -> bool:
        return weight_at(math.exp(log_ratio), sign, _FAR_LOG_PROB) == 0.0

    silent = [is_silent(log_ratio) for log_ratio in _SCAN]
    ranges: list[list[float | None]] = [[None, None]] if silent[0] else []
    for index in range(len(_SCAN) - 1):
        if silent[index] == silent[index + 1]:
            continue
        left = silent[index]
        edge = math.exp(
            _bisect(lambda x, left=left: is_silent(x) == left, _SCAN[index], _SCAN[index + 1])
        )
        if left:
            ranges[-1][1] = edge
        else:
            ranges.append([edge, None])
    return ranges


def _growth(weight_at: WeightAt, sign: float) -> str:
    """What becomes of the weight as the ratio grows."""
    first, second = (weight_at(ratio, sign, _FAR_LOG_PROB) for ratio in (100.0, 200.0))
    if first == second == 0.0:
        return "0"
    if math.isclose(first, second, rel_tol=1e-9):
        return f"constant {first:.6g}"
    if math.isclose(second, 2.0 * first, rel_tol=1e-6):
        return "ratio"
    return "vanishes" if abs(second) < abs(first) < 1.0 else f"other: {first:.4g}, {second:.4g}"


def measure_curve(weight_at: WeightAt) -> dict[str, Any]:
    """Measure the weight at the usual ratios, its kinks and its growth.

    Args:
        weight_at: the weight.

    Returns:
        `on_policy_scale` (weight / advantage at ratio 1), `weight_plus` and `weight_minus` (at
        `RATIOS`, for advantage +1 and -1), `silent_plus` and `silent_minus`, `growth_plus` and
        `growth_minus`, and `is_of_ratio_alone` (the same with both log-probabilities shifted).
    """
    shifted = (-2.5, -4.0, -6.5)
    # Off the round numbers, at which a kink may fall on either side by rounding.
    is_of_ratio_alone = all(
        math.isclose(
            weight_at(ratio, sign, OLD_LOG_PROB), weight_at(ratio, sign, old), rel_tol=1e-9
        )
        for ratio in (1.017 * ratio for ratio in RATIOS)
        for sign in (1.0, -1.0)
        for old in shifted
    )
    measured: dict[str, Any] = {
        "on_policy_scale": weight_at(1.0, 1.0, OLD_LOG_PROB),
        "is_of_ratio_alone": is_of_ratio_alone,
    }
    for name, sign in (("plus", 1.0), ("minus", -1.0)):
        # A sum with 0 turns -0.0 into 0.
        measured[f"weight_{name}"] = [
            weight_at(ratio, sign, OLD_LOG_PROB) + 0.0 for ratio in RATIOS
        ]
        measured[f"silent_{name}"] = silent_ranges(weight_at, sign)
        measured[f"growth_{name}"] = _growth(weight_at, sign)
    return measured
