"""Stale groups: what is drawn and used again, the exact pull, and where the lead changes sign."""

import math

import pytest

from llm_bridge.claims.cards.stale_groups import (
    age_and_rate,
    stale_cell,
    stale_pull,
    stale_twin,
)


@pytest.mark.parametrize("age", [0, 1, 15])
def test_all_ages_draw_equally_many_and_use_all_that_is_young_enough(age):
    cell = stale_cell("clip", age)
    settings = cell.settings
    assert settings["num_prompts"] == 8
    assert settings.get("replay_groups", 0) == 8 * settings.get("replay_max_age", 0) == 8 * age
    run = stale_twin(cell).experiment["run"]
    assert run["rollout_ages"] == list(range(age + 1))
    assert run["batch_size"] == 8


def test_while_the_clip_keeps_all_the_penalty_is_behind_by_its_price():
    # Mean 1 - 2 multiplier (e^d - 1) for a rare success, against 1.
    found = stale_pull(1e-6, 0.1).value
    assert found == pytest.approx(-(math.exp(0.1) - 1), rel=1e-4)


def test_the_penalty_leads_once_successes_are_dropped_and_turns_backwards_later():
    # The failures' half of the gradient is what the clip then has.
    assert stale_pull(1e-6, 0.3).value == pytest.approx(2 - math.exp(0.3) - 0.5, rel=1e-4)
    late = stale_pull(1e-6, 0.8).value
    assert late == pytest.approx(2 - math.exp(0.8) - 0.5, rel=1e-4)
    assert late < 0.0


@pytest.mark.parametrize(("rate", "sign"), [(0.045, 1), (0.006, -1), (0.1, -1)])
def test_the_simulated_lead_has_both_signs(rate, sign):
    found = age_and_rate(rate, 2)
    assert found.low * sign > 0 < found.high * sign
