"""Dual ascent with an exact step: its clamp at 0, and the answer where it does not settle."""

import numpy as np
import pytest

from banditlab.dual import DualAscent
from theory.verify.experiments.dual_ascent import (
    exact_variance,
    moved_multiplier,
    resting_multiplier,
)

BINARY = (np.array([1.0, 0.0]), np.array([0.3, 0.7]))


def test_variance_is_that_of_the_closed_form():
    assert exact_variance(*BINARY)(0.8) == pytest.approx(0.21 / (4.0 * 0.64), rel=1e-12)


def test_multiplier_never_falls_below_0():
    assert moved_multiplier(lambda multiplier: 0.0, DualAscent(0.5, 10.0, 1.0), 1.0) == 0.0


def test_unstable_ascent_says_so():
    def variance_at(multiplier: float) -> float:
        return 0.0525 / multiplier**2

    with pytest.raises(FloatingPointError, match="did not settle in 400 steps"):
        resting_multiplier(variance_at, DualAscent(0.1, 7.6, 1.0))
