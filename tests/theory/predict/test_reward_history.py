"""Reward history: a group at rest, the start, the lag, its noise, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict import drift
from theory.predict.history_noise import predicted_autocovariance, predicted_noise_ratio
from theory.predict.reward_history import (
    predicted_history_gradient,
    predicted_history_pass_rate,
    predicted_lag_slope,
    predicted_mean_lag,
    predicted_start,
)


@given(st.floats(-15.0, 15.0), st.integers(2, 16))
def test_history_of_a_resting_policy_is_a_group(log_odds, history):
    gradient = predicted_history_gradient(log_odds, [log_odds] * (history - 1))
    group = drift.standardized_class_gradient(log_odds, group_size=history)
    assert gradient == pytest.approx(float(group), rel=1e-8)


@given(st.floats(-15.0, 15.0))
def test_start_grows_from_the_raw_reward_to_the_group(log_odds):
    start = predicted_start(log_odds, 12, history=8)
    assert start[0] == pytest.approx(float(expit(log_odds) * expit(-log_odds)))
    groups = [
        float(drift.standardized_class_gradient(log_odds, group_size=size)) for size in range(2, 9)
    ]
    np.testing.assert_allclose(start[1:8], groups, rtol=1e-8)
    np.testing.assert_allclose(start[8:], groups[-1], rtol=1e-8)


def test_lag_of_the_mean():
    assert predicted_mean_lag(8) == 3.5
    assert predicted_mean_lag(2) == 0.5


@given(st.floats(-4.0, 4.0), st.integers(3, 10))
def test_lag_slope_is_the_derivative_of_the_gradient(log_odds, history):
    ages = np.arange(history - 1, 0, -1)
    rise = 1e-4 * float(expit(log_odds) * expit(-log_odds))
    fast, slow = (
        predicted_history_gradient(log_odds, logit(expit(log_odds) - sign * rise * ages))
        for sign in (1.0, -1.0)
    )
    slope = float(predicted_lag_slope(log_odds, history=history))
    assert (fast - slow) / (2.0 * rise) == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_lag_raises_the_gradient_below_one_half_and_lowers_it_above():
    slope = predicted_lag_slope([-2.0, 0.0, 2.0], history=8)
    assert slope[0] > 0.0 > slope[2]
    assert slope[1] == pytest.approx(0.0, abs=1e-12)


def test_autocovariance_against_all_sequences():
    history, rate = 4, 0.3
    num = 2 * history
    bits = (np.arange(2**num)[:, None] >> np.arange(num)) & 1
    prob = np.where(bits == 1, rate, 1.0 - rate).prod(axis=1)

    def gradient(at):
        window = bits[:, at - history + 1 : at + 1]
        std = window.std(axis=1, ddof=1)
        centred = np.where(std > 0.0, bits[:, at] - window.mean(axis=1), 0.0)
        return centred / np.where(std > 0.0, std, 1.0) * (bits[:, at] - rate)

    first = gradient(history - 1)
    for lag in range(history + 1):
        second = gradient(history - 1 + lag)
        covariance = prob @ (first * second) - (prob @ first) * (prob @ second)
        predicted = predicted_autocovariance(logit(rate), lag, history=history, eps=0.0)
        assert predicted == pytest.approx(covariance, abs=1e-14)


def test_history_is_less_noisy_per_rollout_than_groups():
    ratio = [
        predicted_noise_ratio(value, history=history)
        for history in (2, 5, 8)
        for value in np.linspace(-14.0, 0.0, 8)
    ]
    assert max(ratio) <= 1.0 + 1e-9
    assert min(ratio) > 0.4
    assert predicted_noise_ratio(-14.0, history=8) == pytest.approx(1.0, abs=1e-5)
    assert predicted_noise_ratio(logit(0.3), history=8) == pytest.approx(0.7857, abs=1e-4)


def test_pass_rate_follows_the_group_where_the_policy_hardly_moves():
    slow = predicted_history_pass_rate(-1.0, 60, learning_rate=1e-4, history=8)
    gradient = float(drift.standardized_class_gradient(-1.0, group_size=8))
    start = predicted_start(-1.0, 60, history=8).sum()
    assert logit(slow) + 1.0 == pytest.approx(1e-4 * start, rel=1e-2)
    assert start < 60 * gradient


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`history` must be a whole number of 2 or more"):
        predicted_start(0.0, 3, history=1)
    with pytest.raises(ValueError, match="`history` must be a whole number of 3 or more"):
        predicted_lag_slope(0.0, history=2)
    with pytest.raises(ValueError, match="`lag` must be at least 0"):
        predicted_autocovariance(0.0, -1, history=8)
    with pytest.raises(ValueError, match="`earlier_log_odds` must be log-odds"):
        predicted_history_gradient(0.0, [np.nan])
