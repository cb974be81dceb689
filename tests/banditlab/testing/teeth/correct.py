"""Correct rules of every kind. Each broken rule stands beside one of them and makes its promises.

Losses take [N, T] tensors; weights and advantages are written for any array library.
"""

from functools import partial

import torch
from array_api_compat import array_namespace

from banditlab import advantages, weights
from banditlab.advantages import leave_one_out
from banditlab.testing import objectives, promises
from banditlab.weights import probability_ratio

WIDTHS = {"clip_low": 0.2, "clip_high": 0.2}
CLIPPED = {"objective": partial(objectives.clipped, **WIDTHS), **WIDTHS}
MAX_TOKENS = 8

policy_gradient = weights.policy_gradient_weight
clip = partial(weights.clipped_weight, **WIDTHS)
clip_higher = partial(weights.clipped_weight, clip_low=0.2, clip_high=0.28)
dual_clip = partial(weights.dual_clipped_weight, **WIDTHS, dual_clip=3.0)
cispo = partial(weights.cispo_weight, clip_low=1.0, clip_high=0.28)
topr = weights.topr_weight
variance_penalty = partial(weights.ratio_variance_weight, multiplier=0.5)
standardized = partial(advantages.standardized, ddof=1, eps=1e-6)
standardized_or_raw = partial(advantages.standardized_or_raw, ddof=1, eps=1e-6)


@promises()
def undeclared(log_prob, old_log_prob, advantage):
    """Ratio times advantage, held to the default contract only."""
    return probability_ratio(log_prob, old_log_prob) * advantage


