"""The study that is shipped: its files belong together and give the recorded scores."""

import csv
from pathlib import Path

import pytest

from llm_bridge.forecast.calibration_files import read_calibrations
from llm_bridge.forecast.observed import observed_cells, read_points
from llm_bridge.forecast.predict import PREDICTORS, predict_cell
from llm_bridge.forecast.scoreboard import score_cell
from llm_bridge.forecast.study import read_study

ROOT = Path(__file__).parents[3]
DATA = ROOT / "figures" / "data"


@pytest.fixture(scope="module")
def study():
    return read_study(ROOT / "examples" / "studies" / "embedded.toml")


def recorded():
    with (DATA / "study_scores.csv").open(newline="") as file:
        return {row["cell"]: row for row in csv.DictReader(file)}


def test_every_cell_has_its_runs_and_a_score(study):
    observed = observed_cells(study, read_points(DATA / "study.csv"))
    assert set(observed) == {cell.name for cell in study.cells} == set(recorded())
    assert {len(found.pass_rate) for found in observed.values()} == {study.num_seeds}


@pytest.mark.parametrize("name", ["sgd-32x8-grpo", "adamw-32x1-raw_reward"])
def test_a_score_comes_out_again(study, name):
    calibrations = read_calibrations(study, DATA / "calibration")
    observed = observed_cells(study, read_points(DATA / "study.csv"))
    (cell,) = study.only([name]).cells
    forecasts = {
        predictor: predict_cell(calibrations[None], cell, predictor, num_runs=12, seed=3)
        for predictor in PREDICTORS
    }
    score = score_cell(forecasts, observed[name])
    row = recorded()[name]
    # Fewer simulated runs, with another seed: the mean of twelve is good to a third of a percent.
    for field in ("rmse", "rmse_constant", "predicted_final"):
        assert getattr(score, field) == pytest.approx(float(row[field]), abs=0.003)
    for field in ("final", "rmse_no_change"):
        assert getattr(score, field) == pytest.approx(float(row[field]), abs=1e-5)
