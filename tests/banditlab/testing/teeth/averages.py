"""Losses whose average or mask is another one than declared."""

import torch
from array_api_compat import array_namespace

from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.correct import masked_log_ratio, surrogate
from tests.banditlab.testing.teeth.record import broken

_UNMASKED = "nan_in_padding_has_no_influence"


def plain_surrogate(log_prob, old_log_prob, advantage):
    ratio = (log_prob - old_log_prob).exp()
    return (ratio * advantage).minimum(ratio.clamp(0.8, 1.2) * advantage)


@broken(correct.clip_token_mean, _UNMASKED)
def loss_times_mask(log_prob, old_log_prob, advantage, mask):
    """The loss is multiplied by the mask: NaN times 0 is NaN."""
    value = plain_surrogate(log_prob, old_log_prob, advantage) * mask
    return -value.sum() / mask.sum()


@broken(correct.clip_token_mean, _UNMASKED)
def masked_after_the_exp(log_prob, old_log_prob, advantage, mask):
    """where(mask, f(x), 0) has a finite value, but 0 * NaN comes back by the gradient of f."""
    value = plain_surrogate(log_prob, old_log_prob, advantage)
    return -torch.where(mask, value, 0.0).sum() / mask.sum()


@broken(correct.reinforce_loss, _UNMASKED)
def masked_after_the_product(log_prob, old_log_prob, advantage, mask):
    """The padded advantage is NaN when the gradient of the product is taken."""
    return -torch.where(mask, advantage * log_prob, 0.0).sum() / mask.sum()


@broken(correct.clip_token_mean, "padding_has_no_influence", _UNMASKED, "padding_width")
def mean_over_all_positions(log_prob, old_log_prob, advantage, mask):
    """The mask is read nowhere."""
    return -plain_surrogate(log_prob, old_log_prob, advantage).mean()


@broken(correct.clip_token_mean, "padding_width", "on_policy_weight_is_advantage")
def masked_sum_over_the_padded_length(log_prob, old_log_prob, advantage, mask):
    """The sum over the mask is divided by all positions."""
    return -surrogate(log_prob, old_log_prob, advantage, mask).mean()


@broken(correct.variance_penalty_loss, "padding_has_no_influence", _UNMASKED)
def penalty_without_mask(log_prob, old_log_prob, advantage, mask):
    """The mask is applied to the surrogate and not to the penalty."""
    ratio = masked_log_ratio(log_prob, old_log_prob, mask).exp()
    kept = ratio * torch.where(mask, advantage, 0.0)
    penalty = 0.5 * ((log_prob - old_log_prob).exp() - 1) ** 2
    return -(kept.sum() - penalty.sum()) / mask.sum()


@broken(
    correct.clip_sequence_mean,
    empty_response_is_harmless=r"^the loss beside an empty response is nan$",
)
def mean_over_no_token(log_prob, old_log_prob, advantage, mask):
    """Each response is divided by its number of tokens: the loss, not the gradient, is 0/0."""
    total = surrogate(log_prob, old_log_prob, advantage, mask).sum(dim=1)
    return -(total / mask.sum(dim=1)).mean()


@broken(
    correct.clip_sequence_mean,
    _UNMASKED,
    empty_response_is_harmless=r"^a weight beside an empty response is not finite$",
)
def mean_over_no_token_times_mask(log_prob, old_log_prob, advantage, mask):
    """The same with the mask as a factor: the gradient is 0 times infinity too."""
    value = plain_surrogate(log_prob, old_log_prob, advantage) * mask
    return -(value.sum(dim=1) / mask.sum(dim=1)).mean()


@broken(
    correct.clip_token_mean,
    empty_response_is_harmless=r"^the weight beside an empty response\[",
)
def empty_response_counts_as_one_token(log_prob, old_log_prob, advantage, mask):
    """The number of tokens of a response is clamped to 1 before the batch is summed."""
    num_tokens = mask.sum(dim=1).clamp(min=1).sum()
    return -surrogate(log_prob, old_log_prob, advantage, mask).sum() / num_tokens


@broken(correct.clip_token_mean, "gradient_of_objective", "on_policy_weight_is_advantage")
def sequence_mean_for_token_mean(log_prob, old_log_prob, advantage, mask):
    """Responses count alike, so that a token of a long one counts less."""
    return correct.clip_sequence_mean(log_prob, old_log_prob, advantage, mask)


@broken(correct.clip_sequence_mean, "gradient_of_objective", "on_policy_weight_is_advantage")
def token_mean_for_sequence_mean(log_prob, old_log_prob, advantage, mask):
    """Tokens count alike, so that a long response counts more."""
    return correct.clip_token_mean(log_prob, old_log_prob, advantage, mask)


@broken(correct.clip_sum, "microbatch_split", "on_policy_weight_is_advantage")
def mean_over_the_batch_for_the_sum(log_prob, old_log_prob, advantage, mask):
    """The mean over responses where the sum is declared: microbatches add up to too much."""
    return correct.clip_sequence_sum(log_prob, old_log_prob, advantage, mask)


@broken(correct.clip_sequence_sum, on_policy_weight_is_advantage=r"is [23] instead of 1$")
def sum_for_the_mean_over_responses(log_prob, old_log_prob, advantage, mask):
    """The sum over the batch where the mean over responses is declared."""
    return correct.clip_sum(log_prob, old_log_prob, advantage, mask)


@broken(correct.clip_constant_length, "padding_width", "on_policy_weight_is_advantage")
def longest_of_the_batch_for_the_constant_length(log_prob, old_log_prob, advantage, mask):
    """Dr. GRPO's constant is the padded length of this batch instead of the longest allowed."""
    return -surrogate(log_prob, old_log_prob, advantage, mask).sum() / mask.numel()


@broken(correct.clip_constant_length, "microbatch_split", "vectorised_equals_per_sample")
def constant_length_without_responses(log_prob, old_log_prob, advantage, mask):
    """The number of responses is left out of the divisor."""
    total = surrogate(log_prob, old_log_prob, advantage, mask).sum()
    return -total / correct.MAX_TOKENS


@broken(correct.clip_token_mean, gradient_of_objective=r"^the weight\[")
def first_token_left_out(log_prob, old_log_prob, advantage, mask):
    """The mask is shifted by one against the log-probabilities, as labels are against logits."""
    shifted = mask.roll(1, dims=1)
    shifted[:, 0] = False
    return -surrogate(log_prob, old_log_prob, advantage, shifted & mask).sum() / mask.sum()


@broken(correct.masked_weight, _UNMASKED)
def weight_times_mask(log_prob, old_log_prob, advantage, mask):
    """The weight is multiplied by the mask: NaN times 0 is NaN."""
    return correct.undeclared(log_prob, old_log_prob, advantage) * mask


@broken(correct.masked_weight, "padding_has_no_influence", _UNMASKED)
def weight_that_ignores_the_mask(log_prob, old_log_prob, advantage, mask):
    """The mask is an argument that is never read."""
    return correct.undeclared(log_prob, old_log_prob, advantage)


@broken(
    correct.masked_weight,
    empty_response_is_harmless=r"^an empty response has a weight$",
)
def advantage_kept_in_the_padding(log_prob, old_log_prob, advantage, mask):
    """An empty response is taken for one without a mask, and keeps a weight."""
    xp = array_namespace(log_prob)
    weight = correct.masked_weight(log_prob, old_log_prob, advantage, mask)
    is_counted = xp.any(mask, axis=-1, keepdims=True)
    return xp.where(is_counted, weight, xp.zeros_like(weight) + 1e-3)
