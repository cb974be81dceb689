"""Weights of clipped rules whose clip is another one than declared."""

from array_api_compat import array_namespace

from banditlab.weights import probability_ratio
from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.record import broken


def kept(log_prob, old_log_prob, advantage, is_silent):
    """Ratio times advantage; 0 where is_silent(ratio, advantage)."""
    xp = array_namespace(log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    weight = ratio * advantage
    return xp.where(is_silent(ratio, advantage), xp.zeros_like(weight), weight)


def is_past(ratio, advantage, low=0.8, high=1.2):
    return ((advantage > 0) & (ratio > high)) | ((advantage < 0) & (ratio < low))


@broken(
    correct.clip,
    "gradient_of_objective",
    "clip_zeroes_outward_side",
    "clip_keeps_inward_side",
)
def swapped_clip_sides(log_prob, old_log_prob, advantage):
    """Good samples are silenced below the clip and bad ones above it."""
    return kept(log_prob, old_log_prob, advantage, lambda r, a: is_past(r, -a))


@broken(correct.clip, "gradient_of_objective", "clip_keeps_inward_side")
def clip_that_ignores_the_sign(log_prob, old_log_prob, advantage):
    """Samples outside the clip are silenced on both sides, those that come back too."""
    return kept(log_prob, old_log_prob, advantage, lambda r, a: (r < 0.8) | (r > 1.2))


@broken(correct.clip, "gradient_of_objective", "clip_zeroes_outward_side")
def clamped_ratio_kept_in_the_gradient(log_prob, old_log_prob, advantage):
    """CISPO's weight under PPO's name: past the clip a sample still counts."""
    xp = array_namespace(log_prob)
    return xp.clip(probability_ratio(log_prob, old_log_prob), 0.8, 1.2) * advantage


@broken(correct.clip, "gradient_of_objective", "clip_zeroes_outward_side")
def no_clip_at_all(log_prob, old_log_prob, advantage):
    """The clip was forgotten."""
    return probability_ratio(log_prob, old_log_prob) * advantage


@broken(
    correct.clip,
    gradient_of_objective=r"^the weight\[",
    clip_keeps_inward_side=r"silenced: advantage -\S+ at ratio ([3-9]|\d\d)",
)
def dual_clip_on_by_default(log_prob, old_log_prob, advantage):
    """A dual clip at 3 that nobody asked for."""
    return kept(
        log_prob, old_log_prob, advantage, lambda r, a: is_past(r, a) | ((a < 0) & (r > 3.0))
    )


@broken(
    correct.clip_higher,
    clip_begins_where_declared=r"just past the clip still counts: advantage -1 at ratio 0\.7",
)
def clip_higher_on_the_low_side(log_prob, old_log_prob, advantage):
    """The wider bound is on the lower side."""
    return kept(log_prob, old_log_prob, advantage, lambda r, a: is_past(r, a, low=0.72, high=1.2))


@broken(
    correct.clip_higher,
    clip_begins_where_declared=r"yet is silenced: advantage 1 at ratio 1\.2",
)
def symmetric_clip_for_clip_higher(log_prob, old_log_prob, advantage):
    """clip_high is read nowhere: the clip is symmetric."""
    return kept(log_prob, old_log_prob, advantage, is_past)


@broken(correct.clip, "clip_begins_where_declared")
def clip_of_the_log_ratio(log_prob, old_log_prob, advantage):
    """The width is applied to the log-ratio: 1.2 becomes exp(0.2), 0.8 becomes exp(-0.2)."""
    xp = array_namespace(log_prob)
    low, high = (xp.exp(xp.zeros_like(log_prob) + bound) for bound in (-0.2, 0.2))
    return kept(log_prob, old_log_prob, advantage, lambda r, a: is_past(r, a, low=low, high=high))


@broken(correct.dual_clip, "gradient_of_objective")
def dual_clip_on_good_samples(log_prob, old_log_prob, advantage):
    """The dual clip replaces the clip of good samples instead of adding one to bad ones."""
    return kept(
        log_prob, old_log_prob, advantage, lambda r, a: is_past(r, a) | ((a > 0) & (r > 3.0))
    )


@broken(correct.dual_clip, "gradient_of_objective", "dual_clip_zeroes_likely_bad_samples")
def dual_clip_that_holds_the_weight(log_prob, old_log_prob, advantage):
    """Past the dual clip the weight stays at its bound instead of dropping to 0."""
    xp = array_namespace(log_prob)
    weight = kept(log_prob, old_log_prob, advantage, is_past)
    return xp.where(weight < 3.0 * advantage, 3.0 * advantage, weight)


@broken(
    correct.dual_clip,
    clip_begins_where_declared=r"just past the clip still counts: advantage -1 at ratio 3\.[0-9]",
)
def dual_clip_counted_from_one(log_prob, old_log_prob, advantage):
    """The dual clip is taken for a width: it begins at 4 instead of 3."""
    return kept(
        log_prob, old_log_prob, advantage, lambda r, a: is_past(r, a) | ((a < 0) & (r > 4.0))
    )


@broken(correct.clip_above_only, "clip_keeps_inward_side")
def clip_below_too(log_prob, old_log_prob, advantage):
    """Bad samples below 0.8 are silenced, where only the upper side is declared."""
    return kept(log_prob, old_log_prob, advantage, is_past)


@broken(correct.cispo, "gradient_of_objective")
def cispo_with_its_clip_differentiated(log_prob, old_log_prob, advantage):
    """The stop-gradient is missing: past the clip a sample no longer counts."""
    return kept(log_prob, old_log_prob, advantage, lambda r, a: r > 1.28)


@broken(correct.cispo, "gradient_of_objective")
def cispo_without_clip(log_prob, old_log_prob, advantage):
    """The ratio is not clipped."""
    return probability_ratio(log_prob, old_log_prob) * advantage


@broken(
    correct.cispo,
    "gradient_of_objective",
    on_policy_weight_is_advantage=r"is 0\.28 instead of 1$",
)
def cispo_that_clips_at_the_width(log_prob, old_log_prob, advantage):
    """The width 0.28 is read as the bound, so that 0.28 of the gradient is left."""
    xp = array_namespace(log_prob)
    return xp.clip(probability_ratio(log_prob, old_log_prob), 0.0, 0.28) * advantage


@broken(correct.topr, "gradient_of_objective")
def topr_with_ratio_on_good_samples(log_prob, old_log_prob, advantage):
    """Good samples are tapered too."""
    xp = array_namespace(log_prob)
    return xp.clip(probability_ratio(log_prob, old_log_prob), 0.0, 1.0) * advantage


@broken(correct.topr, "gradient_of_objective")
def topr_without_taper(log_prob, old_log_prob, advantage):
    """Bad samples are not tapered."""
    return advantage + 0.0 * log_prob


@broken(correct.topr, "gradient_of_objective", "shift_of_both_log_probs")
def topr_with_its_taper_differentiated(log_prob, old_log_prob, advantage):
    """The taper is differentiated, so that the weight depends on the log-probability itself."""
    xp = array_namespace(log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    tapered = xp.where(ratio < 1, ratio * (1 + log_prob), xp.ones_like(ratio))
    return xp.where(advantage < 0, tapered, xp.ones_like(ratio)) * advantage
