"""Adam under random successes: enumeration, both regimes, the largest change, refusals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.theory.predict.test_adam import USUAL, loop
from theory.predict.adam import predicted_lone_displacement
from theory.predict.adam_drift import (
    predicted_largest_change,
    predicted_mean_displacement,
    published_largest_change,
)


@settings(max_examples=15)
@given(st.floats(1e-6, 1.0), st.floats(0.0, 0.9), st.floats(0.82, 0.9999))
def test_mean_is_that_over_all_patterns(rate, beta1, beta2):
    how = {"step_size": 2.0, "beta1": beta1, "beta2": beta2}
    expected = np.zeros(6)
    for pattern in product([0.0, 1.0], repeat=6):
        num = sum(pattern)
        chance = rate**num * (1.0 - rate) ** (6 - num)
        expected += chance * np.cumsum(loop(pattern, **how))
    found = predicted_mean_displacement(rate, 6, **how)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_speed_is_the_root_of_frequent_and_the_share_of_rare_successes():
    how = {"step_size": 1.0, "beta1": 0.9, "beta2": 0.99}
    rates = np.array([1e-6, 0.5])
    speed = np.diff(predicted_mean_displacement(rates, 2000, **how))[:, -1]
    assert speed[0] == pytest.approx(1e-6 * predicted_lone_displacement(**how), rel=1e-3)
    assert speed[1] == pytest.approx(np.sqrt(0.5), rel=5e-3)


def test_always_succeeding_moves_one_step_a_round():
    moved = predicted_mean_displacement([1.0], 500, **USUAL)
    np.testing.assert_allclose(moved[0], np.arange(1.0, 501.0), rtol=1e-10)


@given(st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=40))
def test_no_gradients_change_a_logit_by_more_than_the_bound(gradients):
    changes = loop(gradients, **USUAL)
    bound = predicted_largest_change(np.arange(1, len(gradients) + 1), **USUAL)
    assert (np.abs(changes) <= bound * (1.0 + 1e-12)).all()


def test_growing_gradients_attain_the_bound():
    count = np.arange(1, 101)
    changes = loop((0.999 / 0.9) ** count, **USUAL)
    np.testing.assert_allclose(changes, predicted_largest_change(count, **USUAL), rtol=1e-12)


def test_known_figures_of_the_bounds():
    assert predicted_largest_change(10**7, **USUAL) == pytest.approx(7.2703, abs=1e-4)
    assert published_largest_change(**USUAL) == pytest.approx(3.1623, abs=1e-4)
    assert published_largest_change(step_size=1.0, beta1=0.99, beta2=0.999) == 1.0


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`success_rate` must be in \(0, 1\]"):
        predicted_mean_displacement([0.0], 3, step_size=1.0)
    with pytest.raises(ValueError, match="`num_rounds` must be so few that"):
        predicted_mean_displacement([0.5], 3000, step_size=1.0, beta1=0.1, beta2=0.5)
    with pytest.raises(ValueError, match=r"`beta1` must be below sqrt\(beta2\)"):
        predicted_largest_change(3, step_size=1.0, beta1=0.9, beta2=0.5)
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        published_largest_change(step_size=0.0)
