"""The jump near a corner solves its flow."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from banditlab.tails.jumps import corner_jump


def integrated_flow(odds: np.ndarray, drift: float, exponential: float) -> np.ndarray:
    """Odds and time at an integrated hazard, by numerical integration of the flow."""

    def flow(_, state):
        u = state[:-1]
        # Per unit of hazard: du/dtau = -drift * u * (u + sum(u)) / sum(u), dt/dtau = 1/sum(u).
        return np.append(-drift * u * (u + u.sum()) / u.sum(), 1.0 / u.sum())

    start = np.append(odds, 0.0)
    return solve_ivp(flow, (0.0, exponential), start, rtol=1e-11, atol=1e-16).y[:, -1]


@pytest.mark.parametrize("num_arms", [2, 3, 4, 7])
@pytest.mark.parametrize(("drift", "exponential"), [(0.3, 1.7), (2.0, 4.0), (1e-9, 0.5)])
def test_a_jump_solves_the_flow(num_arms, drift, exponential):
    odds = 1e-3 * np.random.default_rng(num_arms).random(num_arms - 1)
    padded = np.insert(odds, 1, 0.0)[None]
    after, time = corner_jump(padded, np.array([drift]), np.array([exponential]))
    expected = integrated_flow(odds, drift, exponential)
    np.testing.assert_allclose(np.delete(after[0], 1), expected[:-1], rtol=1e-7)
    np.testing.assert_allclose(time, expected[-1], rtol=1e-7)
    assert after[0, 1] == 0.0


def test_a_jump_of_two_arms_has_its_closed_form_and_one_without_drift_waits_only():
    odds, drift, exponential = np.array([[1e-4, 0.0]]), np.array([0.35]), np.array([1.2])
    after, time = corner_jump(odds, drift, exponential)
    grown = 1e4 * math.exp(2 * 0.35 * 1.2)
    np.testing.assert_allclose(1.0 / after[0, 0], grown, rtol=1e-12)
    np.testing.assert_allclose(time, (grown - 1e4) / 0.7, rtol=1e-12)
    after, time = corner_jump(odds, np.zeros(1), exponential)
    np.testing.assert_array_equal(after, odds)
    np.testing.assert_allclose(time, 1.2e4, rtol=1e-12)
