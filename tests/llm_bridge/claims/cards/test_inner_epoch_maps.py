"""Simulated maps of penalty against clip: exactly nothing in one epoch, and both signs beyond."""

import pytest

from llm_bridge.claims.cards import inner_epoch_maps as maps
from llm_bridge.claims.effect import Interval


def test_one_epoch_on_fresh_rollouts_knows_neither_clip_nor_penalty():
    assert maps.rate_and_epochs(0.1, 1) == Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("point", "place", "sign"),
    [
        (maps.rate_and_epochs, (0.06, 4), 1),
        (maps.rate_and_epochs, (0.006, 4), -1),
        (maps.rate_and_multiplier, (0.03, 0.1), 1),
        (maps.rate_and_multiplier, (0.03, 2.0), -1),
        (maps.pass_rate_and_kernel, (0.03, 1.0), 1),
    ],
)
def test_the_lead_has_a_sign(point, place, sign):
    found = point(*place)
    assert found.low * sign > 0 < found.high * sign


def test_tables_have_the_rule_and_the_epochs_asked_for():
    tables = maps.tables("clip", 0.03, 8, maps.embedded_problem(), clip_high=0.5)
    assert tables["rule"] == {"name": "clip", "clip_high": 0.5}
    assert tables["run"]["inner_epochs"] == 8
