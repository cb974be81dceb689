"""Forecast, runs and scoreboard of a study, on runs that are written by hand."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit

from figures.study import read_forecast
from llm_bridge.compare import workers
from llm_bridge.forecast import compare
from llm_bridge.forecast.compare import compare_study, forecast_points, run_study, theory_curve
from llm_bridge.forecast.observed import read_points, write_points
from llm_bridge.forecast.predict import predict_study
from llm_bridge.forecast.scoreboard import evaluated_band, score_cell
from llm_bridge.forecast.study import Study
from tests.llm_bridge.forecast.made import (
    ADAMW,
    ALONE,
    CALIBRATION,
    CALIBRATIONS,
    INNER,
    LONE,
    SGD,
    forecast_of,
    observed_of,
)
from tests.llm_bridge.forecast.test_observed import points_of, write_run
from theory.predict.batch_curves import predicted_pass_rates

CELLS = Study(cells=(SGD, INNER), num_seeds=2, eval_samples=64)
POINTS = [
    *points_of(SGD, 0, [0.4, 0.5, 0.55, 0.6]),
    *points_of(SGD, 1, [0.4, 0.5, 0.6, 0.62]),
    *points_of(SGD, 0, [0.3, 0.4, 0.5, 0.5], "train"),
    *points_of(INNER, 0, [0.4, 0.45, 0.5, 0.5]),
    *points_of(INNER, 1, [0.4, 0.45, 0.5, 0.51]),
]


@pytest.fixture(scope="module")
def forecasts():
    return predict_study(CELLS, CALIBRATIONS, num_runs=4, seed=0)


@pytest.fixture
def without_pictures(monkeypatch):
    """What draw_study is given, in place of pictures."""
    drawn = []
    monkeypatch.setattr(compare, "draw_study", lambda *words: drawn.append(words) or [])
    return drawn


def table_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_everything_is_written_and_scored(tmp_path, forecasts):
    write_points(tmp_path / "study.csv", POINTS)
    out = tmp_path / "out"
    board = compare_study(CELLS, CALIBRATIONS, forecasts, out, runs=tmp_path / "study.csv")
    names = ["study.png", "study.svg", "forecast.csv", "study.csv", "scores.csv", "pairs.csv"]
    assert [path.name for path in board.paths] == [*names, "summary.json"]
    assert all(path.stat().st_size > 0 for path in board.paths)
    assert read_points(out / "study.csv") == POINTS

    by_predictor = {f.predictor: f for f in forecasts if f.cell is SGD}
    observed = observed_of([[0.4, 0.5, 0.55, 0.6], [0.4, 0.5, 0.6, 0.62]])
    expected = score_cell(by_predictor, observed)
    assert board.scores[0] == expected
    rows = table_of(out / "scores.csv")
    assert [row["cell"] for row in rows] == ["mean", "clipped"]
    assert float(rows[0]["rmse"]) == pytest.approx(expected.rmse, rel=1e-5)
    pairs = table_of(out / "pairs.csv")
    assert {row["quantity"] for row in pairs} == {"final pass rate", "speed"}
    assert [row["is_ranked_rightly"] for row in pairs] == [
        str(pair.is_ranked_rightly) for pair in board.pairs
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["num_cells"] == 2
    assert summary["calibration_cost"]["None"] == CALIBRATION.cost
    manifest = (out / "manifest.json").read_text()
    assert str(tmp_path) not in manifest


def test_runs_do_not_change_the_forecast(tmp_path, forecasts, without_pictures):
    """The same calibration and study, other runs: forecast.csv is the same to the byte."""
    tables = []
    for name, points in (("a", POINTS), ("b", [replace(p, pass_rate=0.9) for p in POINTS])):
        (tmp_path / name).mkdir()
        write_points(tmp_path / name / "study.csv", points)
        again = predict_study(CELLS, CALIBRATIONS, num_runs=4, seed=0)
        out = tmp_path / name / "out"
        compare_study(CELLS, CALIBRATIONS, again, out, runs=tmp_path / name / "study.csv")
        tables.append((out / "forecast.csv").read_bytes())
    assert tables[0] == tables[1]
    assert without_pictures[0][0] == forecast_points(CELLS, CALIBRATIONS, forecasts)
    # Another calibration does change it.
    other = {None: replace(CALIBRATION, law={"kernel": 3.0, "form": "constant"})}
    moved = predict_study(CELLS, other, num_runs=4, seed=0)
    assert forecast_points(CELLS, other, moved) != without_pictures[0][0]


def test_the_forecast_is_written_before_any_run(tmp_path, forecasts, monkeypatch):
    def train_all(configs, **options):
        assert (tmp_path / "out" / "forecast.csv").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "train_all", train_all)
    with pytest.raises(KeyboardInterrupt):
        compare_study(CELLS, CALIBRATIONS, forecasts, tmp_path / "out")


def test_runs_are_made_for_every_cell_and_seed(tmp_path, monkeypatch):
    made = {}

    def train_all(configs, *, num_threads, num_workers):
        made.update(configs)
        (tmp_path / "runs").mkdir()
        for place, folder in enumerate(configs):
            write_run(folder, [0.3, 0.4, 0.5, 0.1 * place])
        assert (num_threads, num_workers) == (1, 5)

    monkeypatch.setattr(workers, "train_all", train_all)
    points = run_study(replace(CELLS, seed=7), tmp_path, num_workers=5)
    assert [folder.name for folder in made] == [
        "mean-lr0.05-seed7",
        "clipped-lr0.05-seed7",
        "mean-lr0.05-seed8",
        "clipped-lr0.05-seed8",
    ]
    assert list(made.values()) == [
        cell.train_config(CELLS, seed) for seed in (7, 8) for cell in (SGD, INNER)
    ]
    last = [p.pass_rate for p in points if p.split == "heldout" and p.update == 12]
    assert last == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_only_whole_runs_of_the_study_s_cells_count(tmp_path, forecasts, without_pictures):
    other_rate = points_of(replace(SGD, learning_rate=0.5), 5, [0.9] * 4)
    unfinished = points_of(SGD, 6, [0.4, 0.9], update=(0, 4))
    foreign = points_of(ALONE, 0, [0.1] * 4, "train")
    points = [*POINTS[:12], *other_rate, *unfinished, *foreign]
    board = compare_study(CELLS, CALIBRATIONS, forecasts, tmp_path / "out", logs=points)
    assert [(score.cell, score.num_runs) for score in board.scores] == [("mean", 2)]
    assert board.pairs == []
    curves = without_pictures[0][1]
    assert list(curves) == ["mean"]
    np.testing.assert_array_equal(curves["mean"][1], [[0.4, 0.5, 0.55, 0.6], [0.4, 0.5, 0.6, 0.62]])
    kept = read_points(tmp_path / "out" / "study.csv")
    assert not [point for point in kept if point in other_rate + foreign]


def test_a_table_without_runs_of_the_study_is_refused(tmp_path, forecasts, without_pictures):
    points = points_of(replace(SGD, name="other"), 0, [0.3] * 4)
    with pytest.raises(ValueError, match="`runs` must be a table with whole runs of the study's"):
        compare_study(CELLS, CALIBRATIONS, forecasts, tmp_path / "out", logs=points)


def test_another_study_does_not_get_the_folder(tmp_path, forecasts, without_pictures):
    out = tmp_path / "out"
    first = compare_study(CELLS, CALIBRATIONS, forecasts, out, logs=POINTS)
    assert compare_study(CELLS, CALIBRATIONS, forecasts, out, logs=POINTS).summary == first.summary
    with pytest.raises(ValueError, match=r"another run \(it differs in study\)"):
        compare_study(replace(CELLS, seed=3), CALIBRATIONS, forecasts, out, logs=POINTS)


def test_theory_has_the_calibrated_law():
    update, curve = theory_curve(CALIBRATION, SGD)
    assert (update[0], update[-1], len(update)) == (0, 12, 61)
    expected = predicted_pass_rates(
        "group_mean",
        logit(CALIBRATION.train_pass_rates()),
        update,
        learning_rate=0.05,
        shared_kernel=lambda rate: 12.0 * (0.8 - rate) / 0.5,
        group_size=4,
        evaluated_log_odds=logit(CALIBRATION.target_pass_rates()),
    )
    np.testing.assert_allclose(curve, expected, rtol=1e-9)
    constant = predicted_pass_rates(
        "group_mean",
        logit(CALIBRATION.train_pass_rates()),
        update,
        learning_rate=0.05,
        shared_kernel=12.0,
        group_size=4,
        evaluated_log_odds=logit(CALIBRATION.target_pass_rates()),
    )
    assert np.abs(curve - constant)[-1] > 1e-3


@pytest.mark.parametrize(
    "cell", [INNER, ADAMW, replace(SGD, rule="cispo")], ids=lambda cell: cell.name
)
def test_there_is_no_closed_form_for_clips_adamw_and_others(cell):
    assert theory_curve(CALIBRATION, cell) is None
    assert theory_curve(LONE, replace(INNER, inner_epochs=1)) is not None


def test_rows_of_the_forecast_hold_mean_band_and_theory():
    forecast = forecast_of([[0.4, 0.5, 0.5, 0.6], [0.4, 0.5, 0.7, 0.8]])
    study = Study(cells=(SGD,), eval_samples=64)
    points = forecast_points(study, CALIBRATIONS, [forecast])
    mine = [point for point in points if point.predictor == "drifting"]
    assert [point.pass_rate for point in mine] == pytest.approx([0.4, 0.5, 0.6, 0.7])
    low, high = evaluated_band(forecast.target, 64)
    assert [(point.low, point.high) for point in mine] == list(zip(low, high, strict=True))
    theory = [point for point in points if point.predictor == "theory"]
    assert len(theory) == 61
    assert all(point.low == point.high == point.pass_rate for point in theory)


def test_the_forecast_file_is_what_was_predicted(tmp_path, forecasts, without_pictures):
    compare_study(CELLS, CALIBRATIONS, forecasts, tmp_path / "out", logs=POINTS)
    rows = read_forecast(tmp_path / "out" / "forecast.csv")
    mine = [r for r in rows if (r.cell, r.predictor) == ("clipped", "drifting")]
    mean = next(f for f in forecasts if f.cell is INNER and f.predictor == "drifting").target
    found = [r.pass_rate for r in mine]
    np.testing.assert_allclose(found, mean.mean(axis=0), rtol=1e-5)


def test_empty_tables_have_no_rows(tmp_path):
    compare.write_rows(tmp_path / "pairs.csv", [])
    assert (tmp_path / "pairs.csv").read_text().strip() == ""
    compare.write_rows(tmp_path / "one.csv", [{"a": None, "b": 1 / 3, "c": "x,y", "d": True}])
    assert (tmp_path / "one.csv").read_text() == 'a,b,c,d\n,0.333333,"x,y",True\n'
