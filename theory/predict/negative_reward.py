"""Reward -1 for a wrong answer: what it adds to the gradient, and what to its noise.

The advantage 2 * reward - 1 is twice that over the constant baseline 1/2, so that the expected
gradient is twice that of the raw reward, on every logit: in the flow a negative reward is a larger
step and nothing else. What it changes is everything beyond the mean. Failures carry the second half
of the expected gradient, spread over 1 - p of the rollouts, and with it nearly all of the noise.
Where wrong answers are endless, that noise lands on arms that are never seen again. Where a few
wrong answers hold the mass (K of them), a failure moves mass from one to the others, and the
convexity of the softmax takes it from the correct one: below a pass rate of step_size (K - 1)/
(4 K (K + 1)), for small steps, a rollout lowers the log-odds of success on average.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from theory.predict.conditions import as_log_odds, require, require_positive


def _as_probabilities(
    function: str, prob: ArrayLike, reward: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    prob, reward = np.asarray(prob, dtype=float), np.asarray(reward, dtype=float)
    require(
        prob.ndim == 1 and prob.shape == reward.shape and abs(prob.sum() - 1.0) < 1e-9,
        function,
        "prob",
        "probabilities of sum 1, of the shape of the rewards",
        prob.tolist(),
        "Give one for each arm",
    )
    require(
        bool(np.isin(reward, (0.0, 1.0)).all()),
        function,
        "reward",
        "0 or 1",
        reward.tolist(),
        "The rule makes them -1 and 1",
    )
    return prob, reward


def predicted_signed_update(prob: ArrayLike, reward: ArrayLike) -> np.ndarray:
    """Expected change of the logits per unit step under reward 1 or -1: 2 prob (reward - p).

    Assumes:
        Rewards 0 or 1 made 1 and -1, fresh rollouts.

    Derivation:
        E[A (e_arm - prob)] = prob (A - E A) with A = 2 reward - 1: twice that of the raw reward.

    Args:
        prob: probability of each arm, shape [K].
        reward: 0 or 1, shape [K].

    Returns:
        Expected change, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    prob, reward = _as_probabilities("predicted_signed_update", prob, reward)
    return 2.0 * prob * (reward - prob @ reward)


def predicted_signal_to_noise(prob: ArrayLike, reward: ArrayLike, *, is_signed: bool) -> np.ndarray:
    """Squared signal over second moment of one rollout's gradient: of its class part, and of all.

    Class gradient: p for the raw reward, 4 p (1 - p) for the signed one. All logits: ||g||^2 /
    sum_correct prob_a n_a, and 4 ||g||^2 / (1 - C), with g = prob (reward - p), C = sum prob^2 and
    n_a = 1 - 2 prob_a + C.

    Assumes:
        Rewards 0 or 1, or -1 and 1; one fresh rollout.

    Derivation:
        Class gradient A ([success] - p): raw has mean p q and second moment p q^2; signed 2 p q
        and p q^2 + q p^2 = p q. All logits: ||e_a - prob||^2 = n_a, and sum_a prob_a n_a = 1 - C.
        So the sign helps the class gradient below p = 3/4, and drowns that of all logits where
        4 sum_correct prob_a n_a < 1 - C: there failures are noise on the wrong arms.

    Args:
        prob: probability of each arm, shape [K].
        reward: 0 or 1, shape [K].
        is_signed: whether wrong answers have reward -1.

    Returns:
        The two ratios, shape [2].

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> prob, reward = [0.02, 0.49, 0.49], [1, 0, 0]
        >>> predicted_signal_to_noise(prob, reward, is_signed=False).round(4).tolist()
        [0.02, 0.02]
        >>> predicted_signal_to_noise(prob, reward, is_signed=True).round(4).tolist()
        [0.0784, 0.0044]

    References:
        n_a as in catalogue entry P5; the comparison is derived here.
    """
    prob, reward = _as_probabilities("predicted_signal_to_noise", prob, reward)
    success = float(prob @ reward)
    collision = float(prob @ prob)
    gradient = prob * (reward - success)
    squared = float(gradient @ gradient)
    if is_signed:
        return np.array([4.0 * success * (1.0 - success), 4.0 * squared / (1.0 - collision)])
    noise = float((prob * reward) @ (1.0 - 2.0 * prob + collision))
    return np.array([success, squared / noise])


