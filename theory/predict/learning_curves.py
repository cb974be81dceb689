"""Closed forms of the learning curve of one prompt with correct and wrong arms (P15).

The exact flow moves the log-odds z of success by dz/dt = kernel * gap * class gradient, where t is
step_size * updates and the kernel says how much a step on one arm moves the log-odds: in a tabular
softmax 1/num_correct + 1/num_wrong, so 2 for two arms and near 1 for one correct arm among many
wrong ones. Mixing these two cases up is a factor of 2.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import as_log_odds, as_time, require, require_positive

_MOST_NEWTON_STEPS = 100


def tabular_kernel(num_correct: float, num_wrong: float) -> float:
    """Kernel of the tabular softmax: 1/num_correct + 1/num_wrong.

    Assumes:
        Arms of a class are equally likely.

    Derivation:
        A gradient on a class of n equal arms gives each of them 1/n of it, and the log-odds of
        the classes move by the sum of both sides.

    Args:
        num_correct: arms with the higher reward; infinity allowed.
        num_wrong: arms with the lower reward; infinity allowed.

    Returns:
        The kernel, nats per unit of class gradient.

    Raises:
        ValueError: a count is below 1.
    """
    for name, count in (("num_correct", num_correct), ("num_wrong", num_wrong)):
        require(count >= 1, "tabular_kernel", name, "at least 1", count, "Count arms")
    return 1.0 / num_correct + 1.0 / num_wrong


def _solve_sum_with_sinh(total: np.ndarray) -> np.ndarray:
    """Solve z + sinh(z) = total: convex above 0 and odd, so Newton from above is monotone."""
    size = np.abs(total)
    log_odds = np.arcsinh(size)
    for _ in range(_MOST_NEWTON_STEPS):
        change = (log_odds + np.sinh(log_odds) - size) / (1.0 + np.cosh(log_odds))
        log_odds = log_odds - change
        if (np.abs(change) <= 1e-15 * (1.0 + log_odds)).all():
            break
    return np.copysign(log_odds, total)


def predicted_raw_log_odds(
    log_odds: ArrayLike, time: ArrayLike, *, kernel: float, reward_gap: float = 1.0
) -> np.ndarray:
    """Log-odds of success under the exact policy-gradient flow.

    z + sinh(z) = z0 + sinh(z0) + kernel * reward_gap * time / 2.

    Assumes:
        Two classes of equally likely arms, expected gradient of raw_reward or leave_one_out (for
        group_mean multiply the time by (G - 1)/G), step size to 0 at fixed time.

    Derivation:
        dz/dt = kernel gap p (1 - p) = kernel gap / (2 + 2 cosh z); separate and integrate. So
        p = 1/2 after about 1/(kernel gap p0), and 1 - p is about 1/(kernel gap t) late.

    Args:
        log_odds: initial log-odds, nats, shape [*].
        time: step_size * updates, broadcast against `log_odds`.
        kernel: nats per unit of class gradient; `tabular_kernel` for a tabular softmax.
        reward_gap: reward of correct less that of wrong arms.

    Returns:
        Log-odds at that time, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_raw_log_odds"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    time = as_time(function, "time", time)
    require_positive(function, "kernel", kernel, "0 would mean that nothing is learned")
    require_positive(function, "reward_gap", reward_gap, "Swap the classes")
    return _solve_sum_with_sinh(log_odds + np.sinh(log_odds) + kernel * reward_gap * time / 2.0)


def predicted_standardized_log_odds(
    log_odds: ArrayLike, time: ArrayLike, *, kernel: float
) -> np.ndarray:
    """Log-odds of success under GRPO with an infinite group.

    sinh(z/2) = sinh(z0/2) + kernel * time / 4.

    Assumes:
        As `predicted_raw_log_odds`, with advantage (r - p)/sqrt(p (1 - p)). A finite group leaves
        this curve once 1 - p or p is of order 1/G: see `predicted_pass_rates`.

    Derivation:
        dz/dt = kernel sqrt(p (1 - p)) = kernel / (2 cosh(z/2)); separate and integrate. So p = 1/2
        after about 2/(kernel sqrt(p0)), and 1 - p is about 4/(kernel t)^2 late.

    Args:
        log_odds: initial log-odds, nats, shape [*].
        time: step_size * updates, broadcast against `log_odds`.
        kernel: nats per unit of class gradient.

    Returns:
        Log-odds at that time, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_standardized_log_odds"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    time = as_time(function, "time", time)
    require_positive(function, "kernel", kernel, "0 would mean that nothing is learned")
    return 2.0 * np.arcsinh(np.sinh(log_odds / 2.0) + kernel * time / 4.0)


def predicted_natural_log_odds(
    log_odds: ArrayLike, time: ArrayLike, *, reward_gap: float = 1.0
) -> np.ndarray:
    """Log-odds of success under the natural policy gradient (softmax mirror descent).

    z = z0 + reward_gap * time.

    Assumes:
        Exact advantages; any number of arms in the classes and any step size, since the step
        moves each logit by step_size * advantage.

    Derivation:
        The logits of the two classes move apart by step_size * reward_gap each update.

    Args:
        log_odds: initial log-odds, nats, shape [*].
        time: step_size * updates, broadcast against `log_odds`.
        reward_gap: reward of correct less that of wrong arms.

    Returns:
        Log-odds at that time, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_natural_log_odds"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require_positive(function, "reward_gap", reward_gap, "Swap the classes")
    return log_odds + reward_gap * as_time(function, "time", time)


def predicted_raw_time(
    log_odds: ArrayLike, target_log_odds: ArrayLike, *, kernel: float, reward_gap: float = 1.0
) -> np.ndarray:
    """Time at which the exact policy-gradient flow reaches given log-odds.

    time = 2 (z + sinh(z) - z0 - sinh(z0)) / (kernel * reward_gap).

    Assumes:
        As `predicted_raw_log_odds`, of which this is the inverse.

    Derivation:
        Solve the closed form of `predicted_raw_log_odds` for the time.

    Args:
        log_odds: initial log-odds, nats, shape [*].
        target_log_odds: log-odds to be reached, not below the initial ones, nats.
        kernel: nats per unit of class gradient.
        reward_gap: reward of correct less that of wrong arms.

    Returns:
        step_size * updates.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_raw_time"
    start = as_log_odds(function, "log_odds", log_odds)
    end = as_log_odds(function, "target_log_odds", target_log_odds)
    require(
        bool((end >= start).all()),
        function,
        "target_log_odds",
        "at least the initial log-odds",
        end.tolist(),
        "The exact flow only ever raises the pass rate",
    )
    require_positive(function, "kernel", kernel, "0 would mean that nothing is learned")
    require_positive(function, "reward_gap", reward_gap, "Swap the classes")
    distance = end - start + np.sinh(end) - np.sinh(start)
    return 2.0 * distance / (kernel * reward_gap)
