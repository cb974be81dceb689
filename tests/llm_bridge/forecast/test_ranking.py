"""Which cell is predicted to end best, over simulated runs of the same seeds."""

from dataclasses import replace

import pytest

from llm_bridge.forecast.ranking import ranking
from tests.llm_bridge.forecast.made import INNER, SGD, forecast_of


def finals(cell, *values):
    return forecast_of([[0.3, 0.3, 0.3, value] for value in values], cell)


def test_probabilities_are_shares_of_runs_and_ties_are_shared():
    third = replace(SGD, name="third")
    lines = ranking(
        [
            finals(INNER, 0.5, 0.7, 0.6, 0.8),
            finals(SGD, 0.6, 0.6, 0.6, 0.9),
            finals(third, 0.1, 0.1, 0.6, 0.1),
        ]
    )
    assert [line["cell"] for line in lines] == ["mean", "clipped", "third"]
    assert [line["predicted_final"] for line in lines] == pytest.approx([0.675, 0.65, 0.225])
    # Best alone in runs 1 and 4, and one of three in run 3.
    best = [line["probability_best"] for line in lines]
    assert best == pytest.approx([(2 + 1 / 3) / 4, (1 + 1 / 3) / 4, (1 / 3) / 4])
    assert sum(best) == pytest.approx(1.0)
    ahead = [line["probability_ahead_of_next"] for line in lines]
    assert ahead[:2] == pytest.approx([(2 + 0.5) / 4, (3 + 0.5) / 4])
    assert ahead[2] is None


def test_groups_are_ranked_by_themselves():
    other = replace(SGD, name="other", group="mine")
    lines = ranking([finals(SGD, 0.5), finals(other, 0.9)])
    assert [(line["group"], line["probability_best"]) for line in lines] == [
        ("4x4 sgd", 1.0),
        ("mine", 1.0),
    ]
