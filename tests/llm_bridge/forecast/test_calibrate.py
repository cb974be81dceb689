"""A calibration reads the base model and its rows, and nothing that came out of training."""

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from llm_bridge.embedded import MODEL_DIR
from llm_bridge.forecast import calibrate as calibrate_module
from llm_bridge.forecast.calibrate import (
    calibrate_study,
    num_batches,
    planned_rollouts,
    read_calibrations,
)
from tests.llm_bridge.forecast.conftest import SIZES
from tests.llm_bridge.forecast.made import STUDY

_watched: list[list[str]] = []


def _note(event, arguments):
    if _watched and event in ("open", "os.listdir", "os.scandir"):
        _watched[-1].append(str(arguments[0]))


# A hook cannot be taken away again; it notes nothing unless a test asks.
sys.addaudithook(_note)


def calibrations_in(out):
    """Every calibration.json of a folder without what the clock says."""
    found = {}
    for path in sorted(out.rglob("calibration.json")):
        values = json.loads(path.read_text())
        del values["cost"]["seconds"]
        found[str(path.relative_to(out))] = values
    return found


def digests(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def make_runs(folder, rate):
    """What a comparison leaves beside a calibration: runs, and the tables made of them."""
    run = folder / "runs" / "mean-lr0.01-seed0"
    (run / "model").mkdir(parents=True)
    (run / "metrics.jsonl").write_text(json.dumps({"heldout_pass_rate": rate}) + "\n")
    (run / "model" / "model.safetensors").write_bytes(b"trained")
    for name in ("study.csv", "scores.csv", "summary.json"):
        (folder / name).write_text(f"{rate}\n")


def test_it_reads_the_base_model_only(small_study, quick, calibrated, tmp_path):
    """Runs present, absent and changed: the same bits, and no file of a run is opened.

    With runs beside it all prompts are measured, with other runs the lone one, and both without.
    The hook sees what Python opens; that compiled readers use nothing either, the bits say.
    """
    before = digests(MODEL_DIR)
    found = {}
    for rate, cells in ((0.4, ["mean", "adam"]), (0.9, ["alone"])):
        folder = tmp_path / f"{rate}"
        make_runs(folder, rate)
        opened: list[str] = []
        _watched.append(opened)
        try:
            calibrate_study(small_study.only(cells), folder / "calibration", **SIZES)
        finally:
            _watched.remove(opened)
        found |= calibrations_in(folder / "calibration")
        # The hook was at work: it saw the model.
        assert any(str(MODEL_DIR) in path for path in opened)
        own = str(folder / "calibration")
        inside = [path for path in opened if path.startswith(str(tmp_path))]
        assert inside
        assert [path for path in inside if not path.startswith(own)] == []
        trained = ("metrics.jsonl", "study.csv", "scores.csv", "runs")
        assert not [path for path in opened if path.endswith(trained)]
    assert len(found) == 2
    assert found == calibrations_in(calibrated)
    assert digests(MODEL_DIR) == before


def test_the_hook_would_see_a_run_being_read(tmp_path):
    make_runs(tmp_path, 0.4)
    opened: list[str] = []
    _watched.append(opened)
    try:
        (tmp_path / "study.csv").read_text()
    finally:
        _watched.remove(opened)
    assert opened == [str(tmp_path / "study.csv")]


def test_what_was_measured(small_study, calibrated):
    found = read_calibrations(small_study, calibrated)
    assert list(found) == [None, 3]
    every, lone = found[None], found[3]
    assert len(every.train_correct) == len(every.target_correct) == 16
    assert every.is_heldout
    assert not lone.is_heldout
    assert len(lone.train_correct) == 1
    assert [len(one.points) for one in found.values()] == [2, 2]
    assert [(b.rule, b.num_prompts, b.group_size) for b in every.batches] == [
        ("group_mean", 4, 4),
        ("grpo", 4, 4),
    ]
    assert [(b.rule, b.num_prompts) for b in lone.batches] == [("group_mean", 1)]
    assert every.settings == {
        **small_study.model_settings(),
        "row": None,
        "responses": 64,
        "probe_steps": 1,
        "probe_shift": 0.25,
        "seed": 0,
    }
    # Two places of 64 + 64, the own kernel, 8 updates of two rules with a draw for their own
    # kernels, 8 responses to two prompts of each kind, and 2 updates for the limit.
    assert every.cost["rollouts"] == 256 + 4 + 8 + 2 * (8 * 16 + 32) + 32 + 2 * 16
    (limit,) = every.inner_limits
    assert (limit.rule, limit.num_prompts, limit.group_size) == ("group_mean", 4, 4)
    assert limit.inner_epochs == len(limit.rates) == 2
    assert lone.inner_limits == []
    assert every.own_kernel > every.points[0].kernel > 0.0
    assert every.law["form"] in ("constant", "ceiling")
    assert every.responses["num_prompts"] == 2
    assert np.isfinite(every.points[0].entropy)


def test_what_is_there_is_read_and_not_measured_again(small_study, calibrated, monkeypatch):
    def refuse(*words, **options):
        raise AssertionError("measured again")

    monkeypatch.setattr(calibrate_module, "probe", refuse)
    before = digests(calibrated / "all-prompts")
    found = calibrate_study(small_study, calibrated, **SIZES)
    assert found == read_calibrations(small_study, calibrated)
    assert digests(calibrated / "all-prompts") == before
    with pytest.raises(ValueError, match=r"another run \(it differs in study"):
        calibrate_study(replace(small_study, seed=1), calibrated, **SIZES)
    with pytest.raises(ValueError, match=r"another run \(it differs in responses"):
        calibrate_study(small_study, calibrated, **{**SIZES, "num_responses": 65})


@pytest.mark.parametrize(
    ("sizes", "match"),
    [
        ({"num_responses": 1}, "`responses` must be at least 2, got 1"),
        ({"num_steps": -1}, "`probe_steps` must be at least 0, got -1"),
        ({"shift": 0.0}, r"`probe_shift` must be a finite number in \(0, inf\], got 0"),
        ({"shift": float("nan")}, "`probe_shift` must be a finite number"),
    ],
)
def test_sizes_are_refused_before_the_folder_is_claimed(tmp_path, sizes, match):
    with pytest.raises(ValueError, match=match):
        calibrate_study(STUDY, tmp_path / "out", **sizes)
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_held_out_rows_needs_some(small_study, quick, tmp_path):
    study = replace(small_study.only(["mean"]), eval_dataset=None)
    with pytest.raises(ValueError, match="`eval_dataset` must be given where the dataset has no"):
        calibrate_study(study, tmp_path / "out", **SIZES)


def test_a_calibration_belongs_to_its_model_and_data(small_study, calibrated, tmp_path):
    with pytest.raises(ValueError, match=r"a folder with all-prompts/calibration.json, got out"):
        read_calibrations(small_study, tmp_path / "out")
    other = replace(small_study, model="other", max_new_tokens=7)
    match = r"`calibration` must be of the study's model, max_new_tokens, got 'embedded', None"
    with pytest.raises(ValueError, match=match):
        read_calibrations(other, calibrated)


def test_the_cost_is_planned(monkeypatch):
    monkeypatch.setattr(calibrate_module, "num_batches", num_batches)
    monkeypatch.setattr(calibrate_module, "_LIMIT_BATCHES", 16)
    assert [num_batches(32, 8), num_batches(1, 4), num_batches(512, 8)] == [16, 512, 16]
    assert num_batches(4, 4) == 256
    # All prompts: two kinds at three places, updates of three rules, and 16 of the cell with inner
    # epochs; one prompt: one kind. At every place, three responses for the scores.
    assert planned_rollouts(STUDY, 100, 2) == 600 + 9 + 3 * 4096 + 16 * 16 + 300 + 9 + 512 * 4
