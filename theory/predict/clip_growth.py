"""How far one round raises the ratio of an isolated success, under clip and penalty (P26, P27).

A success is isolated if nothing else of its round has a weight: the other samples have advantage
0, as failures under raw reward. Its ratio then follows a recursion of one variable over the inner
epochs, and in a huge arm space its final value is the factor f by which the round multiplies the
odds of the rewarded arm (`theory.predict.take_off`).
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import as_log_odds, require, require_positive


def _require_clip(function: str, clip_high: float) -> None:
    require(
        clip_high >= 0.0,
        function,
        "clip_high",
        "at least 0",
        clip_high,
        "0.2 is usual; infinity stands for no clip",
    )


def predicted_isolated_ratios(
    gain: float,
    num_epochs: int,
    *,
    clip_high: float = np.inf,
    multiplier: float = 0.0,
    log_odds: float = -np.inf,
    num_wrong: float = np.inf,
) -> np.ndarray:
    """Ratio of an isolated success after each inner epoch.

    log_odds += gain * (1 + 1/num_wrong) * (1 - p) * ratio * (1 - 2 * multiplier * (ratio - 1))
    while ratio <= 1 + clip_high, with ratio = p/p_old. For a rare arm log(ratio) moves like the
    log-odds, so that without penalty log(ratio) += gain * (1 + 1/num_wrong) * ratio.

    Assumes:
        One correct arm among `num_wrong` equally likely wrong ones; no other sample of the round
        has a weight; SGD on the logits, mean over the group.

    Derivation:
        The score moves the correct logit by 1 - p and each wrong one by -(1 - p)/num_wrong, times
        step_size * share * weight, and the weight is ratio * (A - 2 lambda (ratio - 1)), or 0 past
        the clip. At the kink itself the sample still counts.

    Args:
        gain: step_size * advantage * (share of the round's samples that are this success).
        num_epochs: inner epochs.
        clip_high: width of the clip above 1; infinity for none.
        multiplier: price of ratio variance in units of the advantage, lambda/A.
        log_odds: log-odds of the arm before the round, nats; -infinity for p to 0.
        num_wrong: wrong arms; infinity allowed.

    Returns:
        The ratios, shape [num_epochs].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; clip as in arXiv 1707.06347, penalty as in arXiv 2601.03320.

    Examples:
        >>> predicted_isolated_ratios(0.125, 4, clip_high=0.2).round(5).tolist()
        [1.13315, 1.30557, 1.30557, 1.30557]
    """
    function = "predicted_isolated_ratios"
    require_positive(function, "gain", gain, "A success of advantage 0 moves nothing")
    require(
        isinstance(num_epochs, (int, np.integer)) and num_epochs >= 1,
        function,
        "num_epochs",
        "an integer of at least 1",
        num_epochs,
        "An epoch is one step on the round's samples",
    )
    _require_clip(function, clip_high)
    require(multiplier >= 0.0, function, "multiplier", "at least 0", multiplier, "0 is no penalty")
    require(num_wrong >= 1, function, "num_wrong", "at least 1", num_wrong, "Count the wrong arms")
    is_rare = log_odds == -np.inf
    start = 0.0 if is_rare else float(as_log_odds(function, "log_odds", log_odds))
    gain = gain * (1.0 + 1.0 / num_wrong)
    moved, ratio, ratios = 0.0, 1.0, []
    for _ in range(num_epochs):
        if ratio <= 1.0 + clip_high:
            failure = 1.0 if is_rare else 1.0 / (1.0 + np.exp(start + moved))
            moved += gain * failure * ratio * (1.0 - 2.0 * multiplier * (ratio - 1.0))
            # log(p/p_old) = moved - log((1 + odds)/(1 + odds_old)), without a difference of logs.
            shrink = 0.0 if is_rare else np.log1p(np.expm1(moved) / (1.0 + np.exp(-start)))
            ratio = float(np.exp(moved - shrink))
        ratios.append(ratio)
    return np.array(ratios)


def predicted_largest_ratio(gain: ArrayLike, clip_high: ArrayLike) -> np.ndarray:
    """Largest ratio that the clip lets an isolated success end at: (1 + eps) exp(gain (1 + eps)).

    Assumes:
        As `predicted_isolated_ratios` without penalty, any number of inner epochs; gain includes
        the factor 1 + 1/num_wrong.

    Derivation:
        The last step starts from a ratio of at most 1 + eps and multiplies it by exp(gain ratio).
        Attained where an iterate lies at 1 + eps itself. The clip is thus overshot by a factor
        that does not go to 1 with the number of epochs, only with the gain.

    Args:
        gain: step_size * advantage * share * (1 + 1/num_wrong), shape [*].
        clip_high: eps, width of the clip above 1, broadcast against `gain`.

    Returns:
        The bound, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> round(float(predicted_largest_ratio(0.125, 0.2)), 4)
        1.3942
    """
    function = "predicted_largest_ratio"
    gain, clip_high = np.asarray(gain, dtype=np.float64), np.asarray(clip_high, dtype=np.float64)
    is_met = bool(np.isfinite(gain).all() and (gain >= 0.0).all())
    require(is_met, function, "gain", "finite and at least 0", gain.tolist(), "It is a step")
    _require_clip(function, float(clip_high.min()))
    return (1.0 + clip_high) * np.exp(gain * (1.0 + clip_high))


def predicted_unclipped_bound(gain: ArrayLike, num_epochs: ArrayLike) -> np.ndarray:
    """Bound on the ratio of an isolated success after a number of epochs: 1/(1 - gain num_epochs).

    So a clip of width eps never acts as long as gain * num_epochs <= eps/(1 + eps).

    Assumes:
        As `predicted_largest_ratio`, and gain * num_epochs below 1.

    Derivation:
        log(ratio) += gain * ratio is Euler's method for d log(ratio)/dt = gain * ratio, of solution
        1/(1 - gain t). The solution is convex in log(ratio), so Euler's steps stay below it; they
        meet it for gain to 0 at fixed gain * num_epochs.

    Args:
        gain: step_size * advantage * share * (1 + 1/num_wrong), shape [*].
        num_epochs: inner epochs, broadcast against `gain`.

    Returns:
        The bound, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> float(predicted_unclipped_bound(0.01, 20))
        1.25
    """
    function = "predicted_unclipped_bound"
    total = np.asarray(gain, dtype=np.float64) * np.asarray(num_epochs, dtype=np.float64)
    require(
        bool((total >= 0.0).all() and (total < 1.0).all()),
        function,
        "gain * num_epochs",
        "in [0, 1)",
        total.tolist(),
        "Beyond 1 the ratio without a clip grows doubly exponentially",
    )
    return 1.0 / (1.0 - total)


def predicted_rounds_with_success(log_ratio: float, log_factor: ArrayLike) -> np.ndarray:
    """Fewest rounds with a success that raise a rare arm by a given factor: ceil(log_ratio/log f).

    Assumes:
        The arm stays rare, so that each such round multiplies its probability by the same f: the
        last of `predicted_isolated_ratios`, or its bound `predicted_largest_ratio`.

    Derivation:
        n rounds multiply it by f^n.

    Args:
        log_ratio: log of the factor by which the probability is to grow, nats, above 0.
        log_factor: log f, nats, above 0, shape [*].

    Returns:
        Rounds, whole numbers, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_rounds_with_success"
    require_positive(function, "log_ratio", log_ratio, "It is how far the arm has to rise")
    log_factor = np.asarray(log_factor, dtype=np.float64)
    require(
        bool((log_factor > 0.0).all()),
        function,
        "log_factor",
        "above 0",
        log_factor.tolist(),
        "A success must raise the arm",
    )
    return np.ceil(log_ratio / log_factor)
