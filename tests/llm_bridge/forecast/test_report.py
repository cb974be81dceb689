"""The report of a calibration: its figures, and experiment files that repeat the forecast."""

from dataclasses import replace

import numpy as np
import pytest

from banditlab.experiments.experiment import Experiment
from banditlab.simulate import simulate
from llm_bridge.forecast import report as report_module
from llm_bridge.forecast.calibration import InnerLimit
from llm_bridge.forecast.predict import predict_cell
from llm_bridge.forecast.report import experiment_toml, report, write_report
from tests.llm_bridge.forecast.made import ADAMW, ALONE, CALIBRATION, INNER, LONE, SGD, STUDY


def test_the_text_holds_the_figures():
    text = report(CALIBRATION)
    for figure in (
        "embedded: all prompts",
        "1234 rollouts, 56 s, no training",
        "Pass rate of the 6 prompts trained on, 20 responses each: 0.3167 (95 % interval",
        "quantiles over prompts 0/10/50/90/100 %: 0.10/0.15/0.30/0.50/0.55",
        "Pass rate of the 4 prompts held out, 16 responses each: 0.4062",
        "12.00 +- 0.50",
        "7.50 +- 0.50",
        "0.95",
        "straight line from 12.00 to 0 at a pass rate of 0.800: the ceiling law",
        "a straight line misses the points by 0.4 SE",
        "moves its own log-prob 50 times as much (600)",
        "grpo 4x4",
        "0.25",
        "0.125",
        "900",
        "0.5556",
        "5000",
    ):
        assert figure in text, figure


def test_the_other_laws_are_told():
    text = report(LONE)
    assert "embedded: prompt 3, trained on alone" in text
    assert "falls from 40.00 as pass_rate^-2.00: the power law" in text
    assert "held out" not in text
    constant = replace(CALIBRATION, law={"kernel": 9.0, "form": "constant"}, ceiling_misfit=None)
    assert "The kernel is taken as constant, 9.00." in report(constant)


def test_limits_of_inner_epochs_are_told():
    limits = [
        InnerLimit("group_mean", 4, 4, 3, [0.03, 0.0123, 0.05, 0.04]),
        InnerLimit("clip", 4, 4, 2, [None, 0.2, None, None]),
    ]
    lines = report(replace(CALIBRATION, inner_limits=limits)).splitlines()
    start = next(place for place, line in enumerate(lines) if "run away, on 4 updates" in line)
    told = [" ".join(line.split()) for line in lines[start + 3 : start + 5]]
    assert told == [
        "group_mean 4x4, 3 epochs 0.0123 0.03 0.04",
        "clip 4x4, 2 epochs 0.2 never never",
    ]
    assert "run away" not in report(CALIBRATION)


def test_responses_are_told():
    interval = {"mean": 250.25, "low": 200.0, "high": 300.0, "num_pairs": 17}
    responses = {
        "num_prompts": 2,
        "num_samples": 8,
        "classes": {"collision": 0.0625, "num_distinct": 7.5},
        "kernel": {"self": interval, "same prompt, right-right": None},
    }
    text = report(replace(CALIBRATION, responses=responses))
    assert "Responses of 2 prompts, 8 draws each" in text
    assert "0.0625" in text
    assert "num distinct" in text
    assert "250.2" in text
    assert "200 to 300" in text
    assert "same prompt" not in text


@pytest.mark.parametrize(
    ("calibration", "cell"),
    [(CALIBRATION, SGD), (CALIBRATION, INNER), (CALIBRATION, ADAMW), (LONE, ALONE)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_an_experiment_file_repeats_the_forecast_to_the_bit(
    tmp_path, monkeypatch, calibration, cell
):
    monkeypatch.setattr(report_module, "_SIMULATED_RUNS", 3)
    path = tmp_path / "cell.toml"
    path.write_text(experiment_toml(calibration, cell))
    record = simulate(*Experiment.from_file(path).build())
    forecast = predict_cell(calibration, cell, "drifting", num_runs=3, seed=0)
    np.testing.assert_array_equal(record.step, forecast.update)
    np.testing.assert_array_equal(record.curves["pass_rate"], forecast.train)
    target = "heldout_pass_rate" if calibration.is_heldout else "pass_rate"
    np.testing.assert_array_equal(record.curves[target], forecast.target)


def test_files_are_written_for_the_cells_of_the_row(tmp_path):
    text, paths = write_report(STUDY, CALIBRATION, tmp_path)
    assert (tmp_path / "report.txt").read_text() == text + "\n"
    names = ["kernel.png", "kernel.svg", "mean.toml", "clipped.toml", "adam.toml"]
    assert [path.name for path in paths] == names
    assert all(path.stat().st_size > 0 for path in paths)
