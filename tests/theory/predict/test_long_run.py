"""The long-run constants: limits, figures of the catalogue, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from theory.predict.long_run import predicted_mistake_rate, predicted_regret_constant


@pytest.mark.parametrize(("num_arms", "figure"), [(2, 0.5), (10, 0.9), (50, 0.98)])
def test_constant_has_the_figures_of_the_catalogue(num_arms, figure):
    assert predicted_regret_constant(1.0, num_arms) == pytest.approx(figure, rel=1e-12)


@given(st.floats(0.01, 10.0), st.floats(0.01, 1.0))
def test_two_arms_lose_the_gap_at_each_mistake(step_size, gap):
    regret = gap * float(predicted_mistake_rate(step_size, gap))
    assert regret == pytest.approx(predicted_regret_constant(step_size, 2), rel=1e-12)


@given(st.integers(2, 30), st.floats(0.01, 10.0))
def test_every_wrong_arm_costs_as_much(num_arms, step_size):
    gap = np.linspace(0.1, 1.0, num_arms - 1)
    cost = gap * predicted_mistake_rate(step_size, gap, num_arms)
    np.testing.assert_allclose(cost, cost[0], rtol=1e-12)
    assert cost.sum() == pytest.approx(predicted_regret_constant(step_size, num_arms), rel=1e-12)


def test_the_flow_settles_on_the_constant_at_the_rates_of_the_docstring():
    """dz_a/dlog t = z_a (1 - z_a - sum z) from unequal shares: sum z -> (K - 1)/K."""
    num_arms = 4

    def flow(_, share):
        return share * (1.0 - share - share.sum())

    start = np.array([0.4, 0.2, 0.1])
    path = solve_ivp(flow, (0.0, 80.0), start, rtol=1e-11, atol=1e-14, dense_output=True).sol
    np.testing.assert_allclose(path(80.0), 1.0 / num_arms, rtol=1e-6)
    spread = np.ptp(path(60.0)) / np.ptp(path(40.0))
    assert spread == pytest.approx(np.exp(-20.0 / num_arms), rel=1e-2)
    # Of the second order in the spread, so twice as fast.
    excess = (path(50.0).sum() - 0.75) / (path(40.0).sum() - 0.75)
    assert excess == pytest.approx(np.exp(-2.0 * 10.0 / num_arms), rel=2e-2)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`num_arms` must be an integer of at least 2, got 1\."):
        predicted_regret_constant(0.1, 1)
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_mistake_rate(0.0, 0.5)
    with pytest.raises(ValueError, match="`gap` must be above 0, got 0"):
        predicted_mistake_rate(0.1, 0.0)
