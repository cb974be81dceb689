"""Exact policy gradient on K arms: it never loses; how it ends, where it tarries (P19 to P22)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax

from theory.predict.class_concentration import as_policy
from theory.predict.conditions import require, require_positive

_MOST_UPDATES = 10_000_000


def predicted_late_share(time: float, gap: ArrayLike, num_arms: int) -> np.ndarray:
    """Late probability of each wrong arm: 1/(K t gap), t = step_size * updates.

    Assumes:
        Exact policy gradient, one best arm, positive gaps, and t so large that the best arm has
        nearly everything; corrections are of order log(t)/t.

    Derivation:
        Near the corner prob_j = c_j/t. theta_j moves by -prob_j (gap_j - loss) and the best arm's
        by prob_1 loss, loss = sum prob_k gap_k, so d log(prob_j)/dt = -prob_j gap_j - loss = -1/t:
        c_j gap_j + sum c_k gap_k = 1 for each j. So c_j gap_j = 1/K, whatever the gaps, and the
        loss is (K - 1)/(K t).

    Args:
        time: t, above 0.
        gap: reward of the best arm less that of each wrong arm, above 0, shape [K - 1].
        num_arms: K.

    Returns:
        Probabilities, shape [K - 1].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_late_share(1e5, [0.1, 0.5], 3).tolist()
        [3.3333333333333335e-05, 6.666666666666667e-06]
    """
    function = "predicted_late_share"
    gap = np.atleast_1d(np.asarray(gap, dtype=np.float64))
    require_positive(function, "time", time, "The constants are those of late times")
    require(bool((gap > 0.0).all()), function, "gap", "above 0", gap.tolist(), "Take one best arm")
    require(
        num_arms == gap.size + 1,
        function,
        "num_arms",
        f"one more than the gaps, {gap.size + 1}",
        num_arms,
        "Give a gap for each wrong arm",
    )
    return 1.0 / (num_arms * time * gap)


def predicted_improvement(prob: ArrayLike, reward: ArrayLike, step_size: float) -> float:
    """Gain of one exact step: sum prob (r - V)(e^(eta g) - 1)/sum prob e^(eta g).

    Here g = prob (r - V) is the gradient. The gain is never negative, at any step size: each term
    is a product of two numbers of the same sign.

    Assumes:
        Exact gradient of the expected reward V on the logits of a softmax.

    Derivation:
        The new policy is prob e^(eta g)/Z. V' - V = sum prob e^(eta g)(r - V)/Z, and sum prob
        (r - V) = 0 may be taken off. No smoothness constant enters.

    Args:
        prob: probability of each arm, shape [K].
        reward: mean reward of each arm, shape [K].
        step_size: eta, above 0.

    Returns:
        V' - V, in units of reward.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_improvement"
    prob, reward = as_policy(function, prob, reward, "reward")
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    advantage = reward - prob @ reward
    exponent = step_size * prob * advantage
    top = exponent.max()
    weight = prob * np.exp(exponent - top)
    # e^x - 1 relative to the largest e^x, which keeps both tiny and huge exponents.
    gain = np.where(exponent > 1.0, np.exp(exponent - top) - np.exp(-top), 0.0)
    small = np.where(exponent > 1.0, 0.0, np.expm1(np.minimum(exponent, 1.0)) * np.exp(-top))
    return float(prob * advantage @ (gain + small) / weight.sum())


def predicted_largest_waste() -> float:
    """Largest share of an exact step's movement that is not gain: 1 - gain/(moved * range) <= 1.

    moved is the total variation 1/2 sum |prob' - prob|, range the largest less the smallest reward;
    moved * range is the most that such a movement could gain. Above 1 the step would lose.

    Assumes:
        Exact gradient on the logits of a softmax, any policy, rewards and step size.

    Derivation:
        The gain of `predicted_improvement` is never negative, and the bound is approached where
        mass moves between arms of nearly equal reward. A common shift of the step changes nothing,
        so it holds for every step whose sign is that of r - V for each arm.

    Returns:
        The bound.

    References:
        Derived here.
    """
    return 1.0


def predicted_crossing(
    prob: ArrayLike, reward: ArrayLike, step_size: float, *, threshold: float = 0.5
) -> int:
    """First update at which the best arm has more than a given probability, by iteration.

    theta <- theta + step_size * prob * (reward - V).

    Assumes:
        Exact policy gradient from the given policy.

    Derivation:
        The recursion itself, in NumPy alone. A start at a second-best arm is a plateau: with prob
        (.01, .05, .94) and rewards (1, .9, .1) the crossing takes 7525 updates at step size 2/5,
        with the first two exchanged 35.

    Args:
        prob: initial probabilities, shape [K].
        reward: mean rewards, shape [K].
        step_size: step size on the logits.
        threshold: probability to be exceeded, in (0, 1).

    Returns:
        Number of updates.

    Raises:
        ValueError: an argument is out of range, or the crossing takes more than 1e7 updates.

    References:
        Setting of Mei et al. 2020, arXiv 2005.06392, figure 1, as the catalogue quotes it.
    """
    function = "predicted_crossing"
    prob, reward = as_policy(function, prob, reward, "reward")
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    require(0.0 < threshold < 1.0, function, "threshold", "in (0, 1)", threshold, "Take 0.5")
    logits, best = np.log(prob), int(np.argmax(reward))
    for update in range(_MOST_UPDATES):
        policy = softmax(logits)
        if policy[best] > threshold:
            return update
        logits = logits + step_size * policy * (reward - policy @ reward)
    raise ValueError(
        f"{function}: `step_size` must be large enough to cross within {_MOST_UPDATES} updates, "
        f"got {step_size}. Raise it."
    )
