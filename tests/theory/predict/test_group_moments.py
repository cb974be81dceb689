"""Moments of a group's gradient over its mean: brute force over the binomial, limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import binom

from theory.predict.drift import predicted_class_gradient
from theory.predict.group_moments import (
    predicted_class_gradient_variance,
    predicted_group_gradient,
)

PROB = np.array([0.2, 0.1, 0.4, 0.3])


@given(st.floats(-8, 8), st.integers(2, 40))
def test_variances_are_those_of_the_binomial(log_odds, group_size):
    k, p = np.arange(group_size + 1), expit(log_odds)
    by_rule = {
        "raw_reward": (1.0 - p) * k / group_size,
        "group_mean": k * (group_size - k) / group_size**2,
        "leave_one_out": k * (group_size - k) / (group_size * (group_size - 1)),
    }
    for rule, gradient in by_rule.items():
        prob = binom.pmf(k, group_size, p)
        mean = prob @ gradient
        variance = prob @ (gradient - mean) ** 2
        found = predicted_class_gradient_variance(rule, log_odds, group_size=group_size)
        assert found == pytest.approx(variance, abs=1e-13)
        drift = predicted_class_gradient(rule, log_odds, group_size=group_size)
        assert drift == pytest.approx(mean, abs=1e-13)


def test_large_groups_have_the_variance_of_a_constant_baseline():
    # (R - p)([correct] - p) has the variance p q (1 - 4 p q) and G of them are averaged.
    size = 10**6
    for p in (0.1, 0.5, 0.8):
        spread = p * (1.0 - p)
        found = size * predicted_class_gradient_variance("leave_one_out", logit(p), group_size=size)
        assert found == pytest.approx(spread * (1.0 - 4.0 * spread), abs=1e-5)


def test_factors_of_the_two_means():
    mean, loo = (
        predicted_group_gradient(rule, PROB, [0.2, 3.0, 1.0, -1.0], group_size=4)
        for rule in ("group_mean", "leave_one_out")
    )
    np.testing.assert_allclose(mean / loo, 0.75, rtol=1e-14)
    assert loo.sum() == pytest.approx(0.0, abs=1e-15)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`rule` must be a known rule over the mean"):
        predicted_group_gradient("grpo", PROB, np.ones(4), group_size=4)
    with pytest.raises(ValueError, match="`rule` must be a known rule with a variance"):
        predicted_class_gradient_variance("grpo", 0.0, group_size=4)
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        predicted_class_gradient_variance("group_mean", 0.0, group_size=1)
