"""Moments of GRPO's gradient: brute force over the binomial, limits, the finite-G objective."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit, logit
from scipy.stats import binom

from theory.predict.drift import standardized_class_gradient
from theory.predict.standardized_moments import (
    predicted_largest_amplification,
    predicted_pair_update,
    predicted_standardized_objective,
    predicted_standardized_square,
    predicted_standardized_update,
)

SIZES = st.integers(2, 40)
PROB, IS_CORRECT = np.array([0.2, 0.1, 0.4, 0.3]), np.array([1.0, 0.0, 0.0, 1.0])


@given(st.floats(-8, 8), SIZES, st.sampled_from([0, 1]))
def test_mean_square_is_that_of_the_binomial(log_odds, group_size, ddof):
    k = np.arange(group_size + 1)
    gradient = np.sqrt(k * (group_size - k)) / group_size
    gradient = gradient * np.sqrt((group_size - ddof) / group_size)
    square = binom.pmf(k, group_size, expit(log_odds)) @ gradient**2
    found = predicted_standardized_square(log_odds, group_size=group_size, ddof=ddof)
    assert found == pytest.approx(square, abs=1e-13)


@given(st.floats(0.05, 0.95), st.sampled_from([0, 1]))
def test_a_pair_is_the_vector_at_two(share, ddof):
    prob = np.array([share, 0.5 * (1.0 - share), 0.5 * (1.0 - share)])
    pair = predicted_pair_update(prob, [1.0, 0.0, 0.0], ddof=ddof)
    vector = predicted_standardized_update(prob, [1.0, 0.0, 0.0], group_size=2, ddof=ddof, eps=0.0)
    np.testing.assert_allclose(pair, vector, rtol=1e-12)


def test_vector_form_adds_up_to_the_class_gradient():
    update = predicted_standardized_update(PROB, IS_CORRECT, group_size=8)
    gradient = standardized_class_gradient(logit(PROB @ IS_CORRECT), group_size=8)
    assert update @ IS_CORRECT == pytest.approx(gradient, rel=1e-12)
    assert update.sum() == pytest.approx(0.0, abs=1e-15)


@given(SIZES)
def test_amplification_ends_at_the_root(group_size):
    rare = -60.0
    gradient = standardized_class_gradient(rare, group_size=group_size, ddof=0, eps=0.0)
    largest = predicted_largest_amplification(group_size)
    assert gradient / np.exp(rare) == pytest.approx(largest, rel=1e-12)
    assert largest == pytest.approx(np.sqrt(group_size - 1))
    sample = predicted_largest_amplification(group_size, ddof=1)
    assert sample == pytest.approx((group_size - 1) / np.sqrt(group_size))


@pytest.mark.parametrize("group_size", [2, 5, 16])
def test_objective_is_the_integral_of_the_amplification(group_size):
    def slope(p):
        gradient = standardized_class_gradient(logit(p), group_size=group_size, ddof=0, eps=0.0)
        return gradient / (p * (1.0 - p))

    found = predicted_standardized_objective([0.2, 0.7], group_size=group_size)
    integral, _ = quad(slope, 0.2, 0.7, epsabs=1e-12)
    assert found[1] - found[0] == pytest.approx(integral, abs=1e-10)


def test_objective_of_large_groups_is_the_arcsine():
    p = np.linspace(0.05, 0.95, 7)
    found = predicted_standardized_objective(p, group_size=20_000)
    offset = found - 2.0 * np.arcsin(np.sqrt(p))
    assert np.ptp(offset) < 1e-3
    total = predicted_standardized_objective(1.0, group_size=20_000)
    assert total == pytest.approx(np.pi, abs=0.03)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        predicted_largest_amplification(1)
    with pytest.raises(ValueError, match="`ddof` must be 0 or 1"):
        predicted_standardized_square(0.0, group_size=4, ddof=2)
    with pytest.raises(ValueError, match="`is_correct` must be 0 or 1 for each arm"):
        predicted_pair_update(PROB, [0.5, 0.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="`is_correct` must be 0 or 1 for each arm"):
        predicted_standardized_update(PROB, np.ones(4), group_size=4)
    with pytest.raises(ValueError, match=r"`pass_rate` must be in \[0, 1\]"):
        predicted_standardized_objective(1.5, group_size=4)
