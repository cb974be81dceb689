"""Two equal arms: moments of the catalogue, the exponential limit, the transform's shape."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.diversity import (
    predicted_logits_of_equal_arms,
    predicted_odds_moments,
    predicted_odds_transform,
)


@pytest.mark.parametrize(("step_size", "moments"), [(1.5, [2.0498, 5.127, 13.67]), (0.5, [0.3679])])
def test_moments_have_the_known_figures(step_size, moments):
    predicted = predicted_odds_moments(len(moments), step_size)
    np.testing.assert_allclose(predicted, moments, rtol=3e-4)


@given(st.floats(1e-6, 1e-3))
def test_small_steps_make_the_odds_exponential(step_size):
    scaled = predicted_odds_moments(4, step_size) / (2.0 * step_size**2) ** np.arange(1, 5)
    exponential = [math.factorial(order) for order in range(1, 5)]
    np.testing.assert_allclose(scaled, exponential, rtol=8.0 * step_size)


def test_transform_of_small_steps_is_that_of_an_exponential():
    rate = np.array([0.0, 0.05, 0.1])
    transform = predicted_odds_transform(rate / (2.0 * 0.005**2), 0.005)
    np.testing.assert_allclose(transform, 1.0 / (1.0 + rate), atol=1e-3)


@given(st.floats(0.3, 3.0))
def test_transform_falls_from_one_between_the_bounds_of_its_law(step_size):
    rate = np.linspace(0.0, 8.0 / (2.0 * step_size), 30)
    transform = predicted_odds_transform(rate, step_size)
    assert transform[0] == 1.0
    assert (np.diff(transform) < 0.0).all()
    # Jensen's inequality below, X/t <= 2 eta above the odds' smallest transform.
    assert (transform >= np.exp(-rate * predicted_odds_moments(1, step_size)) - 1e-9).all()
    assert (transform >= np.exp(-rate * 2.0 * step_size) - 1e-9).all()


def test_logits_of_equal_arms_stay():
    logits = np.array([0.5, -1.0, 2.0])
    kept = predicted_logits_of_equal_arms(logits)
    np.testing.assert_array_equal(kept, logits)
    assert kept is not logits


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`logits` must be a vector of at least two arms"):
        predicted_logits_of_equal_arms([1.0])
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_odds_moments(1, 0.0)
    with pytest.raises(ValueError, match="`num_moments` must be at least 1"):
        predicted_odds_moments(0, 1.0)
    with pytest.raises(ValueError, match=r"`rate` must be such that .* lies in \[0, 20\]"):
        predicted_odds_transform(20.0, 1.0)
