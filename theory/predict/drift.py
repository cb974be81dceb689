"""Expected one-step gradient of each rule on the log-odds of success (P7, P8).

Arms (responses) are correct, reward 1, or wrong, reward 0. The class gradient is what one round
does to the log-odds per unit of step_size * kernel: E[(1/G) sum_i advantage_i * ([i correct] - p)].
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, log_expit

from theory.predict.conditions import as_log_odds, require, require_known

RULES = ("raw_reward", "group_mean", "leave_one_out", "grpo", "clip", "variance_penalty")

GROUP_BASELINES = ("group_mean", "leave_one_out", "grpo", "clip", "variance_penalty")


def require_rule(function: str, rule: str, group_size: int) -> None:
    """Demand a known rule with a group that it can use.

    Args:
        function: public function that was called.
        rule: name of the rule.
        group_size: rollouts per prompt, G.

    Raises:
        ValueError: the rule is unknown, or the group too small for its baseline.
    """
    require_known(function, "rule", rule, RULES, "rule")
    smallest = 2 if rule in GROUP_BASELINES else 1
    require(
        isinstance(group_size, (int, np.integer)) and group_size >= smallest,
        function,
        "group_size",
        f"an integer of at least {smallest} for {rule}",
        group_size,
        "A group baseline needs several rollouts; raise it or use raw_reward",
    )


def success_advantage(
    num_correct: ArrayLike, *, group_size: int, ddof: int, eps: float
) -> np.ndarray:
    """Standardized advantage of a correct rollout: (1 - mean) / (std(ddof) + eps).

    With k correct of G the mean is k/G and the variance (k/G)(1 - k/G) G/(G - ddof).

    Args:
        num_correct: correct rollouts of the group, k, between 1 and G - 1, shape [*].
        group_size: rollouts per prompt, G.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        The advantage, dimensionless, shape [*].
    """
    share = np.asarray(num_correct, dtype=np.float64) / group_size
    std = np.sqrt(share * (1.0 - share) * group_size / (group_size - ddof))
    return (1.0 - share) / (std + eps)


def standardized_class_gradient(
    log_odds: ArrayLike, *, group_size: int, ddof: int = 1, eps: float = 1e-6
) -> np.ndarray:
    """Class gradient of the standardized group advantage (GRPO), S_G(p).

    S_G(p) = sum over k from 1 to G - 1 of Binomial(k; G, p) * (k/G) * advantage(k), where
    advantage(k) is that of a correct rollout.

    Assumes:
        Rewards 0 or 1, independent rollouts of the current policy, ratio 1; groups of one kind
        of reward have advantage 0.

    Derivation:
        The advantages of a group sum to 0, so sum_i A_i ([i correct] - p) = sum of the A_i of the
        k correct rollouts. With ddof = 0 and eps = 0 the term is sqrt(k (G - k)) / G. Limits:
        sqrt(p (1 - p)) for G to infinity; p sqrt(G - 1) for p to 0, so amplification ends at
        sqrt(G - 1); p (1 - p) exactly for G = 2, where GRPO is leave-one-out.

    Args:
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        S_G(p), shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Population limit: Davis and Recht, arXiv 2510.13651; G = 2: arXiv 2510.00977 (as the
        catalogue cites them). The finite sum is derived here.
    """
    function = "standardized_class_gradient"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require_rule(function, "grpo", group_size)
    require(ddof in (0, 1), function, "ddof", "0 or 1", ddof, "Use 1 for the sample deviation")
    require(eps >= 0.0, function, "eps", "at least 0", eps, "It keeps a division finite")
    count = np.arange(1, group_size)
    log_choices = gammaln(group_size + 1) - gammaln(count + 1) - gammaln(group_size - count + 1)
    log_prob = log_choices + count * log_expit(log_odds)[..., None]
    log_prob = log_prob + (group_size - count) * log_expit(-log_odds)[..., None]
    term = count / group_size
    term = term * success_advantage(count, group_size=group_size, ddof=ddof, eps=eps)
    return np.exp(log_prob) @ term


def predicted_class_gradient(
    rule: str, log_odds: ArrayLike, *, group_size: int = 1, ddof: int = 1, eps: float = 1e-6
) -> np.ndarray:
    """Expected gradient on the log-odds of success: E[(1/G) sum_i A_i ([i correct] - p)].

    raw_reward and leave_one_out: p (1 - p). group_mean: (G - 1)/G p (1 - p). grpo: S_G(p). clip
    and variance_penalty: that of group_mean, their advantage, since both are invisible at ratio 1.

    Assumes:
        Rewards 0 or 1, independent rollouts of the current policy, ratio 1 (the first inner step).

    Derivation:
        Raw reward: E[r ([correct] - p)] = p (1 - p). A group mean that contains the sample's own
        reward leaves (G - 1)/G of it, leaving it out leaves all (P7). For clip and penalty, the
        clip does not bind at ratio 1 and the gradient of (ratio - 1)^2 is 0 there (P3).

    Args:
        rule: name of the update rule.
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.

    Returns:
        The class gradient, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Leave-one-out: arXiv 2402.14740; group mean without deviation: arXiv 2503.20783.
    """
    function = "predicted_class_gradient"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require_rule(function, rule, group_size)
    if rule == "grpo":
        return standardized_class_gradient(log_odds, group_size=group_size, ddof=ddof, eps=eps)
    raw = np.exp(log_expit(log_odds) + log_expit(-log_odds))
    has_full_gradient = rule in ("raw_reward", "leave_one_out")
    return raw if has_full_gradient else (group_size - 1) / group_size * raw
