"""Dual ascent: known figures, the fixed point against the optimum, the cycle against the map."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from theory.predict.dual_ascent import (
    predicted_dual_factor,
    predicted_fixed_multiplier,
    predicted_multiplier_cycle,
)
from theory.predict.penalty_optimum import predicted_population_ratio
from theory.predict.trust_region import predicted_multiplier

BINARY = (np.array([1.0, 0.0]), np.array([0.3, 0.7]))


@st.composite
def arms(draw):
    advantage = draw(st.lists(st.integers(-6, 6), min_size=2, max_size=7))
    mass = np.array([draw(st.floats(0.01, 1.0)) for _ in advantage])
    return np.array(advantage) / 2.0, mass / mass.sum()


def variance_at(arms, multiplier: float) -> float:
    ratio = predicted_population_ratio(*arms, multiplier)
    return float(arms[1] @ (ratio - 1.0) ** 2)


@given(arms(), st.floats(0.01, 0.95))
def test_optimum_at_the_fixed_multiplier_spends_the_bound(arms, share):
    advantage, prob = arms
    best = prob[advantage == advantage.max()].sum()
    assume(best < 1.0 - 1e-6)
    bound = share * (1.0 - best) / best
    multiplier = predicted_fixed_multiplier(advantage, prob, bound)
    assert variance_at(arms, multiplier) == pytest.approx(bound, rel=1e-8)


@given(st.floats(0.05, 0.95), st.floats(0.01, 0.9))
def test_binary_rewards_have_the_closed_form(success_prob, share):
    prob = np.array([success_prob, 1.0 - success_prob])
    bound = share * prob[1] / prob[0]
    multiplier = predicted_fixed_multiplier([1.0, 0.0], prob, bound)
    assert multiplier == pytest.approx(0.5 * np.sqrt(prob[0] * prob[1] / bound))
    assert multiplier == pytest.approx(predicted_multiplier([1.0, 0.0], prob, bound))


def test_factor_is_that_of_the_catalogue_and_the_slope_of_the_map():
    multiplier = predicted_fixed_multiplier(*BINARY, 0.1)
    np.testing.assert_allclose(
        predicted_dual_factor(*BINARY, 0.1, np.array([0.9, 1.0]) * multiplier / 0.1), [-0.8, -1.0]
    )
    six = (
        np.array([1.5, 0.9, 0.2, 1.2, -0.5, 0.6]),
        np.array([0.05, 0.30, 0.25, 0.10, 0.18, 0.12]),
    )
    multiplier, shift = predicted_fixed_multiplier(*six, 1.5), 1e-6
    slope = (variance_at(six, multiplier + shift) - variance_at(six, multiplier - shift)) / (
        2 * shift
    )
    assert predicted_dual_factor(*six, 1.5, 0.1) == pytest.approx(1.0 + 0.1 * slope, rel=1e-6)


@given(st.floats(1.001, 1.19), st.floats(0.1, 3.0), st.floats(0.01, 0.5))
def test_cycle_maps_onto_itself(excess, fixed, bound):
    step = excess * fixed / bound
    low, high = predicted_multiplier_cycle(fixed, bound, step)
    assert low < fixed < high
    for here, there in ((low, high), (high, low)):
        moved = here + step * bound * ((fixed / here) ** 2 - 1.0)
        assert moved == pytest.approx(there, rel=1e-9)


def test_stable_ascent_has_no_cycle():
    assert predicted_multiplier_cycle(0.6, 0.1, 5.9) == (0.6, 0.6)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`bound` must be below 2\.33333, the ratio variance"):
        predicted_fixed_multiplier(*BINARY, 2.4)
    with pytest.raises(ValueError, match="`bound` must be below 0"):
        predicted_fixed_multiplier([1.0, 1.0], [0.5, 0.5], 0.1)
    with pytest.raises(ValueError, match="`prob` must be positive and of sum 1"):
        predicted_fixed_multiplier([1.0, 0.0], [0.5, 0.6], 0.1)
    with pytest.raises(ValueError, match="`prob` must be of the shape of `advantage`"):
        predicted_fixed_multiplier([1.0, 0.0], [1.0], 0.1)
    with pytest.raises(ValueError, match="`dual_step_size` must be above 0"):
        predicted_dual_factor(*BINARY, 0.1, 0.0)
    with pytest.raises(ValueError, match=r"multiplier\* is below 1\.2, got 1\.5"):
        predicted_multiplier_cycle(0.6, 0.1, 9.0)
