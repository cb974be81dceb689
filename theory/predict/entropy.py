"""How a small change of the logits changes the entropy, and what entropy says of the reward.

First order in the change it is a covariance with the log-probability (P13); rewards that are pure
noise move it at second order. In a bandit of two classes reward and entropy determine each other
(P24): the curve between them is a straight line as soon as there are many arms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from theory.predict.class_concentration import as_policy
from theory.predict.conditions import require, require_positive


def predicted_entropy_slope(prob: ArrayLike, direction: ArrayLike) -> float:
    """Change of the entropy per unit of a change of logits: -Cov(log prob, direction).

    Assumes:
        A small change; the remainder is of second order in it.

    Derivation:
        dH/dtheta_a = -prob_a (log prob_a + H); sum over arms times the direction.

    Args:
        prob: probability of each arm, shape [K].
        direction: change of each logit, nats, shape [K].

    Returns:
        Nats per unit of the direction.

    Raises:
        ValueError: an argument is out of range.

    References:
        Cui et al., arXiv 2505.22617, as the catalogue cites its lemma; derived here.

    Examples:
        >>> round(predicted_entropy_slope([0.75, 0.25], [1.0, 0.0]), 4)  # the likelier arm gains
        -0.206
    """
    prob, direction = as_policy("predicted_entropy_slope", prob, direction, "direction")
    log_prob = np.log(prob)
    return float(-(prob @ (log_prob * direction)) + (prob @ log_prob) * (prob @ direction))


def predicted_noise_entropy_drift(prob: ArrayLike) -> float:
    """Second-order drift of the entropy under rewards of pure noise, per step_size^2 s^2.

    drift = 1/2 sum_a prob_a score_a^T (Hessian of H) score_a, score_a = e_a - prob.

    Assumes:
        One sample per update, reward of mean 0 and variance s^2 independent of the arm, raw
        reward, small step_size * s.

    Derivation:
        The first order averages to 0 with the reward. Along theta + eps u, with u centred under
        prob, d prob = prob u, d log prob = u and d u = -Var(u), so H'' = -sum prob u^2 (1 + log
        prob + H); average over the drawn arm with its score for u.

    Args:
        prob: probability of each arm, shape [K].

    Returns:
        The drift, nats per unit of step_size^2 * s^2; below 0 for most policies, not for all.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    prob, _ = as_policy("predicted_noise_entropy_drift", prob, prob, "prob")
    score = np.eye(len(prob)) - prob
    centred = score - (score @ prob)[:, None]
    surprise = np.log(prob) - prob @ np.log(prob)
    mean_square = centred**2 @ prob
    return float(-0.5 * prob @ (mean_square + centred**2 @ (prob * surprise)))


def predicted_reward_from_entropy(
    entropy: ArrayLike, pass_rate: ArrayLike, log_num_correct: float, log_num_wrong: float
) -> np.ndarray:
    """Pass rate as its entropy tells it: (log m + h(p) - H)/log(m/g), h the binary entropy.

    Assumes:
        Equally likely arms within the classes of g correct and m wrong ones, g not m.

    Derivation:
        H = h(p) + p log g + (1 - p) log m. With many arms h is nothing beside log m, and the pass
        rate is linear in H with slope -1/log(m/g).

    Args:
        entropy: H of the policy, nats, shape [*].
        pass_rate: p, shape [*].
        log_num_correct: log g, nats.
        log_num_wrong: log m, nats.

    Returns:
        The pass rate, shape [*].

    Raises:
        ValueError: the classes are of equal size.

    References:
        Derived here.
    """
    function = "predicted_reward_from_entropy"
    require(
        log_num_correct != log_num_wrong,
        function,
        "log_num_wrong",
        "different from log_num_correct",
        log_num_wrong,
        "With classes of equal size the entropy does not tell them apart",
    )
    pass_rate = np.asarray(pass_rate, dtype=np.float64)
    binary = -xlogy(pass_rate, pass_rate) - xlogy(1.0 - pass_rate, 1.0 - pass_rate)
    return (log_num_wrong + binary - np.asarray(entropy)) / (log_num_wrong - log_num_correct)


def predicted_exponential_fit(entropy: ArrayLike, pass_rate: ArrayLike) -> float:
    """Share of the variance of the pass rate that a law p = -a exp(H) + b explains, R^2.

    Assumes:
        Nothing: least squares.

    Derivation:
        R^2 of a line is the squared correlation of p with exp(H); exp(H) is scaled by its largest
        value, which a linear fit does not see.

    Args:
        entropy: H along a run, nats, shape [S].
        pass_rate: p along the run, shape [S].

    Returns:
        R^2, in [0, 1].

    Raises:
        ValueError: there are fewer than three points.

    References:
        The law is that of arXiv 2505.22617 (abstract read).
    """
    entropy, pass_rate = (np.asarray(value, dtype=np.float64) for value in (entropy, pass_rate))
    require_positive(
        "predicted_exponential_fit", "points", float(entropy.size - 2), "Two fit any line"
    )
    return float(np.corrcoef(np.exp(entropy - entropy.max()), pass_rate)[0, 1] ** 2)
