"""Reward -1 for failures: gradient, noise, single failures, inner epochs, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_expit, logsumexp

from theory.predict.negative_reward import (
    predicted_breakdown_log_odds,
    predicted_failure_step,
    predicted_inner_log_ratio,
    predicted_signal_to_noise,
    predicted_signed_update,
)

steps = st.floats(1e-3, 5.0)


def test_update_is_twice_that_of_the_raw_reward():
    prob, reward = np.array([0.1, 0.3, 0.6]), np.array([1.0, 0.0, 0.0])
    update = predicted_signed_update(prob, reward)
    np.testing.assert_allclose(update, [0.18, -0.06, -0.12])


@given(st.floats(0.01, 0.99))
def test_two_arms_have_one_signal_to_noise(rate):
    for is_signed, expected in ((False, rate), (True, 4.0 * rate * (1.0 - rate))):
        ratio = predicted_signal_to_noise([rate, 1.0 - rate], [1, 0], is_signed=is_signed)
        np.testing.assert_allclose(ratio, expected)


def test_sign_helps_the_class_gradient_and_drowns_the_logits():
    prob = np.append(0.01, np.full(99, 0.01))
    reward = np.append(1.0, np.zeros(99))
    raw, signed = (
        predicted_signal_to_noise(prob, reward, is_signed=is_signed) for is_signed in (False, True)
    )
    assert signed[0] / raw[0] == pytest.approx(4.0 * 0.99)
    assert signed[1] / raw[1] == pytest.approx(4.0 * 0.01, rel=0.02)


@given(st.floats(-20.0, 3.0), st.integers(1, 30), steps)
def test_failure_step_is_that_of_the_softmax(log_odds, num_wrong, step_size):
    wrong = np.full(num_wrong, log_expit(-log_odds) - np.log(num_wrong))
    prob = np.exp(np.append(log_expit(log_odds), wrong))
    drawn = np.eye(num_wrong + 1)[-1]
    logits = np.log(prob) - step_size * (drawn - prob)
    change = logits[0] - logsumexp(logits[1:]) - log_odds
    predicted = predicted_failure_step(log_odds, num_wrong=num_wrong, step_size=step_size)
    assert predicted == pytest.approx(change, abs=1e-12)


@given(st.integers(2, 1000), steps)
def test_breakdown_is_where_a_rollout_changes_nothing_on_average(num_wrong, step_size):
    log_odds = predicted_breakdown_log_odds(num_wrong=num_wrong, step_size=step_size)
    rate = expit(log_odds)
    success = step_size * (1.0 - rate) * (1.0 + 1.0 / num_wrong)
    failure = predicted_failure_step(log_odds, num_wrong=num_wrong, step_size=step_size)
    assert rate * success + (1.0 - rate) * failure == pytest.approx(0.0, abs=1e-12)


def test_breakdown_of_small_steps_and_of_many_wrong_arms():
    rate = expit(predicted_breakdown_log_odds(num_wrong=4, step_size=1e-4))
    assert rate / 1e-4 == pytest.approx(3.0 / 80.0, rel=1e-3)
    many = expit(predicted_breakdown_log_odds(num_wrong=100_000, step_size=1.0))
    assert many * 100_000 == pytest.approx((1.0 - 1.0 + np.exp(-1.0)) / 2.0, rel=1e-3)


def test_one_wrong_arm_gains_from_every_failure():
    grid = np.linspace(-20.0, 5.0, 26)
    assert (predicted_failure_step(grid, num_wrong=1, step_size=1.0) > 0.0).all()


@given(st.floats(1e-3, 3.0))
def test_inner_epochs_fall_like_a_logarithm(coefficient):
    log_ratio = predicted_inner_log_ratio(50, coefficient)
    assert log_ratio[0] == -coefficient
    assert (log_ratio <= -np.log1p(coefficient * np.arange(1, 51)) + 1e-12).all()


def test_inner_epochs_of_small_steps():
    log_ratio = predicted_inner_log_ratio(4_000, 1e-3)
    assert log_ratio[-1] == pytest.approx(-np.log(5.0), abs=1e-3)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`prob` must be probabilities of sum 1"):
        predicted_signed_update([0.5, 0.6], [1, 0])
    with pytest.raises(ValueError, match="`reward` must be 0 or 1"):
        predicted_signed_update([0.5, 0.5], [1, -1])
    with pytest.raises(ValueError, match="`num_wrong` must be at least 1"):
        predicted_failure_step(0.0, num_wrong=0, step_size=1.0)
    with pytest.raises(ValueError, match="`num_wrong` must be at least 2"):
        predicted_breakdown_log_odds(num_wrong=1, step_size=1.0)
    with pytest.raises(ValueError, match="`coefficient` must be a finite number above 0"):
        predicted_inner_log_ratio(3, 0.0)
