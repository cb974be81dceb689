"""What the clip does where rewards carry no information: it pulls the policy back (P14)."""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.class_concentration import as_policy
from theory.predict.conditions import require


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
