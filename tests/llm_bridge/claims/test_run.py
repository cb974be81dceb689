"""A card is run whole, and what is finished of it is kept."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from llm_bridge.claims import run as run_module
from llm_bridge.claims.results import CURVES_FILE, MAPS_FILE, read_results
from llm_bridge.claims.run import read_training_run, run_card, runs_of
from llm_bridge.metrics import read_metrics
from tests.llm_bridge.claims.made import MADE_CARD


def test_every_cell_and_point_is_there(made_runs):
    results = read_results(MADE_CARD, made_runs / "A2")
    simulated, trained = results.curves["simulation"], results.curves["language_model"]
    assert {name: len(runs) for name, runs in simulated.items()} == {"raw": 4, "mean": 4}
    assert [list(run.update) for run in trained["raw"]] == [[0, 1, 2]] * 2
    assert set(trained["raw"][0].pass_rate) == {"train", "heldout"}
    assert set(results.maps["diagonal"]) == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_curves_are_those_of_the_run_folders(made_runs):
    run = read_results(MADE_CARD, made_runs / "A2").curves["language_model"]["raw"][1]
    lines = read_metrics(made_runs / "A2" / "training" / "raw-seed1")
    found = [line["heldout_pass_rate"] for line in lines if line["kind"] == "evaluation"]
    np.testing.assert_allclose(run.pass_rate["heldout"], found, atol=1e-5)
    # Two prompts of eight rollouts an update.
    assert list(run.rollouts) == [0, 16, 32]


def test_simulated_rollouts_are_counted_too(made_runs):
    run = read_results(MADE_CARD, made_runs / "A2").curves["simulation"]["raw"][0]
    assert list(run.rollouts) == [2 * update for update in run.update]


def test_a_second_call_computes_nothing_and_writes_the_same(made_runs, monkeypatch):
    before = [(made_runs / "A2" / name).read_bytes() for name in (CURVES_FILE, MAPS_FILE)]
    monkeypatch.setattr(run_module, "_one_point", None)
    monkeypatch.setattr("llm_bridge.compare.workers._pool", None)
    run_card(MADE_CARD, made_runs, num_workers=1)
    assert [(made_runs / "A2" / name).read_bytes() for name in (CURVES_FILE, MAPS_FILE)] == before


def test_points_of_another_code_are_computed_again(made_runs, tmp_path, monkeypatch):
    shutil.copytree(made_runs, tmp_path / "copy")
    path = tmp_path / "copy" / "A2" / "map-diagonal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.update(digest="of another code", effect=[9.0, 9.0, 9.0])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run_card(MADE_CARD, tmp_path / "copy", num_workers=1)
    points = read_results(MADE_CARD, tmp_path / "copy" / "A2").maps["diagonal"]
    assert points[1, 2].value == 1.0


def test_a_world_that_is_left_out_keeps_its_results(made_runs, tmp_path):
    shutil.copytree(made_runs, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "A2" / "training")
    run_card(MADE_CARD, tmp_path / "copy", num_workers=1, worlds=["simulation"])
    for name in (CURVES_FILE, MAPS_FILE):
        kept = (tmp_path / "copy" / "A2" / name).read_bytes()
        assert kept == (made_runs / "A2" / name).read_bytes()


def test_a_training_run_that_blew_up_has_pass_rate_0_from_there_on(made_runs, tmp_path):
    ((name, config), *_) = runs_of(MADE_CARD.trained[0], made_runs / "models")
    whole = made_runs / "A2" / "training" / name
    lines = (whole / "metrics.jsonl").read_text().splitlines(keepends=True)
    end = next(place for place, line in enumerate(lines) if '"update": 2' in line)
    (tmp_path / "metrics.jsonl").write_text("".join(lines[:end]))
    curve, complete = read_training_run(tmp_path, config), read_training_run(whole, config)
    assert curve.pass_rate["train"][-1] == 0.0
    np.testing.assert_array_equal(curve.pass_rate["train"][:-1], complete.pass_rate["train"][:-1])


def test_a_simulation_that_blows_up_says_so(tmp_path, monkeypatch):
    def blow_up(*_):
        raise FloatingPointError("not finite at step 3")

    card = replace(MADE_CARD, simulated=MADE_CARD.simulated[:1], maps=())
    monkeypatch.setattr(run_module, "run_experiment", blow_up)
    run_card(card, tmp_path, num_workers=1, worlds=["simulation"])
    monkeypatch.undo()
    # Found again, not run again.
    run_card(card, tmp_path, num_workers=1, worlds=["simulation"])
    results = read_results(card, tmp_path / "A2")
    assert "step 3" in results.reasons["simulation"]["raw"]
    assert "simulation" not in results.curves


def test_a_folder_without_results_names_the_command(tmp_path):
    with pytest.raises(ValueError, match="banditlab claims A2 --run"):
        read_results(MADE_CARD, tmp_path)
