"""Rollouts for statistics only: limits, special cases, the known figures, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict import drift
from theory.predict.extra_rollouts import predicted_trained_moments, predicted_variance_ratio


@given(st.floats(-15.0, 15.0), st.integers(2, 16), st.sampled_from([0, 1]))
def test_mean_is_that_of_the_whole_group_whatever_is_trained_on(log_odds, num, ddof):
    group = drift.standardized_class_gradient(log_odds, group_size=num, ddof=ddof, eps=0.0)
    for count in {1, num}:
        mean, variance = predicted_trained_moments(
            log_odds, num_trained=count, num_rewards=num, ddof=ddof
        )
        assert mean == pytest.approx(float(group), rel=1e-12)
        assert variance > 0.0


@given(st.floats(-12.0, 12.0))
def test_successes_and_failures_are_alike(log_odds):
    there, back = (
        predicted_trained_moments(value, num_trained=3, num_rewards=8)
        for value in (log_odds, -log_odds)
    )
    np.testing.assert_allclose(there, back, rtol=1e-9)


@given(st.floats(-10.0, 10.0))
def test_whole_group_has_the_second_moment_of_the_catalogue(log_odds):
    mean, variance = predicted_trained_moments(log_odds, num_trained=8, num_rewards=8, ddof=0)
    second = 7.0 / 8.0 * expit(log_odds) * expit(-log_odds)
    assert variance + mean**2 == pytest.approx(second, rel=1e-12)


@given(st.floats(-10.0, 10.0))
def test_two_rollouts_of_which_one_is_trained_on(log_odds):
    # Mixed with probability 2 p q, advantage +-1 for population deviation.
    success = float(expit(log_odds))
    spread = success * (1.0 - success)
    mean, variance = predicted_trained_moments(log_odds, num_trained=1, num_rewards=2, ddof=0)
    assert mean == pytest.approx(spread)
    second = spread * ((1.0 - success) ** 2 + success**2)
    assert variance == pytest.approx(second - spread**2, rel=1e-9)


def test_variance_ratio_has_its_known_figures():
    assert predicted_variance_ratio(logit(0.3), num_rewards=8) == pytest.approx(12.396, abs=1e-3)
    assert predicted_variance_ratio(0.0, num_rewards=8) == pytest.approx(9.290, abs=1e-3)
    assert predicted_variance_ratio(logit(0.3), num_rewards=2) == pytest.approx(1.276, abs=1e-3)


@pytest.mark.parametrize("num", [2, 4, 8, 16])
def test_variance_ratio_of_rare_successes(num):
    rate = 1e-5
    ratio = predicted_variance_ratio(logit(rate), num_rewards=num) / num
    # For two rollouts the next order is -p, as (N - 4)/2 says.
    assert (ratio - 1.0) / rate == pytest.approx((num - 4) / 2.0, abs=0.01)


def test_whole_group_of_8_is_never_noisier_than_8_alone():
    grid = np.linspace(-20.0, 20.0, 201)
    assert (predicted_variance_ratio(grid, num_rewards=8) >= 8.0 - 1e-6).all()
    assert (predicted_variance_ratio(grid, num_rewards=4) <= 4.0 + 1e-6).all()


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`num_trained` must be from 1 to num_rewards"):
        predicted_trained_moments(0.0, num_trained=9, num_rewards=8)
    with pytest.raises(ValueError, match="`ddof` must be 0 or 1"):
        predicted_trained_moments(0.0, num_trained=1, num_rewards=8, ddof=2)
    with pytest.raises(ValueError, match="`log_odds` must be log-odds"):
        predicted_variance_ratio(np.inf, num_rewards=8)
