"""What the clip does where rewards carry no information: it pulls the policy back (P14).

Whether that raises or lowers the entropy depends on which arms have moved. Pushing a likely arm
back down spreads the policy, pushing a rare one back down narrows it.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.class_concentration import as_policy
from theory.predict.conditions import require
from theory.predict.entropy import predicted_entropy_slope


def predicted_clip_force(
    old_prob: ArrayLike, prob: ArrayLike, *, clip_low: float, clip_high: float
) -> np.ndarray:
    """Expected inner step under symmetric random rewards, per unit step size.

    sum_a prob_a/2 ([ratio_a < 1 - clip_low] - [ratio_a > 1 + clip_high]) (e_a - prob).

    Assumes:
        Rewards +1 or -1 with equal chance, whatever the arm, taken as advantages; samples of the
        old policy; the clipped surrogate.

    Derivation:
        A sample of reward +1 counts with ratio unless ratio > 1 + clip_high, one of reward -1 with
        -ratio unless ratio < 1 - clip_low. Their mean is ratio/2 times the bracket, and old_prob
        ratio = prob: arms that rose too far are pushed down, arms that fell too far up.

    Args:
        old_prob: policy that drew the samples, shape [K].
        prob: present policy, shape [K].
        clip_low: width below 1, in [0, 1].
        clip_high: width above 1, at least 0.

    Returns:
        Change of the logits, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; Park et al., arXiv 2509.26114 (abstract read), study the entropy.

    Examples:
        >>> force = predicted_clip_force([0.5, 0.5], [0.7, 0.3], clip_low=0.2, clip_high=0.2)
        >>> force.round(4).tolist()
        [-0.21, 0.21]
    """
    function = "predicted_clip_force"
    old_prob, prob = as_policy(function, old_prob, prob, "prob")
    require(0.0 <= clip_low <= 1.0, function, "clip_low", "in [0, 1]", clip_low, "0.2 is usual")
    require(clip_high >= 0.0, function, "clip_high", "at least 0", clip_high, "0.2 is usual")
    ratio = prob / old_prob
    has_fallen = np.where(ratio < 1.0 - clip_low, 1.0, 0.0)
    has_risen = np.where(ratio > 1.0 + clip_high, 1.0, 0.0)
    pull = 0.5 * prob * (has_fallen - has_risen)
    return pull - prob * pull.sum()


def predicted_clip_entropy_slope(
    old_prob: ArrayLike, prob: ArrayLike, *, clip_low: float, clip_high: float
) -> float:
    """Change of the entropy by the clip's pull, per unit step size: -Cov(log prob, force).

    It is 1/2 Cov(moved, weight) under prob, where moved is 1 for arms that have risen past
    1 + clip_high and -1 for those that have fallen past 1 - clip_low, and weight is
    prob (log prob + H), large for likely arms.

    Assumes:
        As `predicted_clip_force`; a small inner step.

    Derivation:
        The force is -prob (moved - mean moved)/2; insert it. So neither side of the clip has a
        sign of its own: the high side raises the entropy where the weight of the arms that rose
        is above the policy's mean weight, and lowers it where it is below; the low side does the
        opposite with arms that fell.

    Args:
        old_prob: policy that drew the samples, shape [K].
        prob: present policy, shape [K].
        clip_low: width below 1, in [0, 1].
        clip_high: width above 1, at least 0.

    Returns:
        Nats per unit step size.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here. Park et al., arXiv 2509.26114 (abstract read), state that the high side
        lowers the entropy, which is the case of rare arms that rose.

    Examples:
        >>> widths = {"clip_low": 1.0, "clip_high": 0.2}
        >>> predicted_clip_entropy_slope([0.5, 0.5], [0.7, 0.3], **widths) > 0.0
        True
        >>> predicted_clip_entropy_slope([0.9, 0.1], [0.8, 0.2], **widths) < 0.0
        True
    """
    force = predicted_clip_force(old_prob, prob, clip_low=clip_low, clip_high=clip_high)
    return predicted_entropy_slope(prob, force)
