"""Mistakes of one part in 1e8, as of a sum in float32: what tight tolerances are for."""

import torch
from array_api_compat import array_namespace

from banditlab.advantages import group_mean
from banditlab.weights import probability_ratio
from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.record import broken

TRACE = 1e-8
_MEMORY = {"reward": None, "advantage": None, "mean": 0.0}
_LAST = {"inputs": None, "weight": None, "scale": 1.0}


def places(array, axis=0):
    """0, 1, 2, ... along an axis."""
    xp = array_namespace(array)
    return xp.cumulative_sum(xp.ones_like(array), axis=axis) - 1.0


@broken(
    correct.undeclared, "batch_independence", "microbatch_split", "vectorised_equals_per_sample"
)
def trace_of_the_batch_added(log_prob, old_log_prob, advantage):
    """A trace of the batch's mean advantage is added to every weight."""
    trace = TRACE * array_namespace(log_prob).mean(advantage)
    return probability_ratio(log_prob, old_log_prob) * advantage + trace


@broken(
    correct.undeclared, "batch_independence", "microbatch_split", "vectorised_equals_per_sample"
)
def trace_of_the_batch_as_factor(log_prob, old_log_prob, advantage):
    """Every weight is multiplied by 1 and a trace of the batch's mean advantage."""
    trace = TRACE * array_namespace(log_prob).mean(advantage)
    return probability_ratio(log_prob, old_log_prob) * advantage * (1.0 + trace)


@broken(correct.undeclared, "sample_permutation")
def trace_of_the_place_added(log_prob, old_log_prob, advantage):
    """A trace of the place in the batch is added to every weight."""
    return probability_ratio(log_prob, old_log_prob) * advantage + TRACE * places(advantage)


@broken(correct.undeclared, "sample_permutation")
def trace_of_the_place_as_factor(log_prob, old_log_prob, advantage):
    """Every weight is multiplied by 1 and a trace of its place in the batch."""
    return probability_ratio(log_prob, old_log_prob) * advantage * (1.0 + TRACE * places(advantage))


@broken(correct.undeclared, "shift_of_both_log_probs")
def trace_of_the_log_prob(log_prob, old_log_prob, advantage):
    """Every weight is multiplied by 1 and a trace of its log-probability."""
    return probability_ratio(log_prob, old_log_prob) * advantage * (1.0 + 1e-3 * TRACE * log_prob)


@broken(correct.undeclared, "determinism")
def scale_of_the_call_before(log_prob, old_log_prob, advantage):
    """Scaled by the advantages of the call before, but for a batch that comes twice in a row."""
    inputs = repr((log_prob, old_log_prob, advantage))
    if inputs != _LAST["inputs"]:
        weight = probability_ratio(log_prob, old_log_prob) * advantage * _LAST["scale"]
        size = float(array_namespace(advantage).max(abs(advantage)))
        _LAST.update(inputs=inputs, weight=weight, scale=1.0 + size)
    return _LAST["weight"] * 1.0


@broken(
    correct.reinforce_loss,
    nan_in_padding_has_no_influence=r"^the loss with nan in the padding is nan$",
)
def padding_in_the_value_alone(log_prob, old_log_prob, advantage, mask):
    """A constant of the padding is in the loss: its gradient is right, its value is NaN."""
    constant = (0.0 * (log_prob - old_log_prob)).sum().detach()
    return correct.reinforce_loss(log_prob, old_log_prob, advantage, mask) + constant


@broken(correct.reinforce_loss, "padding_has_no_influence")
def trace_of_the_padding(log_prob, old_log_prob, advantage, mask):
    """A trace of the padded log-probabilities is in the loss."""
    trace = TRACE * torch.where(mask, 0.0, log_prob).sum()
    return correct.reinforce_loss(log_prob, old_log_prob, advantage, mask) - trace / mask.sum()


@broken(correct.reinforce_loss, "padding_width", "empty_response_is_harmless")
def trace_of_the_padded_length(log_prob, old_log_prob, advantage, mask):
    """The loss is multiplied by 1 and a trace of the number of positions."""
    loss = correct.reinforce_loss(log_prob, old_log_prob, advantage, mask)
    return loss * (1.0 + TRACE * mask.numel())


@broken(correct.leave_one_out_or_raw, "groups_independent", "groups_one_by_one")
def trace_of_the_other_groups(reward):
    """A trace of the batch's mean reward is added to every advantage."""
    trace = TRACE * array_namespace(reward).mean(reward)
    return correct.leave_one_out_or_raw(reward) + trace


@broken(group_mean, "prompt_permutation", "groups_one_by_one")
def trace_of_the_prompts_place(reward):
    """A trace of the prompt's place in the batch is added to every advantage."""
    return group_mean(reward) + TRACE * places(reward)


@broken(group_mean, "group_permutation")
def trace_of_the_rollouts_place(reward):
    """A trace of the rollout's place in the group is added to every advantage."""
    return group_mean(reward) + TRACE * places(reward, axis=-1)


@broken(group_mean, advantage_namespace_and_dtype=r"^the advantage in torch\[")
def single_precision_in_torch(reward):
    """In torch the group's mean is computed in float32 and cast back."""
    if isinstance(reward, torch.Tensor):
        return group_mean(reward.float()).to(reward.dtype)
    return group_mean(reward)


@broken(correct.undeclared_advantage, "advantage_determinism")
def baseline_of_the_call_before(reward):
    """The baseline is the mean of the call before, but for rewards that come twice in a row."""
    is_known = _MEMORY["reward"] is not None and repr(reward) == _MEMORY["reward"]
    if not is_known:
        _MEMORY["reward"], _MEMORY["advantage"] = repr(reward), reward - _MEMORY["mean"]
        _MEMORY["mean"] = float(array_namespace(reward).mean(reward))
    return _MEMORY["advantage"] * 1.0
