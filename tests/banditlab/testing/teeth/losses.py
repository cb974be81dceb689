"""Losses whose gradient is another one than that of the declared objective."""

import torch

from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.correct import masked_log_ratio, surrogate
from tests.banditlab.testing.teeth.record import broken

_STATE = {"baseline": 0.0}


def mean_over(mask, value):
    return torch.where(mask, value, 0.0).sum() / mask.sum()


def ratio_and_value(log_prob, old_log_prob, advantage, mask):
    ratio = masked_log_ratio(log_prob, old_log_prob, mask).exp()
    return ratio, torch.where(mask, advantage, 0.0)


@broken(
    correct.clip_token_mean,
    gradient_of_objective=r"is -1 instead of 1$",
    on_policy_weight_is_advantage=r"is -1 instead of 1$",
    small_step_improves=r"^a step of 0\.001 changes the expected reward by -",
)
def objective_instead_of_loss(log_prob, old_log_prob, advantage, mask):
    """The minus of the loss is missing."""
    return surrogate(log_prob, old_log_prob, advantage, mask).sum() / mask.sum()


@broken(correct.clip_token_mean, "gradient_of_objective", "clip_zeroes_outward_side")
def maximum_for_minimum(log_prob, old_log_prob, advantage, mask):
    """The optimistic bound: the maximum of the clipped and the plain surrogate."""
    ratio, value = ratio_and_value(log_prob, old_log_prob, advantage, mask)
    return -mean_over(mask, (ratio * value).maximum(ratio.clamp(0.8, 1.2) * value))


@broken(correct.clip_token_mean, "gradient_of_objective", "clip_keeps_inward_side")
def clamp_alone(log_prob, old_log_prob, advantage, mask):
    """Only the clamped surrogate is left: outside the clip no sample comes back."""
    ratio, value = ratio_and_value(log_prob, old_log_prob, advantage, mask)
    return -mean_over(mask, ratio.clamp(0.8, 1.2) * value)


@broken(correct.clip_token_mean, "gradient_of_objective", "clip_keeps_inward_side")
def dual_clip_on_by_default_in_the_loss(log_prob, old_log_prob, advantage, mask):
    """Verl's `clip_ratio_c` = 3 under the name of PPO's clip."""
    ratio, value = ratio_and_value(log_prob, old_log_prob, advantage, mask)
    clipped = (ratio * value).minimum(ratio.clamp(0.8, 1.2) * value)
    return -mean_over(mask, torch.where(value < 0, clipped.maximum(3.0 * value), clipped))


@broken(correct.clip_token_mean, "gradient_of_objective", "clip_zeroes_outward_side")
def clamp_without_gradient(log_prob, old_log_prob, advantage, mask):
    """The clamp is straight-through: forward it clips, backward it does not."""
    ratio, value = ratio_and_value(log_prob, old_log_prob, advantage, mask)
    straight = ratio + (ratio.clamp(0.8, 1.2) - ratio).detach()
    return -mean_over(mask, (ratio * value).minimum(straight * value))


@broken(correct.clip_token_mean, "gradient_of_objective")
def ratio_detached(log_prob, old_log_prob, advantage, mask):
    """The ratio is a constant and the log-probability is not: without the ratio's clip."""
    ratio, value = ratio_and_value(log_prob, old_log_prob, advantage, mask)
    return -mean_over(mask, ratio.detach() * value * torch.where(mask, log_prob, 0.0))


@broken(correct.clip_token_mean, "gradient_of_objective")
def ratio_to_itself(log_prob, old_log_prob, advantage, mask):
    """log_prob.detach() stands for old_log_prob, as after only one inner epoch."""
    return correct.clip_token_mean(log_prob, log_prob.detach(), advantage, mask)


@broken(
    correct.cispo_loss,
    "gradient_of_objective",
    on_policy_weight_is_advantage=r"is 0\.2 instead of 1$",
)
def cispo_with_epsilon_as_bound(log_prob, old_log_prob, advantage, mask):
    """TRL 1.16 `cispo` with its default: the ratio is clamped at epsilon_high = 0.2 itself."""
    ratio, value = ratio_and_value(log_prob, old_log_prob, advantage, mask)
    bounded = ratio.clamp(max=0.2).detach()
    return -mean_over(mask, bounded * value * torch.where(mask, log_prob, 0.0))


