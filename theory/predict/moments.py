"""Moments of the gradient of one rollout under a constant baseline, and the best baseline (P5, P6).

One rollout of arm a with reward R moves the logits by step_size * (R - b) * s_a, with the score
s_a = e_a - pi. With C = sum_a pi_a^2 its squared length is n_a = |s_a|^2 = 1 - 2 pi_a + C.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require


def as_policy(function: str, prob: ArrayLike, **by_arm: ArrayLike) -> tuple[np.ndarray, ...]:
    """Read probabilities of arms, and numbers that belong to the arms.

    Args:
        function: public function that was called.
        prob: probabilities, shape [K].
        **by_arm: other numbers by arm, each of shape [K] or one for all.

    Returns:
        All of them, each of shape [K].

    Raises:
        ValueError: the probabilities are not positive or not of sum 1, or a shape differs.
    """
    prob = np.asarray(prob, dtype=np.float64)
    require(
        prob.ndim == 1 and prob.size >= 2 and bool((prob > 0.0).all()),
        function,
        "prob",
        "positive probabilities of two arms or more, shape [K]",
        prob.tolist(),
        "Leave arms of probability 0 out",
    )
    require(
        abs(float(prob.sum()) - 1.0) < 1e-9,
        function,
        "prob",
        "of sum 1",
        float(prob.sum()),
        "Divide by the sum",
    )
    found = [prob]
    for name, value in by_arm.items():
        value = np.asarray(value, dtype=np.float64)
        require(
            value.shape in ((), prob.shape) and bool(np.isfinite(value).all()),
            function,
            name,
            f"one finite number per arm, shape {prob.shape}",
            value.tolist(),
            "Give one number per arm",
        )
        found.append(np.broadcast_to(value, prob.shape))
    return tuple(found)


def _score_length(prob: np.ndarray) -> np.ndarray:
    """Squared length of each arm's score, n_a = 1 - 2 pi_a + C."""
    return 1.0 - 2.0 * prob + prob @ prob


def predicted_gradient_mean(prob: ArrayLike, mean_reward: ArrayLike) -> np.ndarray:
    """Mean gradient of one rollout, whatever the baseline: pi_a (r_a - V), V = sum_a pi_a r_a.

    Assumes:
        One fresh rollout (ratio 1); a baseline that does not depend on it.

    Derivation:
        E[(R - b) s] = sum_a pi_a (r_a - b)(e_a - pi) has the component pi_a (r_a - b) - pi_a (V -
        b), in which b cancels.

    Args:
        prob: probabilities of the arms, shape [K].
        mean_reward: mean reward of each arm, r_a, shape [K].

    Returns:
        Gradient on the logits, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Williams 1992 (REINFORCE), from memory.

    Examples:
        >>> predicted_gradient_mean([0.25, 0.75], [1.0, 0.0]).tolist()
        [0.1875, -0.1875]
    """
    prob, mean_reward = as_policy("predicted_gradient_mean", prob, mean_reward=mean_reward)
    return prob * (mean_reward - prob @ mean_reward)


