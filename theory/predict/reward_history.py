"""Rewards of earlier rounds for a baseline: the prompt's last H rewards in place of a group of H.

As long as the policy rests, the present rollout and H - 1 earlier ones are a group of H of which
one is trained on: the same expected gradient, S_H(p), for one rollout a round instead of H. What is
different: successive rounds share rewards (`theory.predict.history_noise`), the history is short at
first, and while the policy learns, the earlier rewards come from older, mostly worse policies. That
lag moves the mean reward and not, by itself, the expected gradient, since earlier rewards are
independent of the present rollout: it acts through the standard deviation alone.

Shapes: H rewards remembered, the present one included.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, gammaln, log_expit

from theory.predict import drift
from theory.predict.conditions import as_log_odds, require


def require_history(function: str, history: int) -> None:
    """Demand a history that has a standard deviation.

    Args:
        function: public function that was called.
        history: rewards remembered.

    Raises:
        ValueError: it is shorter than 2.
    """
    require(
        isinstance(history, (int, np.integer)) and history >= 2,
        function,
        "history",
        "a whole number of 2 or more",
        history,
        "A standard deviation needs two rewards",
    )


def advantages_by_others(history: int, ddof: int, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Advantages by the number of successes among the H - 1 other rewards.

    Args:
        history: rewards, H.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        Advantage of a success and of a failure, each of shape [H].
    """
    successes = np.arange(history)
    right, wrong = np.zeros(history), np.zeros(history)
    mixed = drift.success_advantage(np.arange(1, history), group_size=history, ddof=ddof, eps=eps)
    right[:-1] = mixed
    # With k successes in all, the failures' advantages add up to minus the successes'.
    wrong[1:] = -mixed * successes[1:] / (history - successes[1:])
    return right, wrong


def binomial(num: int, log_odds: float) -> np.ndarray:
    """Probabilities of the numbers of successes.

    Args:
        num: rollouts.
        log_odds: log-odds of success, nats.

    Returns:
        Probabilities of 0 to num successes, shape [num + 1].
    """
    count = np.arange(num + 1)
    log_choices = gammaln(num + 1) - gammaln(count + 1) - gammaln(num - count + 1)
    return np.exp(log_choices + count * log_expit(log_odds) + (num - count) * log_expit(-log_odds))


def _numbers_of_successes(log_odds: Sequence[float]) -> np.ndarray:
    """Probabilities of 0 to n successes in n rollouts of different log-odds, [n + 1]."""
    prob = np.ones(1)
    for rate in expit(np.asarray(log_odds, dtype=float)):
        prob = np.convolve(prob, [1.0 - rate, rate])
    return prob


def predicted_history_gradient(
    log_odds: float, earlier_log_odds: Sequence[float], *, ddof: int = 1, eps: float = 1e-6
) -> float:
    """Class gradient of one rollout over the last rewards of a policy that moves.

    p (1 - p) sum_k P(k) (A_right(k) - A_wrong(k)), with P the law of the number of successes among
    the earlier rewards, each drawn at its own pass rate (Poisson-binomial).

    Assumes:
        Rewards 0 or 1; one rollout a round; the earlier rewards independent of the present
        rollout, given the policies.

    Derivation:
        E[A ([success] - p)] = p (1 - p) E[A_right - A_wrong] by the two outcomes of the present
        rollout, which does not change the law of the others.

    Args:
        log_odds: present log-odds of success, nats.
        earlier_log_odds: those of the earlier rewards that are remembered, nats, shape [H - 1]; an
            empty history gives the raw reward.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        The class gradient, dimensionless.

    Raises:
        ValueError: a log-odds is not finite.

    Examples:
        >>> slow, fast = ([-1.0 - step * age for age in range(1, 8)] for step in (0.0, 0.3))
        >>> [round(predicted_history_gradient(-1.0, past), 3) for past in (slow, fast)]
        [0.368, 0.422]

    References:
        Derived here; the rule as in the released code of arXiv 2601.22532, read in digest.
    """
    function = "predicted_history_gradient"
    now = float(as_log_odds(function, "log_odds", log_odds))
    spread = float(expit(now) * expit(-now))
    if len(earlier_log_odds) == 0:
        return spread
    earlier = as_log_odds(function, "earlier_log_odds", earlier_log_odds)
    right, wrong = advantages_by_others(len(earlier) + 1, ddof, eps)
    return spread * float(_numbers_of_successes(earlier) @ (right - wrong))


