"""Exact expected updates against brute force over all groups of arms."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import softmax

from banditlab.expectation import expected_advantage, expected_update
from banditlab.rules import RULES, group_advantage

LOGITS = np.array([0.3, -0.7, 1.1, 0.0])
REWARD = np.array([1.0, 0.0, 0.5, 0.0])


def brute_force(rule, logits, reward, group_size):
    prob = softmax(logits)
    total = np.zeros_like(logits)
    for group in itertools.product(range(len(logits)), repeat=group_size):
        advantage = group_advantage(rule, reward[list(group)])
        score = np.eye(len(logits))[list(group)] - prob
        total += math.prod(prob[list(group)]) * (advantage @ score) / group_size
    return total


@pytest.mark.parametrize("rule", RULES)
def test_expected_update_equals_the_sum_over_all_groups(rule):
    expected = brute_force(RULES[rule], LOGITS, REWARD, 4)
    np.testing.assert_allclose(
        expected_update(RULES[rule], LOGITS, REWARD, 4), expected, rtol=1e-10, atol=1e-15
    )


def test_group_mean_is_the_raw_gradient_times_g_minus_one_over_g():
    """Theory P7; the mutant factor 1 is far outside."""
    raw = expected_update(RULES["raw_reward"], LOGITS, REWARD, 8)
    np.testing.assert_allclose(
        expected_update(RULES["group_mean"], LOGITS, REWARD, 8), raw * 7 / 8, rtol=1e-12
    )
    np.testing.assert_allclose(
        expected_update(RULES["leave_one_out"], LOGITS, REWARD, 8), raw, rtol=1e-12
    )


def test_grpo_moves_a_class_by_the_finite_binomial_sum():
    """Theory P8: S_8(0.1) = 0.209, far from sqrt(pq) = 0.3."""
    rule = RULES["grpo"].with_hyper(ddof=0, eps=0.0)
    push = expected_update(rule, np.log([0.1, 0.9]), np.array([1.0, 0.0]), 8)
    counts = np.arange(9)
    binomial = np.array([math.comb(8, k) * 0.1**k * 0.9 ** (8 - k) for k in counts])
    expected = (binomial * np.sqrt(counts * (8 - counts))).sum() / 8
    np.testing.assert_allclose(push, [expected, -expected], rtol=1e-12)
    assert expected == pytest.approx(0.209, abs=5e-4)


def test_a_reward_whose_probability_underflows_is_left_out_of_the_group():
    logits, reward = np.array([0.0, -800.0]), np.array([1.0, 0.0])
    np.testing.assert_array_equal(expected_update(RULES["raw_reward"], logits, reward, 2), 0.0)
    # The arm that is never drawn would still be judged against a partner that is correct.
    np.testing.assert_array_equal(
        expected_advantage(RULES["group_mean"], softmax(logits), reward, 2), [0.0, -0.5]
    )


def test_shapes_and_infinite_logits_are_refused():
    with pytest.raises(ValueError, match=r"expected_update: `reward` must be of the shape"):
        expected_update(RULES["raw_reward"], LOGITS, REWARD[:2], 1)
    with pytest.raises(ValueError, match=r"`logits` must be finite"):
        expected_update(RULES["raw_reward"], np.array([0.0, -np.inf]), np.zeros(2), 1)
    with pytest.raises(ValueError, match=r"group size 2 or more"):
        expected_advantage(RULES["group_mean"], softmax(LOGITS), REWARD, 1)
