"""Exact expected updates against brute force over all groups of arms."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from banditlab.expectation import expected_advantage, expected_update
from banditlab.rules import RULES, group_advantage, score_weight, shaped_reward

LOGITS = np.array([0.3, -0.7, 1.1, 0.0])
REWARD = np.array([1.0, 0.0, 0.5, 0.0])


REF_LOGITS = np.array([-0.5, 0.4, 0.2, 1.0])
STATELESS = [name for name in RULES if RULES[name].initial_state is None]


def brute_force(rule, logits, reward, group_size):
    """Sum over all draws, each played as a loop would: a batch of one prompt."""
    log_prob, ref_log_prob = log_softmax(logits), log_softmax(REF_LOGITS)
    prob = np.exp(log_prob)
    total = np.zeros_like(logits)
    for draw in itertools.product(range(len(logits)), repeat=group_size + rule.extra_rollouts):
        arms = np.array(draw)[None]
        shaped = shaped_reward(rule, reward[arms], log_prob[arms], ref_log_prob[arms])
        advantage = group_advantage(rule, shaped)[:, :group_size]
        arms = arms[:, :group_size]
        weight = score_weight(
            rule, log_prob[arms], log_prob[arms], advantage, ref_log_prob=ref_log_prob[arms]
        )
        score = np.eye(len(logits))[arms[0]] - prob
        total += math.prod(prob[list(draw)]) * (weight[0] @ score) / group_size
    return total


@pytest.mark.parametrize("name", STATELESS)
def test_expected_update_equals_the_sum_over_all_draws(name):
    rule = RULES[name]
    if rule.extra_rollouts:
        rule = rule.with_hyper(extra_rollouts=3)
    group_size = 4 if rule.extra_rollouts == 0 else 2
    expected = brute_force(rule, LOGITS, REWARD, group_size)
    found = expected_update(rule, LOGITS, REWARD, group_size, ref_logits=REF_LOGITS)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("constant_baseline", 1.0), ("negative_reward", 2.0), ("leave_one_out", 1.0), ("topr", 2.0)],
)
def test_baselines_without_the_own_reward_keep_the_raw_gradient(name, factor):
    raw = expected_update(RULES["raw_reward"], LOGITS, REWARD, 8)
    found = expected_update(RULES[name], LOGITS, REWARD, 8)
    np.testing.assert_allclose(found, factor * raw, rtol=1e-10)


def test_batch_mean_keeps_all_but_one_part_in_n_of_the_raw_gradient():
    """Enumeration of two prompts with two rollouts; the mutant factors are (G - 1)/G and 1."""
    prob = np.array([[0.2, 0.8], [0.6, 0.4]])
    reward, total = np.array([1.0, 0.0]), np.zeros((2, 2))
    for draw in itertools.product(range(2), repeat=4):
        arms = np.array(draw).reshape(2, 2)
        chance = math.prod(prob[i // 2, arm] for i, arm in enumerate(draw))
        advantage = group_advantage(RULES["batch_mean"], reward[arms])
        score = np.eye(2)[arms] - prob[:, None]
        total += chance * (advantage[..., None] * score).sum(axis=1) / 2
    raw = prob * (reward - (prob @ reward)[:, None])
    np.testing.assert_allclose(total, raw * 3 / 4, rtol=1e-10)


def test_extra_rollouts_are_those_of_a_larger_group():
    """One trained rollout and seven extra ones move like a group of eight, on average."""
    expected = expected_update(RULES["grpo"], LOGITS, REWARD, 8)
    found = expected_update(RULES["extra_rollouts"], LOGITS, REWARD, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    # The mutant: statistics over the trained rollouts and one extra only.
    fewer = RULES["extra_rollouts"].with_hyper(extra_rollouts=1)
    assert not np.allclose(expected_update(fewer, LOGITS, REWARD, 1), expected)


def test_a_rule_with_memory_or_without_its_reference_is_refused():
    with pytest.raises(ValueError, match=r"group_advantage: `rule` .*got running_mean"):
        expected_update(RULES["running_mean"], LOGITS, REWARD, 4)
    with pytest.raises(ValueError, match=r"`ref_log_prob` must be given for grpo_k3"):
        expected_update(RULES["grpo_k3"], LOGITS, REWARD, 4)
    with pytest.raises(ValueError, match=r"expected_update: `ref_logits` must be of the shape"):
        expected_update(RULES["grpo_k3"], LOGITS, REWARD, 4, ref_logits=np.zeros(2))


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
