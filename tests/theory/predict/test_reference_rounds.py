"""Fixed points, limits and swings of rounds held to a reference, against the recursion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict.reference_rounds import (
    predicted_fixed_log_odds,
    predicted_highest_reference,
    predicted_largest_failure_odds,
    predicted_lowest_reference,
    predicted_round_factor,
    predicted_swing,
)
from theory.predict.reference_tilt import predicted_tilted_log_odds


def after_round(log_odds: float, reference: float, coefficient: float) -> float:
    return float(predicted_tilted_log_odds(log_odds, reference, coefficient=coefficient))


def test_fixed_points_of_one_case():
    points = predicted_fixed_log_odds(float(logit(0.27)), 1.3)
    np.testing.assert_allclose(expit(points), [0.64973, 0.96896], atol=5e-6)


@given(st.floats(0.05, 5.0), st.floats(1e-3, 6.0))
def test_both_fixed_points_are_fixed_above_the_floor_and_the_upper_one_repels(coefficient, below):
    reference = predicted_highest_reference(coefficient) - below
    lower, upper = predicted_fixed_log_odds(reference, coefficient)
    assert lower < upper
    for point in (lower, upper):
        assert after_round(point, reference, coefficient) == pytest.approx(point, abs=1e-9)
    bound = predicted_largest_failure_odds(reference, coefficient)
    assert np.exp(-lower) <= bound * (1.0 + 1e-9)
    assert predicted_round_factor(upper, coefficient) > 1.0
    assert predicted_round_factor(lower, coefficient) < 1.0


@given(st.floats(0.05, 5.0))
def test_factor_is_1_and_minus_1_at_the_two_limits(coefficient):
    shift = 1e-7
    lower, upper = predicted_fixed_log_odds(
        predicted_highest_reference(coefficient) - shift, coefficient
    )
    assert upper - lower < 0.02
    assert predicted_round_factor(lower, coefficient) == pytest.approx(1.0, abs=1e-2)
    lower, _ = predicted_fixed_log_odds(predicted_lowest_reference(coefficient), coefficient)
    assert predicted_round_factor(lower, coefficient) == pytest.approx(-1.0)


def test_fixed_point_is_one_half_where_the_floor_is_reached():
    lower, _ = predicted_fixed_log_odds(-2.0 / 1.3, 1.3)
    assert lower == pytest.approx(0.0, abs=1e-12)


def test_good_references_run_to_pass_rate_1():
    reference = predicted_highest_reference(1.3) + 0.05
    log_odds = reference
    for _ in range(200):
        log_odds = min(600.0, after_round(log_odds, reference, 1.3))
    assert log_odds == 600.0


@given(st.floats(0.01, 0.35))
def test_swing_is_of_two_rounds(below):
    reference = predicted_lowest_reference(1.3) - below
    low, high = predicted_swing(reference, 1.3)
    fixed, _ = predicted_fixed_log_odds(reference, 1.3)
    assert low < fixed < high
    assert after_round(low, reference, 1.3) == pytest.approx(high)
    assert after_round(high, reference, 1.3) == pytest.approx(low)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="the regime in which there is a fixed point"):
        predicted_fixed_log_odds(0.0, 1.3)
    with pytest.raises(ValueError, match="`coefficient` must be a finite number above 0"):
        predicted_highest_reference(0.0)
    with pytest.raises(ValueError, match="the regime of swings"):
        predicted_swing(-3.0, 1.3)
    with pytest.raises(ValueError, match="must be such that the swing attracts"):
        predicted_swing(-6.5, 1.3)