def predicted_start(
    log_odds: float, num_rounds: int, *, history: int, ddof: int = 1, eps: float = 1e-6
) -> np.ndarray:
    """Class gradients of the first rounds at a resting policy: p (1 - p), then S_2(p), S_3(p), ...

    Assumes:
        As `predicted_history_gradient`, all at one pass rate; raw reward in the first round.

    Derivation:
        In round n there are min(n, H) rewards, a group of that size.

    Args:
        log_odds: log-odds of success, nats.
        num_rounds: rounds.
        history: rewards remembered, H.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        The class gradients, shape [num_rounds].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    require_history("predicted_start", history)
    return np.array(
        [
            predicted_history_gradient(
                log_odds, [log_odds] * min(index, history - 1), ddof=ddof, eps=eps
            )
            for index in range(num_rounds)
        ]
    )


def predicted_mean_lag(history: int) -> float:
    """Mean age of the rewards in the mean: (H - 1)/2 rounds, so that it lags by that times dp/dt.

    Assumes:
        One rollout a round; the present reward is one of the H; a full history.

    Derivation:
        Ages 0 to H - 1. Without the present reward, ages 1 to H, it would be (H + 1)/2.

    Args:
        history: rewards remembered, H.

    Returns:
        Rounds.

    Raises:
        ValueError: the history is too short.

    References:
        Derived here.
    """
    require_history("predicted_mean_lag", history)
    return (history - 1) / 2.0


def predicted_lag_slope(
    log_odds: ArrayLike, *, history: int, ddof: int = 1, eps: float = 1e-6
) -> np.ndarray:
    """Change of the class gradient per dp/dt, to first order: -(H/2) p (1 - p) D'(p).

    D(p) = S_H(p)/(p (1 - p)) = sum_k Binomial(k; H - 1, p) d_k with d_k = A_right(k) - A_wrong(k),
    and D' = (H - 1) sum_k Binomial(k; H - 2, p) (d_(k+1) - d_k).

    Assumes:
        As `predicted_history_gradient`; the pass rate rises by dp/dt each round, slowly.

    Derivation:
        The earlier rewards are on average H/2 rounds old, and the law of their number changes to
        first order in their mean pass rate only. Below p = 1/2 a rising pass rate makes the
        gradient larger (the deviation seems smaller than it is), above it smaller.

    Args:
        log_odds: present log-odds of success, nats, shape [*].
        history: rewards remembered, H, at least 3.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        The slope, rounds, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_lag_slope"
    require(
        isinstance(history, (int, np.integer)) and history >= 3,
        function,
        "history",
        "a whole number of 3 or more",
        history,
        "With 2 the deviation of a mixed history does not depend on p",
    )
    log_odds = as_log_odds(function, "log_odds", log_odds)
    right, wrong = advantages_by_others(history, ddof, eps)
    slope = [
        (history - 1) * (binomial(history - 2, float(value)) @ np.diff(right - wrong))
        for value in log_odds.ravel()
    ]
    spread = expit(log_odds) * expit(-log_odds)
    return -history / 2.0 * spread * np.reshape(slope, log_odds.shape)


def predicted_history_pass_rate(
    log_odds: float, num_updates: int, *, learning_rate: float, history: int
) -> float:
    """Pass rate after n updates over reward histories: z <- z + learning_rate * gradient.

    The gradient is `predicted_history_gradient` at the log-odds z of the last H rounds, or of all
    rounds so far.

    Assumes:
        As `predicted_history_gradient`; so many prompts, all alike and moved by one kernel number,
        that the log-odds follow the mean; one rollout a prompt, each prompt with its own history.

    Derivation:
        Given the log-odds of all rounds, rewards of different rounds are independent.

    Args:
        log_odds: initial log-odds of every prompt, nats.
        num_updates: rounds.
        learning_rate: step_size * kernel, nats per unit of class gradient.
        history: rewards remembered, H.

    Returns:
        The pass rate.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    require_history("predicted_history_pass_rate", history)
    path = [float(as_log_odds("predicted_history_pass_rate", "log_odds", log_odds))]
    for _ in range(num_updates):
        earlier = path[:-1][-(history - 1) :]
        path.append(path[-1] + learning_rate * predicted_history_gradient(path[-1], earlier))
    return float(expit(path[-1]))
