"""Objectives per sample as published, in torch: the oracle for every score weight.

Autograd of these gives the weight that a rule must have; nothing of banditlab is used.
"""

import torch


def importance_weighted(log_prob, old_log_prob, advantage):
    return torch.exp(log_prob - old_log_prob) * advantage


def ppo_clip(log_prob, old_log_prob, advantage, clip_low=0.2, clip_high=0.2):
    ratio = torch.exp(log_prob - old_log_prob)
    clipped = torch.clamp(ratio, 1 - clip_low, 1 + clip_high)
    return torch.minimum(ratio * advantage, clipped * advantage)


def ratio_variance_penalty(log_prob, old_log_prob, advantage, multiplier=0.5):
    ratio = torch.exp(log_prob - old_log_prob)
    return ratio * advantage - multiplier * (ratio - 1) ** 2


OBJECTIVES = {
    "raw_reward": importance_weighted,
    "group_mean": importance_weighted,
    "leave_one_out": importance_weighted,
    "grpo": importance_weighted,
    "clip": ppo_clip,
    "variance_penalty": ratio_variance_penalty,
}


def autograd_weight(objective, log_prob, old_log_prob, advantage):
    """Gradient of the summed objective with respect to log_prob, as a NumPy array."""
    leaf = torch.tensor(log_prob, requires_grad=True)
    objective(leaf, torch.tensor(old_log_prob), torch.tensor(advantage)).sum().backward()
    return leaf.grad.numpy()
