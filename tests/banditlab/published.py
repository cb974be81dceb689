"""Objectives per sample as published, in torch: the oracle for every score weight.

Autograd of these gives the weight that a rule must have; nothing of banditlab is used.
"""

import functools

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


def dual_clip(log_prob, old_log_prob, advantage, clip_low=0.2, clip_high=0.2, bound=3.0):
    clipped = ppo_clip(log_prob, old_log_prob, advantage, clip_low, clip_high)
    return torch.where(advantage < 0, torch.maximum(clipped, bound * advantage), clipped)


def cispo(log_prob, old_log_prob, advantage, clip_low=1.0, clip_high=0.28):
    ratio = torch.exp(log_prob - old_log_prob)
    return torch.clamp(ratio, 1 - clip_low, 1 + clip_high).detach() * advantage * log_prob


def topr(log_prob, old_log_prob, advantage):
    ratio = torch.exp(log_prob - old_log_prob)
    taper = torch.where(advantage < 0, torch.clamp(ratio, 0, 1), torch.ones_like(ratio))
    return taper.detach() * advantage * log_prob


def schulman(log_prob, ref_log_prob, estimator):
    # In the blog's letters r = ref/policy.
    ratio_to_ref = torch.exp(ref_log_prob - log_prob)
    return {
        "k1": -torch.log(ratio_to_ref),
        "k2": torch.log(ratio_to_ref) ** 2 / 2,
        "k3": (ratio_to_ref - 1) - torch.log(ratio_to_ref),
    }[estimator]


def reference_of(old_log_prob, advantage):
    """A reference policy for the samples of the checks, elementwise and moving with them."""
    return old_log_prob - 0.3 * advantage


def with_reference_loss(coefficient, estimator, is_ratio_corrected):
    def objective(log_prob, old_log_prob, advantage):
        estimate = schulman(log_prob, reference_of(old_log_prob, advantage), estimator)
        if is_ratio_corrected:
            estimate = torch.exp(log_prob - old_log_prob) * estimate
        return importance_weighted(log_prob, old_log_prob, advantage) - coefficient * estimate

    return objective


OBJECTIVES = {
    "raw_reward": importance_weighted,
    "negative_reward": importance_weighted,
    "constant_baseline": importance_weighted,
    "running_mean": importance_weighted,
    "group_mean": importance_weighted,
    "leave_one_out": importance_weighted,
    "grpo": importance_weighted,
    "grpo_or_raw": importance_weighted,
    "batch_mean": importance_weighted,
    "batch_standardized": importance_weighted,
    "reward_history": importance_weighted,
    "extra_rollouts": importance_weighted,
    "clip": ppo_clip,
    "clip_higher": functools.partial(ppo_clip, clip_high=0.28),
    "dual_clip": dual_clip,
    "cispo": cispo,
    "topr": topr,
    "variance_penalty": ratio_variance_penalty,
    "variance_penalty_dual": ratio_variance_penalty,
    "grpo_k3": with_reference_loss(0.001, "k3", False),
    "grpo_k3_corrected": with_reference_loss(0.001, "k3", True),
    "leave_one_out_k1": importance_weighted,
}


def autograd_weight(objective, log_prob, old_log_prob, advantage):
    """Gradient of the summed objective with respect to log_prob, as a NumPy array."""
    leaf = torch.tensor(log_prob, requires_grad=True)
    objective(leaf, torch.tensor(old_log_prob), torch.tensor(advantage)).sum().backward()
    return leaf.grad.numpy()
