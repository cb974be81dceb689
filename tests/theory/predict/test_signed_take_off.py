"""Take-off with reward -1 for failures: limits, the recursion, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from theory.predict import take_off
from theory.predict.signed_take_off import (
    predicted_no_success,
    predicted_signed_take_off_mean,
    predicted_signed_take_off_rollouts,
)


@given(st.floats(1e-4, 1e-2))
def test_small_steps_are_twice_as_fast_as_the_raw_reward(step_size):
    raw = take_off.predicted_take_off_mean(step_size)
    assert predicted_signed_take_off_mean(step_size) / raw == pytest.approx(0.5, abs=step_size)


@given(st.floats(1e-3, 50.0))
def test_negative_reward_is_always_faster_among_endless_wrong_arms(step_size):
    assert predicted_signed_take_off_mean(step_size) < take_off.predicted_take_off_mean(step_size)


def test_mean_is_that_of_drawn_runs_of_the_limit():
    # Odds y: dy/dt = step y^2 between successes; the time to the next one is in closed form.
    step_size, num_runs = 1.0, 20_000
    rng = np.random.default_rng(3)
    time, odds = np.zeros(num_runs), np.ones(num_runs)
    for _ in range(60):
        # Until the blow-up at 1/(step y) the chance of no success is (1 - step y t)^(1/step).
        wait = (1.0 - rng.random(num_runs) ** step_size) / (step_size * odds)
        time += wait
        odds = odds / (1.0 - step_size * odds * wait) * np.exp(step_size)
    error = time.std() / np.sqrt(num_runs)
    assert abs(time.mean() - predicted_signed_take_off_mean(step_size)) < 4.0 * error


@pytest.mark.parametrize("step_size", [0.5, 2.0])
def test_rollouts_approach_the_limit(step_size):
    limit = predicted_signed_take_off_mean(step_size)
    errors = [
        rate * predicted_signed_take_off_rollouts(logit(rate), step_size) / limit - 1.0
        for rate in (8e-3, 2e-3)
    ]
    assert 0.0 < errors[1] < errors[0] < 0.2


def test_no_success_approaches_its_closed_form():
    rate, step_size = 1e-4, 0.5
    count = np.array([1_000, 5_000, 15_000])
    waiting = predicted_no_success(logit(rate), 15_000, step_size=step_size)[count - 1]
    np.testing.assert_allclose(waiting, (1.0 - step_size * rate * count) ** 2.0, atol=1e-3)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_signed_take_off_mean(0.0)
    with pytest.raises(ValueError, match=r"`log_odds` must be below 0, with step_size \* p0"):
        predicted_signed_take_off_rollouts(-20.0, 1.0)
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_no_success(-2.0, 3, step_size=-1.0)
