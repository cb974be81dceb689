"""Exact expected updates by enumeration: what a rule does on average, without sampling.

Shapes: K arms, G group.
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import log_softmax, xlogy

from banditlab.rules import UpdateRule, group_advantage, score_weight, shaped_reward
from banditlab.validation import require, require_equal_shapes


def expected_advantage(
    rule: UpdateRule, prob: np.ndarray, reward: np.ndarray, group_size: int
) -> np.ndarray:
    """Expected advantage of a sample given its arm, over the rewards of its group.

    The other rollouts, G - 1 and the rule's extra ones, are summed over all counts of the distinct
    rewards with their multinomial probability. A batch baseline sees a batch of this one prompt.

    Args:
        rule: the update rule.
        prob: probability of each arm, shape [K].
        reward: reward of each arm, shape [K]; where the rule has a reference term in the reward,
            less that term.
        group_size: rollouts per prompt trained on, G.

    Returns:
        E[advantage | arm], shape [K].

    Raises:
        ValueError: the shapes differ, the group is smaller than the rule allows, or the rule
            remembers earlier rewards.
    """
    require_equal_shapes("expected_advantage", prob=prob, reward=reward)
    num_others = group_size + rule.extra_rollouts - 1
    level, level_of_arm = np.unique(reward, return_inverse=True)
    level_prob = np.bincount(level_of_arm, weights=prob)
    counts = np.array(list(_compositions(num_others, len(level))))
    log_factorial = np.array([math.lgamma(count + 1.0) for count in range(num_others + 1)])
    log_prob = log_factorial[-1] - log_factorial[counts].sum(axis=1)
    # A level of probability 0 costs a group nothing where none of its samples lies on it.
    log_prob += xlogy(counts, level_prob).sum(axis=1)
    others = np.stack([np.repeat(level, row) for row in counts])
    expected = np.empty(len(level))
    for index, own in enumerate(level):
        group = np.column_stack([np.full(len(others), own), others])
        # Each enumerated group is a batch of its own.
        expected[index] = np.exp(log_prob) @ group_advantage(rule, group[:, None, :])[:, 0, 0]
    return expected[level_of_arm]


def expected_update(
    rule: UpdateRule,
    logits: np.ndarray,
    reward: np.ndarray,
    group_size: int,
    *,
    ref_logits: np.ndarray | None = None,
) -> np.ndarray:
    """Exact expected change of the logits in one on-policy step of unit step size.

    E[(1/G) sum_i weight_i * (e_arm_i - policy)], on fresh samples, where the ratio is 1 and the
    score weight of every rule is its advantage, plus that of a reference term in the loss.

    Args:
        rule: the update rule.
        logits: logits, nats, shape [K].
        reward: reward of each arm, shape [K].
        group_size: rollouts per prompt trained on, G.
        ref_logits: logits of the reference policy, nats, shape [K]; needed where the rule has a
            reference term.

    Returns:
        Expected change of logits, shape [K].

    Raises:
        ValueError: the shapes differ, the group is smaller than the rule allows, the rule
            remembers earlier rewards, or its reference is missing.

    Examples:
        >>> from banditlab.rules import RULES
        >>> expected_update(RULES["raw_reward"], np.zeros(2), np.array([1.0, 0.0]), 1)
        array([ 0.25, -0.25])
    """
    require_equal_shapes("expected_update", logits=logits, reward=reward)
    require(
        bool(np.isfinite(logits).all()),
        "expected_update",
        "logits",
        "finite",
        "a NaN or an infinity",
        "Arms of probability 0 are to be left out",
    )
    log_prob = log_softmax(logits)
    ref_log_prob = None
    if ref_logits is not None:
        require_equal_shapes("expected_update", logits=logits, ref_logits=ref_logits)
        ref_log_prob = log_softmax(ref_logits)
    prob = np.exp(log_prob)
    shaped = shaped_reward(rule, reward, log_prob, ref_log_prob)
    advantage = expected_advantage(rule, prob, shaped, group_size)
    pull = prob * score_weight(rule, log_prob, log_prob, advantage, ref_log_prob=ref_log_prob)
    return pull - prob * pull.sum()


def _compositions(total: int, num_parts: int) -> Iterator[tuple[int, ...]]:
    if num_parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, num_parts - 1):
            yield (first, *rest)
