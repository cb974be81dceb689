"""Discovery of prompts: likely and hopeless ones, and what a shared kernel changes."""

import numpy as np

from banditlab.rules import get_rule
from theory.verify.experiments.prompt_discovery import (
    discovery_rounds,
    measure_discovery_shares,
    prompts_with_rare_arms,
)

RAW = get_rule("raw_reward")


def test_likely_prompts_come_first_and_hopeless_ones_never():
    problem = prompts_with_rare_arms(np.array([40.0, -300.0]))
    first = discovery_rounds(
        np.random.default_rng(0), RAW, problem, step_size=1.0, num_rounds=4, num_runs=5
    )
    np.testing.assert_array_equal(first, np.tile([1, 5], (5, 1)))


def test_a_shared_kernel_lets_one_prompt_help_another():
    without, coupled = (
        discovery_rounds(
            np.random.default_rng(0),
            RAW,
            prompts_with_rare_arms(np.array([1.0, -2.0]), kernel),
            step_size=1.0,
            num_rounds=6,
            num_runs=500,
        )
        for kernel in (0.0, 2.0)
    )
    assert (coupled[:, 1] <= 6).mean() > (without[:, 1] <= 6).mean() + 0.1


def test_shares_cover_all_prompts_in_batches():
    measured = measure_discovery_shares(
        np.random.default_rng(0), RAW, (0.4, 30.0), np.array([5, 10]), num_prompts=2_500
    )
    assert measured.num_samples == 2_500
    assert measured.value.shape == (3,)
