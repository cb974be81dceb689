"""Kernels of the log-odds: the tabular case, the catalogue's figures, help between prompts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from theory.predict.kernels import (
    predicted_help,
    predicted_helped_log_odds,
    predicted_log_odds_kernel,
    predicted_single_moves,
    predicted_step_error,
)
from theory.predict.learning_curves import predicted_raw_log_odds, tabular_kernel

NO_CLASS = {"correct": 0.0, "wrong": 0.0, "between": 0.0}


@given(st.integers(1, 50), st.integers(1, 50))
def test_without_class_parts_it_is_the_tabular_kernel(num_correct, num_wrong):
    kernel = predicted_log_odds_kernel(num_correct, num_wrong, self_part=1.0, **NO_CLASS)
    assert kernel == tabular_kernel(num_correct, num_wrong)


@given(st.floats(0.0, 0.99), st.integers(1, 9), st.integers(1, 9))
def test_catalogue_form_where_both_classes_are_alike(likeness, num_correct, num_wrong):
    kernel = predicted_log_odds_kernel(
        num_correct,
        num_wrong,
        self_part=1.0 - likeness,
        correct=likeness,
        wrong=likeness,
        between=0.0,
    )
    sizes = (num_correct, num_wrong)
    assert kernel == pytest.approx(sum(likeness + (1.0 - likeness) / size for size in sizes))


@given(st.floats(-5.0, 2.0), st.floats(1.0, 40.0))
def test_step_error_is_that_of_small_steps(log_odds, time):
    kernel, errors = 0.8, []
    for num_steps in (400, 800):
        z, step_size = log_odds, time / num_steps
        for _ in range(num_steps):
            z += step_size * kernel * expit(z) * expit(-z)
        errors.append((z - predicted_raw_log_odds(log_odds, time, kernel=kernel)) / step_size)
    extrapolated = 2.0 * errors[1] - errors[0]
    predicted = predicted_step_error(log_odds, time, kernel=kernel)
    assert extrapolated == pytest.approx(predicted, abs=2e-3)


@given(st.floats(1e-12, 1.0 - 1e-9))
def test_single_moves_average_to_the_class_gradient(success_prob):
    success, failure = predicted_single_moves(success_prob, 0.7, 1.0)
    mean = success_prob * success + (1.0 - success_prob) * failure
    assert mean == pytest.approx(0.0, abs=1e-15)
    assert success_prob * success == pytest.approx(0.7 * success_prob * (1.0 - success_prob))


def test_failures_that_are_certain_teach_nothing():
    assert predicted_single_moves(1e-100, 1.0, -1.0)[1] == pytest.approx(1e-100)


def test_help_is_the_shared_part_and_late_logarithmic():
    assert predicted_help(0.0, 2.0) == 1.0
    assert predicted_help(0.7, 0.3) == pytest.approx(0.3)
    early, late = predicted_helped_log_odds(
        -80.0, 0.0, [1e6, 1e9], own_kernel=0.7, shared_kernel=0.3
    )
    assert late - early == pytest.approx(0.3 * np.log(1e3), rel=1e-3)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`between` must be below the mean kernel"):
        predicted_log_odds_kernel(np.inf, np.inf, self_part=1.0, **NO_CLASS)
    with pytest.raises(ValueError, match="`success_prob` must be strictly between 0 and 1"):
        predicted_single_moves([0.0, 0.5], 1.0, 1.0)
    with pytest.raises(ValueError, match="`shared_kernel` must be a finite number above 0"):
        predicted_help(1.0, 0.0)
    with pytest.raises(ValueError, match="`own_kernel` must be at least 0"):
        predicted_help(-1.0, 1.0)
    with pytest.raises(ValueError, match="the hard prompt stays below log-odds -25"):
        predicted_helped_log_odds(-5.0, 0.0, [10.0], own_kernel=0.7, shared_kernel=0.3)
