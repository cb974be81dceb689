"""What failures teach when they have a negative advantage (P31).

A failure pushes its own arm down and every other arm up, each in proportion to its probability.
So a correct arm gains in two ways: it stays while a failed arm sinks, which matters in small
pools, and it rises with its own probability, which matters wherever it is likelier than the wrong
arms around it, however many these are. Here a = step_size * |advantage|, the push, in nats.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit, logsumexp

from theory.predict.conditions import as_log_odds, as_time, require, require_positive


def _require_push(function: str, push: float) -> None:
    require_positive(function, "push", push, "Failures of advantage 0 teach nothing")


def predicted_log_odds_after_failure(
    log_odds: ArrayLike, num_wrong: ArrayLike, push: float
) -> np.ndarray:
    """Log-odds of the correct arm after one failure among equally likely wrong arms.

    odds * exp(push (p - p_wrong)) * m/(m - 1 + exp(-push)), p_wrong = (1 - p)/m. From a uniform
    pool of M arms this is p = 1/(M - 1 + exp(-push)); for m to infinity the log-odds grow by
    push * p.

    Assumes:
        One correct arm, m equally likely wrong ones; a failure has advantage -push/step_size; SGD
        on the logits.

    Derivation:
        The step is push * (policy - e_failed): it moves the correct logit by push p, a wrong one by
        push p_wrong, and the failed one by push (p_wrong - 1).

    Args:
        log_odds: log-odds of the correct arm before, nats, shape [*].
        num_wrong: wrong arms, m; infinity allowed; broadcast against `log_odds`.
        push: step_size * |advantage of the failure|, nats.

    Returns:
        Log-odds after the failure, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> p = expit(predicted_log_odds_after_failure(-np.log(39.0), 39, 2.0))
        >>> bool(np.isclose(p, 1.0 / (39.0 + np.exp(-2.0)), rtol=1e-14))
        True
    """
    function = "predicted_log_odds_after_failure"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    num_wrong = np.asarray(num_wrong, dtype=np.float64)
    require(
        bool((num_wrong >= 1.0).all()),
        function,
        "num_wrong",
        "at least 1",
        num_wrong.tolist(),
        "Without wrong arms nothing fails",
    )
    _require_push(function, push)
    own_rise = push * (expit(log_odds) - expit(-log_odds) / num_wrong)
    return log_odds + own_rise - np.log1p(np.expm1(-push) / num_wrong)


def predicted_log_odds_after_failures(
    log_odds: float, num_failures: int, push: float
) -> np.ndarray:
    """Log-odds of the correct arm along failures among endless wrong arms: z += push * p(z).

    1/p falls by about push with each failure, so that failures alone carry the arm to p = 1/2
    after about 1/(push p0) of them, without a single success.

    Assumes:
        As `predicted_log_odds_after_failure`, infinitely many wrong arms, none of them drawn twice.

    Derivation:
        Its limit for m to infinity, iterated.

    Args:
        log_odds: initial log-odds, nats.
        num_failures: failures, n.
        push: step_size * |advantage of the failure|, nats.

    Returns:
        Log-odds before the first, after 1, ..., after n failures, nats, shape [n + 1].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_log_odds_after_failures"
    require(
        isinstance(num_failures, (int, np.integer)) and num_failures >= 1,
        function,
        "num_failures",
        "an integer of at least 1",
        num_failures,
        "Count the failures",
    )
    path = [float(as_log_odds(function, "log_odds", log_odds))]
    for _ in range(num_failures):
        path.append(float(predicted_log_odds_after_failure(path[-1], np.inf, push)))
    return np.array(path)


