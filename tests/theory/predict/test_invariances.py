"""Runs on given arms: lumps against separate arms, units of reward, what is conserved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.invariances import (
    ADVANTAGES,
    OPTIMIZERS,
    log_prob_of,
    predicted_conserved_mean,
    predicted_group_advantage,
    predicted_logit_changes,
)

RNG = np.random.default_rng(4)
ARMS = RNG.integers(3, size=(30, 4))
GAINS = RNG.normal(size=ARMS.shape)
PROB = np.array([0.2, 0.3, 0.1])


def changes(num_lumps: int, **how) -> np.ndarray:
    """Ten arms of 0.04 each beside three drawn ones, in lumps of equal size."""
    size = 10 // num_lumps
    prob = np.concatenate([PROB, np.full(num_lumps, 0.04)])
    count = np.concatenate([np.ones(3), np.full(num_lumps, size)])
    how = {"step_size": 0.3, **how}
    return predicted_logit_changes(ARMS, GAINS, np.log(prob), count, **how)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "how", [{}, {"inner_epochs": 3, "weight": "clip"}, {"weight": "variance_penalty"}]
)
def test_a_lump_is_as_good_as_its_arms(optimizer, how):
    lumped, separate = (changes(num, optimizer=optimizer, **how) for num in (1, 10))
    np.testing.assert_allclose(separate[:3], lumped[:3], atol=1e-10)
    np.testing.assert_allclose(separate[3:], lumped[3], atol=1e-10)
    assert abs(lumped[3]) > 1e-3


def test_one_plain_step_is_the_mean_score():
    one = predicted_logit_changes(
        [[0, 2]], [[1.0, -0.5]], np.log(PROB / 0.6), np.ones(3), step_size=2
    )
    prob = PROB / 0.6
    np.testing.assert_allclose(one, np.array([1.0, 0.0, -0.5]) - 0.5 * prob, atol=1e-15)


@given(st.integers(2, 12), st.sampled_from(ADVANTAGES), st.floats(-5, 5), st.floats(0.1, 10))
def test_shift_and_scale_of_the_reward(group_size, rule, shift, scale):
    reward = np.linspace(0.0, 1.0, group_size) ** 2
    plain = predicted_group_advantage(rule, reward, eps=1e-2)
    moved = predicted_group_advantage(rule, scale * reward + shift, eps=1e-2)
    if rule == "raw_reward":
        expected = scale * plain + shift
    elif rule == "grpo":
        expected = predicted_group_advantage(rule, reward, eps=1e-2 / scale)
    else:
        expected = scale * plain
    np.testing.assert_allclose(moved, expected, atol=1e-10)


@given(st.integers(2, 20))
def test_leave_one_out_compares_with_the_others(group_size):
    reward = np.cos(np.arange(group_size))
    others = (reward.sum() - reward) / (group_size - 1)
    found = predicted_group_advantage("leave_one_out", reward)
    np.testing.assert_allclose(found, reward - others, atol=1e-12)


def test_two_rewards_are_plus_and_minus_one():
    pair = predicted_group_advantage("grpo", [1.0, 0.0], ddof=0, eps=0.0)
    assert pair.tolist() == [1.0, -1.0]
    assert predicted_group_advantage("leave_one_out", [1.0, 0.0]).tolist() == [1.0, -1.0]


def test_the_sum_is_conserved_but_for_adam():
    count = np.array([1.0, 1.0, 1.0, 10.0])
    assert abs(count @ changes(1)) < 1e-13
    assert abs(count @ changes(1, optimizer="momentum")) < 1e-12
    assert abs(count @ changes(1, optimizer="adam")) > 1e-2


def test_conserved_mean_with_a_kernel_is_that_of_the_solved_logits():
    kernel = np.array([[2.0, 0.5], [0.5, 1.0]])
    logits = np.array([0.3, -1.0])
    expected = np.linalg.inv(kernel) @ logits
    assert predicted_conserved_mean(logits, kernel) == pytest.approx(expected.mean(), abs=1e-15)
    assert predicted_conserved_mean(logits, np.eye(2)) == predicted_conserved_mean(logits)


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_log_probs_stay_normalized(first, second):
    count = np.array([1.0, 4.0])
    after = log_prob_of(np.log([0.2, 0.2]), np.array([first, second]), np.log(count))
    assert count @ np.exp(after) == pytest.approx(1.0, abs=1e-12)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`rule` must be a known rule"):
        predicted_group_advantage("ppo", [1.0, 0.0])
    with pytest.raises(ValueError, match="`eps` must be above 0 where a group has equal rewards"):
        predicted_group_advantage("grpo", [1.0, 1.0], eps=0.0)
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        predicted_group_advantage("group_mean", [1.0])
    with pytest.raises(ValueError, match="`kernel` must be of shape"):
        predicted_conserved_mean([1.0, 2.0], np.eye(3))
    how = {"log_prob": np.log([0.5, 0.25]), "num_arms": [1, 2], "step_size": 1.0}
    with pytest.raises(ValueError, match="`arms` must be drawn from lumps of one arm"):
        predicted_logit_changes([[1]], [[1.0]], **how)
    with pytest.raises(ValueError, match="`advantage` must be of the shape"):
        predicted_logit_changes([[0]], [[1.0, 2.0]], **how)
    with pytest.raises(ValueError, match="`optimizer` must be a known optimizer"):
        predicted_logit_changes([[0]], [[1.0]], **how, optimizer="lion")
    with pytest.raises(ValueError, match="`log_prob` must be such that all arms"):
        predicted_logit_changes([[0]], [[1.0]], **how | {"num_arms": [1, 3]})
