"""The bound on two-armed regret: its series, its limits, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.regret_bound import predicted_curvature, predicted_regret_bound


@given(st.floats(1e-6, 3.0))
def test_curvature_is_the_sum_of_its_series(step_size):
    series = 2.0 * sum((2.0 * step_size) ** n / math.factorial(n + 2) for n in range(60))
    assert predicted_curvature(step_size) == pytest.approx(series, rel=1e-9)


@given(st.floats(1e-4, 0.2), st.floats(0.5, 2.0), st.floats(10.0, 1e9))
def test_bound_grows_with_time_like_the_true_constant(step_size, gap, horizon):
    first, later = (predicted_regret_bound(step_size, gap, t) for t in (horizon, 1e12 * horizon))
    assert first > 0.5 / step_size
    slope = (later - first) / (12.0 * math.log(10.0))
    assert slope <= 0.5 / step_size * (1.0 + 1e-9)
    late = predicted_regret_bound(step_size, gap, 1e30) - predicted_regret_bound(
        step_size, gap, 1e20
    )
    assert late == pytest.approx(10.0 * math.log(10.0) / (2.0 * step_size), rel=1e-9)


def test_bound_is_finite_only_below_the_largest_step():
    steps = np.array([0.1, 0.4, 0.5])
    bounds = [predicted_regret_bound(step, 0.8, 1000.0) * step for step in steps]
    assert bounds[2] > bounds[1] > bounds[0]
    with pytest.raises(ValueError, match=r"`step_size` must be so small that .* below the gap"):
        predicted_regret_bound(0.7, 0.8, 1000.0)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`gap` must be in \(0, 2\], got 2\.5"):
        predicted_regret_bound(0.1, 2.5, 100.0)
    with pytest.raises(ValueError, match="`horizon` must be a finite number above 0"):
        predicted_regret_bound(0.1, 0.5, 0.0)
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_curvature(-1.0)
