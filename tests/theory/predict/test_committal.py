"""Committing to one arm: constants, infinite products, and moves under a value baseline."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from theory.predict.committal import (
    predicted_baselined_move,
    predicted_committal_constant,
    predicted_forever_log_prob,
)


def test_constants_have_the_figures_of_the_catalogue():
    assert predicted_committal_constant(0.7, 0.8, 5) == pytest.approx(1.42857, abs=5e-6)


@given(st.floats(0.05, 5.0), st.floats(0.1, 2.0))
def test_more_arms_close_more_slowly_up_to_a_limit(step_size, reward):
    two, many = (predicted_committal_constant(step_size, reward, k) for k in (2, 10**6))
    assert two == pytest.approx(0.5 / (step_size * reward), rel=1e-12)
    assert many == pytest.approx(1.0 / (step_size * reward), rel=2e-6)


@pytest.mark.parametrize(
    ("step_size", "reward", "figure"),
    [(0.5, 1.0, 0.24221), (0.5, 0.8, 0.18232), (0.1, 0.8, 0.00055)],
)
def test_products_have_the_figures_of_the_catalogue(step_size, reward, figure):
    log_prob = predicted_forever_log_prob(step_size, reward)
    assert math.exp(log_prob) == pytest.approx(figure, abs=6e-6)


def test_unweighted_product_is_that_of_equal_steps():
    steps = np.arange(400)
    expected = np.log(expit(0.3 + 0.2 * 0.7 * steps)).sum()
    found = predicted_forever_log_prob(0.2, 0.7, log_odds=0.3, is_weighted=False)
    assert found == pytest.approx(expected, rel=1e-12)


@given(st.floats(0.1, 3.0), st.floats(0.2, 2.0), st.floats(-3.0, 3.0))
def test_weights_and_larger_steps_commit_more(step_size, reward, log_odds):
    plain = predicted_forever_log_prob(step_size, reward, log_odds=log_odds, is_weighted=False)
    weighted = predicted_forever_log_prob(step_size, reward, log_odds=log_odds)
    larger = predicted_forever_log_prob(2.0 * step_size, reward, log_odds=log_odds)
    assert plain <= weighted <= larger < 0.0


@given(st.floats(400.0, 600.0))
def test_a_certain_arm_is_drawn_forever(log_odds):
    assert predicted_forever_log_prob(0.5, 1.0, log_odds=log_odds) == pytest.approx(0.0, abs=1e-100)


@given(st.floats(-20.0, 20.0))
def test_a_value_baseline_favours_the_better_arm_at_every_draw(log_odds):
    better, worse = predicted_baselined_move(0.5, 0.2, log_odds)
    assert better > 0.0
    assert worse > 0.0
    prob = expit(log_odds)
    mean = prob * better + expit(-log_odds) * worse
    # Unbiased: the expected rise is that of the natural gradient, step times gap.
    assert mean == pytest.approx(0.5 * 0.2, rel=1e-9)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`reward` must be above 0, got 0"):
        predicted_committal_constant(0.5, 0.0, 3)
    with pytest.raises(ValueError, match="`num_arms` must be at least 2, got 1"):
        predicted_committal_constant(0.5, 1.0, 1)
    with pytest.raises(ValueError, match="`reward` must be a finite number above 0"):
        predicted_forever_log_prob(0.5, 0.0)
    with pytest.raises(ValueError, match="`gap` must be a finite number above 0"):
        predicted_baselined_move(0.5, -0.1, 0.0)
