"""Verdicts come from results, and a card that is turned round gets the other one."""

import json
import math
from dataclasses import replace

import numpy as np

from llm_bridge.claims.assess import as_dict, assess, map_balance, pass_rates
from llm_bridge.claims.curve import Curve
from llm_bridge.claims.effect import IN_PART, NOT_REPRODUCED, OUT_OF_REACH, REPRODUCED
from llm_bridge.claims.results import Results, read_results
from tests.llm_bridge.claims.made import MADE_CARD


def assessed(made_runs, **changes):
    card = replace(MADE_CARD, **changes)
    return assess(card, read_results(card, made_runs / "A2"))


def test_effects_are_measured_in_their_worlds(made_runs):
    found = assessed(made_runs)
    assert [(one.effect.name, one.world) for one in found.measured] == [
        ("gain of raw", "simulation"),
        ("gain of raw", "language_model"),
        ("advantage less raw", "simulation"),
        ("held out", "language_model"),
    ]
    assert found.verdicts["theory"] == "follows"


def test_swapping_the_cells_turns_the_verdict_round():
    def runs(*ends):
        axis = np.arange(2)
        return [Curve(axis, axis, {"train": np.array([0.1, end])}) for end in ends]

    curves = {"raw": runs(0.5, 0.52, 0.49, 0.51, 0.5), "mean": runs(0.6, 0.61, 0.63, 0.6, 0.62)}
    results = Results(curves={"simulation": curves})
    lead = MADE_CARD.effects[1]
    turned = replace(lead, cell="raw", against="mean")
    for effect, verdict in ((lead, REPRODUCED), (turned, NOT_REPRODUCED)):
        card = replace(MADE_CARD, effects=(effect,), maps=())
        assert assess(card, results).verdicts["simulation"] == verdict


def test_what_does_not_decide_changes_no_verdict(made_runs):
    gain = MADE_CARD.effects[0]
    hopeless = replace(gain, expected=(5.0, math.inf))
    sure = replace(gain, expected=(-1.0, math.inf))
    assert assessed(made_runs, effects=(sure, hopeless)).verdicts["simulation"] == IN_PART
    shown = replace(hopeless, decides=False)
    assert assessed(made_runs, effects=(sure, shown)).verdicts["simulation"] == REPRODUCED
    assert assessed(made_runs, effects=(hopeless,)).verdicts["simulation"] == NOT_REPRODUCED


def test_a_world_out_of_reach_has_its_reason(made_runs):
    found = assessed(made_runs, out_of_reach={"language_model": "it is too small"})
    assert found.verdicts["language_model"] == OUT_OF_REACH
    assert found.reasons["language_model"] == "it is too small"
    silent = assessed(made_runs, effects=())
    assert "speaks" in silent.reasons["simulation"]


def test_an_effect_of_a_cell_without_runs_is_undecided(made_runs):
    missing = replace(MADE_CARD.effects[0], cell="nobody")
    found = assessed(made_runs, effects=(missing,))
    assert found.measured[0].interval is None
    assert found.verdicts["simulation"] == OUT_OF_REACH


def test_an_effect_keeps_its_digits_when_another_stands_before_it(made_runs):
    last = MADE_CARD.effects[1]
    alone = assessed(made_runs, effects=(last,)).measured[0]
    assert assessed(made_runs).measured[2].interval == alone.interval


def test_the_map_is_counted(made_runs):
    assert map_balance(assessed(made_runs)) == {
        "diagonal": {"holds": 1, "opposite": 1, "undecided": 2}
    }


def test_pass_rates_have_a_row_for_each_cell_and_split(made_runs):
    rows = pass_rates(assessed(made_runs))
    assert [(row["world"], row["cell"], row["split"]) for row in rows] == [
        ("simulation", "raw", "train"),
        ("simulation", "mean", "train"),
        ("language_model", "raw", "train"),
        ("language_model", "raw", "heldout"),
    ]


def test_the_dictionary_is_json_though_an_end_is_infinite(made_runs):
    document = json.loads(json.dumps(as_dict(assessed(made_runs)), allow_nan=False))
    assert document["id"] == "A2"
    assert document["effects"][0]["expected"] == [0.0, "inf"]
    assert document["maps"]["diagonal"]["opposite"] == 1