def predicted_gradient_covariance(
    prob: ArrayLike, mean_reward: ArrayLike, *, baseline: float, reward_variance: ArrayLike = 0.0
) -> np.ndarray:
    """Covariance of the gradient of one rollout: sum_a pi_a E[(R_a - b)^2] s_a s_a^T - g g^T.

    Assumes:
        One fresh rollout (ratio 1); a constant baseline b; g is the mean gradient.

    Derivation:
        Given the arm, the gradient is (R - b) s_a, of mean square E[(R_a - b)^2] s_a s_a^T, where
        E[(R_a - b)^2] = var_a + (r_a - b)^2.

    Args:
        prob: probabilities of the arms, shape [K].
        mean_reward: mean reward of each arm, r_a, shape [K].
        baseline: the constant, b.
        reward_variance: variance of the reward of each arm, shape [K] or one for all.

    Returns:
        Covariance matrix, shape [K, K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_gradient_covariance"
    prob, mean_reward, variance = as_policy(
        function, prob, mean_reward=mean_reward, reward_variance=reward_variance
    )
    square = variance + (mean_reward - baseline) ** 2
    score = np.eye(len(prob)) - prob
    gradient = prob * (mean_reward - prob @ mean_reward)
    return score.T @ ((prob * square)[:, None] * score) - np.outer(gradient, gradient)


def predicted_gradient_mean_square(
    prob: ArrayLike, mean_reward: ArrayLike, *, baseline: float, reward_variance: ArrayLike = 0.0
) -> float:
    """Mean squared length of the gradient of one rollout: sum_a pi_a E[(R_a - b)^2] n_a.

    Assumes:
        As `predicted_gradient_covariance`, whose trace is this less |g|^2.

    Derivation:
        |(R - b) s_a|^2 = (R - b)^2 n_a, and |e_a - pi|^2 = 1 - 2 pi_a + C = n_a.

    Args:
        prob: probabilities of the arms, shape [K].
        mean_reward: mean reward of each arm, r_a, shape [K].
        baseline: the constant, b.
        reward_variance: variance of the reward of each arm, shape [K] or one for all.

    Returns:
        The mean square.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; the catalogue finds n_a also in arXiv 2506.12912.

    Examples:
        >>> predicted_gradient_mean_square([0.5, 0.5], [1.0, 0.0], baseline=0.0)
        0.25
    """
    prob, mean_reward, variance = as_policy(
        "predicted_gradient_mean_square",
        prob,
        mean_reward=mean_reward,
        reward_variance=reward_variance,
    )
    square = variance + (mean_reward - baseline) ** 2
    return float((prob * square) @ _score_length(prob))


def predicted_best_baseline(prob: ArrayLike, mean_reward: ArrayLike) -> float:
    """Constant baseline of the least variance: sum_a pi_a n_a r_a / sum_a pi_a n_a.

    Assumes:
        One fresh rollout (ratio 1); variance is the trace of the gradient's covariance.

    Derivation:
        The mean does not depend on b, so the trace is least where the mean square is, sum_a pi_a
        n_a (var_a + (r_a - b)^2): a parabola with its vertex at the mean of r_a under the weights
        pi_a n_a. How noisy the rewards are does not matter.

    Args:
        prob: probabilities of the arms, shape [K].
        mean_reward: mean reward of each arm, r_a, shape [K].

    Returns:
        The baseline, in units of reward.

    Raises:
        ValueError: an argument is out of range.

    References:
        The form of Greensmith, Bartlett and Baxter 2004, from memory; derived here.

    Examples:
        >>> round(predicted_best_baseline([0.9, 0.1], [1.0, 0.2]), 6)
        0.28
    """
    prob, mean_reward = as_policy("predicted_best_baseline", prob, mean_reward=mean_reward)
    weight = prob * _score_length(prob)
    return float(weight @ mean_reward / weight.sum())


def predicted_best_two_arm_baseline(
    success_prob: float, first_reward: float, second_reward: float
) -> float:
    """Best constant baseline of two arms: (1 - p) r_1 + p r_2, with the probabilities exchanged.

    Assumes:
        Two arms, the first of probability p; otherwise as `predicted_best_baseline`.

    Derivation:
        n_1 = 2 (1 - p)^2 and n_2 = 2 p^2, so the weights p n_1 : (1 - p) n_2 are (1 - p) : p. The
        likely arm hardly moves anything; what is rare must be balanced.

    Args:
        success_prob: probability of the first arm, p.
        first_reward: its mean reward, r_1.
        second_reward: mean reward of the other arm, r_2.

    Returns:
        The baseline, in units of reward.

    Raises:
        ValueError: the probability is not strictly between 0 and 1.

    References:
        Derived here.

    Examples:
        >>> round(predicted_best_two_arm_baseline(0.9, 1.0, 0.0), 6)
        0.1
    """
    require(
        0.0 < success_prob < 1.0,
        "predicted_best_two_arm_baseline",
        "success_prob",
        "strictly between 0 and 1",
        success_prob,
        "With one arm no baseline is better than another",
    )
    return (1.0 - success_prob) * first_reward + success_prob * second_reward
