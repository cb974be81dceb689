"""Advantage estimators that mix up groups, lose their arrays, or remember what they should not."""

import numpy as np
import torch
from array_api_compat import array_namespace

from banditlab.advantages import batch_mean, group_mean, leave_one_out, raw
from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.record import broken

_STATE = {"mean": 0.0, "calls": 0}
_TIES = np.random.default_rng(0)


@broken(correct.standardized, "groups_independent", "groups_one_by_one")
def batch_deviation_under_the_groups_name(reward):
    """Centred by the group, divided by the standard deviation of the batch."""
    xp = array_namespace(reward)
    return group_mean(reward) / (xp.std(reward, correction=1) + 1e-6)


@broken(group_mean, "groups_independent", "groups_one_by_one")
def batch_baseline_for_the_groups(reward):
    """The baseline is the mean of the batch."""
    return group_mean(reward) * 0.0 + batch_mean(reward)


@broken(group_mean, "prompt_permutation", "groups_independent")
def baseline_of_the_group_before(reward):
    """The group's index is off by one: each group has the baseline of the one before."""
    xp = array_namespace(reward)
    baseline = xp.mean(reward, axis=-1, keepdims=True)
    return group_mean(reward) * 0.0 + reward - xp.roll(baseline, 1, axis=0)


@broken(group_mean, "groups_one_by_one", "prompt_permutation")
def last_group_lost(reward):
    """The loop over groups ends one too early."""
    xp = array_namespace(reward)
    is_kept = xp.reshape(xp.arange(reward.shape[0]), (-1, 1)) < max(1, reward.shape[0] - 1)
    advantage = group_mean(reward)
    return xp.where(is_kept, advantage, xp.zeros_like(advantage))


@broken(group_mean, "prompt_permutation", "groups_one_by_one")
def transposed_reshape(reward):
    """Rollouts are read as [G, P] where they lie as [P, G]."""
    xp = array_namespace(reward)
    num_prompts, size = reward.shape
    regrouped = xp.reshape(xp.reshape(reward, (-1,)), (size, num_prompts)).T
    return group_mean(reward) * 0.0 + reward - xp.mean(regrouped, axis=-1, keepdims=True)


@broken(batch_mean, "prompt_permutation")
def first_prompt_as_baseline(reward):
    """The first prompt's mean is the baseline of all; coupled groups do not excuse it."""
    xp = array_namespace(reward)
    return batch_mean(reward) * 0.0 + reward - xp.mean(reward[:1, ...])


@broken(group_mean, "group_permutation", "expected_gradient_as_declared")
def mean_of_the_rollouts_before(reward):
    """The baseline of a rollout is the mean of the rollouts up to it."""
    xp = array_namespace(reward)
    count = xp.cumulative_sum(xp.ones_like(reward), axis=-1)
    return group_mean(reward) * 0.0 + reward - xp.cumulative_sum(reward, axis=-1) / count


@broken(group_mean, "group_permutation")
def greedy_rollout_as_baseline(reward):
    """The first rollout is the baseline, as in ReMax, though it is sampled like the others."""
    return group_mean(reward) * 0.0 + reward - reward[..., :1]


@broken(group_mean, rewards_untouched=r"^`reward` after the call\[")
def centred_in_place(reward):
    """The mean is subtracted from the caller's rewards."""
    group_mean(reward)
    reward -= array_namespace(reward).mean(reward, axis=-1, keepdims=True)
    return reward


@broken(
    group_mean,
    advantage_namespace_and_dtype=r"^rewards of torch float64 give advantages of numpy float64$",
)
def computed_by_numpy(reward):
    """NumPy's mean of a tensor gives an array back."""
    return group_mean(np.asarray(reward))


@broken(
    group_mean,
    advantage_namespace_and_dtype=r"^rewards of \w+ float64 give advantages of \w+ float32$",
)
def cast_to_float32(reward):
    """Rewards are cast to float32 first."""
    xp = array_namespace(reward)
    return group_mean(xp.astype(reward, xp.float32))


@broken(group_mean, advantage_namespace_and_dtype=r"^the advantage in torch\[")
def another_divisor_in_torch(reward):
    """The branch for torch centres by the mean of the others."""
    return leave_one_out(reward) if isinstance(reward, torch.Tensor) else group_mean(reward)


@broken(
    correct.leave_one_out_or_raw,
    singleton_group_as_declared=r"^a group of one with reward \S+ gets 0, declared raw$",
)
def singleton_zeroed_by_the_vectorised(reward):
    """Verl 0.9.1 `rloo_vectorized`: a group of one gets 0 where `rloo` passes its reward on."""
    return reward * 0.0 if reward.shape[-1] == 1 else leave_one_out(reward)


@broken(
    correct.standardized_or_raw,
    singleton_group_as_declared=r"^the advantage of a group of one is not finite$",
)
def deviation_of_one(reward):
    """Bessel's correction divides by G - 1 = 0 in a group of one."""
    xp = array_namespace(reward)
    mean = xp.mean(reward, axis=-1, keepdims=True)
    square = xp.sum((reward - mean) ** 2, axis=-1, keepdims=True)
    size = reward.shape[-1]
    if size == 1:
        return (reward - mean) / (square - square)
    return correct.standardized(reward)


@broken(group_mean, singleton_group_as_declared=r"gets 0, declared refused$")
def singleton_passed_silently(reward):
    """A group of one learns nothing, and is not refused."""
    return reward * 0.0 if reward.shape[-1] == 1 else group_mean(reward)


@broken(raw, singleton_group_as_declared=r"^a group of one is refused: ")
def singleton_refused(reward):
    """A group of one is refused by an estimator that needs no group."""
    if reward.shape[-1] == 1:
        raise ValueError("a group of two or more is needed")
    return raw(reward)


@broken(raw, "advantage_determinism")
def running_baseline_in_a_global(reward):
    """A moving average of all rewards ever seen is subtracted."""
    mean = float(np.mean(np.asarray(reward)))
    _STATE["mean"] = 0.9 * _STATE["mean"] + 0.1 * mean
    return reward - _STATE["mean"]


@broken(correct.rank, "advantage_determinism")
def ties_broken_at_random(reward):
    """Equal rewards get different ranks, drawn anew at every call."""
    noise = float(_TIES.random())
    return correct.rank(reward) + 1e-3 * noise * reward


@broken(group_mean, unanimous_group=r"^equal rewards differ$")
def ranks_added_for_ties(reward):
    """Ties are broken by the place in the group."""
    xp = array_namespace(reward)
    place = xp.cumulative_sum(xp.ones_like(reward), axis=-1)
    return group_mean(reward) + 1e-6 * group_mean(place)
