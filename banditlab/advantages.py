"""Advantages from rewards, the group on the last axis.

Shapes: [*, G], where G is the group (rollouts of one prompt) and * any leading shape, e.g.
[R, P, G] in the simulator and [P, G] in a language model; batch baselines read the axis before it
as the P prompts of the batch. Any array API backend.
"""

from typing import Any

from array_api_compat import array_namespace

from banditlab.validation import require, require_finite_number

Array = Any


def _require_group(function: str, reward: Array, smallest: int = 2) -> None:
    group_size = reward.shape[-1] if reward.ndim else 0
    require(
        group_size >= smallest,
        function,
        "reward",
        f"of group size {smallest} or more on its last axis",
        f"group size {group_size}",
        "A group baseline needs several rollouts; raise the group size or use raw_reward",
    )


def _require_batch(function: str, reward: Array) -> None:
    require(
        reward.ndim >= 2 and reward.shape[-1] * reward.shape[-2] >= 2,
        function,
        "reward",
        "of shape [*, P, G] with two rewards or more on its last two axes",
        f"shape {tuple(reward.shape)}",
        "A batch baseline needs several rollouts; raise the batch or the group size",
    )


def require_standardization(function: str, ddof: int, eps: float) -> None:
    """Demand a known divisor of the standard deviation and a usable eps.

    Args:
        function: public function that was called.
        ddof: 0 or 1.
        eps: added to the standard deviation, in units of reward.

    Raises:
        TypeError: eps is not a real number.
        ValueError: ddof is not 0 or 1, or eps is negative or not finite.
    """
    require(
        ddof in (0, 1),
        function,
        "ddof",
        "0 or 1",
        ddof,
        "Use 0 for the population and 1 for the unbiased standard deviation",
    )
    require_finite_number(
        function, "eps", eps, low=0.0, remedy="It keeps the division finite; 1e-6 is usual"
    )


def _centred(reward: Array, axis: int | tuple[int, int]) -> Array:
    """Reward minus its mean, exactly 0 where all rewards along the axis are equal."""
    xp = array_namespace(reward)
    centred = reward - xp.mean(reward, axis=axis, keepdims=True)
    # The mean of equal rewards such as 0.1 is rounded and may differ from them.
    largest, smallest = (bound(reward, axis=axis, keepdims=True) for bound in (xp.max, xp.min))
    return xp.where(largest == smallest, xp.zeros_like(centred), centred)


def _divided(centred: Array, scale: Array) -> Array:
    """Quotient of centred rewards and their scale; 0 where the scale is 0."""
    xp = array_namespace(centred, scale)
    is_flat = scale == 0
    return xp.where(is_flat, xp.zeros_like(centred), centred) / xp.where(
        is_flat, xp.ones_like(scale), scale
    )


def raw(reward: Array) -> Array:
    """Raw reward: advantage = reward.

    Args:
        reward: reward of each rollout, shape [*, G].

    Returns:
        The advantage, shape [*, G]; a new array.
    """
    return array_namespace(reward).asarray(reward, copy=True)


def group_mean(reward: Array) -> Array:
    """Group-mean advantage: reward - mean(reward), exactly 0 in a unanimous group.

    The sample's own reward is part of the mean, so the expected gradient is (G - 1)/G times
    that of the raw reward (theory P7).

    Args:
        reward: reward of each rollout, shape [*, G].

    Returns:
        The advantage, shape [*, G].

    Raises:
        ValueError: the group has fewer than two rollouts.

    Examples:
        >>> import numpy as np
        >>> group_mean(np.array([1.0, 0.0, 0.0, 0.0]))
        array([ 0.75, -0.25, -0.25, -0.25])
    """
    _require_group("group_mean", reward)
    return _centred(reward, -1)


def leave_one_out(reward: Array) -> Array:
    """Leave-one-out advantage: reward - mean(rewards of the others) = G/(G - 1) * group_mean.

    Args:
        reward: reward of each rollout, shape [*, G].

    Returns:
        The advantage, shape [*, G]; its expected gradient is that of the raw reward.

    Raises:
        ValueError: the group has fewer than two rollouts.

    References:
        Ahmadian et al., Back to basics, arXiv 2402.14740 (RLOO).
    """
    _require_group("leave_one_out", reward)
    group_size = reward.shape[-1]
    return group_mean(reward) * (group_size / (group_size - 1))


