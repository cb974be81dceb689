"""How many stale samples count: the effective sample size of each rule, and where two rules cross.

A rule puts a factor w/A on each stale sample, where a fresh one has 1. The effective share of the
samples is Kish's, (E_old[w/A])^2 / E_old[(w/A)^2], with the sign of the factor kept: a sample that
pulls the wrong way counts against the others. It is 1 on fresh data for every rule, and 1/E_old[
ratio^2] = 1/(1 + chi-squared) for importance weights.

It says how evenly the samples are used, not which ones are: at a small pass rate the clip keeps a
share of 1 - p_old after it has dropped every success.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from theory.predict.conditions import as_log_odds, require, require_known
from theory.predict.stale_data import STALE_RULES, score_weight
from theory.predict.stale_thresholds import (
    distance_to_success_ratio,
    predicted_clip_distances,
    predicted_flip_ratio,
)


def predicted_effective_share(
    rule: str, old_log_prob: ArrayLike, log_prob: ArrayLike, advantage: ArrayLike, **how: float
) -> np.ndarray:
    """Effective share of stale samples: (E_old[w/A])^2 / E_old[(w/A)^2].

    Assumes:
        Advantages that depend on the arm alone and are nowhere 0.

    Derivation:
        Kish's effective sample size (sum v)^2 / sum v^2 over the number of samples, as that grows,
        with v = w/A.

    Args:
        rule: one of `STALE_RULES`.
        old_log_prob: log-probabilities under the policy that drew, nats, shape [*, K].
        log_prob: those under the present policy, nats, shape [*, K].
        advantage: advantage of each arm, not 0, shape [K].
        **how: clip_low, clip_high, multiplier; as in `score_weight`.

    Returns:
        The share, in [0, 1], 0 where every sample is dropped, shape [*].

    Raises:
        ValueError: an advantage is 0.

    Examples:
        >>> predicted_effective_share("clip", np.log([0.1, 0.9]), np.log([0.2, 0.8]), [0.5, -0.5])
        array(0.9)

    References:
        Kish 1965, Survey sampling. The signed form for policy gradients is chosen here.
    """
    function = "predicted_effective_share"
    old, new = np.asarray(old_log_prob, dtype=float), np.asarray(log_prob, dtype=float)
    advantage = np.asarray(advantage, dtype=float)
    require(
        bool((advantage != 0.0).all()),
        function,
        "advantage",
        "different from 0",
        advantage.tolist(),
        "A sample of advantage 0 has no factor",
    )
    factor = score_weight(rule, np.exp(new - old), advantage, **how) / advantage
    mean = (np.exp(old) * factor).sum(axis=-1)
    second = (np.exp(old) * factor**2).sum(axis=-1)
    is_dropped = second == 0.0
    return np.where(is_dropped, 0.0, mean**2 / np.where(is_dropped, 1.0, second))


def predicted_two_class_share(
    rule: str,
    old_log_odds: ArrayLike,
    distance: ArrayLike,
    *,
    baseline: float,
    multiplier: float = 0.5,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> np.ndarray:
    """Effective share of stale samples of two classes, in closed form.

    With chi2 = (p - p_old)^2/(p_old q_old): policy_gradient 1/(1 + chi2). clip: the same while it
    keeps both classes, q_old once it has dropped the successes, p_old once the failures, 0 with
    neither. topr: (p_old + q_old s)^2/(p_old + q_old s^2), s = min(ratio of a failure, 1).
    variance_penalty: the square of 1 - 2 multiplier p_old q_old x/D^2 ((1 + x)/(1 - b) + 1/b),
    with x = e^distance - 1 and D = 1 + p_old x, over its second moment.

    Assumes:
        Two classes of arms, within which the ratio is the same; rewards 0 or 1; a constant
        baseline b.

    Derivation:
        `predicted_effective_share` with the ratios (1 + x)/D of a success and 1/D of a failure;
        for the penalty p_old ratio (ratio - 1) is p_old q_old x (1 + x)/D^2 for successes and minus
        p_old q_old x/D^2 for failures.

    Args:
        rule: one of `STALE_RULES`.
        old_log_odds: log-odds of success under the policy that drew, nats, shape [*].
        distance: log-odds under the present policy less those, nats, shape [*].
        baseline: constant baseline, in (0, 1).
        multiplier: of variance_penalty: price of one unit of ratio variance.
        clip_low: of clip: width below 1.
        clip_high: of clip: width above 1.

    Returns:
        The share, in [0, 1], shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_two_class_share"
    require_known(function, "rule", rule, STALE_RULES, "rule for stale data")
    require(0.0 < baseline < 1.0, function, "baseline", "in (0, 1)", baseline, "0.5 is usual")
    old_odds = as_log_odds(function, "old_log_odds", old_log_odds)
    old, fail = expit(old_odds), expit(-old_odds)
    growth = np.expm1(np.asarray(distance, dtype=float))
    scale = 1.0 + old * growth
    success, failure = (1.0 + growth) / scale, 1.0 / scale
    if rule == "topr":
        taper = np.minimum(failure, 1.0)
        return (old + fail * taper) ** 2 / (old + fail * taper**2)
    if rule == "variance_penalty":
        joint = old * fail * growth / scale**2
        mean = 1.0 - 2.0 * multiplier * joint * ((1.0 + growth) / (1.0 - baseline) + 1.0 / baseline)
        price = 2.0 * multiplier
        second = old * (success * (1.0 - price * (success - 1.0) / (1.0 - baseline))) ** 2
        second = second + fail * (failure * (1.0 + price * (failure - 1.0) / baseline)) ** 2
        return mean**2 / second
    whole = 1.0 / (1.0 + (old * growth * fail / scale) ** 2 / (old * fail))
    if rule == "policy_gradient":
        return whole
    keeps_success, keeps_failure = success <= 1.0 + clip_high, failure >= 1.0 - clip_low
    alone = np.where(keeps_success, old, np.where(keeps_failure, fail, 0.0))
    return np.where(keeps_success & keeps_failure, whole, alone)


