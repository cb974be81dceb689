"""Exact expected updates by enumeration: what a rule does on average, without sampling.

Shapes: K arms, G group.
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import softmax, xlogy

from banditlab.rules import UpdateRule, group_advantage
from banditlab.validation import require, require_equal_shapes


def expected_advantage(
    rule: UpdateRule, prob: np.ndarray, reward: np.ndarray, group_size: int
) -> np.ndarray:
    """Expected advantage of a sample given its arm, over the rewards of its group.

    The other G - 1 rollouts are summed over all counts of the distinct rewards with their
    multinomial probability.

    Args:
        rule: the update rule.
        prob: probability of each arm, shape [K].
        reward: reward of each arm, shape [K].
        group_size: rollouts per prompt, G.

    Returns:
        E[advantage | arm], shape [K].

    Raises:
        ValueError: the shapes differ, or the group is smaller than the rule allows.
    """
    require_equal_shapes("expected_advantage", prob=prob, reward=reward)
    level, level_of_arm = np.unique(reward, return_inverse=True)
    level_prob = np.bincount(level_of_arm, weights=prob)
    counts = np.array(list(_compositions(group_size - 1, len(level))))
    log_factorial = np.array([math.lgamma(count + 1.0) for count in range(group_size)])
    log_prob = log_factorial[-1] - log_factorial[counts].sum(axis=1)
    # A level of probability 0 costs a group nothing where none of its samples lies on it.
    log_prob += xlogy(counts, level_prob).sum(axis=1)
    others = np.stack([np.repeat(level, row) for row in counts])
    expected = np.empty(len(level))
    for index, own in enumerate(level):
        group = np.column_stack([np.full(len(others), own), others])
        expected[index] = np.exp(log_prob) @ group_advantage(rule, group)[:, 0]
    return expected[level_of_arm]


def expected_update(
    rule: UpdateRule, logits: np.ndarray, reward: np.ndarray, group_size: int
) -> np.ndarray:
    """Exact expected change of the logits in one on-policy step of unit step size.

    E[(1/G) sum_i advantage_i * (e_arm_i - policy)], on fresh samples, where the ratio is 1 and the
    score weight of every rule is its advantage.

    Args:
        rule: the update rule.
        logits: logits, nats, shape [K].
        reward: reward of each arm, shape [K].
        group_size: rollouts per prompt, G.

    Returns:
        Expected change of logits, shape [K].

    Raises:
        ValueError: the shapes differ, or the group is smaller than the rule allows.

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
    prob = softmax(logits)
    pull = prob * expected_advantage(rule, prob, reward, group_size)
    return pull - prob * pull.sum()


def _compositions(total: int, num_parts: int) -> Iterator[tuple[int, ...]]:
    if num_parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, num_parts - 1):
            yield (first, *rest)
