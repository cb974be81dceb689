"""When successes come under raw reward, and what the policy is between them (P25).

A failure has reward 0 and moves nothing, so the policy after j successes is the same however many
failures lay between, and the waits are independent and geometric: the whole law of the learning
time follows from a list of numbers, the success probabilities p_0, p_1, ...
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import lfilter
from scipy.special import log_expit, logsumexp

from theory.predict.conditions import as_log_odds, as_time, require, require_positive


def predicted_no_success(
    log_odds: float, num_rounds: ArrayLike, rollouts_per_round: int
) -> np.ndarray:
    """Probability that the first rounds see no success: (1 - p0)^(rollouts).

    Assumes:
        A round without a success changes nothing: raw_reward, a group baseline on a group of
        failures, and clip or penalty on top of them. Not so where failures have an advantage
        (`theory.predict.failures`).

    Derivation:
        Until the first success every rollout is drawn from the base policy.

    Args:
        log_odds: initial log-odds of success, nats.
        num_rounds: rounds, t, shape [*].
        rollouts_per_round: rollouts of a round, B.

    Returns:
        The probability, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_no_success"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require(
        rollouts_per_round >= 1,
        function,
        "rollouts_per_round",
        "at least 1",
        rollouts_per_round,
        "A round has a rollout",
    )
    num_rounds = as_time(function, "num_rounds", num_rounds)
    return np.exp(rollouts_per_round * num_rounds * log_expit(-log_odds))


def predicted_success_probs(
    log_prob: ArrayLike, step_size: float, num_successes: int
) -> np.ndarray:
    """Success probability before each success: p_j from logits += step_size * (e_correct - policy).

    Assumes:
        One correct arm, reward 0 or 1, any other arms with any probabilities; one rollout a round
        under raw_reward; SGD on the logits.

    Derivation:
        Only successes move the policy, always by the same arm's score: a deterministic sequence.

    Args:
        log_prob: initial log-probabilities, the correct arm first, nats, shape [K].
        step_size: step size of SGD on the logits.
        num_successes: n.

    Returns:
        p_0, ..., p_(n - 1), shape [n].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_success_probs"
    log_prob = np.array(log_prob, dtype=np.float64)
    require(
        log_prob.ndim == 1 and log_prob.size >= 2 and abs(float(logsumexp(log_prob))) < 1e-9,
        function,
        "log_prob",
        "log-probabilities of at least two arms, of sum 1",
        log_prob.tolist(),
        "Subtract their logsumexp",
    )
    require_positive(function, "step_size", step_size, "At 0 nothing is learned")
    _require_count(function, num_successes)
    success_probs = []
    for _ in range(num_successes):
        policy = np.exp(log_prob - logsumexp(log_prob))
        success_probs.append(policy[0])
        log_prob = log_prob - step_size * policy
        log_prob[0] += step_size
    return np.array(success_probs)


def _require_count(function: str, num_successes: int) -> None:
    require(
        isinstance(num_successes, (int, np.integer)) and num_successes >= 1,
        function,
        "num_successes",
        "an integer of at least 1",
        num_successes,
        "Count the successes waited for",
    )


def _as_success_probs(function: str, success_probs: ArrayLike) -> np.ndarray:
    success_probs = np.asarray(success_probs, dtype=np.float64)
    require(
        success_probs.ndim == 1
        and success_probs.size >= 1
        and bool(((success_probs > 0.0) & (success_probs <= 1.0)).all()),
        function,
        "success_probs",
        "a vector of probabilities in (0, 1]",
        success_probs.tolist(),
        "Take those of predicted_success_probs",
    )
    return success_probs


def predicted_success_time_moments(success_probs: ArrayLike) -> np.ndarray:
    """Mean and variance of the rounds until the n-th success: sum 1/p_j, sum (1 - p_j)/p_j^2.

    Assumes:
        As `predicted_success_probs`.

    Derivation:
        The waits are independent and geometric, from 1 on, of parameters p_0, ..., p_(n - 1).

    Args:
        success_probs: p_0, ..., p_(n - 1), shape [n].

    Returns:
        Mean, rounds, and variance, rounds squared, shape [2].

    Raises:
        ValueError: a probability is out of range.

    References:
        Derived here.
    """
    success_probs = _as_success_probs("predicted_success_time_moments", success_probs)
    variance = (1.0 - success_probs) / success_probs**2
    return np.array([(1.0 / success_probs).sum(), variance.sum()])


def predicted_success_time_survival(num_rounds: ArrayLike, success_probs: ArrayLike) -> np.ndarray:
    """Probability that the n-th success comes after given rounds, P(T_n > t).

    Assumes:
        As `predicted_success_probs`.

    Derivation:
        The law of a sum of independent geometric waits is their convolution; adding one wait to a
        law a is the recursion b(t) = (1 - p) b(t - 1) + p a(t - 1).

    Args:
        num_rounds: rounds, whole numbers from 0, shape [*].
        success_probs: p_0, ..., p_(n - 1), shape [n].

    Returns:
        The probability, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_success_time_survival([1, 2, 3], [0.5, 0.5]).tolist()
        [1.0, 0.75, 0.5]
    """
    function = "predicted_success_time_survival"
    success_probs = _as_success_probs(function, success_probs)
    num_rounds = as_time(function, "num_rounds", num_rounds)
    require(
        bool((num_rounds == np.floor(num_rounds)).all()),
        function,
        "num_rounds",
        "whole numbers",
        num_rounds.tolist(),
        "Rounds are counted",
    )
    law = np.zeros(int(num_rounds.max(initial=0.0)) + 1)
    law[0] = 1.0
    for success_prob in success_probs:
        law = lfilter([0.0, success_prob], [1.0, success_prob - 1.0], law)
    return 1.0 - law.cumsum()[num_rounds.astype(np.int64)]
