"""A calibration of the embedded model in a second, on 16 rows of each split."""

from contextlib import nullcontext

import pytest

from llm_bridge.embedded import HELDOUT_FILE, TRAIN_FILE
from llm_bridge.forecast import calibrate as calibrate_module
from llm_bridge.forecast.calibrate import calibrate_study
from llm_bridge.forecast.study import Study, StudyCell

SIZES = {"num_responses": 64, "num_steps": 1}


@pytest.fixture(scope="package")
def small_study(tmp_path_factory):
    """Two cells of all prompts and one of a lone prompt."""
    folder = tmp_path_factory.mktemp("data")
    for file in (TRAIN_FILE, HELDOUT_FILE):
        rows = file.read_text().splitlines(keepends=True)
        (folder / file.name).write_text("".join(rows[:16]))
    cell = {"num_prompts": 4, "group_size": 4, "num_updates": 2, "eval_every": 1}
    return Study(
        cells=(
            StudyCell("mean", "group_mean", 0.01, inner_epochs=2, **cell),
            StudyCell("adam", "grpo", 1e-4, optimizer="adamw", **cell),
            StudyCell("alone", "group_mean", 0.01, row=3, **{**cell, "num_prompts": 1}),
        ),
        dataset=str(folder / "train.jsonl"),
        eval_dataset=str(folder / "heldout.jsonl"),
        eval_samples=32,
        num_seeds=2,
    )


@pytest.fixture(scope="package")
def quick(grading_worker):
    """Calibrations share one grader and draw few responses for what is no kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrate_module, "make_run_grader", lambda _: nullcontext(grading_worker))
        patch.setattr(calibrate_module, "num_batches", lambda *sizes: 8)
        for name, value in (("_OWN_RESPONSES", 8), ("_RESPONSE_PROMPTS", 2)):
            patch.setattr(calibrate_module, name, value)
        patch.setattr(calibrate_module, "_RESPONSE_SAMPLES", 8)
        patch.setattr(calibrate_module, "_LIMIT_BATCHES", 2)
        yield


@pytest.fixture(scope="package")
def calibrated(small_study, quick, tmp_path_factory):
    """The study's folder of calibrations, made where there is nothing else."""
    out = tmp_path_factory.mktemp("alone") / "calibration"
    calibrate_study(small_study, out, **SIZES)
    return out
