"""Figures from tables: what is committed can be drawn again, and says what the theory says."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from figures.recipe import Recipe, main, read_rows, write_rows

FIGURES = Path(__file__).resolve().parents[2] / "figures"
NAMES = ("four_updates", "p_values", "stuck_times", "take_off")


def recipe_of(name: str) -> Recipe:
    return importlib.import_module(f"figures.{name}").RECIPE


def committed_rows(name: str) -> list[dict]:
    return read_rows(FIGURES / "data" / f"{name}.csv", recipe_of(name).columns)


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_table_has_a_clean_manifest_and_is_drawn_with_labels(name, tmp_path):
    manifest = json.loads((FIGURES / "data" / f"{name}.manifest.json").read_text())
    assert not manifest["commit"].endswith("-dirty")
    assert manifest["seconds"] > 0.0
    figure = recipe_of(name).draw(committed_rows(name))
    for axes in figure.get_axes():
        assert axes.get_xlabel()
    assert any(axes.get_ylabel() for axes in figure.get_axes())
    for suffix in ("png", "svg"):
        assert (FIGURES / f"{name}.{suffix}").exists()


def test_simulated_means_follow_the_predicted_curves_of_all_four_updates():
    rows = committed_rows("four_updates")
    for rule in ("raw_reward", "grpo", "clip", "variance_penalty"):
        curves = {
            key: np.array(
                [
                    row["pass_rate"]
                    for row in rows
                    if row["rule"] == rule and (row["source"], row["series"] == "mean") == key
                ]
            )
            for key in (("simulation", True), ("theory", False))
        }
        measured, predicted = curves.values()
        assert np.abs(measured - predicted).max() < 0.05, rule
        assert np.abs(measured - predicted).mean() < 0.015, rule


def made_up(rows):
    def draw(rows):
        from matplotlib.figure import Figure

        figure = Figure()
        figure.subplots().plot([row["x"] for row in rows])
        return figure

    return Recipe("made_up", "a line", {"x": float, "name": str}, lambda seed: rows, draw)


def test_collect_writes_table_manifest_and_the_same_picture_each_time(tmp_path, capsys):
    recipe = made_up([{"x": 1.0, "name": "one"}, {"x": 2.5, "name": "two"}])
    assert main(recipe, ["--collect", "--seed", "3", "--out", str(tmp_path)]) == 0
    first = (tmp_path / "made_up.png").read_bytes()
    assert json.loads((tmp_path / "data" / "made_up.manifest.json").read_text())["seed"] == 3
    assert main(recipe, ["--out", str(tmp_path)]) == 0
    assert (tmp_path / "made_up.png").read_bytes() == first
    assert "made_up.svg" in capsys.readouterr().out


def test_a_foreign_table_is_refused(tmp_path):
    write_rows(tmp_path / "table.csv", {"x": float}, [{"x": 1.0}])
    with pytest.raises(ValueError, match="`path` must be a table with the columns x, name"):
        read_rows(tmp_path / "table.csv", {"x": float, "name": str})


def test_take_off_means_lie_on_one_curve_for_all_rules():
    rows = [row for row in committed_rows("take_off") if row["panel"] == "mean"]
    assert {row["rule"] for row in rows} >= {"raw_reward", "grpo", "clip", "variance_penalty"}
    score = [(row["simulated"] - row["predicted"]) / row["half_interval"] * 1.96 for row in rows]
    # |z| < 4 for each of 24 points; false alarm rate 1.5e-3.
    assert np.abs(score).max() < 4.0


def test_stuck_times_have_the_predicted_exponents_and_not_those_of_a_small_gap():
    rows = [row for row in committed_rows("stuck_times") if row["panel"] == "exponent"]
    for row in rows:
        error = row["half_interval"] / 1.96
        assert abs(row["measured"] - row["predicted_exponent"]) < 4.0 * error
        assert abs(row["measured"] - row["predicted_exponent"] / 2.0) > 8.0 * error


def test_pooled_p_values_of_true_claims_are_uniform_and_no_claim_stands_out():
    from theory.verify.calibration import assess

    rows = committed_rows("p_values")
    names = list(dict.fromkeys(row["claim"] for row in rows))
    calibration = assess(names, np.array([row["p_value"] for row in rows]).reshape(len(names), -1))
    assert calibration.p_values.shape[1] >= 30
    assert calibration.pooled > 0.01
    assert calibration.suspects() == []