def predicted_first_success_survival(
    num_rounds: ArrayLike, log_odds: float, push: float
) -> np.ndarray:
    """Probability of no success in the first rollouts, where failures are punished.

    P(T > t) = prod over s < t of (1 - p_s), near (1 - push p0 t)^(1/push) for p0 to 0: uniform
    like sampling without replacement at push 1, geometric only at push 0.

    Assumes:
        As `predicted_log_odds_after_failures`; one rollout a round.

    Derivation:
        Without a success the policy is that after s failures, p_s. In the limit 1/p falls linearly
        and the product is exp(-integral of p).

    Args:
        num_rounds: rollouts, t, whole numbers, shape [*].
        log_odds: initial log-odds, nats.
        push: step_size * |advantage of the failure|, nats.

    Returns:
        The probability, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_first_success_survival"
    num_rounds = as_time(function, "num_rounds", num_rounds).astype(np.int64)
    path = predicted_log_odds_after_failures(log_odds, max(1, int(num_rounds.max())), push)
    log_survival = np.concatenate([[0.0], np.cumsum(log_expit(-path))])
    return np.exp(log_survival[num_rounds])


def predicted_pool_survival(num_rounds: ArrayLike, num_arms: int) -> np.ndarray:
    """Probability of no success in a uniform pool that is never asked twice: 1 - t/M.

    Assumes:
        One correct arm in a uniform pool of M arms; a push so large that a failed arm is never
        drawn again.

    Derivation:
        Failed arms leave the pool and the others stay equally likely: drawing without replacement,
        in which the correct arm's place is uniform.

    Args:
        num_rounds: rollouts, t, at most M, shape [*].
        num_arms: M.

    Returns:
        The probability, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_pool_survival"
    num_rounds = as_time(function, "num_rounds", num_rounds)
    require(
        bool((num_rounds <= num_arms).all()),
        function,
        "num_rounds",
        f"at most num_arms, {num_arms}",
        num_rounds.tolist(),
        "By then every arm has been drawn",
    )
    return 1.0 - num_rounds / num_arms


def predicted_odds_gain_bound(wrong_log_prob: ArrayLike) -> float:
    """Bound on what failures can add to the odds beyond the correct logit's own rise: AM/GM.

    odds/odds_0 <= (AM/GM of the wrong arms' initial weights) * exp(rise (1 + 1/m)), where `rise` is
    the correct logit's own displacement, sum of push * p over the failures.

    Assumes:
        No success yet; failures of any negative advantages; SGD on the logits.

    Derivation:
        The logits' sum is conserved, so the mean wrong logit falls by rise/m, and the sum of m
        weights is at least m times their geometric mean. Attained where failures have made the
        wrong arms equal. For a uniform prior the bound is 1: only the rise is left.

    Args:
        wrong_log_prob: initial log-probabilities of the wrong arms, up to a constant, shape [m].

    Returns:
        Arithmetic over geometric mean of their weights.

    Raises:
        ValueError: a log-probability is not finite.

    References:
        Derived here.
    """
    wrong = np.ravel(as_log_odds("predicted_odds_gain_bound", "wrong_log_prob", wrong_log_prob))
    return float(np.exp(logsumexp(wrong) - np.log(wrong.size) - wrong.mean()))


def predicted_log_ratio_change(prob: ArrayLike, push: float) -> np.ndarray:
    """Change of log(pi_b/pi_0) of arms b that were not sampled, by one failure elsewhere.

    push * (pi_b - pi_0): among the arms that did not fail, the likelier ones gain.

    Assumes:
        As `predicted_log_odds_after_failure`, any probabilities.

    Derivation:
        The step moves an arm that did not fail by push * pi_b.

    Args:
        prob: probabilities of the arms that did not fail, the one compared with first, shape [n].
        push: step_size * |advantage of the failure|, nats.

    Returns:
        Changes for the arms after the first one, nats, shape [n - 1].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here. Negative sample reinforcement: arXiv 2506.01347.
    """
    function = "predicted_log_ratio_change"
    _require_push(function, push)
    prob = np.asarray(prob, dtype=np.float64)
    require(
        prob.ndim == 1 and prob.size >= 2 and bool(((prob > 0.0) & (prob < 1.0)).all()),
        function,
        "prob",
        "probabilities of at least two arms, in (0, 1)",
        prob.tolist(),
        "Leave out the arm that failed",
    )
    return push * (prob[1:] - prob[0])


def predicted_proportional_shares(prob: ArrayLike) -> np.ndarray:
    """Shares of the arms that did not fail, if they gain in proportion to the prior: unchanged.

    Assumes:
        What arXiv 2506.01347 says of negative samples, to first order in the push.

    Derivation:
        Proportional gains multiply all of them by one factor.

    Args:
        prob: probabilities of the arms that did not fail, shape [n].

    Returns:
        Their shares of each other's sum, shape [n].

    Raises:
        ValueError: a probability is not above 0.

    References:
        arXiv 2506.01347, as the catalogue quotes it.
    """
    prob = np.asarray(prob, dtype=np.float64)
    require(
        bool((prob > 0.0).all()),
        "predicted_proportional_shares",
        "prob",
        "above 0",
        prob.tolist(),
        "Leave out arms of probability 0",
    )
    return prob / prob.sum()
