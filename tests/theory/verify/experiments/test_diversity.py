"""The squared transition operator of two equal arms, against the sum over all paths."""

from itertools import product

import numpy as np
import pytest
from scipy.special import expit

from banditlab.rules import get_rule
from theory.verify.experiments.diversity import (
    measure_mean_logits,
    odds_transform,
    two_arm_transitions,
)

RAW = get_rule("raw_reward")


def test_transitions_are_steps_of_the_sampled_arm():
    log_odds, step_size = np.array([-2.0, 0.0, 3.0]), 0.7
    first, second = two_arm_transitions(log_odds, step_size, RAW)
    np.testing.assert_allclose(first, log_odds + 2.0 * step_size * expit(-log_odds), rtol=1e-12)
    np.testing.assert_allclose(
        second, log_odds - 2.0 * step_size * expit(log_odds), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("log2_rounds", [0, 1, 3])
def test_operator_sums_over_all_paths(log2_rounds):
    step_size, num_rounds, rates = 0.6, 2**log2_rounds, np.array([0.3, 2.0])
    total = np.zeros(2)
    for path in product((True, False), repeat=num_rounds):
        log_odds, weight = 0.0, 1.0
        for is_first in path:
            weight *= expit(log_odds if is_first else -log_odds)
            move = expit(-log_odds) if is_first else -expit(log_odds)
            log_odds += 2.0 * step_size * move
        total += weight * np.exp(-rates * np.exp(abs(log_odds)) / num_rounds)
    measured = odds_transform(rates, step_size=step_size, log2_rounds=log2_rounds)
    # exp(|z|) has a kink at equal arms, which polynomials of any number of nodes round off.
    np.testing.assert_allclose(measured, total, atol=2e-2)


def test_nodes_do_not_matter():
    rates = np.array([0.2, 1.0])
    few, many = (
        odds_transform(rates, step_size=1.0, log2_rounds=20, num_nodes=num) for num in (400, 700)
    )
    np.testing.assert_allclose(few, many, atol=1e-6)


def test_uniform_weights_miss_the_martingale():
    logits = np.array([1.0, 0.0])
    how = {"step_size": 1.0, "num_rounds": 3}
    np.testing.assert_allclose(measure_mean_logits(RAW, logits, **how).value, logits, atol=1e-14)
    wrong = measure_mean_logits(RAW, logits, **how, is_uniform=True).value
    assert np.abs(wrong - logits).max() > 0.1
