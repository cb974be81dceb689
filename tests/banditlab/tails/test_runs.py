"""The censored tail exponent, and arms that cannot be."""

import math

import numpy as np
import pytest

from banditlab.reward_laws import FixedPerArm, Gaussian
from banditlab.tails.runs import Arm, hill_exponent
from tests.banditlab.tails.statistics_of_tails import z_of


def test_hill_exponent_is_the_censored_maximum_of_the_likelihood():
    times = np.array([0.5, 2.0, 4.0, np.inf, 30.0])
    exponent, error = hill_exponent(times, 1.0, 16.0)
    np.testing.assert_allclose(exponent, 2 / math.log(2.0 * 4.0 * 16.0 * 16.0), rtol=1e-14)
    np.testing.assert_allclose(error, exponent / math.sqrt(2), rtol=1e-14)


def test_hill_exponent_is_unbiased_under_censoring():
    """Half of the tail censored, |z| < 4 (false-alarm rate 6e-5); counted as seen it is off."""
    times = np.random.default_rng(9).random(40_000) ** -2.0
    censored = np.where(times > 4.0, np.inf, times)
    assert abs(z_of(hill_exponent(censored, 1.0, 4.0), 0.5)) < 4
    ignored = 40_000 / np.log(np.minimum(times, 4.0)).sum()
    assert ignored > 0.9


def test_arms_and_tails_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"^Arm: `law` must be a law drawn per pull, got FixedPer"):
        Arm(0.5, FixedPerArm(Gaussian()))
    with pytest.raises(ValueError, match=r"^Arm: `mean_reward` must be a finite number"):
        Arm(math.nan)
    with pytest.raises(ValueError, match=r"^hill_exponent: `threshold` must be above 0 and below"):
        hill_exponent(np.ones(3), 2.0, 1.0)
    with pytest.raises(ValueError, match=r"^hill_exponent: `times` must be at least two between"):
        hill_exponent(np.array([0.5, 2.0, 9.0]), 1.0, 4.0)
