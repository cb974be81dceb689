"""The budget on a lone success, its multiplier, and the multiplier between successes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.dual_budget import (
    predicted_budget_multiplier,
    predicted_budget_ratio,
    predicted_idle_multiplier,
)
from theory.predict.stability import predicted_fixed_ratio
from theory.predict.take_off import predicted_take_off_mean


@given(st.floats(1e-4, 1.0), st.integers(1, 1000))
def test_ratio_spends_the_budget_and_belongs_to_its_multiplier(bound, num_samples):
    ratio = predicted_budget_ratio(bound, num_samples)
    assert (ratio - 1.0) ** 2 / num_samples == pytest.approx(bound)
    multiplier = predicted_budget_multiplier(bound, num_samples)
    assert float(predicted_fixed_ratio(1.0, multiplier)) == pytest.approx(ratio)


def test_take_off_has_the_known_figure():
    factor = np.log(predicted_budget_ratio(0.05, 32))
    assert predicted_take_off_mean(factor) == pytest.approx(1.791, abs=5e-4)


def test_multiplier_falls_to_zero_and_no_further():
    dual = {"bound": 0.1, "dual_step_size": 2.0}
    path = [predicted_idle_multiplier(0.5, num, **dual) for num in (1, 2, 3, 50)]
    np.testing.assert_allclose(path, [0.3, 0.1, 0.0, 0.0], atol=1e-15)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`bound` must be a finite number above 0"):
        predicted_budget_ratio(0.0, 8)
    with pytest.raises(ValueError, match="`num_samples` must be an integer of at least 1"):
        predicted_budget_multiplier(0.1, 0)
    dual = {"bound": 0.1, "dual_step_size": 1.0}
    with pytest.raises(ValueError, match="`initial` must be at least 0"):
        predicted_idle_multiplier(-1.0, 1, **dual)
    with pytest.raises(ValueError, match="`num_rounds` must be an integer of at least 1"):
        predicted_idle_multiplier(1.0, 0, **dual)
    with pytest.raises(ValueError, match="`dual_step_size` must be a finite number above 0"):
        predicted_idle_multiplier(1.0, 1, bound=0.1, dual_step_size=0.0)
