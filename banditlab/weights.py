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

from banditlab.validation import require_equal_shapes, require_finite_number

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
    require_finite_number(
        "clipped_weight",
        "clip_low",
        clip_low,
        low=0.0,
        high=1.0,
        remedy="The ratio is kept above 1 - clip_low; 0.2 is usual",
    )
    require_finite_number(
        "clipped_weight",
        "clip_high",
        clip_high,
        low=0.0,
        remedy="The ratio is kept below 1 + clip_high; 0.2 is usual",
    )
    xp = array_namespace(log_prob, old_log_prob, advantage)
    ratio = probability_ratio(log_prob, old_log_prob)
    is_past_high = (advantage > 0) & (ratio > 1.0 + clip_high)
    is_past_low = (advantage < 0) & (ratio < 1.0 - clip_low)
    weight = ratio * advantage
    return xp.where(is_past_high | is_past_low, xp.zeros_like(weight), weight)


def ratio_variance_weight(
    log_prob: Array, old_log_prob: Array, advantage: Array, *, multiplier: float
) -> Array:
    """Score weight of the ratio-variance penalty.

    The weight is ratio * (advantage - 2 * multiplier * (ratio - 1)). Objective per sample:
    ratio * advantage - multiplier * (ratio - 1)^2. The variance is taken about the known mean
    ratio 1, never about the mean of the batch, which would couple the samples of a batch.

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward, at least 0.

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
    require_finite_number(
        "ratio_variance_weight",
        "multiplier",
        multiplier,
        low=0.0,
        remedy="A negative price would reward divergence; 0 switches the penalty off",
    )
    ratio = probability_ratio(log_prob, old_log_prob)
    return ratio * (advantage - 2.0 * multiplier * (ratio - 1.0))
