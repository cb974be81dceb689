"""Kernel and normalisation: against the exact softmax, and a never-drawn arm in a cluster."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from theory.predict.squeezing import (
    predicted_log_prob_curvature,
    predicted_log_prob_rate,
    predicted_mean_failure_change,
    predicted_near_miss_change,
    predicted_near_miss_log_prob,
)

LOGITS = np.array([0.3, -1.0, 0.8, -0.2])
PROB = np.exp(log_softmax(LOGITS))
FACTOR = np.array([[1.0, 0.2, 0.0, 0.4], [0.0, 0.9, 0.3, 0.0], [0.1, 0.0, 0.7, 0.5]])
KERNEL = FACTOR.T @ FACTOR


def exact_change(step_size: float, advantage: float) -> np.ndarray:
    moved = LOGITS + step_size * advantage * KERNEL @ (np.eye(4)[1] - PROB)
    return log_softmax(moved) - log_softmax(LOGITS)


@given(st.floats(-2.0, 2.0))
def test_two_orders_leave_a_remainder_of_third_order(advantage):
    rate = predicted_log_prob_rate(PROB, KERNEL, 1, advantage)
    curvature = predicted_log_prob_curvature(PROB, KERNEL, 1, advantage)
    for step_size in (0.1, 0.01):
        remainder = exact_change(step_size, advantage) - step_size * rate - step_size**2 * curvature
        assert np.abs(remainder).max() < 10.0 * step_size**3


def test_mean_over_arms_cancels_to_first_order():
    mean = sum(PROB[arm] * predicted_log_prob_rate(PROB, KERNEL, arm, -1.0) for arm in range(4))
    np.testing.assert_allclose(mean, 0.0, atol=1e-15)


@given(st.floats(0.01, 0.99), st.floats(1e-5, 1e-3))
def test_near_miss_is_first_order_and_its_mean_second(cluster_prob, pull):
    w = cluster_prob
    assert predicted_near_miss_change(w, pull) == pytest.approx(-pull * (1.0 - w) ** 2, rel=2e-3)
    second = -((pull * w * (1.0 - w)) ** 2) / 2.0
    mean = predicted_mean_failure_change(w, pull)
    assert mean == pytest.approx(second, rel=5e-3, abs=1e-16)


def test_fall_becomes_geometric_as_the_cluster_empties():
    path = predicted_near_miss_log_prob(0.9, 0.3, 200)
    np.testing.assert_allclose(np.diff(path)[-20:], -0.3, rtol=1e-12)
    assert abs(path[0]) < 0.01


def test_advantage_0_on_failure_does_nothing():
    np.testing.assert_array_equal(predicted_near_miss_log_prob(0.3, 0.0, 3), np.zeros(3))


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`kernel` must be of shape \[4, 4\]"):
        predicted_log_prob_rate(PROB, np.eye(3), 0, 1.0)
    with pytest.raises(ValueError, match="`prob` must be probabilities of sum 1"):
        predicted_log_prob_rate(2.0 * PROB, KERNEL, 0, 1.0)
    with pytest.raises(ValueError, match="`arm` must be below 4"):
        predicted_log_prob_curvature(PROB, KERNEL, 4, 1.0)
    with pytest.raises(ValueError, match="`cluster_prob` must be strictly between 0 and 1"):
        predicted_near_miss_change(1.0, 0.1)
    with pytest.raises(ValueError, match="`pull` must be at least 0"):
        predicted_near_miss_change(0.5, -0.1)
    with pytest.raises(ValueError, match="`num_failures` must be at least 1"):
        predicted_near_miss_log_prob(0.5, 0.1, 0)
