"""The picture of a claim card: whatever a card holds, every part is drawn, and alike each time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from figures.claim_card import draw_card
from llm_bridge.claims.assess import assess
from llm_bridge.claims.card import SimulatedCell
from llm_bridge.claims.curve import Curve, rollouts_to
from llm_bridge.claims.effect import Effect, Interval
from llm_bridge.claims.results import Results
from tests.llm_bridge.claims.made import MADE_CARD


def runs(splits=("train",)):
    update = np.array([0, 10, 20])
    return [
        Curve(update, update * 8, {split: np.array([0.1, 0.2, end]) for split in splits})
        for end in (0.4, 0.5)
    ]


def results(**changes):
    points = {(x, y): Interval(y - x, y - x - 0.5, y - x + 0.5) for x in (1, 2) for y in (1, 2)}
    found = {
        "curves": {
            "simulation": {"raw": runs(), "mean": runs()},
            "language_model": {"raw": runs(("train", "heldout"))},
        },
        "maps": {"diagonal": points},
    }
    return Results(**{**found, **changes})


def test_the_same_results_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        paths = draw_card(assess(MADE_CARD, results()), tmp_path / name)
    assert [path.name for path in paths] == ["other.png", "other.svg"]
    for suffix in (".png", ".svg"):
        pair = [(tmp_path / name).with_suffix(suffix).read_bytes() for name in ("one", "other")]
        assert pair[0] == pair[1]


def svg(tmp_path, card, found):
    return draw_card(assess(card, found), tmp_path / "card")[1].read_text()


def test_labels_and_effects_are_in_the_picture(tmp_path):
    text = svg(tmp_path, MADE_CARD, results())
    for words in (
        "A made claim",
        "raw reward",
        "gain of raw, sim.",
        "each on its own scale",
        "A map",
    ):
        assert words in text
    # The simulation has no held-out prompts here, and the axis says what is drawn.
    assert "pass rate" in text


@pytest.mark.parametrize("against", ["update", "rollouts"])
def test_theory_is_drawn_over_the_simulation(tmp_path, against):
    curve = {"closed form": (np.array([0.0, 160.0]), np.array([0.1, 0.5]))}
    card = replace(MADE_CARD, theory_curve=lambda: curve, against=against)
    assert "closed form" in svg(tmp_path, card, results())


def test_levels_never_reached_and_cells_without_runs_are_named(tmp_path):
    never = Effect("never", rollouts_to("train", 0.9), "raw", "mean", worlds=("simulation",))
    absent = replace(never, name="absent", cell="nobody")
    once = Effect("once", rollouts_to("train", 0.9), "raw", worlds=("simulation",))
    card = replace(MADE_CARD, effects=(never, absent, once))
    text = svg(tmp_path, card, results())
    assert "not reached" in text
    assert "no runs" in text


def test_many_cells_two_maps_and_infinite_points_find_their_place(tmp_path):
    names = [f"cell {number}" for number in range(12)]
    card = replace(
        MADE_CARD,
        simulated=tuple(SimulatedCell(name, name, {}) for name in names),
        trained=(),
        effects=(),
        maps=(MADE_CARD.maps[0], replace(MADE_CARD.maps[0], name="other", title="Another map")),
    )
    points = {(x, y): Interval(math.inf, math.inf, math.inf) for x in (1, 2) for y in (1, 2)}
    found = results(
        curves={"simulation": {name: runs() for name in names}},
        maps={"diagonal": results().maps["diagonal"], "other": points},
    )
    text = svg(tmp_path, card, found)
    assert "Another map" in text
    assert "cell 11" in text


def test_only_the_cells_that_are_asked_for_are_drawn(tmp_path):
    text = svg(tmp_path, replace(MADE_CARD, effects=(), drawn=("mean",)), results())
    assert "advantage" in text
    assert "raw reward" not in text
