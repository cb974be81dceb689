"""The exact law of one prompt's learning against P25, P26, enumeration and the simulator."""

from itertools import product

import numpy as np
import pytest
from scipy.special import expit, logit

from banditlab.shared_shift.law import KernelLaw
from llm_bridge.claims.cards.hard_question import HARD_QUESTION, HARD_QUESTION_ROW
from llm_bridge.claims.cards.lone_prompt import heldout_gain
from llm_bridge.claims.cards.one_prompt import halving_time, success_law
from llm_bridge.claims.twins import calibration
from llm_bridge.rows import read_rows
from theory.predict.success_times import predicted_success_time_moments
from theory.predict.take_off import (
    predicted_log_odds_factor,
    predicted_take_off_mean,
    predicted_take_off_variance,
)

LAW = KernelLaw(400.0, "power", base_pass_rate=0.3, exponent=2.0)


def moments_by_successes(pass_rate, step):
    """P25: the policy between successes is known, so the time is a sum of geometric waits."""
    log_odds, target, rates = logit(pass_rate), logit(1.0 - (1.0 - pass_rate) / 2.0), []
    while log_odds < target:
        rates.append(expit(log_odds))
        log_odds += step * expit(-log_odds)
    mean, variance = predicted_success_time_moments(np.array(rates))
    return mean, np.sqrt(variance)


@pytest.mark.parametrize(("pass_rate", "step"), [(1e-6, 1.0), (1e-4, 0.01), (0.3, 0.44)])
def test_one_rollout_takes_the_time_of_its_successes_and_another_step_does_not(pass_rate, step):
    found = halving_time("raw_reward", pass_rate, step=step)
    mean, deviation = moments_by_successes(pass_rate, step)
    assert found.mean == pytest.approx(mean, rel=1e-3)
    assert found.sd == pytest.approx(deviation, rel=1e-3)
    wrong, _ = moments_by_successes(pass_rate, 1.1 * step)
    assert found.mean != pytest.approx(wrong, rel=5e-3)


@pytest.mark.parametrize("rule", ["raw_reward", "group_mean", "grpo"])
def test_rare_successes_of_groups_take_off_by_their_factor(rule):
    success_prob, group_size = 1e-6, 8
    found = halving_time(rule, success_prob, step=4.0, group_size=group_size)
    factor = predicted_log_odds_factor(rule, step_size=4.0, group_size=group_size)
    scale = success_prob * group_size
    # The last success comes at p of order 1, which the limit leaves out.
    assert found.mean * scale == pytest.approx(predicted_take_off_mean(factor), rel=2e-3)
    deviation = np.sqrt(predicted_take_off_variance(factor))
    assert found.sd * scale == pytest.approx(deviation, rel=2e-3)
    mutant = predicted_log_odds_factor(rule, step_size=4.0, group_size=group_size + 1)
    assert found.mean * scale != pytest.approx(predicted_take_off_mean(mutant), rel=1e-2)


def test_a_negative_reward_halves_the_failures_in_about_half_the_time():
    raw = halving_time("raw_reward", 0.3, step=0.01).mean
    signed = halving_time("negative_reward", 0.3, step=0.01).mean
    assert signed == pytest.approx(raw / 2.0, rel=0.02)


def enumerated(pass_rate, learning_rate, num_updates):
    """Pass rate after all sequences of successes and failures, with their chances."""
    rates, chances = [], []
    for outcomes in product((True, False), repeat=num_updates):
        log_odds, chance = logit(pass_rate), 1.0
        for is_right in outcomes:
            rate = expit(log_odds)
            chance *= rate if is_right else 1.0 - rate
            if is_right:
                log_odds += learning_rate * LAW.strength(rate) * (1.0 - rate)
        rates.append(expit(log_odds))
        chances.append(chance)
    rates, chances = np.array(rates), np.array(chances)
    mean = chances @ rates
    return mean, np.sqrt(chances @ (rates - mean) ** 2)


def test_the_law_of_the_curve_is_that_of_all_sequences():
    mean, deviation = success_law(0.3, LAW, learning_rate=1e-3, num_updates=8)
    for update in (1, 4, 8):
        exact = enumerated(0.3, 1e-3, update)
        assert (mean[update], deviation[update]) == pytest.approx(exact, abs=1e-12)
    assert mean[8] != pytest.approx(enumerated(0.3, 1.02e-3, 8)[0], abs=1e-4)


def test_others_gain_by_their_share_and_all_of_it_at_a_share_of_one():
    start = calibration().target_pass_rates()
    moved = expit(logit(start) + logit(0.99) - logit(0.31)).mean() - start.mean()
    assert heldout_gain(1.0, 0.31) == pytest.approx(moved, abs=1e-12)
    small = 1e-4 * (logit(0.99) - logit(0.31)) * (start * (1.0 - start)).mean()
    assert heldout_gain(1e-4, 0.31) == pytest.approx(small, rel=1e-2)


def test_the_hard_question_replaces_one_row_alone():
    rows = list(read_rows("embedded", split="train")[1])
    changed = [
        place for place, row in enumerate(rows) if HARD_QUESTION.question(row) != row["question"]
    ]
    assert changed == [HARD_QUESTION_ROW]
    assert HARD_QUESTION.answer(rows[HARD_QUESTION_ROW]) == "7367"
    others = [row for place, row in enumerate(rows) if place != HARD_QUESTION_ROW]
    assert all(row["answer"].endswith(f"#### {HARD_QUESTION.answer(row)}") for row in others)
