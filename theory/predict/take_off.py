"""The take-off law: how many rollouts a rare correct arm needs to reach p = 1/2 (P26).

Among infinitely many wrong arms failures change nothing, so the odds of the rare arm are
multiplied by a factor f at each success and rest between successes. In units of 1/p0 the rollouts
needed are sum_k E_k f^-k with independent exponentials E_k, whatever the rule: a rule is its f.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import as_log_odds, require, require_known, require_positive
from theory.predict.drift import require_rule, success_advantage

TAKE_OFF_RULES = ("raw_reward", "leave_one_out", "group_mean", "grpo")


def predicted_log_odds_factor(
    rule: str, *, step_size: float, group_size: int, ddof: int = 1, eps: float = 1e-6
) -> float:
    """Log of the factor by which one success multiplies the odds of a rare arm: log f.

    log f = step_size * A / G with the advantage A of a single success in its group: 1 for
    raw_reward and leave_one_out, (G - 1)/G for group_mean, and for grpo (1 - 1/G)/(std + eps),
    which is sqrt(G - 1) with ddof = 0 and (G - 1)/sqrt(G) with ddof = 1 (eps = 0).

    Assumes:
        One correct arm, so rare that a group holds at most one success; infinitely many wrong
        arms, so that no wrong arm is drawn twice; reward 0 or 1; one inner epoch; the update is
        the mean over the group.

    Derivation:
        The score of the correct arm on its own logit is 1 - p, near 1, and its coefficient A/G;
        all other logits move by O(p) or belong to arms of vanishing probability.

    Args:
        rule: raw_reward, leave_one_out, group_mean or grpo.
        step_size: step size of SGD on the logits.
        group_size: rollouts per update, G.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.

    Returns:
        log f, nats.

    Raises:
        ValueError: an argument is out of range, or the rule has no such factor.

    References:
        Derived here.
    """
    function = "predicted_log_odds_factor"
    require_known(function, "rule", rule, TAKE_OFF_RULES, "rule with a take-off factor")
    require_rule(function, rule, group_size)
    require_positive(function, "step_size", step_size, "At 0 nothing is learned")
    require(ddof in (0, 1), function, "ddof", "0 or 1", ddof, "Use 1 for the sample deviation")
    advantage = 1.0
    if rule == "group_mean":
        advantage = (group_size - 1) / group_size
    elif rule == "grpo":
        advantage = float(success_advantage(1, group_size=group_size, ddof=ddof, eps=eps))
    return step_size * advantage / group_size


def predicted_take_off_mean(log_odds_factor: float) -> float:
    """Mean of p0 * (rollouts until p = 1/2): f / (f - 1).

    Assumes:
        As `predicted_log_odds_factor`, and p0 to 0: the error is of order p0 * G.

    Derivation:
        The wait for success k, at odds p0 f^k, is geometric of mean f^-k / p0; sum over k.

    Args:
        log_odds_factor: log f, nats.

    Returns:
        The mean, dimensionless.

    Raises:
        ValueError: the factor is not above 1.

    References:
        Derived here.
    """
    function = "predicted_take_off_mean"
    require_positive(function, "log_odds_factor", log_odds_factor, "A success must raise the odds")
    return float(-1.0 / np.expm1(-log_odds_factor))


def predicted_take_off_variance(log_odds_factor: float) -> float:
    """Variance of p0 * (rollouts until p = 1/2): 1 / (1 - f^-2).

    Assumes:
        As `predicted_take_off_mean`.

    Derivation:
        Independent waits, exponential in the limit, of variance f^-2k; sum over k.

    Args:
        log_odds_factor: log f, nats.

    Returns:
        The variance, dimensionless.

    Raises:
        ValueError: the factor is not above 1.

    References:
        Derived here.
    """
    function = "predicted_take_off_variance"
    require_positive(function, "log_odds_factor", log_odds_factor, "A success must raise the odds")
    return float(-1.0 / np.expm1(-2.0 * log_odds_factor))


def predicted_take_off_rollouts(log_odds: ArrayLike, log_odds_factor: float) -> np.ndarray:
    """Mean number of rollouts until a rare arm reaches p = 1/2: f / ((f - 1) p0).

    Assumes:
        As `predicted_take_off_mean`.

    Derivation:
        See `predicted_take_off_mean`.

    Args:
        log_odds: initial log-odds, log(p0/(1 - p0)), nats, below 0, shape [*].
        log_odds_factor: log f, nats.

    Returns:
        Rollouts, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_take_off_rollouts"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require(
        bool((log_odds < 0.0).all()),
        function,
        "log_odds",
        "below 0, a rare arm",
        log_odds.tolist(),
        "From p = 1/2 on the learning curves apply",
    )
    return predicted_take_off_mean(log_odds_factor) * np.exp(np.logaddexp(0.0, -log_odds))
