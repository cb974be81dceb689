"""Rounds with several inner epochs: what clip and penalty do to two classes of arms (P16, P17).

Between rounds the policy is fixed that draws the samples; within a round each inner epoch is one
step with fresh ratios. On average over many groups the classes stay uniform, and only the log-odds
of success move.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from theory.predict.conditions import as_log_odds, require, require_known, require_positive

INNER_RULES = ("group_mean", "clip", "variance_penalty")


def predicted_inner_log_odds(
    rule: str,
    log_odds: ArrayLike,
    *,
    step_size: float,
    kernel: float,
    group_size: int,
    inner_epochs: int,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    multiplier: float = 0.5,
) -> np.ndarray:
    """Log-odds of success after each inner epoch: z <- z + step_size kernel p q (a_C - a_W).

    With old pass rate p0 = 1 - q0, ratios p/p0 of correct and q/q0 of wrong arms, and c =
    (G - 1)/G, the pulls of the classes differ by

    - group_mean: c;
    - clip: c (q0 [p/p0 <= 1 + clip_high] + p0 [q/q0 >= 1 - clip_low]);
    - variance_penalty: c - 2 multiplier (p/p0 - q/q0).

    Assumes:
        Rewards 0 or 1, group-mean advantage, equally likely arms within the two classes, and so
        many groups that each step follows its mean.

    Derivation:
        The mean step moves logit a by step (pi_old(a) w_a - pi(a) S), where w is the mean score
        weight and S its sum under pi_old. With w_a = ratio_a a_a, pi_old(a) ratio_a = pi(a), so
        the log-odds move by step kernel p q (a_C - a_W). All three weights are linear in the
        advantage once its sign is known, which it is: E[A | correct] = c q0, E[A | wrong] = -c p0.

    Args:
        rule: group_mean (no clip), clip or variance_penalty.
        log_odds: log(p0/(1 - p0)) at the start of the round, nats, shape [*].
        step_size: step size of SGD on the logits.
        kernel: nats per unit of class gradient; 1/num_correct + 1/num_wrong in a tabular softmax.
        group_size: rollouts per prompt, G.
        inner_epochs: steps of the round, K.
        clip_low: width below 1, of clip.
        clip_high: width above 1, of clip.
        multiplier: price of one unit of ratio variance, of variance_penalty, in units of reward.

    Returns:
        Log-odds after each inner epoch, nats, shape [K, *].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> from scipy.special import expit
        >>> how = {"step_size": 2.0, "kernel": 1.0, "group_size": 8, "inner_epochs": 20}
        >>> expit(predicted_inner_log_odds("clip", -3.0, **how)[-1]).round(4).item()
        0.0653
        >>> expit(predicted_inner_log_odds("group_mean", -3.0, **how)[-1]).round(4).item()
        0.8327
    """
    function = "predicted_inner_log_odds"
    require_known(function, "rule", rule, INNER_RULES, "rule with an inner loop")
    start = as_log_odds(function, "log_odds", log_odds)
    for name, value in (("step_size", step_size), ("kernel", kernel)):
        require_positive(function, name, value, "At 0 nothing is learned")
    require(group_size >= 2, function, "group_size", "at least 2", group_size, "Raise it")
    require(inner_epochs >= 1, function, "inner_epochs", "at least 1", inner_epochs, "Use 1")
    for name, value in (
        ("clip_low", clip_low),
        ("clip_high", clip_high),
        ("multiplier", multiplier),
    ):
        require(value >= 0.0, function, name, "at least 0", value, "0.2 and 0.5 are usual")
    share, old_pass, old_fail = (group_size - 1) / group_size, expit(start), expit(-start)
    current, path = start, []
    for _ in range(inner_epochs):
        passing, failing = expit(current), expit(-current)
        if rule == "clip":
            counts_correct = passing <= (1.0 + clip_high) * old_pass
            counts_wrong = failing >= (1.0 - clip_low) * old_fail
            pull = share * (
                np.where(counts_correct, old_fail, 0.0) + np.where(counts_wrong, old_pass, 0.0)
            )
        elif rule == "variance_penalty":
            pull = share - 2.0 * multiplier * (passing / old_pass - failing / old_fail)
        else:
            pull = share
        current = current + step_size * kernel * passing * failing * pull
        path.append(current)
    return np.stack(path)


def predicted_round_log_odds(
    rule: str, log_odds: float, *, num_rounds: int, **how: float
) -> np.ndarray:
    """Log-odds of success after each of several rounds.

    Assumes:
        As `predicted_inner_log_odds`.

    Derivation:
        Each round starts where the one before it ended, with the ratios at 1 again.

    Args:
        rule: group_mean (no clip), clip or variance_penalty.
        log_odds: initial log-odds, nats.
        num_rounds: rounds, S.
        **how: further arguments of `predicted_inner_log_odds`.

    Returns:
        Log-odds after each round, nats, shape [S].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    require(
        num_rounds >= 1,
        "predicted_round_log_odds",
        "num_rounds",
        "at least 1",
        num_rounds,
        "Count rounds from 1",
    )
    current, path = float(log_odds), []
    for _ in range(num_rounds):
        current = float(predicted_inner_log_odds(rule, current, **how)[-1])
        path.append(current)
    return np.array(path)
