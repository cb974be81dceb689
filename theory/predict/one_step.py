"""The pass rate after one step of any size, exactly, where one arm is correct (P12).

What a step does to the pass rate is no function of the mean gradient alone: the sigmoid is curved
and the gradient random. With endless wrong arms, of which none comes twice, the log-odds of the
correct arm move by the step size times the realized class gradient.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, gammaln, log_expit

from theory.predict.conditions import as_log_odds, require, require_known, require_positive
from theory.predict.drift import require_rule, success_advantage

RULES = ("raw_reward", "negative_reward", "group_mean", "leave_one_out", "grpo")


def class_gradients(
    rule: str, log_odds: ArrayLike, *, group_size: int, ddof: int = 1, eps: float = 1e-6
) -> np.ndarray:
    """Class gradient of groups with k = 0 to G correct rollouts.

    raw_reward: q k/G. negative_reward: (q k + p (G - k))/G. group_mean: k (G - k)/G^2.
    leave_one_out: k (G - k)/(G (G - 1)). grpo: (k/G) (1 - k/G)/(std + eps), 0 for k = 0 and G.

    Args:
        rule: one of `RULES`.
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.

    Returns:
        (1/G) sum_i A_i ([i correct] - p), shape [*, G + 1].

    Raises:
        ValueError: an argument is out of range.
    """
    function = "class_gradients"
    require_known(function, "rule", rule, RULES, "rule")
    require_rule(function, "raw_reward" if rule == "negative_reward" else rule, group_size)
    log_odds = as_log_odds(function, "log_odds", log_odds)[..., None]
    passing, failing = expit(log_odds), expit(-log_odds)
    share = np.arange(group_size + 1) / group_size
    if rule == "raw_reward":
        return failing * share
    if rule == "negative_reward":
        return failing * share + passing * (1.0 - share)
    gradient = share * (1.0 - share)
    if rule == "leave_one_out":
        gradient = gradient * group_size / (group_size - 1)
    elif rule == "grpo":
        count = np.arange(1, group_size)
        gain = success_advantage(count, group_size=group_size, ddof=ddof, eps=eps)
        gradient = np.concatenate([[0.0], share[1:-1] * gain, [0.0]])
    return np.broadcast_to(gradient, (*log_odds.shape[:-1], group_size + 1))


def predicted_next_pass_rate(
    rule: str,
    log_odds: ArrayLike,
    *,
    step_size: float,
    group_size: int = 1,
    num_wrong: float = np.inf,
    ddof: int = 1,
    eps: float = 1e-6,
) -> np.ndarray:
    """Mean pass rate after one step: sum_k Binomial(k; G, p) expit(z + step_size * g_k (1 + 1/M)).

    g_k is the class gradient of a group with k correct rollouts, M = num_wrong. For raw_reward
    with G = 1: p expit(z + step_size (1 - p)(1 + 1/M)) + (1 - p) p.

    Assumes:
        One correct arm of reward 1, M equally likely wrong ones of reward 0; fresh rollouts (ratio
        1), SGD; M infinite for rules that give failures an advantage.

    Derivation:
        The correct arm moves by step_size * g_k. A wrong arm that was not drawn moves by
        -step_size (1/G) sum_i A_i q/M. Under raw_reward no drawn wrong arm moves otherwise, and
        the sum is k/G, so the log-odds move by g_k (1 + 1/M). With M infinite the drawn wrong arms
        have no mass, and the others do not move.

    Args:
        rule: one of `RULES`.
        log_odds: log-odds of the correct arm, z, nats, shape [*].
        step_size: step size of SGD on the logits.
        group_size: rollouts per prompt, G.
        num_wrong: number of wrong arms, M; infinity but for raw_reward.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.

    Returns:
        Mean pass rate after the step, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> from scipy.special import logit
        >>> predicted_next_pass_rate("raw_reward", logit(0.3), step_size=2.0).round(6).item()
        0.400429
    """
    function = "predicted_next_pass_rate"
    require_positive(function, "step_size", step_size, "At 0 the pass rate stays")
    require(
        num_wrong >= 1.0 and (rule == "raw_reward" or np.isinf(num_wrong)),
        function,
        "num_wrong",
        "at least 1 for raw_reward, and infinite for rules that give failures an advantage",
        num_wrong,
        "Which of few wrong arms were drawn would matter",
    )
    gradient = class_gradients(rule, log_odds, group_size=group_size, ddof=ddof, eps=eps)
    log_odds = as_log_odds(function, "log_odds", log_odds)[..., None]
    count = np.arange(group_size + 1)
    log_choices = gammaln(group_size + 1) - gammaln(count + 1) - gammaln(group_size - count + 1)
    log_prob = count * log_expit(log_odds) + (group_size - count) * log_expit(-log_odds)
    after = expit(log_odds + step_size * gradient * (1.0 + 1.0 / num_wrong))
    return (np.exp(log_choices + log_prob) * after).sum(axis=-1)
