"""Weights that are the derivative of another objective than the one declared."""

from array_api_compat import array_namespace

from banditlab.rules import RULES
from banditlab.testing.known import reference_of
from banditlab.weights import probability_ratio
from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.record import broken


@broken(correct.policy_gradient, "gradient_of_objective")
def dropped_ratio(log_prob, old_log_prob, advantage):
    """The ratio is dropped: stale samples count as fresh ones."""
    return advantage + 0.0 * log_prob


@broken(correct.policy_gradient, "gradient_of_objective")
def old_log_prob_ignored(log_prob, old_log_prob, advantage):
    """The ratio is that of the current policy to itself."""
    return probability_ratio(log_prob, log_prob) * advantage


@broken(correct.policy_gradient, gradient_of_objective=r"is 0\.\d+ instead of")
def inverted_ratio(log_prob, old_log_prob, advantage):
    """Old over new instead of new over old."""
    return probability_ratio(old_log_prob, log_prob) * advantage


@broken(correct.policy_gradient, "gradient_of_objective")
def square_root_of_the_ratio(log_prob, old_log_prob, advantage):
    """The ratio is that of half the log-ratio, as of a symmetric divergence."""
    return probability_ratio(log_prob / 2, old_log_prob / 2) * advantage


@broken(correct.undeclared, "shift_of_both_log_probs", "on_policy_weight_is_advantage")
def probability_for_ratio(log_prob, old_log_prob, advantage):
    """The probability stands where the ratio belongs: old_log_prob is left out."""
    return array_namespace(log_prob).exp(log_prob) * advantage


@broken(
    correct.undeclared,
    shift_of_both_log_probs=r"^the weight after the shift\[0, 0\] is nan instead of",
)
def quotient_of_two_exps(log_prob, old_log_prob, advantage):
    """Each log-probability is exponentiated by itself: 0/0 for a long response."""
    xp = array_namespace(log_prob)
    return xp.exp(log_prob) / xp.exp(old_log_prob) * advantage


@broken(correct.undeclared, on_policy_weight_is_advantage=r"is 0\.5 instead of 1$")
def halved_weight(log_prob, old_log_prob, advantage):
    """A factor of 1/2, left from a loss of squares."""
    return 0.5 * probability_ratio(log_prob, old_log_prob) * advantage


@broken(correct.undeclared, "on_policy_weight_is_advantage", "small_step_improves")
def wrong_sign(log_prob, old_log_prob, advantage):
    """The weight of the loss instead of that of the objective."""
    return -probability_ratio(log_prob, old_log_prob) * advantage


@broken(correct.undeclared, "on_policy_weight_is_advantage", "small_step_improves")
def absolute_advantage(log_prob, old_log_prob, advantage):
    """The sign of the advantage is lost: bad samples are learned too."""
    return probability_ratio(log_prob, old_log_prob) * abs(advantage)


@broken(correct.undeclared, "no_advantage_no_weight")
def undeclared_penalty(log_prob, old_log_prob, advantage):
    """A penalty on the ratio, invisible on fresh samples, that nobody declared."""
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * advantage - 0.1 * (ratio - 1.0)


@broken(correct.undeclared, "no_advantage_no_weight", "on_policy_weight_is_advantage")
def entropy_bonus_left_on(log_prob, old_log_prob, advantage):
    """An entropy bonus of 0.01 that was left on by default."""
    return probability_ratio(log_prob, old_log_prob) * advantage - 0.01 * (1.0 + log_prob)


@broken(
    correct.undeclared,
    logit_gradient_finite=r"^the gradient of the logits is not finite$",
    on_policy_weight_is_advantage=r"is nan instead of",
)
def mean_ratio_along_the_way(log_prob, old_log_prob, advantage):
    """The ratio averaged between old and new, (r - 1) / log r: 0/0 on fresh samples."""
    ratio = probability_ratio(log_prob, old_log_prob)
    return (ratio - 1.0) / (log_prob - old_log_prob) * advantage


@broken(correct.variance_penalty, "gradient_of_objective")
def penalty_without_factor_two(log_prob, old_log_prob, advantage):
    """The 2 of the square's derivative is missing."""
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * (advantage - 0.5 * (ratio - 1.0))


@broken(correct.variance_penalty, "gradient_of_objective")
def penalty_without_outer_ratio(log_prob, old_log_prob, advantage):
    """The derivative of the ratio itself is missing from the penalty."""
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * advantage - 2 * 0.5 * (ratio - 1.0)


@broken(correct.variance_penalty, "gradient_of_objective", "penalty_pulls_back")
def penalty_of_the_wrong_sign(log_prob, old_log_prob, advantage):
    """The penalty rewards a ratio that has moved."""
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * (advantage + 2 * 0.5 * (ratio - 1.0))


@broken(correct.variance_penalty, "gradient_of_objective", "penalty_pulls_back")
def penalty_about_zero(log_prob, old_log_prob, advantage):
    """The penalty is on the ratio's square instead of its distance from 1."""
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * (advantage - 2 * 0.5 * ratio)


@broken(
    correct.variance_penalty, "batch_independence", "penalty_pulls_back", "gradient_of_objective"
)
def penalty_centred_by_the_batch(log_prob, old_log_prob, advantage):
    """The penalty is about the batch's mean ratio instead of 1."""
    xp = array_namespace(log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * (advantage - 2 * 0.5 * (ratio - xp.mean(ratio)))


@broken(RULES["grpo_k3"], "gradient_of_objective")
def k3_with_swapped_sign(log_prob, old_log_prob, advantage):
    """The log-ratio to the reference has the wrong sign within k3."""
    xp = array_namespace(log_prob)
    slope = xp.exp(reference_of(old_log_prob, advantage) - log_prob) - 1.0
    return probability_ratio(log_prob, old_log_prob) * advantage - 0.001 * slope


@broken(RULES["grpo_k3"], "gradient_of_objective")
def k3_of_the_swapped_policies(log_prob, old_log_prob, advantage):
    """Policy over reference where k3 takes reference over policy."""
    xp = array_namespace(log_prob)
    slope = xp.exp(log_prob - reference_of(old_log_prob, advantage)) - 1.0
    return probability_ratio(log_prob, old_log_prob) * advantage - 0.001 * slope


@broken(RULES["grpo_k3_corrected"], "gradient_of_objective")
def k3_correction_not_differentiated(log_prob, old_log_prob, advantage):
    """The ratio before k3 is taken for a constant."""
    xp = array_namespace(log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    slope = 1.0 - xp.exp(reference_of(old_log_prob, advantage) - log_prob)
    return ratio * advantage - 0.001 * ratio * slope
