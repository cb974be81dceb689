"""Exact policy gradient on many arms: concentration, late shares, gains, crossings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from theory.predict.class_concentration import (
    predicted_class_speed,
    predicted_cross_ratio,
    predicted_equal_class_speed,
    predicted_share_ratio,
)
from theory.predict.many_arms import (
    predicted_crossing,
    predicted_improvement,
    predicted_largest_waste,
    predicted_late_share,
)

LOGITS = st.lists(st.floats(-20.0, 20.0), min_size=3, max_size=8)


@given(LOGITS)
def test_concentration_can_only_speed_a_class_up(logits):
    prob = softmax(np.array(logits))
    is_correct = np.arange(len(prob)) < 1 + len(prob) // 3
    num_correct = int(is_correct.sum())
    equal = predicted_equal_class_speed(
        min(1.0, float(prob[is_correct].sum())), num_correct, len(prob) - num_correct
    )
    assert predicted_class_speed(prob, is_correct) >= equal * (1.0 - 1e-9) - 1e-15


def test_endless_classes_do_not_move_and_one_wrong_arm_doubles_the_kernel_of_endless_ones():
    assert predicted_equal_class_speed(0.3, np.inf, np.inf) == 0.0
    two, endless = (predicted_equal_class_speed(0.3, 1, num) for num in (1, np.inf))
    assert two == pytest.approx(2.0 * endless)
    for pass_rate in (0.0, 1.0):
        assert predicted_equal_class_speed(pass_rate, 1, 5) == 0.0


@given(LOGITS, st.floats(-1.0, 6.0))
def test_no_exact_step_loses(logits, log10_step):
    prob = softmax(np.array(logits))
    prob = np.maximum(prob, 1e-300) / np.maximum(prob, 1e-300).sum()
    reward = np.cos(7.0 * np.arange(len(prob)))
    assert predicted_improvement(prob, reward, 10.0**log10_step) >= 0.0


@given(LOGITS, st.floats(-1.0, 5.0))
def test_no_step_wastes_more_than_all_of_its_movement(logits, log10_step):
    logits, step_size = np.array(logits) / 5.0, 10.0**log10_step
    prob, reward = softmax(logits), np.sin(5.0 * np.arange(len(logits)))
    moved = softmax(logits + step_size * prob * (reward - prob @ reward)) - prob
    most = 0.5 * np.abs(moved).sum() * np.ptp(reward)
    gain = predicted_improvement(prob, reward, step_size)
    assert -1e-12 <= gain <= predicted_largest_waste() * most + 1e-12


def test_small_steps_gain_the_squared_gradient_and_huge_ones_all_there_is():
    prob, reward = np.array([0.2, 0.5, 0.3]), np.array([1.0, 0.2, 0.0])
    gradient = prob * (reward - prob @ reward)
    gain = predicted_improvement(prob, reward, 1e-6)
    assert gain == pytest.approx(1e-6 * gradient @ gradient, rel=1e-5)
    assert predicted_improvement(prob, reward, 1e9) == pytest.approx(1.0 - prob @ reward)


def test_late_shares_add_up_to_a_loss_that_knows_no_gap():
    for gap in ([0.1, 0.5, 0.9], [0.3, 0.3, 0.3]):
        share = predicted_late_share(1e6, gap, 4)
        assert share @ gap == pytest.approx(3.0 / (4.0 * 1e6))


def test_the_published_plateau():
    reward = [1.0, 0.9, 0.1]
    assert predicted_crossing([0.01, 0.05, 0.94], reward, 0.4) == 7525
    assert predicted_crossing([0.05, 0.01, 0.94], reward, 0.4) == 35
    assert predicted_crossing([0.6, 0.2, 0.2], reward, 0.4) == 0


@given(st.floats(0.2, 5.0))
def test_the_cross_ratio_is_that_of_odds_and_knows_no_common_factor(factor):
    prob = np.array([0.3, 0.2, 0.1])
    assert predicted_cross_ratio(factor * prob) == pytest.approx(predicted_cross_ratio(prob))
    assert predicted_cross_ratio([0.3, 0.3, 0.1]) == 0.0


def test_the_share_ratio_is_that_of_the_arms():
    assert predicted_share_ratio([0.3, 0.3]) == 1.0
    assert predicted_share_ratio([0.2, 0.8]) == pytest.approx(
        1.0 / predicted_share_ratio([0.8, 0.2])
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: predicted_class_speed([0.5, 0.5], [1]), "`is_correct` must be of the shape"),
        (lambda: predicted_class_speed([0.5, 0.4], [1, 0]), "`prob` must be positive and of sum 1"),
        (lambda: predicted_equal_class_speed(0.5, 0, 1), "`num_correct` must be at least 1"),
        (lambda: predicted_cross_ratio([0.1, 0.2]), "`prob` must be of three arms"),
        (lambda: predicted_cross_ratio([0.1, 0.2, 0.1]), "different for the first and the last"),
        (lambda: predicted_share_ratio([0.1, 0.2, 0.7]), "`prob` must be of two arms"),
        (lambda: predicted_late_share(1.0, [0.0], 2), "`gap` must be above 0"),
        (lambda: predicted_late_share(1.0, [0.1], 3), "`num_arms` must be one more than the gaps"),
        (lambda: predicted_improvement([1.0], [1.0], 0.0), "`step_size` must be a finite number"),
        (lambda: predicted_crossing([0.5, 0.5], [1, 0], 1.0, threshold=1.0), "`threshold` must be"),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
