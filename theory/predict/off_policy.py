"""Training for ever on samples of one fixed policy, without importance weights (P46).

Off-policy REINFORCE weights a sample by its reward alone. With rewards of one sign that is
imitation: it has an optimum inside the simplex. A sample of negative reward is pushed down for
ever, at full strength however unlikely it has become; TOPR's taper, min(ratio, 1), ends that.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require


def _read(function: str, behaviour: ArrayLike, reward: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    behaviour, reward = (np.asarray(value, dtype=np.float64) for value in (behaviour, reward))
    require(
        behaviour.ndim == 1 and behaviour.shape == reward.shape,
        function,
        "reward",
        f"of the shape of `behaviour`, {behaviour.shape}, with one axis",
        reward.shape,
        "Give one reward per arm",
    )
    require(
        bool((behaviour > 0.0).all()) and abs(float(behaviour.sum()) - 1.0) < 1e-9,
        function,
        "behaviour",
        "positive and of sum 1",
        f"sum {behaviour.sum():g}, smallest {behaviour.min():g}",
        "Leave out arms that are never drawn",
    )
    return behaviour, reward


def predicted_imitated_policy(behaviour: ArrayLike, reward: ArrayLike) -> np.ndarray:
    """Limit of off-policy REINFORCE with positive rewards: behaviour * reward, normalised.

    Assumes:
        Rewards above 0, weights without the ratio (TOPR does the same there), small steps.

    Derivation:
        sum behaviour reward log(policy) is concave in the logits, with gradient behaviour reward -
        policy sum(behaviour reward).

    Args:
        behaviour: probability of each arm under the fixed policy, shape [K].
        reward: reward of each arm, shape [K].

    Returns:
        The policy, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; the rule as in arXiv 2503.14286 (abstract read).

    Examples:
        >>> predicted_imitated_policy([0.5, 0.5], [1.0, 3.0]).tolist()
        [0.25, 0.75]
    """
    function = "predicted_imitated_policy"
    behaviour, reward = _read(function, behaviour, reward)
    require(
        bool((reward > 0.0).all()),
        function,
        "reward",
        "above 0, the regime of imitation",
        reward.tolist(),
        "With other rewards use predicted_untapered_limit or predicted_tapered_decay",
    )
    return behaviour * reward / (behaviour @ reward)


def predicted_untapered_limit(
    behaviour: ArrayLike, reward: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Where off-policy REINFORCE with negative rewards goes: policy, and speed of the logits.

    An arm that dies has the logit speed behaviour * reward for ever; all others share the speed
    c that makes up for them, and have the probability (behaviour reward - c)/sum(behaviour
    reward): not in proportion to behaviour * reward.

    Assumes:
        sum(behaviour * reward) > 0, weights without the ratio, small steps.

    Derivation:
        The gradient is m - policy sum(m), m = behaviour reward, concave for sum(m) > 0. In the
        limit the living arms move alike, m - policy sum(m) = c, and their probabilities add up to
        1; logits keep their sum, so c times their number is -sum(m) over the dead. Arms with m <
        c die: they fall behind by c - m per unit of time.

    Args:
        behaviour: probability of each arm under the fixed policy, shape [K].
        reward: reward of each arm, of either sign, shape [K].

    Returns:
        The limit of the policy, shape [K], and of the logits' speed, nats per unit of step_size *
        updates, shape [K].

    Raises:
        ValueError: an argument is out of range, or the mean reward is not above 0.

    References:
        Derived here.
    """
    function = "predicted_untapered_limit"
    behaviour, reward = _read(function, behaviour, reward)
    pull = behaviour * reward
    total = float(pull.sum())
    require(
        total > 0.0,
        function,
        "reward",
        "of mean above 0 under the behaviour policy, the regime in which the limit is unique",
        total,
        "Otherwise which arm wins depends on the start",
    )
    order = np.sort(pull)[::-1]
    # Dead arms drag the living ones up; the more of the worst arms are dead, the higher c.
    speeds = [-float(order[alive:].sum()) / alive for alive in range(len(order), 0, -1)]
    common = next(
        speed
        for alive, speed in zip(range(len(order), 0, -1), speeds, strict=True)
        if order[alive - 1] > speed
    )
    is_alive = pull > common
    return np.where(is_alive, (pull - common) / total, 0.0), np.where(is_alive, common, pull)


def predicted_tapered_decay(behaviour: ArrayLike, reward: ArrayLike) -> np.ndarray:
    """Limit of probability * time of each arm of negative or no reward under TOPR's taper.

    probability * time -> num_positive/(K (|reward| + sum over positive of behaviour reward)).

    Assumes:
        At least one positive reward, small steps; time is step_size * updates.

    Derivation:
        Once below the behaviour policy such an arm has weight ratio * reward, so its logit falls
        at policy (|R| + T), T -> sum of behaviour reward over the positive ones, which share the
        sum of that equally. With x = policy (|R| + T) of each, the log-probability falls at x +
        sum(x)/num_positive, and x t has the same limit for all: num_positive/K.

    Args:
        behaviour: probability of each arm under the fixed policy, shape [K].
        reward: reward of each arm, shape [K].

    Returns:
        The limit, one for each arm of reward 0 or below, in their order.

    Raises:
        ValueError: an argument is out of range, or there are not both kinds of arms.

    References:
        Derived here; taper as in arXiv 2503.14286 (abstract read).
    """
    function = "predicted_tapered_decay"
    behaviour, reward = _read(function, behaviour, reward)
    is_positive = reward > 0.0
    require(
        bool(is_positive.any()) and not bool(is_positive.all()),
        function,
        "reward",
        "above 0 for some arms and not for others",
        reward.tolist(),
        "With positive rewards alone use predicted_imitated_policy",
    )
    total = float(behaviour[is_positive] @ reward[is_positive])
    return is_positive.mean() / (total - reward[~is_positive])


def predicted_positive_share(success_prob: ArrayLike, baseline: float) -> np.ndarray:
    """Share of successes in the total weight: p (1 - c)/(1 + (1 - 2 p) c).

    Assumes:
        Rewards +1 and -1 with a baseline c between them; samples of the present policy, ratio 1.

    Derivation:
        Successes weigh 1 - c each and failures 1 + c; p (1 - c) + (1 - p)(1 + c) in all.

    Args:
        success_prob: share of successes among the samples, p, shape [*].
        baseline: the baseline c, in (-1, 1).

    Returns:
        The share, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        arXiv 2503.14286, as the catalogue cites it; derived here.
    """
    function = "predicted_positive_share"
    p = np.asarray(success_prob, dtype=np.float64)
    require(
        bool(((p >= 0.0) & (p <= 1.0)).all()),
        function,
        "success_prob",
        "between 0 and 1",
        p.tolist(),
        "It is a share",
    )
    require(
        -1.0 < baseline < 1.0,
        function,
        "baseline",
        "between -1 and 1, the rewards",
        baseline,
        "Beyond them all samples are pushed the same way",
    )
    return p * (1.0 - baseline) / (1.0 + (1.0 - 2.0 * p) * baseline)
