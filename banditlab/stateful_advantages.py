"""Advantages that remember a prompt's earlier rewards, as pairs of pure functions.

The first of a pair gives the state before any reward; the second takes rewards and state, and
returns advantages and the next state. Nothing is changed in place, and what is remembered, per
prompt, lies on the last axis of the state, so that a loop may pick and put back the prompts of a
batch.

Shapes: rewards [*, G], states [*, H], where G is the group (rollouts of one prompt), H the numbers
remembered of a prompt, and * any leading shape. Any array API backend; initial states are NumPy.
"""

from typing import Any

from array_api_compat import array_namespace, device

from banditlab.advantages import require_standardization
from banditlab.validation import require, require_finite_number

Array = Any


def _require_state(function: str, reward: Array, state: Array, num_remembered: int) -> None:
    expected = (*reward.shape[:-1], num_remembered)
    require(
        reward.ndim >= 1 and tuple(state.shape) == expected,
        function,
        "state",
        f"of shape {expected}, as the rewards' shape {tuple(reward.shape)} asks for",
        tuple(state.shape),
        "Begin with `initial_state` of the same rule, hyperparameters and leading shape",
    )


def running_mean_state(
    leading_shape: tuple[int, ...], *, forgetting: float, initial_baseline: float
) -> Array:
    """State of `running_mean` before any reward: the initial baseline and the count 0.

    Args:
        leading_shape: the shape *, e.g. (R, P).
        forgetting: not used here.
        initial_baseline: baseline before the first reward, in units of reward.

    Returns:
        The state, shape [*, 2]: baseline, and number of rewards that it comes from.
    """
    # Here and not above, so that commands answer --help without loading NumPy.
    import numpy as np

    return np.broadcast_to([initial_baseline, 0.0], (*leading_shape, 2)).copy()


def running_mean(
    reward: Array, state: Array, *, forgetting: float, initial_baseline: float
) -> tuple[Array, Array]:
    """Advantage over the mean of the prompt's earlier rewards: reward - baseline.

    The present rewards are not in the baseline, so the expected gradient is that of the raw
    reward. Afterwards baseline += max(forgetting, G/(count + G)) * (mean(reward) - baseline):
    without forgetting, the plain mean of all earlier rewards; with it, an exponential mean over
    rounds that starts as a plain one.

    Args:
        reward: reward of each rollout, shape [*, G].
        state: baseline and count, shape [*, 2].
        forgetting: least weight of the newest round in the baseline, in [0, 1].
        initial_baseline: baseline before the first reward, in units of reward.

    Returns:
        The advantage, shape [*, G], and the next state, shape [*, 2].

    Raises:
        ValueError: the state is not of that shape, or a hyperparameter is out of range.

    References:
        Sutton and Barto, Reinforcement learning, section on gradient bandits. There the baseline
        of the first step is the first reward itself; here it is `initial_baseline`.
    """
    _require_state("running_mean", reward, state, 2)
    require_finite_number(
        "running_mean",
        "forgetting",
        forgetting,
        low=0.0,
        high=1.0,
        remedy="Use 0 for the mean of all earlier rewards, 0.1 for about the last ten rounds",
    )
    require_finite_number(
        "running_mean", "initial_baseline", initial_baseline, remedy="Use 0 without prior knowledge"
    )
    xp = array_namespace(reward, state)
    baseline, count = state[..., 0], state[..., 1] + reward.shape[-1]
    newest_weight = reward.shape[-1] / count
    newest_weight = xp.where(
        newest_weight < forgetting, forgetting * xp.ones_like(newest_weight), newest_weight
    )
    next_baseline = baseline + newest_weight * (xp.mean(reward, axis=-1) - baseline)
    return reward - baseline[..., None], xp.stack([next_baseline, count], axis=-1)


def reward_history_state(
    leading_shape: tuple[int, ...], *, history: int, ddof: int, eps: float
) -> Array:
    """State of `reward_history` before any reward.

    Args:
        leading_shape: the shape *, e.g. (R, P).
        history: rewards remembered of a prompt.
        ddof: not used here.
        eps: not used here.

    Returns:
        The state, shape [*, history + 1]: the rewards, newest last, and how many there are.

    Raises:
        ValueError: history is below 2.
    """
    _require_history("reward_history_state", history)
    import numpy as np

    return np.zeros((*leading_shape, history + 1))


