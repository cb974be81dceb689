"""The doubly exponential start of a population trust region (P18).

From a pass rate far below the bound, each exact step takes the square root: it halves the
logarithm. Only the population gradient can do so; a sampler never sees the arm (P26).
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_positive


def predicted_early_log_prob(log_prob: float, updates: ArrayLike, bound: float) -> np.ndarray:
    """Log pass rate after n steps: (1 - 2^-n) log(bound) + 2^-n log_prob.

    Assumes:
        Exact steps with 0/1 rewards, E_old[(ratio - 1)^2] = bound, and a pass rate still far below
        the bound: the error of log p is about sqrt(p/bound).

    Derivation:
        p' = p + sqrt(bound p (1 - p)) is sqrt(bound p) (1 + O(sqrt(p/bound))), so log(p'/bound) =
        log(p/bound)/2.

    Args:
        log_prob: log of the initial pass rate, nats.
        updates: numbers of steps n, shape [S].
        bound: largest E_old[(ratio - 1)^2].

    Returns:
        Log pass rates, nats, shape [S].

    Raises:
        ValueError: an argument is out of range, or the start is not below the bound.

    References:
        Derived here.

    Examples:
        >>> start = -100.0 * np.log(10.0)
        >>> (predicted_early_log_prob(start, [1, 2, 3], 0.01) / np.log(10.0)).round(2).tolist()
        [-51.0, -26.5, -14.25]
    """
    function = "predicted_early_log_prob"
    require_positive(function, "bound", bound, "It is the largest variance of the ratio")
    require(
        log_prob < np.log(bound),
        function,
        "log_prob",
        f"below log(bound) = {np.log(bound):g}, the regime of the start",
        log_prob,
        "From there on `predicted_flow_log_odds` applies",
    )
    share = 0.5 ** np.asarray(updates, dtype=np.float64)
    return (1.0 - share) * np.log(bound) + share * log_prob
