"""Constants of inequalities: special cases, direct suprema, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from theory.predict.bounds import (
    predicted_lojasiewicz_ratio,
    predicted_noise_growth,
    predicted_nonuniform_smoothness,
    predicted_rate_constant,
    predicted_smoothness,
    published_constant,
)


def test_smoothness_is_attained_by_two_arms():
    """Largest p (1 - p) |1 - 2 p| times |(1, -1)|^2 = 2."""
    prob = np.linspace(0.0, 1.0, 2_000_001)
    largest = 2.0 * np.abs(prob * (1.0 - prob) * (1.0 - 2.0 * prob)).max()
    assert predicted_smoothness() == pytest.approx(largest, rel=1e-9)


@given(st.floats(0.0, 0.25), st.floats(0.0, 1.0))
def test_three_arms_are_no_less_smooth(spread, difference):
    """The eigenvalue of the docstring, over the weights in S and the probability of S."""
    mean = spread + difference - spread * difference
    root = mean + math.sqrt(max(0.0, mean**2 - 3.0 * spread * difference))
    assert 0.25 * (1.0 - difference**2) * root <= predicted_smoothness() * (1.0 + 1e-12)


@pytest.mark.parametrize("num_arms", [2, 3, 4, 7])
def test_nonuniform_smoothness_is_the_supremum_at_a_vertex(num_arms):
    """Largest |centred (y - y_0)^2| over unit y, by direct optimization."""
    rng = np.random.default_rng(num_arms)

    def negative(y):
        square = (y - y[0]) ** 2 / (y @ y)
        return -np.linalg.norm(square - square.mean())

    found = max(-minimize(negative, rng.standard_normal(num_arms)).fun for _ in range(20))
    assert predicted_nonuniform_smoothness(num_arms) == pytest.approx(found, rel=1e-6)


def test_nonuniform_smoothness_of_few_and_of_many_arms():
    known = [predicted_nonuniform_smoothness(num_arms) for num_arms in (2, 3)]
    np.testing.assert_allclose(known, [math.sqrt(2.0), 1.5], rtol=1e-9)
    values = [predicted_nonuniform_smoothness(num_arms) for num_arms in range(2, 60)]
    assert (np.diff(values) > 0.0).all()
    assert values[-1] < predicted_nonuniform_smoothness(10**7) < 1.645


@pytest.mark.parametrize("num_arms", [2, 3, 4, 6, 9])
def test_noise_growth_is_the_supremum_near_the_middle_arm(num_arms):
    """Largest 2 sum(e)/|g| over masses e of the others, g = s d e and minus its sum."""
    rank = np.arange(num_arms) - (num_arms - 1) // 2
    distance = np.abs(rank[rank != 0]) * np.sign(rank[rank != 0])

    def negative(log_mass):
        part = np.exp(log_mass) * distance
        return -2.0 * np.exp(log_mass).sum() / math.hypot(np.linalg.norm(part), part.sum())

    found = -minimize(negative, np.zeros(num_arms - 1), tol=1e-12).fun
    assert predicted_noise_growth(num_arms) == pytest.approx(found, rel=1e-6)


def test_noise_growth_of_few_and_of_many_arms():
    known = [predicted_noise_growth(num_arms) for num_arms in (2, 3)]
    np.testing.assert_allclose(known, [math.sqrt(2.0), math.sqrt(8.0)], rtol=1e-12)
    assert predicted_noise_growth(10**6) == pytest.approx(2.0 * math.pi / math.sqrt(3.0), rel=1e-5)


@given(st.integers(2, 50))
def test_rate_is_that_of_the_flow_for_small_steps_and_below_the_published_one(num_arms):
    share = (num_arms - 1) / num_arms
    small = 1e-6 * predicted_rate_constant(1e-6, num_arms)
    assert small == pytest.approx(share, rel=1e-6)
    assert predicted_rate_constant(0.4, num_arms) < published_constant("rate")
    assert predicted_lojasiewicz_ratio(num_arms) ** 2 == pytest.approx(share, rel=1e-12)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`inequality` must be a known inequality"):
        published_constant("smothness")
    with pytest.raises(ValueError, match=r"`step_size` must be below 10\.39, got 11"):
        predicted_rate_constant(11.0, 3)
    for function in (
        predicted_lojasiewicz_ratio,
        predicted_nonuniform_smoothness,
        predicted_noise_growth,
    ):
        with pytest.raises(ValueError, match="`num_arms` must be an integer of at least 2"):
            function(1)
