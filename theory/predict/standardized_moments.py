"""Moments of GRPO's gradient, and the objective that it climbs at a finite group size (P8).

With k correct of G rollouts, rewards 0 or 1, the class gradient (1/G) sum_i A_i ([i correct] - p)
is sqrt(k (G - k))/G with the population deviation, ddof = 0, and sqrt((G - 1)/G) times that with
the sample deviation, ddof = 1. Its mean is `theory.predict.drift.standardized_class_gradient`.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, log_expit, logit

from theory.predict.conditions import as_log_odds, require
from theory.predict.drift import predicted_class_gradient, require_rule
from theory.predict.moments import as_policy


def _require_deviation(function: str, group_size: int, ddof: int) -> None:
    require_rule(function, "grpo", group_size)
    require(ddof in (0, 1), function, "ddof", "0 or 1", ddof, "Use 0 for the population deviation")


def predicted_standardized_square(
    log_odds: ArrayLike, *, group_size: int, ddof: int = 0
) -> np.ndarray:
    """Mean square of GRPO's class gradient: (G - 1)/G p q; ((G - 1)/G)^2 p q with ddof = 1.

    Assumes:
        Rewards 0 or 1, independent rollouts of the current policy (ratio 1), eps = 0.

    Derivation:
        The square of sqrt(k (G - k))/G has the mean E[k (G - k)]/G^2 = (G - 1)/G p q. The sample
        deviation is sqrt(G/(G - 1)) times the population one and divides the gradient by as much.

    Args:
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G.
        ddof: 0 for the population standard deviation, 1 for the sample one.

    Returns:
        The mean square, dimensionless, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_standardized_square(0.0, group_size=4).item()
        0.1875
    """
    function = "predicted_standardized_square"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    _require_deviation(function, group_size, ddof)
    share = ((group_size - 1) / group_size) ** (1 + ddof)
    return share * np.exp(log_expit(log_odds) + log_expit(-log_odds))


def predicted_pair_update(prob: ArrayLike, is_correct: ArrayLike, *, ddof: int = 0) -> np.ndarray:
    """Mean update of GRPO with G = 2: that of leave_one_out, pi_a (r_a - V).

    With ddof = 1 it is 1/sqrt(2) of that.

    Assumes:
        Rewards 0 or 1, two independent rollouts of the current policy (ratio 1), eps = 0. With
        other rewards the two rules differ: GRPO sees only which of the two is the larger.

    Derivation:
        With rewards 1 and 0 the mean is 1/2 and the population deviation 1/2, so the advantages
        are 1 and -1, as over the mean of the other. The sample deviation is 1/sqrt(2).

    Args:
        prob: probabilities of the arms, shape [K].
        is_correct: reward of each arm, 0 or 1, shape [K].
        ddof: 0 for the population standard deviation, 1 for the sample one.

    Returns:
        Mean update of the logits per unit of step size, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        G = 2: arXiv 2510.00977 (as the catalogue cites it); derived here.

    Examples:
        >>> predicted_pair_update([0.5, 0.5], [1.0, 0.0]).tolist()
        [0.25, -0.25]
    """
    _require_deviation("predicted_pair_update", 2, ddof)
    prob, reward = as_policy("predicted_pair_update", prob, is_correct=is_correct)
    _require_binary("predicted_pair_update", reward)
    return prob * (reward - prob @ reward) / np.sqrt(1.0 + ddof)


def _require_binary(function: str, reward: np.ndarray) -> None:
    require(
        bool(np.isin(reward, (0.0, 1.0)).all()) and 0.0 < float(reward.mean()) < 1.0,
        function,
        "is_correct",
        "0 or 1 for each arm, and not the same for all",
        reward.tolist(),
        "Rewards of more than two values have no single deviation",
    )


def predicted_standardized_update(
    prob: ArrayLike, is_correct: ArrayLike, *, group_size: int, ddof: int = 1, eps: float = 1e-6
) -> np.ndarray:
    """Mean update of GRPO on every logit: pi_a (r_a - V) S_G(V)/(V (1 - V)).

    Assumes:
        Rewards 0 or 1, independent rollouts of the current policy (ratio 1).

    Derivation:
        An advantage depends on the rewards alone, so E[A | arm] is a function of the arm's reward,
        and the update pi_a (E[A | a] - E[A]) a multiple of pi_a (r_a - V). Summed over the correct
        arms it is the class gradient S_G(V), which fixes the multiple.

    Args:
        prob: probabilities of the arms, shape [K].
        is_correct: reward of each arm, 0 or 1, shape [K].
        group_size: rollouts per prompt, G.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        Mean update of the logits per unit of step size, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> update = predicted_standardized_update([0.3, 0.2, 0.5], [1, 0, 0], group_size=8)
        >>> (update / update[0]).round(4).tolist()
        [1.0, -0.2857, -0.7143]
    """
    function = "predicted_standardized_update"
    prob, reward = as_policy(function, prob, is_correct=is_correct)
    _require_binary(function, reward)
    pass_rate = float(prob @ reward)
    gradient = predicted_class_gradient(
        "grpo", logit(pass_rate), group_size=group_size, ddof=ddof, eps=eps
    )
    return prob * (reward - pass_rate) * gradient / (pass_rate * (1.0 - pass_rate))


def predicted_largest_amplification(group_size: int, *, ddof: int = 0) -> float:
    """Largest gain of GRPO over the plain gradient, S_G/(p q) at p -> 0: sqrt(G - 1).

    With ddof = 1 it is (G - 1)/sqrt(G).

    Assumes:
        Rewards 0 or 1, ratio 1, eps = 0; p or q so small that G p is nothing beside 1.

    Derivation:
        Only k = 1 counts: probability G p, class gradient sqrt(G - 1)/G. The gain 1/sqrt(p q) of
        an infinite group ends there.

    Args:
        group_size: rollouts per prompt, G.
        ddof: 0 for the population standard deviation, 1 for the sample one.

    Returns:
        The gain, dimensionless.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_largest_amplification(10)
        3.0
    """
    _require_deviation("predicted_largest_amplification", group_size, ddof)
    return float(np.sqrt(group_size - 1) * ((group_size - 1) / group_size) ** (0.5 * ddof))


def predicted_standardized_objective(
    pass_rate: ArrayLike, *, group_size: int, ddof: int = 0
) -> np.ndarray:
    """Objective that GRPO climbs: sum over k from 1 to G - 1 of I_p(k, G - k)/sqrt(k (G - k)).

    I_p(a, b) is the regularized incomplete beta function. Times sqrt((G - 1)/G) with ddof = 1.

    Assumes:
        Rewards 0 or 1, independent rollouts of the current policy (ratio 1), eps = 0.

    Derivation:
        The update is the gradient of h(V) with h'(p) = S_G/(p q) = sum_k sqrt(k (G - k))/G *
        choose(G, k) p^(k - 1) q^(G - k - 1). Term by term, choose(G, k) B(k, G - k) = G/(k (G -
        k)), and the integral from 0 to p is I_p(k, G - k) times that. For G to infinity the sum is
        that of an arcsine law: h(p) = 2 arcsin(sqrt(p)).

    Args:
        pass_rate: p, in [0, 1], shape [*].
        group_size: rollouts per prompt, G.
        ddof: 0 for the population standard deviation, 1 for the sample one.

    Returns:
        The objective, 0 at p = 0, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Limit: Davis and Recht, arXiv 2510.13651 (as the catalogue cites it). The sum at finite G
        is derived here.

    Examples:
        >>> predicted_standardized_objective([0.0, 0.25, 1.0], group_size=2).tolist()
        [0.0, 0.25, 1.0]
    """
    function = "predicted_standardized_objective"
    _require_deviation(function, group_size, ddof)
    pass_rate = np.asarray(pass_rate, dtype=np.float64)
    require(
        bool(((pass_rate >= 0.0) & (pass_rate <= 1.0)).all()),
        function,
        "pass_rate",
        "in [0, 1]",
        pass_rate.tolist(),
        "It is a probability",
    )
    count = np.arange(1, group_size)
    share = betainc(count, group_size - count, pass_rate[..., None])
    total = share @ (1.0 / np.sqrt(count * (group_size - count)))
    return total * ((group_size - 1) / group_size) ** (0.5 * ddof)
