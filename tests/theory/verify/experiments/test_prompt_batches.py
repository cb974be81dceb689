"""Enumerated batches cover everything once, and sampled ones are drawn from them."""

import numpy as np
import pytest

from banditlab.rules import get_rule
from theory.verify.experiments.prompt_batches import (
    class_gradients,
    enumerated_class_gradients,
    measure_sampled_gradients,
)

SUCCESS_PROB = np.array([0.2, 0.5, 0.9])


def test_enumeration_covers_all_batches():
    chance, gradient = enumerated_class_gradients(get_rule("raw_reward"), SUCCESS_PROB, 2)
    assert len(chance) == 64
    assert chance.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(chance @ gradient, SUCCESS_PROB * (1.0 - SUCCESS_PROB))


def test_gradient_of_a_given_batch_by_hand():
    arms = np.array([[[0], [1], [1]]])
    rule = get_rule("batch_mean")
    gradient = class_gradients(rule, SUCCESS_PROB, num_runs=1, group_size=1, arms=arms)
    np.testing.assert_allclose(gradient[0], [2 / 3 * 0.8, 1 / 3 * 0.5, 1 / 3 * 0.9])


def test_sampled_gradients_scatter_about_the_enumerated_ones():
    rule = get_rule("batch_standardized")
    chance, gradient = enumerated_class_gradients(rule, SUCCESS_PROB, 1)
    found = measure_sampled_gradients(np.random.default_rng(1), rule, SUCCESS_PROB, 4000)
    assert (np.abs(found.value - chance @ gradient) < 4.0 * found.standard_error).all()
