"""Curves of runs: from run folders and tables, whole ones only."""

import json
from dataclasses import replace

import numpy as np
import pytest

from llm_bridge.forecast.observed import (
    ObservedPoint,
    curves_by_cell,
    observed_cells,
    read_points,
    read_run,
    run_name,
    write_points,
)
from tests.llm_bridge.forecast.made import ALONE, SGD, STUDY


def points_of(cell, seed, rates, split="heldout", update=(0, 4, 8, 12)):
    return [
        ObservedPoint(cell.name, cell.learning_rate, seed, split, u, rate, 64)
        for u, rate in zip(update, rates, strict=True)
    ]


def write_run(folder, rates, *, stopped=None):
    """A run folder as `train` leaves it, as far as it is read."""
    folder.mkdir()
    lines = []
    for place, rate in enumerate(rates):
        lines.append({"kind": "update", "update": 4 * place, "reward_mean": 0.9})
        fields = {"train_pass_rate": rate + 0.1, "heldout_pass_rate": rate}
        fields |= {"train_num_samples": 128, "heldout_num_samples": 64}
        lines.append({"kind": "evaluation", "update": 4 * place, **fields})
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    if stopped is not None:
        (folder / "stopped.json").write_text(json.dumps({"update": stopped, "reason": "NaN"}))
    return folder


def test_a_table_is_read_back_as_it_was(tmp_path):
    points = points_of(SGD, 0, [0.3, 1 / 3, 0.5, 0.1 + 0.2]) + points_of(ALONE, 1, [0.0] * 4)
    points += points_of(replace(SGD, name="with, comma"), 2, [1.0] * 4, "train")
    write_points(tmp_path / "study.csv", points)
    assert read_points(tmp_path / "study.csv") == points


def test_another_table_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"a table with the columns cell, .*got other.csv with a"):
        read_points(tmp_path / "other.csv")


def test_a_run_gives_both_splits(tmp_path):
    points = read_run(write_run(tmp_path / "run", [0.3, 0.4, 0.5, 0.6]), SGD, seed=3)
    assert points[4:] == points_of(SGD, 3, [0.3, 0.4, 0.5, 0.6])
    assert [point.split for point in points] == ["train"] * 4 + ["heldout"] * 4
    assert [(p.pass_rate, p.num_samples) for p in points[:2]] == [(0.4, 128), (0.5, 128)]


def test_a_prompt_alone_has_no_held_out_curve(tmp_path):
    points = read_run(write_run(tmp_path / "run", [0.3, 0.4]), ALONE, seed=0)
    assert {point.split for point in points} == {"train"}


@pytest.mark.parametrize(("stopped", "expected"), [(6, [8, 12]), (8, [8, 12]), (9, [12])])
def test_a_stopped_run_keeps_zero_from_there_on(tmp_path, stopped, expected):
    """The last evaluation of a run that stops in update 8 is that of update 4."""
    rates = [0.3, 0.4] if stopped <= 8 else [0.3, 0.4, 0.5]
    points = read_run(write_run(tmp_path / "run", rates, stopped=stopped), SGD, seed=0)
    heldout = [point for point in points if point.split == "heldout"]
    assert [p.pass_rate for p in heldout[: len(rates)]] == rates
    assert [p.update for p in heldout[len(rates) :]] == expected
    assert {p.pass_rate for p in heldout[len(rates) :]} == {0.0}
    whole = observed_cells(STUDY, points)["mean"]
    assert whole.pass_rate.tolist() == [rates + [0.0] * len(expected)]


def test_the_last_update_counts_though_it_is_off_the_grid(tmp_path):
    cell = replace(SGD, num_updates=14)
    points = read_run(write_run(tmp_path / "run", [0.3, 0.4], stopped=6), cell, seed=0)
    assert [p.update for p in points if p.split == "heldout"] == [0, 4, 8, 12, 14]


def test_a_run_that_goes_on_is_left_out(tmp_path):
    points = read_run(write_run(tmp_path / "run", [0.3, 0.4, 0.5]), SGD, seed=0)
    assert len(points) == 6
    assert observed_cells(STUDY, points) == {}
    points += points_of(SGD, 1, [0.3, 0.5, 0.6, 0.7])
    assert observed_cells(STUDY, points)["mean"].pass_rate.tolist() == [[0.3, 0.5, 0.6, 0.7]]


def test_cells_are_found_by_name_and_learning_rate_and_have_their_own_split():
    other = replace(SGD, learning_rate=0.5)
    points = points_of(other, 0, [0.9] * 4) + points_of(SGD, 1, [0.3, 0.4, 0.5, 0.6])
    points += points_of(SGD, 0, [0.3, 0.3, 0.4, 0.4]) + points_of(SGD, 0, [0.8] * 4, "train")
    points += points_of(ALONE, 0, [0.1, 0.2, 0.3, 0.4], "train")
    points += points_of(ALONE, 0, [0.7] * 4, "heldout")
    found = observed_cells(STUDY, points)
    assert list(found) == ["mean", "alone"]
    # Runs in the order of their seeds.
    assert found["mean"].pass_rate.tolist() == [[0.3, 0.3, 0.4, 0.4], [0.3, 0.4, 0.5, 0.6]]
    assert found["mean"].num_samples == 64
    assert found["alone"].pass_rate.tolist() == [[0.1, 0.2, 0.3, 0.4]]


def test_only_shared_evaluations_are_compared():
    points = points_of(SGD, 0, [0.3, 0.4, 0.5, 0.6])
    points += points_of(SGD, 1, [0.3, 0.5, 0.7], update=(0, 8, 12))
    found = observed_cells(STUDY, points)["mean"]
    assert found.update.tolist() == [0, 8, 12]
    assert found.pass_rate.tolist() == [[0.3, 0.5, 0.6], [0.3, 0.5, 0.7]]


def test_a_picture_has_the_whole_runs():
    points = points_of(SGD, 0, [0.3, 0.4, 0.5, 0.6]) + points_of(SGD, 1, [0.3], update=(0,))
    points += points_of(SGD, 0, [0.9] * 4, "train") + points_of(ALONE, 0, [0.5] * 4, "train")
    found = curves_by_cell(points)
    update, curves = found["mean"]
    assert update.tolist() == [0, 4, 8, 12]
    np.testing.assert_array_equal(curves, [[0.3, 0.4, 0.5, 0.6]])
    assert found["alone"][1].tolist() == [[0.5] * 4]


def test_folders_have_the_cell_s_name():
    assert run_name(SGD, 2) == "mean-lr0.05-seed2"
