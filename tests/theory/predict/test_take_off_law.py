"""The law of the take-off time: limits, moments of the other module, a direct simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from theory.predict.take_off import predicted_take_off_mean, predicted_take_off_variance
from theory.predict.take_off_law import predicted_take_off_density, predicted_take_off_survival

log_factors = st.floats(0.2, 6.0)


@given(log_factors)
def test_survival_falls_from_one_to_zero(log_factor):
    survival = predicted_take_off_survival(np.linspace(0.0, 80.0, 400), log_factor)
    assert survival[0] == pytest.approx(1.0, abs=1e-9)
    assert survival[-1] < 1e-9
    assert (np.diff(survival) < 1e-9).all()


@pytest.mark.parametrize("log_factor", [0.15, 0.5, 1.0, 4.0])
def test_moments_are_those_of_the_independent_waits(log_factor):
    def survival(time):
        return float(predicted_take_off_survival(time, log_factor))

    mean = quad(survival, 0.0, 90.0, limit=300)[0]
    square = quad(lambda time: 2.0 * time * survival(time), 0.0, 90.0, limit=300)[0]
    assert mean == pytest.approx(predicted_take_off_mean(log_factor), rel=1e-7)
    variance = predicted_take_off_variance(log_factor)
    assert square - mean**2 == pytest.approx(variance, rel=1e-6)
    # The relative scatter of the take-off time.
    assert np.sqrt(variance) / mean == pytest.approx(np.sqrt(np.tanh(log_factor / 2.0)), rel=1e-6)


@given(log_factors, st.floats(0.05, 20.0))
def test_density_is_the_slope_of_the_survival(log_factor, time):
    step = 1e-4 * time
    ends = predicted_take_off_survival([time - step, time + step], log_factor)
    slope = (ends[0] - ends[1]) / (2.0 * step)
    assert predicted_take_off_density(time, log_factor) == pytest.approx(slope, abs=1e-5)


@given(st.floats(0.0, 30.0))
def test_first_success_and_huge_steps_are_a_single_exponential(time):
    for law in ((1.0, 1), (60.0, np.inf)):
        assert predicted_take_off_survival(time, *law) == pytest.approx(np.exp(-time), abs=1e-12)


@given(log_factors, st.floats(0.0, 10.0))
def test_more_successes_take_longer_and_end_at_the_take_off(log_factor, time):
    by_count = [predicted_take_off_survival(time, log_factor, num) for num in (1, 2, 5, 400)]
    assert (np.diff(by_count) >= -1e-9).all()
    assert by_count[-1] == pytest.approx(
        float(predicted_take_off_survival(time, log_factor)), abs=1e-9
    )


def test_law_is_that_of_drawn_waits_and_not_of_one_exponential():
    rng = np.random.default_rng(0)
    waits = rng.exponential(size=(20_000, 60)) * np.exp(-0.5 * np.arange(60))
    times = waits.sum(axis=1)
    for time in (1.0, 2.5, 5.0):
        share, exact = (times > time).mean(), float(predicted_take_off_survival(time, 0.5))
        error = np.sqrt(exact * (1.0 - exact) / len(times))
        assert abs(share - exact) < 4.0 * error
        assert abs(share - np.exp(-time / predicted_take_off_mean(0.5))) > 8.0 * error


def test_wrong_inputs_are_refused_in_a_sentence():
    for function in (predicted_take_off_survival, predicted_take_off_density):
        with pytest.raises(ValueError, match=r"`log_odds_factor` must be .* at least 0.15"):
            function(1.0, 0.05)
        with pytest.raises(ValueError, match="`time` must be finite and at least 0"):
            function(-1.0, 1.0)
    with pytest.raises(ValueError, match="`num_successes` must be a whole number of at least 1"):
        predicted_take_off_survival(1.0, 1.0, 0)
