"""Blocks of responses on a table of logits: against gradients that are written out."""

import numpy as np
import pytest

from llm_bridge.base_statistics import smoothed_pass_rates
from llm_bridge.forecast.measure import (
    NUM_BLOCKS,
    measure_blocks,
    require_memory,
    samples_per_prompt,
)
from tests.llm_bridge.forecast.table import (
    IS_RIGHT,
    gradient_of,
    make_sampler,
    numbers,
    probabilities,
    recorded,
)


@pytest.mark.parametrize(
    ("num_prompts", "num_responses", "expected"),
    [(16, 16, 2), (16, 33, 3), (512, 8192, 16), (1, 1, 32), (1, 33, 48), (4, 200, 64)],
)
def test_each_prompt_has_enough_responses(num_prompts, num_responses, expected):
    assert samples_per_prompt(numbers(*range(num_prompts)), num_responses) == expected


@pytest.mark.parametrize("num_prompts", [3, 16, 21])
def test_blocks_are_the_gradients_of_their_own_draws(num_prompts, monkeypatch):
    sampler = make_sampler(num_prompts)
    draws = recorded(sampler, monkeypatch)
    told = []
    sampler.on_rollouts = told.append
    found = measure_blocks(sampler, numbers(*range(num_prompts)), 64)
    assert len(draws) == NUM_BLOCKS
    probability, correct = probabilities(num_prompts), np.zeros(num_prompts)
    for (contexts, arms, reward), gradient in zip(draws, found.gradients, strict=True):
        others = (reward.sum(axis=1, keepdims=True) - reward) / (reward.shape[1] - 1)
        expected = gradient_of(probability, contexts, arms, reward - others)
        # A block of prompts stands for its share of all prompts.
        share = len(contexts) * NUM_BLOCKS / num_prompts if num_prompts >= NUM_BLOCKS else 1.0
        np.testing.assert_allclose(gradient, share * expected, rtol=1e-5, atol=1e-8)
        correct[contexts] += reward.sum(axis=1)
    np.testing.assert_array_equal(found.num_correct, correct)
    assert found.num_samples == samples_per_prompt(numbers(*range(num_prompts)), 64)
    assert sampler.num_rollouts == sum(told) == found.num_samples * num_prompts
    log_prob = np.concatenate(
        [np.log(probability[c[:, None], arms]).ravel() for c, arms, _ in draws]
    )
    assert found.entropy == pytest.approx(-log_prob.mean(), rel=1e-6)
    assert found.mean_length == 1.0


def test_the_mean_of_the_blocks_is_the_gradient_of_the_mean_pass_rate():
    """Z of every component at 5 standard errors of the blocks, 105 components: 1 in 5000.

    The spread over 16 blocks of prompts holds that between prompts too, so it is too wide if
    anything; without the shares the largest z would stay the same, so they are tested above.
    """
    found = measure_blocks(make_sampler(4, seed=2), numbers(0, 1, 2, 3), 40_000)
    probability = probabilities(4)
    pass_rate = probability @ IS_RIGHT
    exact = (probability * (IS_RIGHT - pass_rate[:, None])).ravel() / 4
    mean = found.gradients.mean(axis=0)
    error = found.gradients.std(axis=0, ddof=1) / np.sqrt(NUM_BLOCKS)
    # 16 blocks: t of 15 degrees of freedom is above 7 in 20 components once in 10^4.
    assert (np.abs(mean - exact) < 7.0 * error).all()
    assert (np.abs(mean - 0.5 * exact) > 7.0 * error).any()
    assert found.pass_rate == pytest.approx(pass_rate.mean(), abs=0.02)


def test_the_slope_is_that_of_the_rates_a_simulation_starts_from():
    found = measure_blocks(make_sampler(16), numbers(*range(16)), 64)
    rate = smoothed_pass_rates(found.num_correct, found.num_samples)
    assert found.slope == pytest.approx((rate * (1 - rate)).mean(), rel=1e-12)
    alone = measure_blocks(make_sampler(1), numbers(0), 64)
    assert alone.slope == pytest.approx(alone.pass_rate * (1 - alone.pass_rate), rel=1e-12)


def test_a_model_that_does_not_fit_is_refused(monkeypatch):
    policy = make_sampler(4).policy
    need = 3 * 20 * 4  # gradients, parameters, bytes of a float32

    class Memory:
        available = need + 1

    monkeypatch.setattr("psutil.virtual_memory", Memory)
    require_memory(policy, 3)
    Memory.available = need
    with pytest.raises(ValueError, match=r"`model` must be small enough .* predict --pass-rates"):
        require_memory(policy, 3)
