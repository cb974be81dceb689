"""Training on stale data: what is left of the gradient when old rollouts move the present policy.

A rollout drawn by an older policy is weighted by the ratio = new/old probability of its arm. Plain
importance weighting is unbiased however old the data are. The clip drops successes once their
ratio is above 1 + clip_high (then only failures train), and failures below 1 - clip_low. The
penalty keeps them, less and less, and beyond the ratio 1 + advantage/(2 multiplier) turns against
them. TOPR never turns, and forgets how likely a success has become.

Between two policies with two classes of arms everything is a function of the old log-odds and of
the distance that the log-odds have moved since, which is age * step for a steady drift.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from theory.predict.conditions import as_log_odds, require, require_known

STALE_RULES = ("policy_gradient", "clip", "variance_penalty", "topr")


def score_weight(
    rule: str,
    ratio: ArrayLike,
    advantage: ArrayLike,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    multiplier: float = 0.5,
) -> np.ndarray:
    """Weight on the score of a stale sample.

    policy_gradient: ratio A. clip: the same, 0 where (A > 0 and ratio > 1 + clip_high) or (A < 0
    and ratio < 1 - clip_low). variance_penalty: ratio (A - 2 multiplier (ratio - 1)). topr: A, or
    min(ratio, 1) A where A < 0.

    Args:
        rule: one of `STALE_RULES`.
        ratio: new over old probability of the sample's arm, shape [*].
        advantage: advantage, in units of reward, shape [*].
        clip_low: of clip: width below 1.
        clip_high: of clip: width above 1.
        multiplier: of variance_penalty: price of one unit of ratio variance.

    Returns:
        The weight, shape [*].

    Raises:
        ValueError: the rule is unknown.
    """
    require_known("score_weight", "rule", rule, STALE_RULES, "rule for stale data")
    ratio, advantage = np.asarray(ratio, dtype=float), np.asarray(advantage, dtype=float)
    if rule == "variance_penalty":
        return ratio * (advantage - 2.0 * multiplier * (ratio - 1.0))
    if rule == "topr":
        return np.where(advantage < 0.0, np.minimum(ratio, 1.0), 1.0) * advantage
    if rule == "policy_gradient":
        return ratio * advantage
    is_past_high = (advantage > 0.0) & (ratio > 1.0 + clip_high)
    is_past_low = (advantage < 0.0) & (ratio < 1.0 - clip_low)
    return np.where(is_past_high | is_past_low, 0.0, ratio * advantage)


def class_ratios(old_log_odds: ArrayLike, distance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Ratios of a success and of a failure: e^d/(1 + p_old (e^d - 1)) and 1/(1 + p_old (e^d - 1)).

    Args:
        old_log_odds: log-odds of success under the policy that drew, nats, shape [*].
        distance: log-odds under the present policy less those, d, nats, shape [*].

    Returns:
        Ratio of a success and of a failure, each of shape [*].
    """
    old = as_log_odds("class_ratios", "old_log_odds", old_log_odds)
    new = as_log_odds("class_ratios", "distance", old + distance)
    success = np.exp(log_expit(new) - log_expit(old))
    return success, np.exp(log_expit(-new) - log_expit(-old))


def _require_baseline(function: str, baseline: float) -> None:
    require(
        0.0 < baseline < 1.0,
        function,
        "baseline",
        "strictly between 0 and 1",
        baseline,
        "At 0 failures, at 1 successes have advantage 0 and no sign to keep",
    )


