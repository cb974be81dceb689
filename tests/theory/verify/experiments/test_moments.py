"""One round's gradients: enumeration against formula, unbiased variances, exact integrals."""

import numpy as np
import pytest

from banditlab.rules import get_rule
from theory.verify.experiments.group_moments import (
    enumerated_class_gradients,
    measure_objective,
    squared_deviation,
)
from theory.verify.experiments.moments import enumerated_gradients, measure_best_baseline


def test_every_reward_of_every_arm_is_counted_once():
    logits = np.log([0.5, 0.3, 0.2])
    rewards = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 4.0]])
    reward_prob = np.array([[0.9, 0.5, 1.0], [0.1, 0.5, 0.0]])
    gradient, prob = enumerated_gradients(get_rule("raw_reward"), logits, rewards, reward_prob)
    np.testing.assert_allclose(prob, [0.45, 0.15, 0.2, 0.05, 0.15, 0.0])
    np.testing.assert_allclose(gradient[1], 2.0 * (np.eye(3)[1] - [0.5, 0.3, 0.2]), atol=1e-15)
    np.testing.assert_allclose(gradient[4], -(np.eye(3)[1] - [0.5, 0.3, 0.2]), atol=1e-15)


def test_the_gradient_of_two_arms_is_the_class_gradient():
    gradient, prob = enumerated_class_gradients(get_rule("leave_one_out"), -1.0, 3)
    assert prob.sum() == pytest.approx(1.0, abs=1e-14)
    # One success of three: k (G - k)/(G (G - 1)) = 1/3, and so for two.
    assert sorted(set(gradient.round(12))) == [0.0, round(1 / 3, 12)]


def test_squared_deviations_have_the_unbiased_variance_for_their_mean():
    value = np.array([1.0, 4.0, 4.0, 7.0])
    assert squared_deviation(value).mean() == pytest.approx(value.var(ddof=1))


def test_the_vertex_is_exact_where_it_is_known():
    def over(baseline):
        return get_rule("constant_baseline", baseline=baseline)

    noise = (np.zeros(4), np.array([[1.0, 2.0, 3.0, 4.0]]), np.ones((1, 4)))
    assert measure_best_baseline(over, [noise]).value == pytest.approx(2.5, abs=1e-12)


def test_the_objective_of_leave_one_out_is_the_pass_rate():
    upper = np.array([0.3, 1.0])
    found = measure_objective([get_rule("leave_one_out")], upper, 5)
    np.testing.assert_allclose(found.value, upper, rtol=1e-12)
