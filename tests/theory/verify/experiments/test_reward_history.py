"""Experiments on the reward history: what its broken twin remembers, and its first rounds."""

import numpy as np
import pytest

from theory.verify.experiments.reward_history import (
    class_gradients,
    history_rule,
    measure_start,
    without_present,
)


def test_probabilities_of_all_sequences_sum_to_one():
    gradient, prob = class_gradients(history_rule(3), np.linspace(-2.0, 1.0, 5), 2)
    assert gradient.shape == (32, 3)
    assert prob.sum() == pytest.approx(1.0)


def test_first_round_has_the_raw_reward():
    assert measure_start(history_rule(4), 0.0, 1).value == pytest.approx([0.25])


def test_statistics_without_the_present_reward():
    rule = without_present(history_rule(2, eps=0.0))
    state = np.array([[1.0, 0.0, 2.0]])
    advantage, state = rule.advantage(np.array([[1.0]]), state, **rule.advantage_hyper)
    # Mean 1/2 and sample deviation sqrt(1/2) of the two earlier rewards.
    np.testing.assert_allclose(advantage, [[np.sqrt(0.5)]])
    np.testing.assert_allclose(state, [[0.0, 1.0, 2.0]])
