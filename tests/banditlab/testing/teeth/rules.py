"""Whole update rules whose mistake is in the making: wrong parts, signs and hyperparameters."""

from functools import partial

from banditlab.advantages import group_mean, leave_one_out, raw
from banditlab.rules import RULES
from banditlab.testing.known import reference_of
from banditlab.weights import (
    cispo_weight,
    clipped_weight,
    dual_clipped_weight,
    policy_gradient_weight,
    ratio_variance_weight,
)
from tests.banditlab.testing.teeth.record import broken_rule

_made = partial(broken_rule, module=__name__)


def _part(function):
    """A copy of a part, which can carry promises of its own."""

    def part(*arrays, **hyper):
        return function(*arrays, **hyper)

    return part


def _negated(function):
    def part(*arrays, **hyper):
        return -function(*arrays, **hyper)

    return part


def with_slope_to_reference(log_prob, old_log_prob, advantage):
    """The reference term of k2, which acts on fresh samples, added to the weight."""
    slope = log_prob - reference_of(old_log_prob, advantage)
    return policy_gradient_weight(log_prob, old_log_prob, advantage) - 0.01 * slope


clip_without_its_clip = _made(
    RULES["clip"],
    "The weight of another rule was taken: no clip.",
    "gradient_of_objective",
    "clip_zeroes_outward_side",
    name="clip_without_its_clip",
    weight=lambda *arrays, clip_low, clip_high: policy_gradient_weight(*arrays),
)
clip_with_its_widths_swapped = _made(
    RULES["clip_higher"],
    "clip_low and clip_high change places on their way to the weight.",
    "clip_begins_where_declared",
    name="clip_with_its_widths_swapped",
    weight=lambda *arrays, clip_low, clip_high: clipped_weight(
        *arrays, clip_low=clip_high, clip_high=clip_low
    ),
)
dual_clip_that_is_on_by_default = _made(
    RULES["clip"],
    "The rule passes a dual clip of 3 on, which nobody asked for.",
    "gradient_of_objective",
    "clip_keeps_inward_side",
    name="dual_clip_that_is_on_by_default",
    weight=lambda *arrays, **widths: dual_clipped_weight(*arrays, **widths, dual_clip=3.0),
)
cispo_with_both_widths_zero = _made(
    RULES["cispo"],
    "The widths are overwritten by 0, so that every ratio counts as 1.",
    "gradient_of_objective",
    name="cispo_with_both_widths_zero",
    weight=lambda *arrays, clip_low, clip_high: cispo_weight(*arrays, clip_low=0.0, clip_high=0.0),
)
penalty_twice = _made(
    RULES["variance_penalty"],
    "The multiplier counts twice: in the rule and in its weight.",
    "gradient_of_objective",
    name="penalty_twice",
    weight=lambda *arrays, multiplier: ratio_variance_weight(*arrays, multiplier=2 * multiplier),
)
self_including_baseline = _made(
    RULES["leave_one_out"],
    "The group's mean is the baseline, the sample itself included: (G - 1)/G of the gradient.",
    "expected_gradient_as_declared",
    name="self_including_baseline",
    advantage=_part(group_mean),
)
raw_reward_for_the_group_mean = _made(
    RULES["group_mean"],
    "The baseline is missing.",
    "reward_shift_as_declared",
    "expected_gradient_as_declared",
    name="raw_reward_for_the_group_mean",
    advantage=_part(raw),
)
both_signs_wrong = _made(
    RULES["leave_one_out"],
    "Advantage and weight are negated: together they seem right.",
    "on_policy_weight_is_advantage",
    "better_reward_no_less_advantage",
    name="both_signs_wrong",
    advantage=_negated(leave_one_out),
    weight=_negated(policy_gradient_weight),
)
one_sign_wrong = _made(
    RULES["leave_one_out"],
    "The advantage is negated: the rule descends.",
    "expected_gradient_as_declared",
    "small_step_improves",
    name="one_sign_wrong",
    advantage=_negated(leave_one_out),
)
reference_term_left_on = _made(
    RULES["leave_one_out"],
    "A reference term was left on in the weight of a rule that declares none.",
    "gradient_of_objective",
    "on_policy_weight_is_advantage",
    "expected_gradient_as_declared",
    name="reference_term_left_on",
    weight=with_slope_to_reference,
)
reference_term_twice = _made(
    RULES["grpo_k3"],
    "The weight holds a reference term, and the rule adds its own.",
    "gradient_of_objective",
    name="reference_term_twice",
    weight=with_slope_to_reference,
)
