"""Batch baselines: a batch of one kind is a group, and known figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from theory.predict.drift import predicted_class_gradient, standardized_class_gradient
from theory.predict.prompt_batches import (
    predicted_batch_mean_gradient,
    predicted_batch_mean_variance,
    predicted_batch_standardized_gradient,
)


@given(st.floats(0.01, 0.99), st.integers(2, 12))
def test_equal_prompts_are_one_group(success_prob, num_prompts):
    same, log_odds = np.full(num_prompts, success_prob), logit(success_prob)
    np.testing.assert_allclose(
        predicted_batch_mean_gradient(same),
        predicted_class_gradient("group_mean", log_odds, group_size=num_prompts),
    )
    for how in ({"ddof": 0, "eps": 0.0}, {"ddof": 1, "eps": 1e-6}):
        np.testing.assert_allclose(
            predicted_batch_standardized_gradient(same, **how),
            standardized_class_gradient(log_odds, group_size=num_prompts, **how),
            rtol=1e-9,
        )


def test_one_prompt_is_a_group():
    np.testing.assert_allclose(
        predicted_batch_standardized_gradient([0.3], 8, ddof=1, eps=1e-6),
        [standardized_class_gradient(logit(0.3), group_size=8)],
    )


def test_large_batches_divide_by_their_common_deviation():
    success_prob = np.linspace(0.02, 0.9, 60)
    mean = success_prob.mean()
    limit = success_prob * (1.0 - success_prob) / np.sqrt(mean * (1.0 - mean))
    share = predicted_batch_standardized_gradient(success_prob) / limit
    assert (share > 0.98).all()
    assert (share < 1.0).all()


def test_certain_prompts_learn_nothing_but_serve_the_others():
    gradient = predicted_batch_mean_gradient([0.0, 1.0, 0.5])
    np.testing.assert_allclose(gradient, [0.0, 0.0, 2.0 / 3.0 * 0.25])
    assert predicted_batch_standardized_gradient([0.0, 1.0, 0.5])[2] > 0.25


def test_variance_of_two_prompts_by_hand():
    # Advantages are +-(1/2) where the rewards differ, and then the gradient is (1/2)(1/2).
    np.testing.assert_allclose(
        predicted_batch_mean_variance([0.5, 0.5]), np.full(2, 0.5 / 16.0 - (0.5 / 4.0) ** 2)
    )


def test_others_of_a_fitting_mean_are_a_good_baseline():
    easy, middle = np.append(0.5, np.full(31, 0.99)), np.append(0.5, np.full(31, 0.5))
    assert predicted_batch_mean_variance(easy)[0] > 5.0 * predicted_batch_mean_variance(middle)[0]


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`success_prob` must be a vector of probabilities"):
        predicted_batch_mean_gradient([0.5, 1.1])
    with pytest.raises(ValueError, match="must be such that the batch has two rollouts or more"):
        predicted_batch_mean_gradient([0.5])
    with pytest.raises(ValueError, match="`group_size` must be at least 1"):
        predicted_batch_mean_gradient([0.5], 0)
    with pytest.raises(ValueError, match="`ddof` must be 0 or 1"):
        predicted_batch_standardized_gradient([0.5, 0.5], ddof=2)
    with pytest.raises(ValueError, match="`eps` must be at least 0"):
        predicted_batch_standardized_gradient([0.5, 0.5], eps=-1.0)