def predicted_crossover_distance(
    old_log_odds: ArrayLike,
    *,
    baseline: float,
    multiplier: float,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> np.ndarray:
    """Distance from which the penalty has fewer effective samples than the clip.

    log(r q_old/(1 - r p_old)) with r = 1 + (1 - baseline)/(2 multiplier), the ratio beyond which
    the penalty turns against successes. Up to it the penalty has more, provided that a success
    counts less than 2 q_old/(q_old - p_old) times as much as a failure.

    Assumes:
        Two classes of arms, within which the ratio is the same; rewards 0 or 1; a constant
        baseline; at that distance the clip has dropped the successes and not yet the failures.

    Derivation:
        The clip's share is then q_old. With the factors v_c and v_w of the penalty and u = v_c/v_w
        its share is (p u + q)^2/(p u^2 + q), which exceeds q iff p u (2 q - u (q - p)) > 0, that
        is iff 0 < u < 2 q/(q - p) (all u > 0 where p >= q). It changes sign where v_c = 0.

    Args:
        old_log_odds: log-odds of success under the policy that drew, nats, shape [*].
        baseline: constant baseline, in (0, 1).
        multiplier: price of one unit of ratio variance, in units of reward.
        clip_low: width of the clip below 1.
        clip_high: width of the clip above 1.

    Returns:
        Distances in log-odds, nats, shape [*]; divided by the drift per round, the staleness.

    Raises:
        ValueError: the clip keeps successes, or has dropped the failures too, at that distance.

    References:
        Derived here.
    """
    function = "predicted_crossover_distance"
    old = as_log_odds(function, "old_log_odds", old_log_odds)
    require(0.0 < baseline < 1.0, function, "baseline", "in (0, 1)", baseline, "0.5 is usual")
    ratio = predicted_flip_ratio(1.0 - baseline, multiplier)
    distance = distance_to_success_ratio(old, ratio)
    first, second = predicted_clip_distances(old, clip_low=clip_low, clip_high=clip_high)
    require(
        bool(((first < distance) & (distance < second)).all()),
        function,
        "multiplier",
        "such that the clip has dropped successes alone where the penalty turns",
        f"{multiplier:g}, turning at distances {distance.tolist()}",
        "Take a ratio 1 + (1 - baseline)/(2 multiplier) above 1 + clip_high, and a rarer success",
    )
    return distance