def predicted_stale_moments(
    rule: str, old_log_odds: ArrayLike, distance: ArrayLike, *, baseline: float, **how: float
) -> np.ndarray:
    """Mean and second moment of the class gradient of one stale sample.

    With p, q = 1 - p under the present and p_old, q_old under the old policy, ratios r_c of a
    success and r_w of a failure, and A = reward - baseline, the mean is
    policy_gradient: p q, at any distance.
    clip: p q ((1 - baseline) [r_c <= 1 + clip_high] + baseline [r_w >= 1 - clip_low]).
    variance_penalty: p q (1 - 2 multiplier (p - p_old)/(p_old q_old)).
    topr: p_old q (1 - baseline) + q_old p min(r_w, 1) baseline.
    The second moment is p_old w_c^2 q^2 + q_old w_w^2 p^2 with the weights w_c and w_w.

    Assumes:
        Two classes of arms, within which the ratio is the same; rewards 0 or 1; a constant
        baseline; the sample drawn by the old policy, and independent of the present one.

    Derivation:
        The class gradient of a sample is w ([success] - p), so the mean is p_old w_c q - q_old w_w
        p, and p_old r_c = p, q_old r_w = q. The penalty adds -2 multiplier p q (r_c - r_w), and
        r_c - r_w = (p - p_old)/(p_old q_old).

    Args:
        rule: one of `STALE_RULES`.
        old_log_odds: log-odds of success under the policy that drew, nats, shape [*].
        distance: log-odds under the present policy less those, nats, shape [*].
        baseline: constant baseline, in (0, 1).
        **how: clip_low, clip_high, multiplier; as in `score_weight`.

    Returns:
        Mean and second moment, in units of reward and of its square, shape [2, *].

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> clipped = predicted_stale_moments("clip", -2.0, [0.1, 0.5], baseline=0.5)
        >>> whole = predicted_stale_moments("policy_gradient", -2.0, [0.1, 0.5], baseline=0.5)
        >>> (clipped / whole)[0].tolist()
        [1.0, 0.5]

    References:
        Derived here; the weights as in arXiv 1707.06347, 2601.03320 and 2503.14286.
    """
    _require_baseline("predicted_stale_moments", baseline)
    success, failure = class_ratios(old_log_odds, distance)
    old, new = expit(old_log_odds), expit(np.add(old_log_odds, distance))
    success_weight = score_weight(rule, success, 1.0 - baseline, **how)
    failure_weight = score_weight(rule, failure, -baseline, **how)
    second = old * (success_weight * (1.0 - new)) ** 2
    second = second + (1.0 - old) * (failure_weight * new) ** 2
    mean = new * expit(-np.add(old_log_odds, distance))
    if rule == "clip":
        mean = mean * np.where(success_weight == 0.0, 0.0, 1.0 - baseline) + mean * np.where(
            failure_weight == 0.0, 0.0, baseline
        )
    elif rule == "variance_penalty":
        moved = (new - old) / (old * (1.0 - old))
        mean = mean * (1.0 - 2.0 * how.get("multiplier", 0.5) * moved)
    elif rule == "topr":
        taper = np.minimum(failure, 1.0)
        mean = old * (1.0 - new) * (1.0 - baseline) + (1.0 - old) * new * taper * baseline
    return np.stack([mean, second])


def predicted_stale_update(
    rule: str,
    old_prob: ArrayLike,
    prob: ArrayLike,
    reward: ArrayLike,
    *,
    group_size: int,
    **how: float,
) -> np.ndarray:
    """Expected change of the logits per unit step from stale groups with a group-mean baseline.

    pull - prob * sum(pull), pull = old_prob * weight(ratio, (G - 1)/G (reward - pass_rate_old)).

    Assumes:
        Rewards 0 or 1; the advantage is reward - mean(reward) of a group drawn by the old policy.

    Derivation:
        E[A | arm] = (G - 1)/G (reward - pass_rate_old), and every weight is linear in A as long as
        the sign of A does not change: it is that of the arm's reward, or A = 0.

    Args:
        rule: one of `STALE_RULES`.
        old_prob: probabilities under the policy that drew, shape [K].
        prob: probabilities under the present policy, shape [K].
        reward: 0 or 1, shape [K].
        group_size: rollouts per group, G, at least 2.
        **how: clip_low, clip_high, multiplier; as in `score_weight`.

    Returns:
        Expected change of the logits, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_stale_update"
    old_prob, prob, reward = (np.asarray(x, dtype=float) for x in (old_prob, prob, reward))
    require(
        old_prob.shape == prob.shape == reward.shape and (old_prob > 0.0).all(),
        function,
        "old_prob",
        "of the shape of the others and above 0",
        old_prob.tolist(),
        "An arm that is never drawn has no ratio",
    )
    require(
        bool(np.isin(reward, (0.0, 1.0)).all()),
        function,
        "reward",
        "0 or 1",
        reward.tolist(),
        "Other rewards change the sign of their advantage from group to group",
    )
    require(
        group_size >= 2, function, "group_size", "at least 2", group_size, "Its mean needs a group"
    )
    advantage = (group_size - 1) / group_size * (reward - old_prob @ reward)
    pull = old_prob * score_weight(rule, prob / old_prob, advantage, **how)
    return pull - prob * pull.sum()
