"""A lone success under each rule: the closed forms of the theory, and where signs change."""

import math

import numpy as np
import pytest

from llm_bridge.claims.cards.rare_success import (
    RATE,
    log_odds_gain,
    rollouts_to_likely,
    saved_rollouts,
    saved_rollouts_simulated,
    step_of,
    survival,
)
from theory.predict.clip_growth import predicted_isolated_ratios

ADVANTAGE = 7 / 8
PRICED = {"clip": {"clip_high": 0.2}, "variance_penalty": {"multiplier": 0.5 / ADVANTAGE}}


@pytest.mark.parametrize("rule", PRICED)
@pytest.mark.parametrize("pass_rate", [1e-6, 0.3])
@pytest.mark.parametrize("learning_rate", [0.003, 0.03, 0.2])
def test_the_gain_is_the_recursion_of_the_theory(rule, pass_rate, learning_rate):
    step, log_odds = step_of(learning_rate), math.log(pass_rate / (1 - pass_rate))
    ratio = predicted_isolated_ratios(step * ADVANTAGE, 12, log_odds=log_odds, **PRICED[rule])[-1]
    gain = log_odds_gain(rule, pass_rate=pass_rate, step=step, inner_epochs=12)
    new = 1 / (1 + math.exp(-log_odds - gain))
    assert new == pytest.approx(pass_rate * ratio, rel=1e-9)


def test_the_penalty_settles_where_its_weight_ends():
    gain = log_odds_gain("variance_penalty", pass_rate=1e-9, step=0.04, inner_epochs=500)
    assert math.exp(gain) == pytest.approx(1 + ADVANTAGE, rel=1e-6)
    other = log_odds_gain(
        "variance_penalty", pass_rate=1e-9, step=0.04, inner_epochs=500, multiplier=1.0
    )
    assert math.exp(other) == pytest.approx(1 + ADVANTAGE / 2, rel=1e-6)


def test_topr_and_an_idle_dual_are_held_by_nothing():
    how = {"pass_rate": 1e-9, "step": 0.04, "inner_epochs": 10}
    assert log_odds_gain("topr", **how) == pytest.approx(10 * 0.04, rel=1e-6)
    assert log_odds_gain("variance_penalty_dual", **how) == log_odds_gain("group_mean", **how)


def test_clip_and_penalty_are_alike_in_the_first_epoch():
    assert survival(1e-4, 1).value == 0.0


@pytest.mark.parametrize(
    ("pass_rate", "inner_epochs", "sign"),
    [(1e-6, 64, 1), (0.1, 16, 1), (1e-6, 4, -1), (0.9, 16, -1)],
)
def test_the_penalty_keeps_more_of_what_is_rare_and_trained_on_often(pass_rate, inner_epochs, sign):
    assert np.sign(survival(pass_rate, inner_epochs).value) == sign


def test_the_number_of_arms_does_not_matter():
    how = {"pass_rate": 1e-6, "step": step_of(RATE), "inner_epochs": 16}
    few, many = (log_odds_gain("clip", log10_arms=number, **how) for number in (3, 100))
    assert few == pytest.approx(many, rel=2e-3)


def test_saved_rollouts_follow_from_the_factors():
    gain = step_of(0.03) * ADVANTAGE
    factors = {rule: predicted_isolated_ratios(gain, 8, **how)[-1] for rule, how in PRICED.items()}
    rollouts = {rule: factor / (factor - 1) for rule, factor in factors.items()}
    expected = 1 - rollouts["variance_penalty"] / rollouts["clip"]
    assert saved_rollouts(0.03, 8).value == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(0.5406, abs=1e-4)


def test_an_overshooting_penalty_saves_nothing():
    assert rollouts_to_likely("variance_penalty", step=step_of(0.3), inner_epochs=64) > 1e3
    assert saved_rollouts(0.3, 64).value == -1.0
    assert saved_rollouts(0.003, 8).value < 0.0


def test_the_simulator_saves_as_many():
    # Both estimates are means of 200 runs; four standard errors are left once in 16,000 seeds.
    found, exact = saved_rollouts_simulated(1e-4, 30), saved_rollouts(0.03, 8).value
    assert abs(found.value - exact) < 4 * (found.high - found.low) / (2 * 1.96)
