"""Two dominant wrong answers: growth of their odds, decay of the rare arm, first success."""

import numpy as np
import pytest
from scipy.special import logit

from theory.predict.wrong_answer_noise import (
    predicted_discovery_rollouts,
    predicted_growth_of_wrong_odds,
    predicted_rare_decay,
    predicted_still_waiting,
)


@pytest.mark.parametrize("power", [1, 2])
def test_growth_is_that_of_one_failure_at_large_odds(power):
    step_size, odds = 0.7, 1e6
    share = odds / (1.0 + odds)
    after = odds * np.exp(2.0 * step_size * np.array([share - 1.0, share]))
    growth = share * after[0] ** power + (1.0 - share) * after[1] ** power - odds**power
    predicted = predicted_growth_of_wrong_odds(step_size, power)
    assert growth / odds ** (power - 1) == pytest.approx(predicted, rel=1e-4)


def test_decay_against_all_sequences():
    step_size, num = 0.8, 6
    gap, prob = np.zeros(1), np.ones(1)
    for _ in range(num):
        share = 1.0 / (1.0 + np.exp(-gap))
        prob = np.append(prob * share, prob * (1.0 - share))
        gap = np.append(gap - 2.0 * step_size * (1.0 - share), gap + 2.0 * step_size * share)
    mean = prob @ (1.0 / np.cosh(gap / 2.0))
    assert predicted_rare_decay([num], step_size)[0] == pytest.approx(mean, abs=1e-6)


def test_decay_of_small_steps_is_an_inverse_square_root():
    step_size, num = 0.3, 2_000
    limit = np.sqrt(2.0 * np.pi / num) / step_size
    assert predicted_rare_decay([0, num], step_size)[1] == pytest.approx(limit, rel=0.02)


def test_first_success_of_small_steps():
    rollouts = predicted_discovery_rollouts(1e-9, 1e-3)
    assert rollouts == pytest.approx(1e-6 / 8.0 / 1e-18, rel=1e-2)


def test_waiting_is_that_of_all_sequences_at_first():
    rate, step_size = 0.1, 1.0
    # One failure, on either arm alike, and then another one.
    logits = np.array([logit(rate) + np.log(2.0), 0.0, 0.0])
    prob = np.exp(logits) / np.exp(logits).sum()
    after = logits - step_size * (np.array([0.0, 1.0, 0.0]) - prob)
    second = np.exp(after[1:]).sum() / np.exp(after).sum()
    predicted = [predicted_still_waiting(logit(rate), count, step_size) for count in (0, 1, 2)]
    np.testing.assert_allclose(predicted, [1.0, 0.9, 0.9 * second], atol=2e-5)


def test_negative_reward_waits_longer_than_the_raw_one():
    assert predicted_still_waiting(logit(0.01), 120, 1.0) > 1.25 * 0.99**120


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_growth_of_wrong_odds(0.0)
    with pytest.raises(ValueError, match="`num_rollouts` must be at least 0 and ascending"):
        predicted_rare_decay([3, 1], 1.0)
    with pytest.raises(ValueError, match=r"`success_prob` must be above 0 and below step_size\^2"):
        predicted_discovery_rollouts(0.1, 0.1)
    with pytest.raises(ValueError, match="`num_rollouts` must be at least 0"):
        predicted_still_waiting(-2.0, -1, 1.0)
