"""Correlated answers: pulls that cancel, critical overlap, mean steps, breakdown, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from theory.predict import negative_reward
from theory.predict.wrong_answer_kernel import (
    predicted_critical_overlap,
    predicted_failure_pull,
    predicted_kernel_breakdown,
    predicted_mean_step,
)

KERNEL = np.array([[1.0, 0.6, 0.0], [0.6, 0.8, 0.1], [0.0, 0.1, 0.5]])
SHARE = np.array([0.4, 0.6])


@given(st.floats(0.01, 0.5), st.floats(0.01, 0.4))
def test_pulls_cancel_over_all_draws(success, cluster):
    prob = np.array([success, cluster, 1.0 - success - cluster])
    pull = predicted_failure_pull(prob, KERNEL)
    assert prob @ pull == pytest.approx(0.0, abs=1e-15)
    assert pull[0] < 0.0


@given(st.floats(1e-6, 0.5), st.floats(0.05, 0.45))
def test_pull_vanishes_at_the_critical_overlap(success, cluster):
    overlap = predicted_critical_overlap(success, cluster, correct_kernel=1.0, cluster_kernel=0.7)
    prob = np.array([success, cluster, 1.0 - success - cluster])
    for factor, sign in ((1.0, 0.0), (1.1, -1.0), (0.9, 1.0)):
        kernel = np.diag([1.0, 0.7, 0.0])
        kernel[0, 1] = kernel[1, 0] = factor * overlap
        pull = predicted_failure_pull(prob, kernel)[1]
        assert np.sign(np.round(pull, 12)) == sign


def test_tabular_arms_are_a_kernel():
    step_size, log_odds = 0.7, -2.5
    success = float(expit(log_odds))
    mean = predicted_mean_step(log_odds, np.full(4, 0.25), np.eye(5), step_size)
    gain = step_size * (1.0 - success) * 1.25
    failure = negative_reward.predicted_failure_step(log_odds, num_wrong=4, step_size=step_size)
    assert mean == pytest.approx(success * gain + (1.0 - success) * float(failure), abs=1e-14)
    at = predicted_kernel_breakdown(np.full(4, 0.25), np.eye(5), step_size)
    assert at == pytest.approx(
        negative_reward.predicted_breakdown_log_odds(num_wrong=4, step_size=step_size)
    )


def test_mean_step_of_small_steps_has_no_term_without_p():
    rare = predicted_mean_step(-30.0, SHARE, KERNEL, 1e-3)
    wrong = KERNEL[1:, 1:] - (KERNEL[1:, 1:] @ SHARE)[:, None]
    spread = SHARE @ (SHARE @ wrong**2 - (SHARE @ wrong) ** 2)
    assert rare == pytest.approx(-0.5e-6 * spread, rel=1e-2)


def test_breakdown_of_small_steps_is_noise_over_signal():
    wrong = KERNEL[1:, 1:] - (KERNEL[1:, 1:] @ SHARE)[:, None]
    spread = SHARE @ (SHARE @ wrong**2 - (SHARE @ wrong) ** 2)
    toward = np.append(1.0, -SHARE)
    at = expit(predicted_kernel_breakdown(SHARE, KERNEL, 1e-3))
    assert at / 1e-3 == pytest.approx(spread / (4.0 * toward @ KERNEL @ toward), rel=1e-2)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`kernel` must be a symmetric matrix of 2 classes"):
        predicted_failure_pull([0.5, 0.5], KERNEL)
    with pytest.raises(ValueError, match="`cluster_prob` must be above 0, and less than 1"):
        predicted_critical_overlap(0.4, 0.6, correct_kernel=1.0, cluster_kernel=1.0)
    with pytest.raises(ValueError, match="`share` must be above 0 and of sum 1"):
        predicted_mean_step(0.0, [0.5, 0.6], KERNEL, 0.1)
    with pytest.raises(ValueError, match="`step_size` must be such that the mean change"):
        predicted_kernel_breakdown([1.0], np.array([[1.0, 0.2], [0.2, 0.5]]), 0.1)
