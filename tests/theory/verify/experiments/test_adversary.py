"""Exact gradients of many bandits are banditlab's expectation, and the search climbs."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from banditlab.expectation import expected_update
from banditlab.rules import RULES
from theory.verify.experiments.adversary import ExactGradients, Search, largest_ratio
from theory.verify.experiments.bounds import hessian, noise_growth_ratio
from theory.verify.experiments.gradient_paths import best_arm_paths

RNG = np.random.default_rng(3)
LOGITS, REWARD = RNG.standard_normal((5, 4)), RNG.random((5, 4))


def test_gradient_is_the_expected_update():
    model = ExactGradients(LOGITS)
    expected = [
        expected_update(RULES["raw_reward"], logits, reward, 1)
        for logits, reward in zip(LOGITS, REWARD, strict=True)
    ]
    np.testing.assert_allclose(model.gradient(REWARD), expected, rtol=1e-12, atol=1e-16)
    np.testing.assert_array_equal(model.logits, LOGITS)


def test_update_takes_a_step_along_it():
    model = ExactGradients(LOGITS, step_size=0.3)
    gradient = ExactGradients(LOGITS).gradient(REWARD)
    model.update(REWARD)
    np.testing.assert_allclose(model.logits, LOGITS + 0.3 * gradient, rtol=1e-12)


def test_score_is_the_gradient_of_the_log_prob():
    score = ExactGradients(LOGITS).score(2)
    np.testing.assert_allclose(score, np.eye(4)[2] - softmax(LOGITS, axis=1), rtol=1e-12)


def test_hessian_is_the_derivative_of_the_gradient():
    model, shift = ExactGradients(LOGITS), 1e-5
    found = hessian(model.prob(), model.gradient(REWARD))
    for arm in range(4):
        moved = shift * np.eye(4)[arm]
        ahead, behind = (ExactGradients(LOGITS + s * moved).gradient(REWARD) for s in (1, -1))
        np.testing.assert_allclose(found[:, arm], (ahead - behind) / (2 * shift), atol=1e-9)


def test_noise_is_that_of_sampled_gradients():
    """E|R score|^2 for rewards +-1 is 1 - sum prob^2, over the gradient and the least gap."""
    point = RNG.standard_normal((6, 5))
    found = noise_growth_ratio(3, has_published_form=False)(point)
    logits = 6.0 * np.tanh(point[:, :3] / 6.0)
    prob = np.exp(log_softmax(logits, axis=1))
    distance = 1.0 + np.exp(point[:, 3:] - 4.0)
    reward = 2.0 * np.insert(distance.cumsum(axis=1), 0, 0.0, axis=1)
    reward = reward / distance.sum(axis=1, keepdims=True) - 1.0
    gradient = prob * (reward - (prob * reward).sum(axis=1, keepdims=True))
    least = 2.0 * distance.min(axis=1) / distance.sum(axis=1)
    expected = (1.0 - (prob**2).sum(axis=1)) * least / np.linalg.norm(gradient, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_search_finds_a_maximum_that_random_points_miss():
    def ratio(point):
        return np.exp(-((point - 1.0) ** 2).sum(axis=1))

    search = Search(num_random=200, num_climbers=8, num_rounds=300)
    assert search.num_instances == 2600
    random = largest_ratio(np.random.default_rng(0), ratio, 6, Search(200, 8, 0))
    climbed = largest_ratio(np.random.default_rng(0), ratio, 6, search)
    assert random < 0.9
    assert climbed == pytest.approx(1.0, abs=1e-6)


def test_path_from_the_anchor_of_the_catalogue_falls_before_it_rises():
    best, gap = best_arm_paths(
        np.log([[0.01, 0.05, 0.94]]), np.array([[1.0, 0.9, 0.1]]), step_size=0.4, num_updates=2000
    )
    assert best[0].argmin() == 1953
    assert best[0].min() == pytest.approx(0.00383, abs=5e-6)
    assert (np.diff(gap[0]) < 0.0).all()
