"""Advantages from rewards, the group on the last axis.

Shapes: [*, G], where G is the group (rollouts of one prompt) and * any leading shape, e.g.
[R, P, G] in the simulator and [P, G] in a language model. Any array API backend.
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
    xp = array_namespace(reward)
    centred = reward - xp.mean(reward, axis=-1, keepdims=True)
    # The mean of equal rewards such as 0.1 is rounded and may differ from them.
    largest, smallest = (bound(reward, axis=-1, keepdims=True) for bound in (xp.max, xp.min))
    return xp.where(largest == smallest, xp.zeros_like(centred), centred)


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
    require(
        ddof in (0, 1),
        "standardized",
        "ddof",
        "0 or 1",
        ddof,
        "Use 0 for the population and 1 for the unbiased standard deviation",
    )
    require_finite_number(
        "standardized", "eps", eps, low=0.0, remedy="It keeps the division finite; 1e-6 is usual"
    )
    xp = array_namespace(reward)
    centred = group_mean(reward)
    std = xp.std(reward, axis=-1, correction=ddof, keepdims=True)
    scale = std + eps
    is_flat = scale == 0
    return xp.where(is_flat, xp.zeros_like(centred), centred) / xp.where(
        is_flat, xp.ones_like(scale), scale
    )