@promises(clip_high=0.2)
def clip_above_only(log_prob, old_log_prob, advantage):
    """Good samples past 1.2 no longer count; bad ones always do."""
    xp = array_namespace(log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    weight = ratio * advantage
    return xp.where((advantage > 0) & (ratio > 1.2), xp.zeros_like(weight), weight)


@promises(couples_samples=True)
def normalised_by_the_batch(log_prob, old_log_prob, advantage):
    """Self-normalised importance weights: a ratio counts relative to the mean of the batch."""
    xp = array_namespace(log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio / xp.mean(ratio) * advantage


@promises(objective=objectives.importance_weighted)
def masked_weight(log_prob, old_log_prob, advantage, mask):
    """Ratio times advantage where the mask is set, else 0."""
    xp = array_namespace(log_prob)
    weight = probability_ratio(log_prob, old_log_prob) * advantage
    return xp.where(mask, weight, xp.zeros_like(weight))


def masked_log_ratio(log_prob, old_log_prob, mask):
    """Zero in the padding before any function of it, so that no NaN comes back by its gradient."""
    return torch.where(mask, log_prob - old_log_prob, 0.0)


def surrogate(log_prob, old_log_prob, advantage, mask):
    """PPO's clipped surrogate of each token, 0 in the padding, shape [N, T]."""
    ratio = masked_log_ratio(log_prob, old_log_prob, mask).exp()
    value = torch.where(mask, advantage, 0.0)
    return (ratio * value).minimum(ratio.clamp(0.8, 1.2) * value)


@promises(**CLIPPED)
def clip_token_mean(log_prob, old_log_prob, advantage, mask):
    """PPO's loss, averaged over all tokens of the batch."""
    return -surrogate(log_prob, old_log_prob, advantage, mask).sum() / mask.sum()


@promises(**CLIPPED, averaging="sequence_mean")
def clip_sequence_mean(log_prob, old_log_prob, advantage, mask):
    """GRPO's loss: the mean over responses of the mean over their tokens."""
    total = surrogate(log_prob, old_log_prob, advantage, mask).sum(dim=1)
    return -(total / mask.sum(dim=1).clamp(min=1)).mean()


@promises(**CLIPPED, averaging="sequence_sum")
def clip_sequence_sum(log_prob, old_log_prob, advantage, mask):
    """The mean over responses of the sum over their tokens."""
    return -surrogate(log_prob, old_log_prob, advantage, mask).sum(dim=1).mean()


@promises(**CLIPPED, averaging="sum")
def clip_sum(log_prob, old_log_prob, advantage, mask):
    """The sum over all tokens."""
    return -surrogate(log_prob, old_log_prob, advantage, mask).sum()


@promises(**CLIPPED, averaging="constant_length", max_tokens=MAX_TOKENS)
def clip_constant_length(log_prob, old_log_prob, advantage, mask):
    """Dr. GRPO's loss: the sum over tokens, divided by responses times the longest length."""
    total = surrogate(log_prob, old_log_prob, advantage, mask).sum()
    return -total / (len(mask) * MAX_TOKENS)


@promises(**CLIPPED, level="sequence_geometric", averaging="sequence_mean")
def gspo(log_prob, old_log_prob, advantage, mask):
    """GSPO's loss: one ratio a response, the geometric mean over its tokens."""
    length = mask.sum(dim=1).clamp(min=1)
    ratio = (masked_log_ratio(log_prob, old_log_prob, mask).sum(dim=1) / length).exp()
    value = torch.where(mask, advantage, 0.0).sum(dim=1) / length
    return -(ratio * value).minimum(ratio.clamp(0.8, 1.2) * value).mean()


@promises(**CLIPPED, level="sequence", averaging="sequence_mean")
def clip_of_sequences(log_prob, old_log_prob, advantage, mask):
    """PPO's loss with one ratio a response, the product over its tokens."""
    ratio = masked_log_ratio(log_prob, old_log_prob, mask).sum(dim=1).exp()
    value = torch.where(mask, advantage, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return -(ratio * value).minimum(ratio.clamp(0.8, 1.2) * value).mean()


@promises(objective=partial(objectives.cispo, clip_low=1.0, clip_high=0.28))
def cispo_loss(log_prob, old_log_prob, advantage, mask):
    """CISPO's surrogate: the clipped ratio is a constant."""
    ratio = masked_log_ratio(log_prob, old_log_prob, mask).exp().clamp(max=1.28).detach()
    value, log_prob = (torch.where(mask, array, 0.0) for array in (advantage, log_prob))
    return -(ratio * value * log_prob).sum() / mask.sum()


@promises()
def reinforce_loss(log_prob, old_log_prob, advantage, mask):
    """REINFORCE, held to the default contract only."""
    value, log_prob = (torch.where(mask, array, 0.0) for array in (advantage, log_prob))
    return -(value * log_prob).sum() / mask.sum()


@promises(
    objective=partial(objectives.ratio_variance, multiplier=0.5),
    multiplier=0.5,
)
def variance_penalty_loss(log_prob, old_log_prob, advantage, mask):
    """Ratio times advantage, less a price on the square of ratio - 1."""
    ratio = masked_log_ratio(log_prob, old_log_prob, mask).exp()
    value = torch.where(mask, advantage, 0.0)
    return -torch.where(mask, ratio * value - 0.5 * (ratio - 1) ** 2, 0.0).sum() / mask.sum()


@promises(expected_scale=None, reward_shift="ignored", reward_scale="ignored")
def rank(reward):
    """Share of the rollouts that are worse, less the share of those that are better."""
    xp = array_namespace(reward)
    difference = reward[..., :, None] - reward[..., None, :]
    return xp.mean(xp.sign(difference), axis=-1)


@promises(reward_shift="ignored", singleton_group="raw")
def leave_one_out_or_raw(reward):
    """Leave-one-out; a group of one keeps its reward, as verl's `rloo` does."""
    return reward * 1.0 if reward.shape[-1] == 1 else leave_one_out(reward)


@promises()
def undeclared_advantage(reward):
    """The reward itself, held to the default contract only."""
    return reward * 1.0


CORRECT_WEIGHTS = {
    "undeclared": undeclared,
    "clip_above_only": clip_above_only,
    "normalised_by_the_batch": normalised_by_the_batch,
    "masked_weight": masked_weight,
}
CORRECT_LOSSES = {
    loss.__name__: loss
    for loss in (
        clip_token_mean,
        clip_sequence_mean,
        clip_sequence_sum,
        clip_sum,
        clip_constant_length,
        gspo,
        clip_of_sequences,
        cispo_loss,
        reinforce_loss,
        variance_penalty_loss,
    )
}
CORRECT_ADVANTAGES = {
    "undeclared_advantage": undeclared_advantage,
    "rank": rank,
    "leave_one_out_or_raw": leave_one_out_or_raw,
}
CORRECT = {**CORRECT_WEIGHTS, **CORRECT_LOSSES, **CORRECT_ADVANTAGES}
