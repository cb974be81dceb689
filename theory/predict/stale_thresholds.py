"""How far the policy may move until stale data is dropped by the clip or turned by the penalty.

Distances are in log-odds; over the drift per round they are a staleness in rounds. The two widths
are of different kinds: the clip's is the same for every sample, log(1 + clip_high) for a rare
success, and the penalty's is as large as the advantage asks for, log(1 + A/(2 multiplier)).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from theory.predict.conditions import as_log_odds, require, require_positive


def predicted_clip_distances(
    old_log_odds: ArrayLike, *, clip_low: float, clip_high: float
) -> np.ndarray:
    """Distances from which the clip drops successes, and failures.

    log((1 + clip_high) q_old/(1 - (1 + clip_high) p_old)), infinite where the bracket is negative,
    and log(1 + clip_low/((1 - clip_low) p_old)).

    Assumes:
        Two classes of arms, within which the ratio is the same; a baseline between 0 and 1.

    Derivation:
        Set the ratios of `class_ratios` to 1 + clip_high and 1 - clip_low.

    Args:
        old_log_odds: log-odds of success under the policy that drew, nats, shape [*].
        clip_low: width below 1, in (0, 1).
        clip_high: width above 1.

    Returns:
        The two distances, nats, shape [2, *].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_clip_distances"
    old = expit(as_log_odds(function, "old_log_odds", old_log_odds))
    require_positive(function, "clip_high", clip_high, "0.2 is usual")
    require(0.0 < clip_low < 1.0, function, "clip_low", "in (0, 1)", clip_low, "0.2 is usual")
    left = 1.0 - (1.0 + clip_high) * old
    safe = np.where(left > 0.0, left, 1.0)
    success = np.where(left > 0.0, np.log((1.0 + clip_high) * (1.0 - old) / safe), np.inf)
    return np.stack([success, np.log1p(clip_low / ((1.0 - clip_low) * old))])


def predicted_flip_ratio(advantage: ArrayLike, multiplier: float) -> np.ndarray:
    """Ratio beyond which the penalty turns against a sample: 1 + A/(2 multiplier).

    Assumes:
        A > -2 multiplier; below, the weight of a failure is negative at every ratio up to 1.

    Derivation:
        The weight ratio (A - 2 multiplier (ratio - 1)) is 0 there. A success (A > 0) is pushed
        down above that ratio, a failure (A < 0) is pushed up below it.

    Args:
        advantage: advantages, in units of reward, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        Ratios, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; it is the optimal ratio of the same penalty (catalogue entry P37).
    """
    function = "predicted_flip_ratio"
    require_positive(function, "multiplier", multiplier, "Without a penalty nothing turns")
    advantage = np.asarray(advantage, dtype=float)
    require(
        bool((advantage > -2.0 * multiplier).all()),
        function,
        "advantage",
        "above -2 * multiplier",
        advantage.tolist(),
        "Raise the multiplier; so bad a failure is never pushed up",
    )
    return 1.0 + advantage / (2.0 * multiplier)


def distance_to_success_ratio(old_log_odds: ArrayLike, ratio: ArrayLike) -> np.ndarray:
    """Distance at which successes have a given ratio r: log(r q_old/(1 - r p_old)).

    Args:
        old_log_odds: log-odds of success under the policy that drew, nats, shape [*].
        ratio: ratio of a success, below 1/p_old, shape [*].

    Returns:
        Distances, nats, shape [*].

    Raises:
        ValueError: no policy has so large a ratio.
    """
    function = "distance_to_success_ratio"
    old = expit(as_log_odds(function, "old_log_odds", old_log_odds))
    ratio = np.asarray(ratio, dtype=float)
    require(
        bool((ratio * old < 1.0).all()),
        function,
        "ratio",
        "below 1/p_old",
        ratio.tolist(),
        "At p = 1 the ratio ends: so likely a success is never turned against",
    )
    return np.log(ratio * (1.0 - old)) - np.log1p(-ratio * old)


def predicted_reversal_distance(old_log_odds: ArrayLike, multiplier: float) -> np.ndarray:
    """Distance from which the penalty's expected stale gradient points backwards.

    p = p_old (1 + q_old/(2 multiplier)), as a distance in log-odds.

    Assumes:
        As `predicted_stale_moments`, and p_old < 2 multiplier: otherwise it never turns.

    Derivation:
        The mean p q (1 - 2 multiplier (p - p_old)/(p_old q_old)) is 0 there, whatever the
        baseline. It is the step that the penalised objective of the old policy asks for (P37):
        beyond it old data say that the policy has gone too far.

    Args:
        old_log_odds: log-odds of success under the policy that drew, nats, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        Distances, nats, shape [*].

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> predicted_reversal_distance([-6.0, -3.0], 0.5).round(3).tolist()
        [0.694, 0.718]

    References:
        Derived here.
    """
    require_positive("predicted_reversal_distance", "multiplier", multiplier, "At 0 none turns")
    failure_rate = expit(-np.asarray(old_log_odds, dtype=float))
    return distance_to_success_ratio(old_log_odds, 1.0 + failure_rate / (2.0 * multiplier))
