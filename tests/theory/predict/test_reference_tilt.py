"""Tilts of the reference: limits, and the group's finite deviation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from theory.predict.reference_tilt import (
    predicted_advantage_gap,
    predicted_group_tilt,
    predicted_tilted_log_odds,
)


@given(st.floats(-30.0, 30.0))
def test_gap_without_smoothing_is_a_hyperbolic_cosine(log_odds):
    assert predicted_advantage_gap(log_odds) == pytest.approx(2.0 * np.cosh(log_odds / 2.0))


def test_smoothing_bounds_the_gap_of_rare_successes():
    assert predicted_advantage_gap(-300.0, smoothing=0.01) == pytest.approx(10.0)


def test_costly_reference_is_kept():
    assert predicted_tilted_log_odds(0.3, -1.0, coefficient=1e9) == pytest.approx(-1.0)


def test_group_tilt_is_that_of_the_pass_rate_for_the_population_deviation():
    tilt = predicted_group_tilt(3, 16, coefficient=0.8, ddof=0, eps=0.0)
    gap = predicted_advantage_gap(logit(3.0 / 16.0))
    assert tilt == pytest.approx(gap / 0.8)
    assert predicted_group_tilt(3, 16, coefficient=0.8) < tilt


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`coefficient` must be a finite number above 0"):
        predicted_tilted_log_odds(0.0, 0.0, coefficient=0.0)
    with pytest.raises(ValueError, match="`smoothing` must be at least 0"):
        predicted_tilted_log_odds(0.0, 0.0, coefficient=1.0, smoothing=-1.0)
    with pytest.raises(ValueError, match="`num_correct` must be between 1 and group_size - 1"):
        predicted_group_tilt(0, 8, coefficient=1.0)
