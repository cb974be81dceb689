import csv
import io
import math
from dataclasses import replace

import pytest

from figures.tables import CurvePoint
from llm_bridge.compare.score import score_panel, scores_csv, scores_table


def point(source, series, update, rate, low=None, high=None):
    return CurvePoint("clip", 0.1, source, "heldout", series, update, update * 256, rate, low, high)


def panel(ends=(0.6, 0.8), simulated=0.5):
    points = [point("simulation", "mean", 0, 0.3, 0.3, 0.3)]
    points += [point("simulation", "mean", 20, simulated, simulated - 0.15, simulated + 0.15)]
    for seed, end in enumerate(ends):
        points += [point("model", f"seed {seed}", 0, 0.3), point("model", f"seed {seed}", 20, end)]
    return points


def test_distances_are_those_of_the_mean_curves():
    score = score_panel(panel(), 20)
    assert score.final == pytest.approx(0.7)
    assert score.gain == pytest.approx(0.4)
    assert score.final_sd == pytest.approx(math.sqrt(0.02))
    assert score.rmse_simulated == pytest.approx(0.2)
    assert score.rmse_simulated_in_sd == pytest.approx(0.2 / math.sqrt(0.02))
    assert score.band_coverage == 0.5
    assert score.predicted is None
    assert (score.num_collapsed, score.simulated_collapse) == (0, False)


def test_theory_is_scored_where_it_has_a_curve():
    points = [*panel(), point("theory", "ode", 0, 0.3), point("theory", "ode", 20, 0.75)]
    score = score_panel(points, 20)
    assert score.predicted == 0.75
    assert score.rmse_predicted == pytest.approx(0.05)


def test_runs_that_end_low_or_stop_early_have_collapsed():
    assert score_panel(panel(ends=(0.1, 0.8)), 20).num_collapsed == 1
    stopped = [p for p in panel() if (p.series, p.update) != ("seed 1", 20)]
    score = score_panel(stopped, 20)
    assert score.num_collapsed == 1
    assert score.final == 0.6
    assert score_panel(panel(simulated=0.1), 20).simulated_collapse is True


def test_the_scoreboard_is_written_as_it_came_out():
    scores = [score_panel(panel(), 20)]
    (row,) = csv.DictReader(io.StringIO(scores_csv(scores)))
    assert float(row["rmse_simulated"]) == pytest.approx(0.2)
    assert row["predicted"] == ""
    assert "+0.400" in scores_table(scores)


def test_an_evaluation_without_a_simulated_point_is_refused():
    points = [*panel(), point("model", "seed 0", 11, 0.5)]
    with pytest.raises(
        ValueError, match=r"every evaluation has a simulated point, got none at upd"
    ):
        score_panel(points, 20)


def test_the_gain_compares_the_same_runs():
    points = [p for p in panel() if (p.series, p.update) != ("seed 1", 20)]
    points = [replace(p, pass_rate=0.5) if p.series == "seed 1" else p for p in points]
    score = score_panel(points, 20)
    assert (score.base, score.gain) == (0.3, pytest.approx(0.3))
