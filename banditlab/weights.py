"""The score weight of each update rule: THE definition, for NumPy and torch alike.

For a differentiable objective J of the sampled log-probabilities, grad J = sum_i weight_i *
grad log_prob_i with weight_i = dJ / dlog_prob_i. A rule *is* this weight. Each function below is
pure and elementwise: it reads arrays of any backend of the Python array API standard, of any
leading shape [*], and returns a new array of that shape. Under torch, pass detached log-probs.

Shapes: * any leading shape, e.g. [R, P, G] in the simulator and [P, G] or [P, G, T] in a
language model. All log-probabilities are in nats.
"""

from typing import Any

from array_api_compat import array_namespace

from banditlab.validation import require, require_equal_shapes, require_finite_number

Array = Any
"""An array of any namespace of the array API standard (numpy.ndarray, torch.Tensor, ...)."""


def probability_ratio(log_prob: Array, old_log_prob: Array) -> Array:
    """Ratio of the current to the sampling policy: exp(log_prob - old_log_prob).

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].

    Returns:
        The ratio, shape [*].
    """
    return array_namespace(log_prob, old_log_prob).exp(log_prob - old_log_prob)


def policy_gradient_weight(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
    """Score weight of the importance-weighted policy gradient: ratio * advantage.

    Objective per sample: ratio * advantage. On fresh samples (ratio 1) this is REINFORCE.

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ.

    Examples:
        >>> import numpy as np
        >>> policy_gradient_weight(np.log([0.2, 0.3]), np.log([0.1, 0.3]), np.array([1.0, -0.5]))
        array([ 2. , -0.5])
    """
    require_equal_shapes(
        "policy_gradient_weight", log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage
    )
    return probability_ratio(log_prob, old_log_prob) * advantage


def _require_widths(function: str, clip_low: float, clip_high: float) -> None:
    require_finite_number(
        function,
        "clip_low",
        clip_low,
        low=0.0,
        high=1.0,
        remedy="The ratio is kept above 1 - clip_low; 0.2 is usual",
    )
    require_finite_number(
        function,
        "clip_high",
        clip_high,
        low=0.0,
        remedy="The ratio is kept below 1 + clip_high; 0.2 is usual",
    )


def clipped_weight(
    log_prob: Array, old_log_prob: Array, advantage: Array, *, clip_low: float, clip_high: float
) -> Array:
    """Score weight of the clipped surrogate: ratio * advantage, or 0 once past the outward side.

    Objective per sample: min(ratio * advantage, clip(ratio, 1 - clip_low, 1 + clip_high) *
    advantage). It is flat, and the weight 0, where (advantage > 0 and ratio > 1 + clip_high) or
    (advantage < 0 and ratio < 1 - clip_low); at the kink itself the sample still counts.

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].
        clip_low: width below 1, in [0, 1].
        clip_high: width above 1, at least 0.

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ, or a width is out of range.

    References:
        Schulman et al., Proximal policy optimization algorithms, arXiv 1707.06347.
    """
    require_equal_shapes(
        "clipped_weight", log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage
    )
    _require_widths("clipped_weight", clip_low, clip_high)
    xp = array_namespace(log_prob, old_log_prob, advantage)
    ratio = probability_ratio(log_prob, old_log_prob)
    is_past_high = (advantage > 0) & (ratio > 1.0 + clip_high)
    is_past_low = (advantage < 0) & (ratio < 1.0 - clip_low)
    weight = ratio * advantage
    return xp.where(is_past_high | is_past_low, xp.zeros_like(weight), weight)


def dual_clipped_weight(
    log_prob: Array,
    old_log_prob: Array,
    advantage: Array,
    *,
    clip_low: float,
    clip_high: float,
    dual_clip: float,
) -> Array:
    """Score weight of the dual-clipped surrogate: also 0 where a bad sample has become likely.

    Objective per sample: as for `clipped_weight`, but at least dual_clip * advantage where
    advantage < 0. The weight is that of `clipped_weight`, and 0 as well where advantage < 0 and
    ratio > dual_clip; at the kink itself the sample still counts.

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].
        clip_low: width below 1, in [0, 1].
        clip_high: width above 1, at least 0.
        dual_clip: largest ratio at which a sample of negative advantage counts, above 1.

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ, or a width is out of range.

    References:
        Ye et al., Mastering complex control in MOBA games, arXiv 1912.09729. Only the code of verl
        and OpenRLHF that names it was read.
    """
    require_finite_number(
        "dual_clipped_weight",
        "dual_clip",
        dual_clip,
        low=1.0,
        is_low_open=True,
        remedy="At 1 or below, fresh samples of negative advantage would not count; 3 is usual",
    )
    weight = clipped_weight(
        log_prob, old_log_prob, advantage, clip_low=clip_low, clip_high=clip_high
    )
    xp = array_namespace(log_prob, old_log_prob, advantage)
    is_past_dual = (advantage < 0) & (probability_ratio(log_prob, old_log_prob) > dual_clip)
    return xp.where(is_past_dual, xp.zeros_like(weight), weight)


def cispo_weight(
    log_prob: Array, old_log_prob: Array, advantage: Array, *, clip_low: float, clip_high: float
) -> Array:
    """Score weight of CISPO: clip(ratio, 1 - clip_low, 1 + clip_high) * advantage.

    Surrogate per sample: constant(clip(ratio, 1 - clip_low, 1 + clip_high)) * advantage *
    log_prob. The clipped ratio is a constant there, so that no sample is silenced: past the clip
    its weight stays, and no longer grows.

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].
        clip_low: width below 1, in [0, 1]; at 1 there is no lower bound.
        clip_high: width above 1, at least 0.

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ, or a width is out of range.

    References:
        MiniMax-M1, arXiv 2506.13585 (read as Trinity-RFT's and Tinker's documentation quote it).
    """
    require_equal_shapes(
        "cispo_weight", log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage
    )
    _require_widths("cispo_weight", clip_low, clip_high)
    xp = array_namespace(log_prob, old_log_prob, advantage)
    ratio = probability_ratio(log_prob, old_log_prob)
    return xp.clip(ratio, 1.0 - clip_low, 1.0 + clip_high) * advantage


def topr_weight(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
    """Score weight of TOPR's taper: advantage, times min(ratio, 1) where advantage < 0.

    Surrogate per sample: constant(taper) * advantage * log_prob with taper = 1 for advantage >= 0
    and min(ratio, 1) for advantage < 0. Good samples are imitated however unlikely they have
    become; bad ones are left alone once they are unlikely.

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*]; TOPR itself takes a
            signed reward, with or without a baseline.

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ.

    References:
        Le Roux et al., Tapered off-policy REINFORCE, arXiv 2503.14286: abstract read, the gradient
        as two summaries quote it and as Trinity-RFT's code has it; the body was not read, nor its
        tapers with other bounds than 0 and 1.
    """
    require_equal_shapes(
        "topr_weight", log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage
    )
    xp = array_namespace(log_prob, old_log_prob, advantage)
    log_ratio = log_prob - old_log_prob
    # Clamped before the exponential, which then cannot overflow.
    tapered = xp.exp(xp.where(log_ratio < 0, log_ratio, xp.zeros_like(log_ratio))) * advantage
    return xp.where(advantage < 0, tapered, advantage)


def _require_multiplier(function: str, multiplier: Any, log_prob: Array) -> None:
    remedy = "A negative price would reward divergence; 0 switches the penalty off"
    if not hasattr(multiplier, "shape") or isinstance(multiplier, float):
        require_finite_number(function, "multiplier", multiplier, low=0.0, remedy=remedy)
        return
    require_equal_shapes(function, log_prob=log_prob, multiplier=multiplier)
    xp = array_namespace(multiplier)
    require(
        bool(xp.all(xp.isfinite(multiplier) & (multiplier >= 0.0))),
        function,
        "multiplier",
        "finite and at least 0 throughout",
        "an array with other entries",
        remedy,
    )


def ratio_variance_weight(
    log_prob: Array, old_log_prob: Array, advantage: Array, *, multiplier: float | Array
) -> Array:
    """Score weight of the ratio-variance penalty.

    The weight is ratio * (advantage - 2 * multiplier * (ratio - 1)). Objective per sample:
    ratio * advantage - multiplier * (ratio - 1)^2. The variance is taken about the known mean
    ratio 1, never about the mean of the batch, which would couple the samples of a batch.

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward, at least 0: one
            number, or one for each sample, shape [*].

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ, or the multiplier is negative or not finite.

    References:
        R2VPO, arXiv 2601.03320 and 2605.26784; derived here from the constraint that they state
        (E_old[(ratio - 1)^2] <= bound), since their numbered equations were not seen.
    """
    require_equal_shapes(
        "ratio_variance_weight", log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage
    )
    _require_multiplier("ratio_variance_weight", multiplier, log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * (advantage - 2.0 * multiplier * (ratio - 1.0))


def bounded_ratio_variance_weight(
    log_prob: Array, old_log_prob: Array, advantage: Array, *, multiplier: float | Array
) -> Array:
    """Score weight of a ratio-variance penalty that no step can overshoot without bound.

    The weight is min(ratio, 1/ratio) * (advantage - 2 * multiplier * (ratio - 1)). Objective per
    sample: that of `ratio_variance_weight` up to ratio 1, and beyond it advantage + (advantage +
    2 * multiplier) * (1 - 1/ratio) - 2 * multiplier * log(ratio). It vanishes where that one does,
    but pulls back by at most 2 * multiplier, however large the ratio, and not by its square.

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].
        multiplier: as of `ratio_variance_weight`.

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ, or the multiplier is negative or not finite.

    References:
        Derived here (`theory.predict.bounded_penalty`).
    """
    function = "bounded_ratio_variance_weight"
    require_equal_shapes(
        function, log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage
    )
    _require_multiplier(function, multiplier, log_prob)
    xp = array_namespace(log_prob, old_log_prob, advantage)
    log_ratio = log_prob - old_log_prob
    # Never the exponential of a positive number, which could overflow.
    nearness = xp.exp(-xp.abs(log_ratio))
    pull = xp.where(log_ratio > 0, -xp.ones_like(nearness), nearness)
    return nearness * advantage + 2.0 * multiplier * (1.0 - nearness) * pull
