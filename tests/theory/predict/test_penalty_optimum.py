"""The penalty's optimum: figures of the catalogue, optimality, both regimes of a sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.penalty_optimum import (
    predicted_budgeted_multiplier,
    predicted_budgeted_ratio,
    predicted_population_ratio,
    predicted_sampled_ratio,
    predicted_smallest_interior_multiplier,
)
from theory.predict.trust_region import predicted_multiplier, predicted_optimal_ratio

ADVANTAGE = np.array([1.5, 0.9, 0.2, 1.2, -0.5, 0.6])
PROB = np.array([0.05, 0.30, 0.25, 0.10, 0.18, 0.12])


@st.composite
def arms(draw):
    advantage = draw(st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=7))
    mass = np.array([draw(st.floats(0.01, 1.0)) for _ in advantage])
    return np.array(advantage), mass / mass.sum()


@given(arms(), st.floats(0.02, 20.0))
def test_population_ratio_has_mean_1_and_satisfies_the_conditions_of_an_optimum(arms, multiplier):
    advantage, prob = arms
    ratio = predicted_population_ratio(advantage, prob, multiplier)
    assert prob @ ratio == pytest.approx(1.0, abs=1e-10)
    slope = advantage - 2.0 * multiplier * (ratio - 1.0)
    is_alive = ratio > 0.0
    price = slope[is_alive].mean()
    np.testing.assert_allclose(slope[is_alive], price, atol=1e-9)
    assert (slope[~is_alive] <= price + 1e-9).all()


def test_population_ratio_is_the_trust_regions_where_all_live():
    multiplier = predicted_multiplier(ADVANTAGE, PROB, 0.05)
    assert multiplier > predicted_smallest_interior_multiplier(ADVANTAGE, PROB)
    np.testing.assert_allclose(
        predicted_population_ratio(ADVANTAGE, PROB, multiplier),
        predicted_optimal_ratio(ADVANTAGE, PROB, 0.05),
        rtol=1e-12,
    )


def test_worst_arm_dies_at_the_threshold():
    threshold = predicted_smallest_interior_multiplier(ADVANTAGE, PROB)
    for factor, is_dead in ((1.01, False), (0.99, True)):
        ratio = predicted_population_ratio(ADVANTAGE, PROB, factor * threshold)
        assert (ratio[4] == 0.0) == is_dead
        assert (np.delete(ratio, 4) > 0.0).all()


def test_little_penalty_leaves_the_best_arm_only():
    ratio = predicted_population_ratio(ADVANTAGE, PROB, 1e-4)
    np.testing.assert_allclose(ratio, [20.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_sampled_ratio_has_the_known_figures_and_does_not_feel_the_count():
    for share in ([0.5, 0.25, 0.25], [0.1, 0.1, 0.8]):
        ratio = predicted_sampled_ratio([1.0, 0.5, -0.4], [1e-9] * 3, share, 0.6)
        np.testing.assert_allclose(ratio, [1.8333333, 1.4166667, 0.6666667], atol=1e-7)


@given(arms(), st.floats(0.05, 5.0), st.floats(0.3, 0.999))
def test_drawn_arms_never_take_more_than_1(arms, multiplier, mass):
    advantage, share = arms
    prob = mass * share[::-1]
    ratio = predicted_sampled_ratio(advantage, prob, share, multiplier)
    free = np.maximum(0.0, 1.0 + advantage / (2.0 * multiplier))
    assert prob @ ratio <= 1.0 + 1e-10
    assert (ratio <= free + 1e-12).all()
    if prob @ free > 1.0 + 1e-9:
        assert prob @ ratio == pytest.approx(1.0, abs=1e-10)


def test_budget_is_spent_on_the_sample():
    advantage, share = np.array([1.0, 0.5, -0.4]), np.array([0.5, 0.25, 0.25])
    ratio = predicted_budgeted_ratio(advantage, share, 0.05)
    assert share @ (ratio - 1.0) ** 2 == pytest.approx(0.05, rel=1e-12)
    multiplier = predicted_budgeted_multiplier(advantage, share, 0.05)
    np.testing.assert_allclose(
        ratio, predicted_sampled_ratio(advantage, [1e-9] * 3, share, multiplier)
    )


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`prob` must be of sum 1"):
        predicted_population_ratio([1.0, 0.0], [0.5, 0.4], 1.0)
    with pytest.raises(ValueError, match="`prob` must be a vector of one number per arm"):
        predicted_population_ratio([1.0, 0.0], [1.0], 1.0)
    with pytest.raises(ValueError, match="`multiplier` must be a finite number above 0"):
        predicted_population_ratio([1.0, 0.0], [0.5, 0.5], 0.0)
    with pytest.raises(ValueError, match="regime in which arms that were not drawn"):
        predicted_sampled_ratio([1.0, 0.0], [0.5, 0.5], [0.5, 0.5], 1.0)
    with pytest.raises(ValueError, match="so small that no ratio is negative"):
        predicted_budgeted_ratio([0.1, -1.0], [0.9, 0.1], 0.9)
    with pytest.raises(ValueError, match="`advantage` must be not 0 for every sample"):
        predicted_budgeted_multiplier([0.0, 0.0], [0.5, 0.5], 0.1)
