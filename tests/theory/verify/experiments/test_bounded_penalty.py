"""What the experiments on the bounded penalty read off, on rules whose answer is known."""

import numpy as np
import pytest

from banditlab.rules import get_rule
from theory.verify.experiments.bounded_penalty import (
    measure_factors,
    measure_falls,
    measure_largest_weights,
)


def test_the_largest_weight_of_a_policy_gradient_is_that_of_the_largest_ratio():
    found = measure_largest_weights(get_rule("group_mean"), np.array([-2.0, 0.5]), 3.0)
    np.testing.assert_allclose(found.value, np.exp(3.0) * np.array([2.0, 0.5]), rtol=1e-12)


def test_the_factor_is_that_of_the_penalty_too():
    """P40: 1 - 2 multiplier step ratio*^2, here 1 - 2 * 2 * 0.1 * 1.25^2."""
    rule = get_rule("variance_penalty", multiplier=2.0)
    found = measure_factors(rule, np.array([0.1]), 1.25, np.array([12]))
    np.testing.assert_allclose(found.value, 0.375, atol=1e-4)


@pytest.mark.parametrize(("name", "is_thrown"), [("clip", False), ("variance_penalty", True)])
def test_the_penalty_falls_and_the_clip_does_not(name, is_thrown):
    found = measure_falls(get_rule(name), np.array([0.01, 3.0]), 5)
    assert found.value[0] == 1.0
    assert (found.value[1] > 1e6) == is_thrown
