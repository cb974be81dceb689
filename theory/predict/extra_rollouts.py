"""Rollouts drawn for statistics only: n trained rollouts of a group of N standardized together.

Training on fewer rollouts of a group leaves the expected gradient as it is and costs variance.
Within a group the gradients of the rollouts are correlated, for N = 8 and more negatively at
every pass rate: training on a whole group is then less noisy than training on as many rollouts
alone, each with extra rollouts of its own, although those cost N times the rollouts. For N up to 4
it is the other way round.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from theory.predict import drift
from theory.predict.conditions import as_log_odds, require


def predicted_trained_moments(
    log_odds: ArrayLike, *, num_trained: int, num_rewards: int, ddof: int = 1
) -> np.ndarray:
    """Mean and variance of the class gradient of n trained rollouts of N standardized together.

    Mean: S_N(p), whatever n. Second moment M_n = M_1/n + (1 - 1/n) (N M_N - M_1)/(N - 1), with
    M_1 = c (q^3 (1 - q^(N - 1)) + p^3 (1 - p^(N - 1))), M_N = c (N - 1)/N p q, c = (N - ddof)/N.

    Assumes:
        Rewards 0 or 1; independent rollouts of the current policy, ratio 1; nothing added to the
        standard deviation (eps = 0); groups of one kind of reward have advantage 0.

    Derivation:
        The rollouts of a group are exchangeable, so the mean does not depend on which are trained
        on. With k successes of N the squared advantage of a success is c (N - k)/k and that of a
        failure c k/(N - k); k/N and 1 - k/N are the probabilities that a given rollout is one,
        which gives M_1. All N together have the class gradient sqrt(c k (N - k))/N and M_N. Its
        N (N - 1) pairs of rollouts have the same expectation, which M_1 and M_N determine.

    Args:
        log_odds: log(p/(1 - p)), nats, shape [*].
        num_trained: rollouts trained on, n.
        num_rewards: rollouts that give mean and standard deviation, N, at least n and 2.
        ddof: 0 for the population standard deviation, 1 for the sample one.

    Returns:
        Mean and variance, dimensionless, shape [2, *].

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> from scipy.special import logit
        >>> one = predicted_trained_moments(logit(0.3), num_trained=1, num_rewards=8)
        >>> all_of_them = predicted_trained_moments(logit(0.3), num_trained=8, num_rewards=8)
        >>> (one / all_of_them).round(2).tolist()
        [1.0, 12.4]

    References:
        M_N as in catalogue entry P8; the rest is derived here.
    """
    function = "predicted_trained_moments"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require(
        num_rewards >= 2 and 1 <= num_trained <= num_rewards,
        function,
        "num_trained",
        "from 1 to num_rewards, and that at least 2",
        (num_trained, num_rewards),
        "Only drawn rollouts can be trained on",
    )
    require(ddof in (0, 1), function, "ddof", "0 or 1", ddof, "Use 1 for the sample deviation")
    mean = drift.standardized_class_gradient(log_odds, group_size=num_rewards, ddof=ddof, eps=0.0)
    scale = (num_rewards - ddof) / num_rewards
    one = sum(
        np.exp(3.0 * log_rate) * -np.expm1((num_rewards - 1) * log_rate)
        for log_rate in (log_expit(log_odds), log_expit(-log_odds))
    )
    whole = (num_rewards - 1) / num_rewards * expit(log_odds) * expit(-log_odds)
    pair = (num_rewards * whole - one) / (num_rewards - 1)
    second = scale * (one / num_trained + (1.0 - 1.0 / num_trained) * pair)
    return np.stack([mean, second - mean**2])


def predicted_variance_ratio(log_odds: ArrayLike, *, num_rewards: int) -> np.ndarray:
    """Variance of one trained rollout with N - 1 extra ones over that of all N trained on.

    It is the price at equal rollouts. At equal trained rollouts, N groups of one trained rollout
    against one group of N, it is this over N.

    Assumes:
        As `predicted_trained_moments`.

    Derivation:
        Both have the mean S_N(p), so the ratio is (M_1 - S_N^2)/(M_N - S_N^2). It is N for p to 0,
        as for independent rollouts, where N p groups in 1 have a success: M_1 is c (N - 1) p and
        M_N is c (N - 1)/N p. The next order is N (1 + (N - 4) p/2), found by expansion.

    Args:
        log_odds: log(p/(1 - p)), nats, shape [*].
        num_rewards: rollouts that give mean and standard deviation, N.

    Returns:
        The ratio, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    one, whole = (
        predicted_trained_moments(log_odds, num_trained=count, num_rewards=num_rewards)[1]
        for count in (1, num_rewards)
    )
    return one / whole
