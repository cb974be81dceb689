"""Gains of single steps: the ratio that the search looks at."""

import numpy as np
import pytest
from scipy.special import logit

from theory.verify.experiments.improvement import _waste, measure_largest_waste


def point(logits, reward, step_size):
    return np.concatenate(
        [np.array(logits) / 3.0, logit(reward), [np.arctanh((np.log10(step_size) - 2.0) / 3.0)]]
    )


def test_a_step_between_the_extreme_rewards_wastes_nothing():
    two = point([0.0, 0.0], [0.9, 0.1], 10.0)
    assert _waste(two, 2, is_sampled=False) == pytest.approx(0.0, abs=1e-12)


def test_a_step_that_does_not_move_is_left_out():
    assert _waste(point([0.0, 0.0], [0.5, 0.5], 10.0), 2, is_sampled=False) == 0.0
    assert _waste(point([-30.0, 0.0], [0.9, 0.1], 10.0), 2, is_sampled=False) == 0.0


def test_single_samples_of_two_arms_move_the_same_on_average_in_the_limit_of_small_steps():
    two = point([0.0, 0.5], [0.9, 0.1], 0.15)
    exact, sampled = (_waste(two, 2, is_sampled=way) for way in (False, True))
    # Both gain to first order what the gradient gains, but samples move to and fro as well.
    assert exact == pytest.approx(0.0, abs=1e-12)
    assert 0.0 < sampled < 1.0


def test_the_search_finds_the_losses_of_single_samples_alone():
    exact, sampled = (
        measure_largest_waste(np.random.default_rng(1), 20, is_sampled=way).value.item()
        for way in (False, True)
    )
    assert 0.9 < exact <= 1.0 < sampled