def _require_wrong_arms(function: str, num_wrong: int) -> None:
    require(
        num_wrong >= 1, function, "num_wrong", "at least 1", num_wrong, "A failure needs an arm"
    )


def predicted_failure_step(log_odds: ArrayLike, *, num_wrong: int, step_size: float) -> np.ndarray:
    """Change of the log-odds of success by one failure of reward -1.

    step (p - (1 - p)/K) - log(1 - (1 - e^-step)/K), for small steps step p (1 + 1/K) - step^2
    (K - 1)/(2 K^2): up where p is large, down where it is small.

    Assumes:
        One correct arm and K equally likely wrong ones; SGD; the failure is one of them.

    Derivation:
        The drawn arm's logit falls by step (1 - q/K), the other wrong ones rise by step q/K, the
        correct one by step p. The wrong arms' mean logit falls by step p/K, but they are no longer
        equal, and log sum exp is convex.

    Args:
        log_odds: log-odds of success before the step, nats, shape [*].
        num_wrong: wrong arms, K.
        step_size: step size of SGD on the logits.

    Returns:
        Changes, nats, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_failure_step"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    _require_wrong_arms(function, num_wrong)
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    pull = step_size * (expit(log_odds) - expit(-log_odds) / num_wrong)
    return pull - np.log1p(np.expm1(-step_size) / num_wrong)


def predicted_breakdown_log_odds(*, num_wrong: int, step_size: float) -> float:
    """Log-odds of success below which a rollout of reward 1 or -1 lowers them on average.

    p = (1/K + log(1 - (1 - e^-step)/K)/step) / (2 (1 + 1/K)), about step (K - 1)/(4 K (K + 1)) for
    small steps. A failure alone lowers them below twice that p.

    Assumes:
        As `predicted_failure_step`, with K at least 2.

    Derivation:
        A success raises the log-odds by step q (1 + 1/K). Weigh it by p, `predicted_failure_step`
        by q, and divide by q: both are linear in p. With the raw reward the sum is positive at
        every p.

    Args:
        num_wrong: wrong arms, K.
        step_size: step size of SGD on the logits.

    Returns:
        Log-odds, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_breakdown_log_odds"
    require(
        num_wrong >= 2,
        function,
        "num_wrong",
        "at least 2",
        num_wrong,
        "A single wrong arm has no other one to feed",
    )
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    loss = 1.0 / num_wrong + np.log1p(np.expm1(-step_size) / num_wrong) / step_size
    return float(logit(loss / (2.0 * (1.0 + 1.0 / num_wrong))))


def predicted_inner_log_ratio(num_epochs: int, coefficient: float) -> np.ndarray:
    """Log-ratio of a failure after each inner epoch of reward -1: l <- l - coefficient e^l.

    It is below -log(1 + coefficient k) after k epochs and follows it for small coefficients: the
    ratio takes the weight off what has become unlikely.

    Assumes:
        One failure, drawn once, among endless wrong arms; the importance ratio in the weight.

    Derivation:
        The weight is -ratio and the score of an arm of vanishing probability on its own logit is
        1. e^-l grows by e^-l (e^(coefficient e^l) - 1) per epoch, at least the coefficient.

    Args:
        num_epochs: inner epochs.
        coefficient: step_size over the number of trained rollouts.

    Returns:
        Log-ratios, nats, shape [num_epochs].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_inner_log_ratio"
    require_positive(function, "coefficient", coefficient, "At 0 nothing moves")
    log_ratio = np.zeros(num_epochs + 1)
    for epoch in range(num_epochs):
        log_ratio[epoch + 1] = log_ratio[epoch] - coefficient * np.exp(log_ratio[epoch])
    return log_ratio[1:]
