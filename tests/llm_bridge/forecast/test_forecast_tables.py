"""Tables for the terminal: the figures stand where they belong."""

from dataclasses import replace

import numpy as np

from llm_bridge.forecast.forecast_tables import (
    forecast_table,
    ranking_table,
    scores_table,
    summary_text,
)
from llm_bridge.forecast.scoreboard import PairScore, score_cell
from tests.llm_bridge.forecast.made import (
    CALIBRATIONS,
    INNER,
    SGD,
    STUDY,
    forecast_of,
    observed_of,
)


def cells_of(table, name):
    (line,) = [line for line in table.splitlines() if line.startswith(name)]
    return [word for word in line.split("  ") if word]


def test_a_forecast_is_one_line_a_cell():
    forecasts = [
        forecast_of([[0.3, 0.4, 0.5, 0.6]] * 50, SGD),
        forecast_of([[0.3, 0.9, 0.9, 0.9]] * 50, SGD, predictor="constant"),
        replace(forecast_of([[0.3] * 4] * 50, INNER), reason="blown up"),
    ]
    table = forecast_table(forecasts, [(STUDY, CALIBRATIONS)])
    first = [word.strip() for word in cells_of(table, "mean")]
    assert first[:3] == ["mean", "0.05", "0.300 -> 0.600"]
    # Half of the gain at .45, between 4 and 8; entropy on the line at a train rate of .6.
    assert first[-4:] == ["0.600", "6.0", "2.50", "0.0000"]
    assert "the simulation blew up" in cells_of(table, "clipped")[-1]
    assert "0.900" not in table


def test_a_ranking_names_the_best_first():
    forecasts = [forecast_of([[0.3, 0.3, 0.3, x]] * 2, c) for x, c in ((0.5, SGD), (0.75, INNER))]
    lines = ranking_table(forecasts).splitlines()
    assert lines[2].split()[-4:] == ["clipped", "0.750", "1.00", "1.00"]
    assert lines[3].split()[-3:] == ["mean", "0.500", "0.00"]


def test_scores_and_what_is_unknown():
    observed = observed_of([0.3, 0.31, 0.32, 0.33])
    forecasts = {
        name: forecast_of([0.3, 0.4, 0.5, rate], predictor=name)
        for name, rate in (("drifting", 0.6), ("constant", 0.7), ("no_change", 0.8))
    }
    score = score_cell(forecasts, observed)
    line = scores_table([score]).splitlines()[-1]
    assert line.startswith("mean")
    assert "0.300 -> 0.330" in line
    # Neither a spread over one run nor a half-time of a curve that hardly moves.
    assert line.split().count("-") == 3
    for value in (score.rmse, score.rmse_constant, score.rmse_no_change, score.rmse_fitted):
        assert f"{value:.3f}" in line
    assert np.isnan(score.seed_sd)


def test_the_summary_names_pairs_that_were_ranked_wrongly():
    summary = {
        "num_cells": 8,
        "num_rmse_at_most_0.05": 5,
        "mean_rmse": 0.0432,
        "num_that_move": 7,
        "num_half_time_within_1.5": 6,
        "num_separated_pairs": 2,
        "num_ranked_rightly": 1,
        "num_positive_skill_over_both": 4,
        "mean_coverage": 0.875,
    }
    wrong = PairScore("g", "speed", "a", "b", 0.1, 0.01, -0.05)
    right = PairScore("g", "speed", "c", "d", 0.1, 0.01, 0.05)
    text = summary_text(summary, [wrong, right])
    assert "RMSE at most .05 in 5 of 8 cells (mean 0.043); better than both simple" in text
    assert "within 1.5x in 6 of 7 cells that move" in text
    assert "1 of 2 separated pairs ranked rightly. Evaluations inside the 90 % band: 88%" in text
    assert text.endswith("wrong: a ahead of b in speed by 0.100 +- 0.010, predicted -0.050")
