"""Successes under raw reward: two arms, small steps, and the law against its moments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict.success_times import (
    predicted_no_success,
    predicted_success_probs,
    predicted_success_time_moments,
    predicted_success_time_survival,
)

probs = st.floats(0.02, 0.9)


@given(probs, st.integers(1, 30), st.integers(1, 8))
def test_no_success_is_a_power(success_prob, num_rounds, rollouts):
    share = predicted_no_success(logit(success_prob), num_rounds, rollouts)
    assert share == pytest.approx((1.0 - success_prob) ** (num_rounds * rollouts), rel=1e-9)


@given(probs, st.floats(0.01, 3.0))
def test_two_arms_follow_the_log_odds(success_prob, step_size):
    path = predicted_success_probs(np.log([success_prob, 1.0 - success_prob]), step_size, 4)
    log_odds = logit(success_prob)
    for prob in path:
        assert prob == pytest.approx(expit(log_odds), rel=1e-9)
        log_odds += 2.0 * step_size * (1.0 - prob)


def test_growth_starts_with_its_first_order():
    prob = np.array([0.1, 0.5, 0.3, 0.1])
    path = predicted_success_probs(np.log(prob), 1e-5, 2)
    slope = prob[0] * (1.0 - 2.0 * prob[0] + (prob**2).sum())
    assert (path[1] - path[0]) / 1e-5 == pytest.approx(slope, rel=1e-4)


@given(st.lists(probs, min_size=1, max_size=5))
def test_law_has_the_moments(success_probs):
    survival = predicted_success_time_survival(np.arange(4_000), success_probs)
    mean, variance = predicted_success_time_moments(success_probs)
    rounds = np.arange(4_000)
    assert survival.sum() == pytest.approx(mean, rel=1e-8)
    square = ((2 * rounds + 1) * survival).sum()
    assert square - mean**2 == pytest.approx(variance, rel=1e-6, abs=1e-6)
    assert (survival[: len(success_probs)] == 1.0).all()


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`rollouts_per_round` must be at least 1"):
        predicted_no_success(-1.0, 1, 0)
    with pytest.raises(ValueError, match="`log_prob` must be log-probabilities of at least two"):
        predicted_success_probs([-1.0, -1.0], 1.0, 1)
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_success_probs(np.log([0.5, 0.5]), 0.0, 1)
    with pytest.raises(ValueError, match="`num_successes` must be an integer of at least 1"):
        predicted_success_probs(np.log([0.5, 0.5]), 1.0, 0)
    with pytest.raises(ValueError, match=r"`success_probs` must be a vector of probabilities"):
        predicted_success_time_moments([0.0])
    with pytest.raises(ValueError, match="`num_rounds` must be whole numbers"):
        predicted_success_time_survival([0.5], [0.5])
