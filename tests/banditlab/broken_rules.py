"""Deliberately broken score weights, each with the check that must reject it."""

import numpy as np

from banditlab.weights import probability_ratio
from tests.banditlab.published import reference_of


def dropped_ratio(log_prob, old_log_prob, advantage):
    return advantage + 0.0 * log_prob


def swapped_clip_sides(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    is_past = ((advantage > 0) & (ratio < 0.8)) | ((advantage < 0) & (ratio > 1.2))
    return ratio * advantage * ~is_past


def clip_that_ignores_the_sign(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * advantage * ~((ratio < 0.8) | (ratio > 1.2))


def clamped_ratio_kept_in_the_gradient(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio.clip(0.8, 1.2) * advantage


def penalty_without_factor_two(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * (advantage - 0.5 * (ratio - 1.0))


def penalty_without_outer_ratio(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * advantage - 2 * 0.5 * (ratio - 1.0)


def penalty_centred_by_the_batch(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * (advantage - 2 * 0.5 * (ratio - ratio.mean()))


def input_changed_in_place(log_prob, old_log_prob, advantage):
    log_prob -= old_log_prob
    return probability_ratio(log_prob, 0.0 * log_prob) * advantage


def numpy_calls_inside(log_prob, old_log_prob, advantage):
    return np.exp(np.asarray(log_prob) - np.asarray(old_log_prob)) * np.asarray(advantage)


def downcast_to_float32(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob) * advantage
    return ratio.astype("float32") if isinstance(ratio, np.ndarray) else ratio.float()


def old_log_prob_ignored(log_prob, old_log_prob, advantage):
    return probability_ratio(log_prob, log_prob) * advantage


def dual_clip_on_good_samples(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    is_past = ((advantage > 0) & (ratio > 1.2)) | ((advantage < 0) & (ratio < 0.8))
    return ratio * advantage * ~(is_past | ((advantage > 0) & (ratio > 3.0)))


def dual_clip_that_holds_the_weight(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    is_past = ((advantage > 0) & (ratio > 1.2)) | ((advantage < 0) & (ratio < 0.8))
    return ratio.clip(0.0, 3.0) * advantage * ~is_past


def clip_higher_on_the_low_side(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    is_past = ((advantage > 0) & (ratio > 1.2)) | ((advantage < 0) & (ratio < 0.72))
    return ratio * advantage * ~is_past


def cispo_with_its_clip_differentiated(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * advantage * ~(ratio > 1.28)


def cispo_without_clip(log_prob, old_log_prob, advantage):
    return probability_ratio(log_prob, old_log_prob) * advantage


def cispo_that_clips_at_the_width(log_prob, old_log_prob, advantage):
    return probability_ratio(log_prob, old_log_prob).clip(0.0, 0.28) * advantage


def topr_with_ratio_on_good_samples(log_prob, old_log_prob, advantage):
    return probability_ratio(log_prob, old_log_prob).clip(0.0, 1.0) * advantage


def topr_without_taper(log_prob, old_log_prob, advantage):
    return advantage + 0.0 * log_prob


def topr_with_its_taper_differentiated(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    return np.where(advantage < 0, ratio * (1 + log_prob) * (ratio < 1), 1.0) * advantage


def k3_with_swapped_sign(log_prob, old_log_prob, advantage):
    slope = np.exp(-(log_prob - reference_of(old_log_prob, advantage))) - 1.0
    return probability_ratio(log_prob, old_log_prob) * advantage - 0.001 * slope


def k3_of_the_swapped_policies(log_prob, old_log_prob, advantage):
    slope = np.exp(log_prob - reference_of(old_log_prob, advantage)) - 1.0
    return probability_ratio(log_prob, old_log_prob) * advantage - 0.001 * slope


def k3_correction_not_differentiated(log_prob, old_log_prob, advantage):
    ratio = probability_ratio(log_prob, old_log_prob)
    slope = 1.0 - np.exp(-(log_prob - reference_of(old_log_prob, advantage)))
    return ratio * advantage - 0.001 * ratio * slope


BROKEN = {
    dropped_ratio: ("group_mean", "gradient_of_objective"),
    swapped_clip_sides: ("clip", "gradient_of_objective"),
    clip_that_ignores_the_sign: ("clip", "gradient_of_objective"),
    clamped_ratio_kept_in_the_gradient: ("clip", "gradient_of_objective"),
    penalty_without_factor_two: ("variance_penalty", "gradient_of_objective"),
    penalty_without_outer_ratio: ("variance_penalty", "gradient_of_objective"),
    penalty_centred_by_the_batch: ("variance_penalty", "independence_of_the_batch"),
    input_changed_in_place: ("group_mean", "inputs_untouched"),
    numpy_calls_inside: ("group_mean", "namespace_kept"),
    downcast_to_float32: ("group_mean", "dtype_kept"),
    old_log_prob_ignored: ("group_mean", "gradient_of_objective"),
    dual_clip_on_good_samples: ("dual_clip", "gradient_of_objective"),
    dual_clip_that_holds_the_weight: ("dual_clip", "gradient_of_objective"),
    clip_higher_on_the_low_side: ("clip_higher", "gradient_of_objective"),
    cispo_with_its_clip_differentiated: ("cispo", "gradient_of_objective"),
    cispo_without_clip: ("cispo", "gradient_of_objective"),
    cispo_that_clips_at_the_width: ("cispo", "gradient_of_objective"),
    topr_with_ratio_on_good_samples: ("topr", "gradient_of_objective"),
    topr_without_taper: ("topr", "gradient_of_objective"),
    topr_with_its_taper_differentiated: ("topr", "gradient_of_objective"),
    k3_with_swapped_sign: ("grpo_k3", "gradient_of_objective"),
    k3_of_the_swapped_policies: ("grpo_k3", "gradient_of_objective"),
    k3_correction_not_differentiated: ("grpo_k3_corrected", "gradient_of_objective"),
}
