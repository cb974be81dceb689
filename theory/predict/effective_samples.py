"""How many stale samples count: the effective sample size of each rule, and where two rules cross.

A rule puts a factor w/A on each stale sample, where a fresh one has 1. The effective share of the
samples is Kish's, (E_old[w/A])^2 / E_old[(w/A)^2], with the sign of the factor kept: a sample that
pulls the wrong way counts against the others. It is 1 on fresh data for every rule, and 1/E_old[
ratio^2] = 1/(1 + chi-squared) for importance weights.

It says how evenly the samples are used, not which ones are: at a small pass rate the clip keeps a
share of 1 - p_old after it has dropped every success.

Shapes: K arms, S staleness.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import log_softmax

from theory.predict.conditions import as_log_odds, require
from theory.predict.stale_data import score_weight
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


def predicted_crossover_staleness(
    old_logits: ArrayLike,
    drift: ArrayLike,
    advantage: ArrayLike,
    bracket: tuple[float, float],
    **how: float,
) -> float:
    """Staleness at which penalty and clip have equal effective samples, for any arms: a root.

    The old policy has the logits old_logits, the present one old_logits + staleness * drift.

    Assumes:
        As `predicted_effective_share`; the shares cross inside the bracket.

    Derivation:
        No closed form for more than two ratios: the root of the difference of the shares, which
        is smooth between two staleness at which the clip drops another arm.

    Args:
        old_logits: logits of the policy that drew, nats, shape [K].
        drift: change of the logits per round, nats, shape [K].
        advantage: advantage of each arm, not 0, shape [K].
        bracket: two staleness, in rounds, between which they cross.
        **how: clip_low, clip_high, multiplier; as in `score_weight`.

    Returns:
        The staleness, rounds.

    Raises:
        ValueError: the shares do not cross in the bracket.

    References:
        Derived here.
    """
    function = "predicted_crossover_staleness"
    old_logits, drift = np.asarray(old_logits, dtype=float), np.asarray(drift, dtype=float)
    old = log_softmax(old_logits)

    def excess(staleness: float) -> float:
        new = log_softmax(old_logits + staleness * drift)
        shares = [
            predicted_effective_share(rule, old, new, advantage, **how)
            for rule in ("variance_penalty", "clip")
        ]
        return float(shares[0] - shares[1])

    require(
        excess(bracket[0]) * excess(bracket[1]) < 0.0,
        function,
        "bracket",
        "a pair of staleness between which the shares cross",
        bracket,
        "Look at the shares along the drift first",
    )
    return float(brentq(excess, *bracket, xtol=1e-13))
