"""Closed forms of the learning curve: they solve their equation, and the catalogue's figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import expit, logit

from theory.predict.learning_curves import (
    predicted_natural_log_odds,
    predicted_raw_log_odds,
    predicted_raw_time,
    predicted_standardized_log_odds,
    tabular_kernel,
)

START = st.floats(-12.0, 12.0)
TIME = st.floats(0.0, 1e6)


def numerical(speed, start: float, time: float) -> float:
    solution = solve_ivp(
        lambda _, z: [speed(z[0])], (0.0, time), [start], method="DOP853", rtol=1e-11, atol=1e-12
    )
    return solution.y[0, -1]


@pytest.mark.parametrize("kernel", [10.0 / 21.0, 1.0, 2.0])
def test_closed_forms_solve_their_differential_equations(kernel):
    start, time = -3.0, 40.0
    raw = numerical(lambda z: 0.7 * kernel * expit(z) * expit(-z), start, time)
    predicted = predicted_raw_log_odds(start, time, kernel=kernel, reward_gap=0.7)
    assert predicted == pytest.approx(raw, abs=1e-8)
    standardized = numerical(lambda z: kernel * np.sqrt(expit(z) * expit(-z)), start, time)
    predicted = predicted_standardized_log_odds(start, time, kernel=kernel)
    assert predicted == pytest.approx(standardized, abs=1e-8)
    assert predicted_natural_log_odds(start, time, reward_gap=0.7) == start + 0.7 * time


@given(START, TIME)
def test_raw_curve_satisfies_its_equation_and_inverts(start, time):
    end = predicted_raw_log_odds(start, time, kernel=1.5)
    total = start + np.sinh(start) + 0.75 * time
    np.testing.assert_allclose(end + np.sinh(end), total, rtol=1e-12, atol=1e-12)
    back = predicted_raw_time(start, max(float(end), start), kernel=1.5)
    np.testing.assert_allclose(back, time, rtol=1e-9, atol=1e-9 * np.cosh(start))


def test_time_to_one_half_is_as_in_the_catalogue():
    time = predicted_raw_time(logit(1e-6), 0.0, kernel=1.0)
    assert float(time) * 1e-6 == pytest.approx(1.000027, abs=5e-7)


def test_late_laws():
    late = 1e8
    failure = expit(-predicted_raw_log_odds(-2.0, late, kernel=0.5))
    assert failure * 0.5 * late == pytest.approx(1.0, rel=1e-5)
    failure = expit(-predicted_standardized_log_odds(-2.0, late, kernel=0.5))
    assert failure * (0.5 * late) ** 2 / 4.0 == pytest.approx(1.0, rel=1e-5)


def test_one_wrong_arm_has_twice_the_kernel_of_infinitely_many():
    two_arms, endless = tabular_kernel(1, 1), tabular_kernel(1, np.inf)
    assert (two_arms, endless) == (2.0, 1.0)
    np.testing.assert_allclose(
        predicted_raw_log_odds(-3.0, 10.0, kernel=two_arms),
        predicted_raw_log_odds(-3.0, 20.0, kernel=endless),
        rtol=1e-14,
    )


def test_extreme_log_odds_keep_their_digits():
    # 10^-100: the time to one half is 1/(kernel p0) to the last digit but a few.
    start = -100.0 * np.log(10.0)
    time = float(predicted_raw_time(start, 0.0, kernel=1.0))
    assert time * 1e-100 == pytest.approx(1.0, rel=1e-12)
    assert predicted_raw_log_odds(start, time / 2.0, kernel=1.0) == pytest.approx(
        start + np.log(2.0), abs=1e-10
    )


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`kernel` must be a finite number above 0, got 0"):
        predicted_raw_log_odds(0.0, 1.0, kernel=0)
    with pytest.raises(ValueError, match="`time` must be finite and at least 0"):
        predicted_standardized_log_odds(0.0, -1.0, kernel=1.0)
    with pytest.raises(ValueError, match=r"`reward_gap` must be .*Swap the classes"):
        predicted_natural_log_odds(0.0, 1.0, reward_gap=-1.0)
    with pytest.raises(ValueError, match="`target_log_odds` must be at least the initial"):
        predicted_raw_time(0.0, -1.0, kernel=1.0)
    with pytest.raises(ValueError, match="`num_wrong` must be at least 1"):
        tabular_kernel(1, 0)
