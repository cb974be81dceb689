"""Mean and variance of the gradient of a whole group over its mean (P7).

With k correct of G rollouts the class gradient is (1/G) sum_i A_i ([i correct] - p). Where the
advantages of a group add up to 0 it is (1/G) times the sum of those of the k correct ones:
k (G - k)/G^2 under group_mean, k (G - k)/(G (G - 1)) under leave_one_out. Its mean is
`theory.predict.drift.predicted_class_gradient`.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit

from theory.predict.conditions import as_log_odds, require_known
from theory.predict.drift import require_rule
from theory.predict.moments import predicted_gradient_mean

CENTRED_RULES = ("group_mean", "leave_one_out")


def predicted_group_gradient(
    rule: str, prob: ArrayLike, mean_reward: ArrayLike, *, group_size: int
) -> np.ndarray:
    """Mean gradient of a group over its mean: pi_a (r_a - V), times (G - 1)/G under group_mean.

    Assumes:
        Independent rollouts of the current policy (ratio 1), any rewards.

    Derivation:
        Under leave_one_out a sample's baseline is independent of it, and drops out. Under
        group_mean the baseline is (1/G) R_i + (G - 1)/G times the mean of the others, and the
        first part takes 1/G of the gradient away.

    Args:
        rule: group_mean or leave_one_out.
        prob: probabilities of the arms, shape [K].
        mean_reward: mean reward of each arm, r_a, shape [K].
        group_size: rollouts per prompt, G.

    Returns:
        Gradient on the logits, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Leave one out: arXiv 2402.14740; the mean: arXiv 2503.20783 (as the catalogue cites them).

    Examples:
        >>> predicted_group_gradient("group_mean", [0.5, 0.5], [1.0, 0.0], group_size=2).tolist()
        [0.125, -0.125]
    """
    function = "predicted_group_gradient"
    require_known(function, "rule", rule, CENTRED_RULES, "rule over the mean of its group")
    require_rule(function, rule, group_size)
    share = 1.0 if rule == "leave_one_out" else (group_size - 1) / group_size
    return share * predicted_gradient_mean(prob, mean_reward)


def predicted_class_gradient_variance(
    rule: str, log_odds: ArrayLike, *, group_size: int
) -> np.ndarray:
    """Variance of the class gradient: p q/G - p^2 q^2 (4 G - 6)/(G (G - 1)) under leave_one_out.

    Under group_mean ((G - 1)/G)^2 times that; under raw_reward p q^3/G.

    Assumes:
        Rewards 0 or 1, independent rollouts of the current policy (ratio 1).

    Derivation:
        k^2 (G - k)^2 = k (k - 1)(G - k)(G - k - 1) + (G - 1) k (G - k). Factorial moments of the
        binomial: E = G (G - 1)(G - 2)(G - 3) p^2 q^2 + G (G - 1)^2 p q. Divided by G^2 (G - 1)^2,
        less the squared mean p^2 q^2, and (G - 2)(G - 3) - G (G - 1) = -(4 G - 6). Under raw
        reward the class gradient is q k/G.

    Args:
        rule: raw_reward, group_mean or leave_one_out.
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G.

    Returns:
        The variance, in units of reward squared, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_class_gradient_variance("leave_one_out", 0.0, group_size=2).item()
        0.0625
    """
    function = "predicted_class_gradient_variance"
    known = ("raw_reward", *CENTRED_RULES)
    require_known(function, "rule", rule, known, "rule with a variance in closed form")
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require_rule(function, rule, group_size)
    spread = np.exp(log_expit(log_odds) + log_expit(-log_odds))
    if rule == "raw_reward":
        return spread * np.exp(2.0 * log_expit(-log_odds)) / group_size
    pairs = group_size * (group_size - 1)
    variance = spread / group_size - spread**2 * (4 * group_size - 6) / pairs
    return variance if rule == "leave_one_out" else variance * ((group_size - 1) / group_size) ** 2
