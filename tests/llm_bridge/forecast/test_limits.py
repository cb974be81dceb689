"""The learning rate at which unclipped inner epochs run away, from a calibration."""

from dataclasses import replace

import pytest

from banditlab.rules import RULES
from llm_bridge.forecast.calibration import InnerLimit
from llm_bridge.forecast.forecast_tables import forecast_table
from llm_bridge.forecast.limits import is_unclipped, runaway_learning_rate, runaway_warning
from llm_bridge.forecast.study import Study
from tests.llm_bridge.forecast.made import CALIBRATION, INNER, SGD, forecast_of

UNCLIPPED = replace(SGD, name="free", inner_epochs=3)


def test_which_rules_hold_a_ratio():
    held = {name for name in RULES if not is_unclipped(name)}
    assert {"clip", "clip_higher", "dual_clip", "cispo", "topr", "variance_penalty"} <= held
    assert {"group_mean", "raw_reward", "grpo"}.isdisjoint(held)


def test_the_rate_is_that_of_theory():
    # 16 rollouts, an advantage of 3/4 in a group of four, three epochs, own kernel 600.
    expected = 16 / (600.0 * 3 * 0.75)
    assert runaway_learning_rate(CALIBRATION, UNCLIPPED) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("cell", [SGD, INNER, replace(UNCLIPPED, optimizer="adamw")])
def test_no_rate_where_the_formula_does_not_hold(cell):
    assert runaway_learning_rate(CALIBRATION, cell) is None


@pytest.mark.parametrize(("learning_rate", "is_told"), [(0.011, False), (0.013, True)])
def test_a_forecast_beyond_it_says_so(learning_rate, is_told):
    cell = replace(UNCLIPPED, learning_rate=learning_rate)
    forecast = forecast_of([[0.3, 0.4, 0.5, 0.6]] * 50, cell)
    table = forecast_table([forecast], [(Study(cells=(cell,)), {None: CALIBRATION})])
    assert ("ratios run away from 0.0119 on" in table) == is_told


LIMIT = InnerLimit("clip", 4, 4, 2, [0.4, None, 0.06, 0.08])
MEASURED = replace(CALIBRATION, inner_limits=[replace(LIMIT, inner_epochs=3), LIMIT])


@pytest.mark.parametrize(
    ("learning_rate", "warning"),
    [
        (0.05, ""),
        (0.06, "ratios run away in 25% of updates, from 0.06 on"),
        (0.1, "ratios run away in 50% of updates, from 0.06 on"),
        (9.0, "ratios run away in 75% of updates, from 0.06 on"),
    ],
)
def test_measured_updates_say_how_many_run_away(learning_rate, warning):
    assert runaway_warning(MEASURED, replace(INNER, learning_rate=learning_rate)) == warning


def test_a_measurement_replaces_the_lone_response_and_belongs_to_its_configuration():
    never = InnerLimit("group_mean", 4, 4, 3, [None] * 4)
    fast = replace(UNCLIPPED, learning_rate=0.1)
    assert runaway_warning(replace(CALIBRATION, inner_limits=[never]), fast) == ""
    for other in (
        replace(never, rule="grpo"),
        replace(never, num_prompts=8),
        replace(never, group_size=8),
        replace(never, inner_epochs=4),
    ):
        told = runaway_warning(replace(CALIBRATION, inner_limits=[other]), fast)
        assert told == "ratios run away from 0.0119 on"
    free = replace(never, rates=[0.001] * 4)
    assert (
        runaway_warning(replace(CALIBRATION, inner_limits=[free]), replace(fast, optimizer="adamw"))
        == ""
    )


def test_rates_by_the_share_of_updates():
    assert [LIMIT.rate_of_share(share) for share in (0.0, 0.25, 0.5, 1.0)] == [
        0.06,
        0.08,
        0.4,
        None,
    ]
