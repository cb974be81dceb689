"""A calibration and a study written down by hand, for all that needs no model."""

from dataclasses import replace

import numpy as np

from llm_bridge.forecast.calibration import BatchStatistics, Calibration, KernelPoint
from llm_bridge.forecast.predict import Forecast
from llm_bridge.forecast.scoreboard import Observed
from llm_bridge.forecast.study import Study, StudyCell

_SETTINGS = {"model": "embedded", "dataset": "embedded", "eval_dataset": None}
ADAM = BatchStatistics(
    rule="grpo",
    num_prompts=4,
    group_size=4,
    signal_to_noise=0.25,
    share_without_signal=0.125,
    weight_square=0.75,
    adam_kernels=[900.0, 700.0, 500.0],
    adam_law={"kernel": 900.0, "form": "power", "base_pass_rate": 0.3, "exponent": 1.5},
    adam_own_kernel=5000.0,
    adam_share=0.5,
)
CALIBRATION = Calibration(
    settings={**_SETTINGS, "max_new_tokens": None, "row": None, "seed": 0},
    train_correct=[4, 2, 9, 11, 5, 7],
    target_correct=[5, 12, 3, 6],
    num_samples=20,
    num_target_samples=16,
    is_heldout=True,
    points=[
        KernelPoint(0.3, 0.4, 12.0, 0.5, 0.95, 4.0, 14.0),
        KernelPoint(0.4, 0.5, 9.5, 0.5, 0.9, 3.5, 13.0),
        KernelPoint(0.5, 0.6, 7.5, 0.5, None, 3.0, 12.0),
    ],
    law={"kernel": 12.0, "form": "ceiling", "base_pass_rate": 0.3, "ceiling": 0.8},
    ceiling_misfit=0.375,
    own_kernel=600.0,
    batches=[ADAM],
    cost={"rollouts": 1234.0, "seconds": 56.0},
)
LONE = replace(
    CALIBRATION,
    settings={**CALIBRATION.settings, "row": 3},
    train_correct=[7],
    target_correct=[7],
    num_target_samples=20,
    is_heldout=False,
    law={"kernel": 40.0, "form": "power", "base_pass_rate": 0.35, "exponent": 2.0},
    batches=[],
)

SIZES = {"num_prompts": 4, "group_size": 4, "num_updates": 12, "eval_every": 4}
SGD = StudyCell("mean", "group_mean", 0.05, **SIZES)
INNER = StudyCell("clipped", "clip", 0.05, inner_epochs=2, **SIZES)
ADAMW = StudyCell("adam", "grpo", 0.001, optimizer="adamw", **SIZES)
ALONE = StudyCell("alone", "group_mean", 0.02, row=3, **{**SIZES, "num_prompts": 1})
STUDY = Study(cells=(SGD, INNER, ADAMW, ALONE), num_seeds=2, eval_samples=64)
CALIBRATIONS = {None: CALIBRATION, 3: LONE}


def forecast_of(target, cell=SGD, predictor="drifting", update=(0, 4, 8, 12)) -> Forecast:
    """A forecast with these target curves, one or several."""
    target = np.atleast_2d(np.array(target, dtype=np.float64))
    return Forecast(cell, predictor, np.array(update), target, target, np.zeros(target.shape))


def observed_of(pass_rate, update=(0, 4, 8, 12), num_samples=64) -> Observed:
    """Runs with these target curves, one or several."""
    return Observed(np.array(update), np.atleast_2d(np.array(pass_rate, float)), num_samples)
