"""Moments of one rollout's gradient against brute force, and the best constant baseline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.moments import (
    predicted_best_baseline,
    predicted_best_two_arm_baseline,
    predicted_gradient_covariance,
    predicted_gradient_mean,
    predicted_gradient_mean_square,
)

SEEDS = st.integers(0, 10_000)


def bandit(seed: int, num_arms: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(num_arms)) * 0.96 + 0.04 / num_arms, rng.normal(size=num_arms)


@given(SEEDS, st.floats(-3, 3))
def test_moments_are_those_of_all_arms(seed, baseline):
    prob, reward = bandit(seed)
    gradient = (reward - baseline)[:, None] * (np.eye(4) - prob)
    mean = prob @ gradient
    np.testing.assert_allclose(predicted_gradient_mean(prob, reward), mean, atol=1e-13)
    centred = gradient - mean
    covariance = predicted_gradient_covariance(prob, reward, baseline=baseline)
    np.testing.assert_allclose(covariance, centred.T @ (prob[:, None] * centred), atol=1e-12)
    square = predicted_gradient_mean_square(prob, reward, baseline=baseline)
    assert square == pytest.approx(np.trace(covariance) + mean @ mean, abs=1e-12)


@given(SEEDS)
def test_noise_adds_what_a_constant_reward_would(seed):
    prob, reward = bandit(seed)
    noisy = predicted_gradient_mean_square(prob, reward, baseline=0.0, reward_variance=0.5)
    noiseless = predicted_gradient_mean_square(prob, reward, baseline=0.0)
    of_noise = predicted_gradient_mean_square(prob, np.full(4, np.sqrt(0.5)), baseline=0.0)
    assert noisy == pytest.approx(noiseless + of_noise, rel=1e-12)


@given(SEEDS, st.floats(0.01, 2))
def test_no_baseline_is_better_than_the_best(seed, away):
    prob, reward = bandit(seed)
    best = predicted_best_baseline(prob, reward)
    least = predicted_gradient_mean_square(prob, reward, baseline=best)
    for other in (best - away, best + away):
        assert predicted_gradient_mean_square(prob, reward, baseline=other) > least


@given(st.floats(0.001, 0.999), st.floats(-3, 3), st.floats(-3, 3))
def test_two_arms_exchange_their_probabilities(p, first, second):
    general = predicted_best_baseline([p, 1.0 - p], [first, second])
    assert predicted_best_two_arm_baseline(p, first, second) == pytest.approx(general, abs=1e-9)


def test_uniform_policies_have_the_mean_reward_for_their_best_baseline():
    assert predicted_best_baseline(np.full(5, 0.2), np.arange(5.0)) == pytest.approx(2.0)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`prob` must be of sum 1"):
        predicted_gradient_mean([0.5, 0.4], [1.0, 0.0])
    with pytest.raises(ValueError, match="`prob` must be positive probabilities"):
        predicted_best_baseline([1.0, 0.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="`mean_reward` must be one finite number per arm"):
        predicted_gradient_mean([0.5, 0.5], [1.0, 0.0, 2.0])
    with pytest.raises(ValueError, match="`success_prob` must be strictly between 0 and 1"):
        predicted_best_two_arm_baseline(1.0, 1.0, 0.0)
