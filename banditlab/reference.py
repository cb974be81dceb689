"""Keeping a policy near a reference: estimators of KL(policy || reference) and their weights.

Where an estimator stands decides what it does. Per sample of the policy itself, in expectation:

    place              k1                 k2                        k3
    loss               no gradient        reverse KL                forward KL(reference || policy)
    loss, with ratio   reverse KL         E[k1^2]/2, not a KL       reverse KL
    reward             reverse KL         E[k1^2]/2 less reverse    reverse less forward KL

(the entry is the divergence whose gradient is descended; "reverse" is KL(policy || reference)).

Shapes: * any leading shape. All log-probabilities are in nats. Any array API backend.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from array_api_compat import array_namespace

from banditlab.validation import (
    require,
    require_equal_shapes,
    require_finite_number,
    require_known,
)
from banditlab.weights import probability_ratio

Array = Any
Estimator = Literal["k1", "k2", "k3"]
Place = Literal["reward", "loss"]
ESTIMATORS: tuple[Estimator, ...] = ("k1", "k2", "k3")
PLACES: tuple[Place, ...] = ("reward", "loss")


@dataclass(frozen=True)
class ReferenceTerm:
    """A penalty on the divergence from a reference policy, and its place.

    Attributes:
        coefficient: price of one nat, in units of reward, at least 0.
        estimator: "k1", "k2" or "k3", as in `kl_estimate`.
        place: "reward" (subtracted from the reward, before the advantage) or "loss".
        is_ratio_corrected: whether the loss term is multiplied by the ratio; False in the reward,
            which is taken at the sampling policy, where the ratio is 1.
    """

    coefficient: float
    estimator: Estimator
    place: Place
    is_ratio_corrected: bool = False

    def __post_init__(self) -> None:
        require_finite_number(
            "ReferenceTerm",
            "coefficient",
            self.coefficient,
            low=0.0,
            remedy="It is the price of one nat; 0.001 is usual",
        )
        require_known("ReferenceTerm", "estimator", self.estimator, ESTIMATORS, "estimator")
        require_known("ReferenceTerm", "place", self.place, PLACES, "place")
        require(
            self.place == "loss" or not self.is_ratio_corrected,
            "ReferenceTerm",
            "is_ratio_corrected",
            "False where the place is the reward",
            self.is_ratio_corrected,
            "The reward is taken at the sampling policy, where the ratio is 1",
        )

    def as_dict(self) -> dict[str, Any]:
        """The term as JSON can write it."""
        return asdict(self)


def kl_estimate(log_prob: Array, ref_log_prob: Array, estimator: Estimator) -> Array:
    """Estimate of KL(policy || reference) from one sample of the policy.

    With k1 = log_prob - ref_log_prob: "k1" is k1; "k2" is k1^2/2; "k3" is exp(-k1) - 1 + k1.

    Args:
        log_prob: log-probability under the policy, nats, shape [*].
        ref_log_prob: log-probability under the reference policy, nats, shape [*].
        estimator: "k1", "k2" or "k3".

    Returns:
        The estimate, nats, shape [*]. k1 and k3 have the KL as their mean, k2 has not; k2 and k3
        are never negative.

    Raises:
        ValueError: the shapes differ or the estimator is unknown.

    References:
        Schulman, Approximating KL divergence (2020), joschu.net/blog/kl-approx.html.

    Examples:
        >>> import numpy as np
        >>> kl_estimate(np.array([-1.0]), np.array([-1.5]), "k2")
        array([0.125])
    """
    require_equal_shapes("kl_estimate", log_prob=log_prob, ref_log_prob=ref_log_prob)
    require_known("kl_estimate", "estimator", estimator, ESTIMATORS, "estimator")
    log_ratio = log_prob - ref_log_prob
    if estimator == "k1":
        return log_ratio
    if estimator == "k2":
        return 0.5 * log_ratio**2
    return array_namespace(log_ratio).expm1(-log_ratio) + log_ratio


def _estimate_slope(log_prob: Array, ref_log_prob: Array, estimator: Estimator) -> Array:
    """Derivative of `kl_estimate` by log_prob."""
    xp = array_namespace(log_prob, ref_log_prob)
    log_ratio = log_prob - ref_log_prob
    if estimator == "k1":
        return xp.ones_like(log_ratio)
    if estimator == "k2":
        return log_ratio
    return -xp.expm1(-log_ratio)


def reference_weight(
    log_prob: Array,
    old_log_prob: Array,
    ref_log_prob: Array,
    *,
    coefficient: float,
    estimator: Estimator,
    is_ratio_corrected: bool = False,
) -> Array:
    """Score weight of a reference term in the loss, to be added to the rule's own weight.

    The weight is -coefficient * d estimate/d log_prob; with ratio correction it is -coefficient *
    d(ratio * estimate)/d log_prob = -coefficient * ratio * (estimate + d estimate/d log_prob).

    Args:
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        ref_log_prob: log-probability under the reference policy, nats, shape [*].
        coefficient: price of one nat, in units of reward.
        estimator: "k1", "k2" or "k3", as in `kl_estimate`.
        is_ratio_corrected: whether the estimate is multiplied by the ratio, which makes its
            expected gradient that of E_policy[estimate], on stale samples too.

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ or the estimator is unknown.
    """
    require_equal_shapes(
        "reference_weight",
        log_prob=log_prob,
        old_log_prob=old_log_prob,
        ref_log_prob=ref_log_prob,
    )
    require_known("reference_weight", "estimator", estimator, ESTIMATORS, "estimator")
    slope = _estimate_slope(log_prob, ref_log_prob, estimator)
    if is_ratio_corrected:
        # k3 and its slope add up to k1: their exponentials would only cancel by rounding.
        total = (
            log_prob - ref_log_prob
            if estimator == "k3"
            else kl_estimate(log_prob, ref_log_prob, estimator) + slope
        )
        slope = probability_ratio(log_prob, old_log_prob) * total
    return -coefficient * slope
