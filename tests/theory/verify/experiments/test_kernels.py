"""Mean steps through a kernel: the tabular case is banditlab's expected update."""

import math

import numpy as np
import pytest

from banditlab.expectation import expected_update
from banditlab.kernels import ClassKernel
from banditlab.rules import get_rule
from theory.verify.experiments.expected_flow import REWARD, log_odds_of, two_class_logits
from theory.verify.experiments.kernels import class_kernel, mean_log_odds


def test_tabular_mean_steps_are_the_expected_update():
    found = mean_log_odds(
        np.array([-1.5]), (3, 7), ClassKernel(), step_size=0.7, updates=np.array([1, 3])
    )
    logits, expected = two_class_logits(-1.5), []
    for _ in range(3):
        logits = logits + 0.7 * expected_update(get_rule("raw_reward"), logits, REWARD, 1)
        expected.append(log_odds_of(logits))
    np.testing.assert_allclose(found[:, 0], np.array(expected)[[0, 2]], rtol=1e-13)


def test_endless_classes_move_by_their_kernel_alone():
    how = {"step_size": 0.5, "updates": np.array([4])}
    endless = (math.inf, math.inf)
    assert mean_log_odds(np.zeros(1), endless, class_kernel(1.0, 0.0, 0.0, 0.0), **how) == 0.0
    moved = mean_log_odds(np.zeros(1), endless, class_kernel(1.0, 0.5, 0.5, 0.1), **how)
    assert moved == pytest.approx(4 * 0.5 * 0.8 / 4.0, rel=0.05)


def test_prompts_not_trained_on_move_through_the_shared_part_only():
    shared = np.array([[0.2, 0.0], [0.0, 0.2]])
    kernel = ClassKernel(0.0, within_context=2.0 * shared, across_contexts=shared)
    moved = mean_log_odds(
        np.zeros(2), (math.inf, math.inf), kernel, step_size=1.0, updates=np.array([1])
    )
    np.testing.assert_allclose(moved[0], [0.25 * 1.2, 0.25 * 0.4])