def reward_history(
    reward: Array, state: Array, *, history: int, ddof: int, eps: float
) -> tuple[Array, Array]:
    """Advantage standardized by the prompt's last rewards: (reward - mean) / (std + eps).

    Mean and std are over the last `history` rewards of the prompt, the present ones included; with
    fewer than two of them the advantage is the raw reward. The order of the rewards within a group
    means nothing.

    Args:
        reward: reward of each rollout, shape [*, G], G at most `history`.
        state: remembered rewards and their number, shape [*, history + 1].
        history: rewards remembered of a prompt, at least 2.
        ddof: 0 for the population standard deviation, 1 for Bessel's correction.
        eps: added to the standard deviation, in units of reward, at least 0.

    Returns:
        The advantage, shape [*, G], exactly 0 where all these rewards are equal, and the next
        state, shape [*, history + 1].

    Raises:
        ValueError: the group is larger than the history, the state is not of that shape, or a
            hyperparameter is out of range.

    References:
        The "replay" of arXiv 2601.22532, whose code keeps the prompt's last 8 rewards for mean and
        std. It was read in digest only: that the present rewards count, ddof and eps are taken
        over from its group advantage, and the raw reward at the start is our reading.
    """
    _require_history("reward_history", history)
    require_standardization("reward_history", ddof, eps)
    require(
        reward.ndim >= 1 and reward.shape[-1] <= history,
        "reward_history",
        "reward",
        f"of group size {history} or less on its last axis",
        f"shape {tuple(reward.shape)}",
        "The whole group must fit into the history; raise history",
    )
    _require_state("reward_history", reward, state, history + 1)
    xp = array_namespace(reward, state)
    remembered = xp.concat([state[..., :-1], xp.astype(reward, state.dtype)], axis=-1)
    remembered = remembered[..., -history:]
    count = state[..., -1:] + reward.shape[-1]
    count = xp.where(count > history, history * xp.ones_like(count), count)
    age = xp.arange(history - 1, -1, -1, dtype=state.dtype, device=device(state))
    mean, std = _mean_and_std(remembered, age < count, ddof)
    largest, smallest = _extremes(remembered, age < count)
    is_flat = (largest == smallest) | (std + eps == 0)
    centred = xp.where(is_flat, xp.zeros_like(mean), reward - mean)
    advantage = centred / xp.where(is_flat, xp.ones_like(std), std + eps)
    return xp.where(count < 2, reward, advantage), xp.concat([remembered, count], axis=-1)


def _mean_and_std(value: Array, is_kept: Array, ddof: int) -> tuple[Array, Array]:
    xp = array_namespace(value, is_kept)
    count = xp.sum(xp.astype(is_kept, value.dtype), axis=-1, keepdims=True)
    mean = xp.sum(xp.where(is_kept, value, xp.zeros_like(value)), axis=-1, keepdims=True) / count
    deviation = xp.where(is_kept, value - mean, xp.zeros_like(value))
    # A single reward has no std, and its advantage does not ask for one.
    divisor = xp.where(count > ddof, count - ddof, xp.ones_like(count))
    return mean, xp.sqrt(xp.sum(deviation**2, axis=-1, keepdims=True) / divisor)


def _extremes(value: Array, is_kept: Array) -> tuple[Array, Array]:
    xp = array_namespace(value, is_kept)
    infinity = xp.full_like(value, xp.inf)
    return (
        xp.max(xp.where(is_kept, value, -infinity), axis=-1, keepdims=True),
        xp.min(xp.where(is_kept, value, infinity), axis=-1, keepdims=True),
    )


def _require_history(function: str, history: int) -> None:
    require(
        isinstance(history, int) and history >= 2,
        function,
        "history",
        "a whole number of 2 or more",
        history,
        "A standard deviation needs two rewards; 8 is usual",
    )
