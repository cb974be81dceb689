"""Waits and first successes have their exact laws, at hazards of 1e-300 as at infinite ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.events.draws import (
    first_success,
    geometric_wait,
    hazard_of_success,
    outcomes_given_first,
)


@given(st.floats(1e-12, 0.3), st.integers(1, 40), st.sampled_from([-1e-9, 1e-9]))
def test_a_wait_is_longer_than_n_where_a_uniform_is_beyond_its_distribution(hazard, num, nudge):
    """P(wait > n) = exp(-n * hazard), by inversion: exact, no sampling."""
    uniform = np.array([-math.expm1(-num * hazard * (1.0 + nudge))])
    assert (geometric_wait(np.array([hazard]), uniform) > num) == (nudge > 0.0)


def test_waits_neither_over_nor_underflow():
    hazard = np.array([1e-300, 5e-324, 0.0, math.inf, 0.5])
    np.testing.assert_allclose(
        geometric_wait(hazard, np.full(5, 0.5)), [math.log(2) * 1e300, math.inf, math.inf, 1, 2]
    )
    np.testing.assert_array_equal(
        geometric_wait(hazard, np.zeros(5)), [1.0, 1.0, math.inf, 1.0, 1.0]
    )


def test_hazards_keep_their_digits_on_both_sides():
    success = np.array([1e-300, 1e-17, 0.5, 1.0, 1.0])
    failure = np.array([1.0, 1.0, 0.5, 1e-200, 0.0])
    expected = [1e-300, 1e-17, math.log(2), 200 * math.log(10), math.inf]
    np.testing.assert_allclose(hazard_of_success(success, failure), expected, rtol=1e-15)


@pytest.mark.parametrize("scale", [1.0, 1e-300])
def test_the_first_success_has_its_truncated_law(scale):
    """Exact: shares of a grid of uniforms, to its spacing."""
    hazard = np.array([0.4, 0.0, 1.5, 0.1, 0.0]) * scale
    survival = np.exp(-np.concatenate([[0.0], hazard.cumsum()]))
    exact = -np.diff(survival) / (1.0 - survival[-1]) if scale == 1.0 else hazard / hazard.sum()
    num = 100_000
    grid = (np.arange(num) + 0.5) / num
    index = first_success(np.broadcast_to(hazard.cumsum(), (num, 5)), grid)
    np.testing.assert_allclose(np.bincount(index, minlength=5) / num, exact, atol=1.5 / num)


def test_a_success_that_is_certain_comes_first():
    hazard = np.array([[0.2, math.inf, math.inf], [math.inf] * 3, [0.0, 0.0, 40.0]])
    uniform = np.array([np.nextafter(1.0, 0.0), 0.9, np.nextafter(1.0, 0.0)])
    assert first_success(hazard, uniform).tolist() == [1, 0, 2]


def test_rollouts_before_the_first_success_fail_and_those_after_are_free():
    known = outcomes_given_first(np.array([0, 2]), 4)
    assert known.tolist() == [[1, -1, -1, -1], [0, 0, 1, -1]]