def standardized(reward: Array, *, ddof: int, eps: float) -> Array:
    """Standardized (GRPO) advantage: (reward - mean(reward)) / (std(reward, ddof) + eps).

    Args:
        reward: reward of each rollout, shape [*, G].
        ddof: 0 for the population standard deviation, 1 for Bessel's correction.
        eps: added to the standard deviation, in units of reward, at least 0. A unanimous group
            gets advantage 0, also with eps = 0.

    Returns:
        The advantage, dimensionless, shape [*, G].

    Raises:
        ValueError: the group has fewer than two rollouts, ddof is not 0 or 1, or eps is negative.

    References:
        Shao et al., DeepSeekMath, arXiv 2402.03300 (GRPO). ddof and eps differ from library to
        library; the released code of arXiv 2601.22532 has ddof = 1, eps = 1e-6.
    """
    _require_group("standardized", reward)
    require_standardization("standardized", ddof, eps)
    std = array_namespace(reward).std(reward, axis=-1, correction=ddof, keepdims=True)
    return _divided(group_mean(reward), std + eps)


def standardized_or_raw(reward: Array, *, ddof: int, eps: float) -> Array:
    """Standardized advantage where there is a group, the raw reward in a group of one.

    Args:
        reward: reward of each rollout, shape [*, G].
        ddof: as in `standardized`.
        eps: as in `standardized`.

    Returns:
        The advantage, shape [*, G]: reward itself for G = 1, where wrong answers of reward 0
        thus give no gradient.

    Raises:
        ValueError: ddof is not 0 or 1, or eps is negative.

    References:
        The released code of arXiv 2601.22532 does so at one rollout per prompt. verl's GRPO, on
        which such code builds, sets mean 0 and std 1 there: reward / (1 + eps).
    """
    if reward.ndim and reward.shape[-1] == 1:
        require_standardization("standardized_or_raw", ddof, eps)
        return raw(reward)
    return standardized(reward, ddof=ddof, eps=eps)


def constant_baseline(reward: Array, *, baseline: float) -> Array:
    """Advantage over a constant: reward - baseline.

    Args:
        reward: reward of each rollout, shape [*, G].
        baseline: the constant, in units of reward.

    Returns:
        The advantage, shape [*, G]; its expected gradient is that of the raw reward.

    Raises:
        ValueError: the baseline is not finite.
    """
    require_finite_number(
        "constant_baseline", "baseline", baseline, remedy="The mean reward expected is usual"
    )
    return reward - baseline


def signed(reward: Array) -> Array:
    """Signed reward, which also punishes: 2 * reward - 1, so +1 for right and -1 for wrong.

    Args:
        reward: reward of each rollout, 0 or 1 or between, shape [*, G].

    Returns:
        The advantage, shape [*, G]; its expected gradient is twice that of the raw reward.
    """
    return 2.0 * reward - 1.0


def batch_mean(reward: Array) -> Array:
    """Batch-mean advantage: reward - mean over all prompts and rollouts of the batch.

    The sample's own reward is one of the N = P * G in the mean, so the expected gradient is
    (N - 1)/N times that of the raw reward.

    Args:
        reward: reward of each rollout, shape [*, P, G]; the mean is over the last two axes.

    Returns:
        The advantage, shape [*, P, G], exactly 0 in a unanimous batch.

    Raises:
        ValueError: the batch has fewer than two rollouts, or there is no batch axis.

    Examples:
        >>> import numpy as np
        >>> batch_mean(np.array([[1.0, 1.0], [0.0, 0.0]]))
        array([[ 0.5,  0.5],
               [-0.5, -0.5]])
    """
    _require_batch("batch_mean", reward)
    return _centred(reward, (-2, -1))


def batch_standardized(reward: Array, *, ddof: int, eps: float) -> Array:
    """Batch-whitened advantage: (reward - batch mean) / (batch std + eps).

    Args:
        reward: reward of each rollout, shape [*, P, G]; statistics are over the last two axes.
        ddof: 0 for the population standard deviation, 1 for Bessel's correction.
        eps: added to the standard deviation, in units of reward, at least 0.

    Returns:
        The advantage, dimensionless, shape [*, P, G], exactly 0 in a unanimous batch.

    Raises:
        ValueError: the batch has fewer than two rollouts, there is no batch axis, ddof is not 0 or
            1, or eps is negative.

    References:
        REINFORCE++, arXiv 2501.03262, as verl's and OpenRLHF's code whiten a batch (over tokens).
    """
    _require_batch("batch_standardized", reward)
    require_standardization("batch_standardized", ddof, eps)
    std = array_namespace(reward).std(reward, axis=(-2, -1), correction=ddof, keepdims=True)
    return _divided(_centred(reward, (-2, -1)), std + eps)
