"""Noise of the gradient over a reward history: rounds that share rewards, against whole groups.

The gradients of successive rounds are negatively correlated through the rewards that they share.
Over many rounds their sum is less noisy than that of as many rollouts in whole groups: replayed
rewards give the same expected step per round as a group of H, from one rollout instead of H, and
no more noise per rollout.
"""

import numpy as np
from scipy.special import expit

from theory.predict.conditions import as_log_odds, require
from theory.predict.extra_rollouts import predicted_trained_moments
from theory.predict.reward_history import advantages_by_others, binomial, require_history


def predicted_autocovariance(
    log_odds: float, lag: int, *, history: int, ddof: int = 1, eps: float = 1e-6
) -> float:
    """Covariance of the class gradients of two rounds, a lag apart, at a resting policy.

    A sum over the successes among the rewards that only the first round remembers (lag of them),
    that both do (H - 1 - lag, besides the first round's own), and that only the second does
    (lag - 1), and over the two rounds' own rewards. 0 from lag H on.

    Assumes:
        As `predicted_history_gradient`, all at one pass rate and with a full history.

    Derivation:
        Independent binomials of those sizes; no closed form was found. From lag H on the two
        rounds have no reward in common.

    Args:
        log_odds: log-odds of success, nats.
        lag: rounds between them, 0 for the variance.
        history: rewards remembered, H.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        The covariance, dimensionless.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_autocovariance"
    require_history(function, history)
    log_odds = float(as_log_odds(function, "log_odds", log_odds))
    require(lag >= 0, function, "lag", "at least 0", lag, "Order the rounds")
    success = expit(log_odds)
    own = np.array([1.0 - success, success])
    score = np.array([-success, 1.0 - success])
    # Class gradient by own reward and by the successes among the others, [2, H].
    gradient = np.stack(advantages_by_others(history, ddof, eps)[::-1]) * score[:, None]
    mean = float(own @ gradient @ binomial(history - 1, log_odds))
    if lag == 0:
        return float(own @ gradient**2 @ binomial(history - 1, log_odds)) - mean**2
    if lag >= history:
        return 0.0
    only_first, shared, only_second = (
        binomial(num, log_odds) for num in (lag, history - 1 - lag, lag - 1)
    )
    total = 0.0
    for first in (0, 1):
        for both, prob in enumerate(shared):
            earlier = only_first @ gradient[first, both : both + lag + 1]
            seen = both + first
            later = own @ gradient[:, seen : seen + lag] @ only_second
            total += own[first] * prob * earlier * later
    return float(total) - mean**2


def predicted_noise_ratio(log_odds: float, *, history: int) -> float:
    """Long-run noise per rollout of the reward history over that of groups of the same size.

    (c_0 + 2 sum_j c_j) / (H Var_H) with the autocovariances c_j and the variance Var_H of the class
    gradient of a group of H.

    Assumes:
        As `predicted_autocovariance`, with ddof = 1 and eps = 0. Both have the mean S_H(p).

    Derivation:
        The mean of n successive rounds has n times the variance c_0 + 2 sum_(j < H) c_j for large
        n; n/H independent groups have H Var_H. For rare successes both are the variance of
        independent rollouts, and the ratio is 1.

    Args:
        log_odds: log-odds of success, nats.
        history: rewards remembered, H, and rollouts of a group.

    Returns:
        The ratio.

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> [round(predicted_noise_ratio(z, history=8), 2) for z in (-9.0, -2.0, 0.0)]
        [1.0, 0.91, 0.54]

    References:
        Derived here.
    """
    covariance = [
        predicted_autocovariance(log_odds, lag, history=history, eps=0.0) for lag in range(history)
    ]
    _, whole = predicted_trained_moments(log_odds, num_trained=history, num_rewards=history)
    return float((2.0 * sum(covariance) - covariance[0]) / (history * whole))