@broken(
    correct.gspo,
    "gradient_of_objective",
    on_policy_weight_is_advantage=r"is [23] instead of 1$",
)
def sequence_ratio_by_the_sum(log_prob, old_log_prob, advantage, mask):
    """The response's ratio is the product over its tokens where the geometric mean is declared."""
    return correct.clip_of_sequences(log_prob, old_log_prob, advantage, mask)


@broken(correct.clip_of_sequences, "gradient_of_objective", "on_policy_weight_is_advantage")
def sequence_ratio_by_the_mean(log_prob, old_log_prob, advantage, mask):
    """The response's ratio is the geometric mean where the product is declared."""
    return correct.gspo(log_prob, old_log_prob, advantage, mask)


@broken(correct.gspo, "gradient_of_objective")
def token_ratio_for_gspo(log_prob, old_log_prob, advantage, mask):
    """Each token has a ratio of its own, as in GRPO."""
    return correct.clip_sequence_mean(log_prob, old_log_prob, advantage, mask)


@broken(correct.gspo, "padding_width", "padding_has_no_influence")
def geometric_mean_over_the_padded_length(log_prob, old_log_prob, advantage, mask):
    """The log-ratio of a response is divided by its padded length, before the mask is applied."""
    ratio = (log_prob - old_log_prob).mean(dim=1).exp()
    value = advantage[:, 0]
    return -(ratio * value).minimum(ratio.clamp(0.8, 1.2) * value).mean()


@broken(correct.variance_penalty_loss, "gradient_of_objective")
def penalty_on_the_log_ratio(log_prob, old_log_prob, advantage, mask):
    """The penalty is on the square of the log-ratio, equal to second order only."""
    log_ratio = masked_log_ratio(log_prob, old_log_prob, mask)
    value = torch.where(mask, advantage, 0.0)
    return -mean_over(mask, log_ratio.exp() * value - 0.5 * log_ratio**2)


@broken(correct.reinforce_loss, "no_advantage_no_weight")
def likelihood_left_on(log_prob, old_log_prob, advantage, mask):
    """A term of supervised fine-tuning, 0.01 times the likelihood, was left on."""
    log_prob = torch.where(mask, log_prob, 0.0)
    return -mean_over(mask, (torch.where(mask, advantage, 0.0) + 0.01) * log_prob)


@broken(correct.reinforce_loss, "inputs_untouched")
def advantage_centred_in_place(log_prob, old_log_prob, advantage, mask):
    """The padding is zeroed in the caller's advantage."""
    loss = correct.reinforce_loss(log_prob, old_log_prob, advantage, mask)
    advantage.sub_(0.5)
    return loss


@broken(correct.reinforce_loss, "determinism")
def running_baseline_in_the_loss(log_prob, old_log_prob, advantage, mask):
    """A moving average of the advantages is subtracted, and lives in the module."""
    value = torch.where(mask, advantage, 0.0)
    _STATE["baseline"] = 0.9 * _STATE["baseline"] + 0.1 * float(value.mean())
    return -mean_over(mask, (value - _STATE["baseline"]) * torch.where(mask, log_prob, 0.0))


@broken(correct.clip_token_mean, "gradient_of_objective", "batch_independence")
def advantage_whitened_in_the_loss(log_prob, old_log_prob, advantage, mask):
    """The loss centres the advantages once more, over the tokens of the batch."""
    value = torch.where(mask, advantage, 0.0)
    value = value - value.sum() / mask.sum()
    return correct.clip_token_mean(log_prob, old_log_prob, value, mask)


@broken(correct.clip_token_mean, "gradient_of_objective")
def half_precision_in_the_loss(log_prob, old_log_prob, advantage, mask):
    """The ratio is computed in bfloat16, as under autocast."""
    log_ratio = masked_log_ratio(log_prob, old_log_prob, mask)
    ratio = log_ratio.to(torch.bfloat16).exp().to(log_prob.dtype)
    value = torch.where(mask, advantage, 0.0)
    return -mean_over(mask, (ratio * value).minimum(ratio.clamp(0.8, 1.2) * value))
