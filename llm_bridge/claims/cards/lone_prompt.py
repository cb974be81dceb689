"""One prompt of the embedded task trained on alone, and what the others gain from it."""

from functools import cache
from typing import Any

import numpy as np
from scipy.special import expit, logit

from llm_bridge.claims.card import Axis, SimulatedCell, TrainedCell
from llm_bridge.claims.twins import CALIBRATIONS, calibration, problem_of, trained, twin
from llm_bridge.config import TrainConfig
from llm_bridge.forecast.calibration import Calibration

HARD_ROW, MIDDLE_ROW, EASY_ROW = 447, 11, 258
"""Rows of the train set whose base pass rates are .017 (the lowest of all), .31 and .70."""

LEARNING_RATE = 1e-3
EVAL_SAMPLES = 1024
SAMPLING_ERROR = 0.016
"""Largest standard error of a pass rate from `EVAL_SAMPLES` responses."""

SHARE_AXIS = Axis(
    "share", "kernel with the others / own", (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
)
"""How much of a prompt's own kernel the held-out ones share with it."""


def lone(
    name: str, label: str, row: int | None, rule: str = "raw_reward", **settings: Any
) -> TrainedCell:
    """A run on one prompt alone: SGD, one rollout an update unless said otherwise.

    Args:
        name: of the cell.
        label: how it is called in pictures.
        row: row of the train set.
        rule: update rule.
        **settings: of `llm_bridge.claims.twins.trained`.

    Returns:
        The cell.
    """
    usual = {"group_size": 1, "learning_rate": LEARNING_RATE, "eval_samples": EVAL_SAMPLES}
    return trained(name, label, rule=rule, num_prompts=1, row=row, **(usual | settings))


@cache
def heldout_share(row: int) -> float:
    """By what share of the prompt's own way the held-out prompts move, at the base model.

    The kernel from the prompt to the held-out prompts is that of a calibration with the row as
    the whole dataset and the held-out prompts as its target: `banditlab calibrate --dataset
    row-N.jsonl --eval-dataset embedded --prompts 1 --group-size 1 --rules raw_reward
    --probe-steps 0`.

    Args:
        row: of the train set.

    Returns:
        That kernel over the prompt's own.
    """
    to_others = Calibration.load(CALIBRATIONS / f"row-{row}-to-heldout")
    return to_others.points[0].kernel / calibration(row).points[0].kernel


def lone_twin(cell: TrainedCell) -> SimulatedCell:
    """The simulation of a run on one prompt, from the calibrations of the base model.

    The kernel of the rare prompt is held at the mean of its measurements: it shows no drift up to
    the pass rate .05 where it was measured, and a line through these points says nothing of .3
    and beyond. Held-out prompts move by a constant share.

    Args:
        cell: the run, on one of the three rows.

    Returns:
        The simulated cell.
    """
    config = TrainConfig(**cell.settings)
    known = calibration(config.row)
    problem = problem_of(known, config)
    if config.row == HARD_ROW:
        problem = {name: problem[name] for name in ("kind", "own_kernel", "train_pass_rates")}
        problem["kernel"] = float(np.mean([point.kernel for point in known.points]))
    others = {
        "heldout_pass_rates": calibration().target_pass_rates().tolist(),
        "heldout_share": heldout_share(config.row),
    }
    return twin(cell, problem=problem | others)


@cache
def _heldout_log_odds() -> np.ndarray:
    return logit(calibration().target_pass_rates())


def heldout_gain(share: float, pass_rate: float, final: float = 0.99) -> float:
    """Gain in held-out pass rate when one prompt has been learnt.

    All held-out prompts of the embedded model move by the same share of the prompt's own way
    (P45-paths).

    Args:
        share: kernel between the prompt and the others over its own kernel.
        pass_rate: of the prompt under the base policy.
        final: pass rate at which it counts as learnt.

    Returns:
        The gain.
    """
    moved = share * (logit(final) - logit(pass_rate))
    start = _heldout_log_odds()
    return float(np.mean(expit(start + moved) - expit(start)))
