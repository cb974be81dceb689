"""Configurations that both worlds share: a training run, and the simulation that stands for it.

The simulation of a run is that of the forecast: pass rates, shared kernel and its drift are
measured on the embedded base model (figures/data/calibration), and nothing is fitted.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from banditlab.validation import require, requirement_error
from llm_bridge.claims.card import SimulatedCell, TrainedCell
from llm_bridge.config import TrainConfig
from llm_bridge.forecast.calibration import Calibration
from llm_bridge.forecast.calibration_files import calibration_folder

CALIBRATIONS = Path(__file__).resolve().parents[2] / "figures" / "data" / "calibration"
NUM_RUNS = 100
NUM_SEEDS = 5
# What a twin follows of a run's settings; another setting has to be given to the twin by hand.
_FOLLOWED = ("rule", "hyper", "num_prompts", "group_size", "inner_epochs", "learning_rate")
_FOLLOWED += ("optimizer", "num_updates", "eval_every", "row", "eval_samples", "checkpoint_every")


@cache
def calibration(row: int | None = None) -> Calibration:
    """The shipped calibration of the embedded model.

    Args:
        row: the prompt that is trained on alone; None for all prompts.

    Returns:
        The calibration.

    Raises:
        ValueError: this prompt was not calibrated.
    """
    folder = calibration_folder(CALIBRATIONS, row)
    require(
        folder.is_dir(),
        "calibration",
        "row",
        f"one of {', '.join(sorted(path.name for path in CALIBRATIONS.iterdir()))}",
        row,
        "Calibrate it: banditlab calibrate --prompts 1 --row N",
    )
    return Calibration.load(folder)


def embedded_problem(
    *, row: int | None = None, kernel_factor: float = 1.0, **changes: Any
) -> dict[str, Any]:
    """Table [problem] of the calibrated embedded model under SGD.

    Args:
        row: the prompt that is trained on alone; None for all prompts.
        kernel_factor: multiplies the shared kernel.
        **changes: keys of the table in place of the calibrated ones.

    Returns:
        The table, of kind `shared_shift`.
    """
    known = calibration(row)
    law = dict(known.law)
    law["kernel"] *= kernel_factor
    return _problem_table(known, law, known.own_kernel) | changes


def _problem_table(known: Calibration, law: dict[str, Any], own_kernel: float) -> dict[str, Any]:
    table = {
        "kind": "shared_shift",
        **{name: value for name, value in law.items() if value is not None},
        "own_kernel": own_kernel,
        "train_pass_rates": known.train_pass_rates().tolist(),
    }
    if known.is_heldout:
        table["heldout_pass_rates"] = known.target_pass_rates().tolist()
    return table


def trained(
    name: str,
    label: str,
    *,
    num_seeds: int = NUM_SEEDS,
    first_seed: int = 0,
    base_model: str = "embedded",
    **settings,
) -> TrainedCell:
    """A configuration of the language model; SGD, one thread, unless said otherwise.

    Args:
        name: of the cell.
        label: how it is called in pictures.
        num_seeds: runs.
        first_seed: of them.
        base_model: key of `base_models.BASE_MODELS`.
        **settings: fields of `TrainConfig`.

    Returns:
        The cell; the configuration has been checked.
    """
    full = {"num_threads": 1, "log_samples": 0, **settings}
    # A run takes seconds; a checkpoint inside it would cost more than it saves.
    full.setdefault("checkpoint_every", full.get("num_updates", 100))
    TrainConfig(**full)
    return TrainedCell(name, label, full, num_seeds, first_seed, base_model)


def twin(
    cell: TrainedCell,
    *,
    num_runs: int = NUM_RUNS,
    run: Mapping[str, Any] | None = None,
    problem: Mapping[str, Any] | None = None,
) -> SimulatedCell:
    """The simulation of a training run, from the calibration of its base model.

    Args:
        cell: the training run.
        num_runs: simulated runs.
        run: further keys of the table [run], e.g. rollout_ages for a replay buffer.
        problem: the table [problem] in place of the calibrated one.

    Returns:
        The simulated cell of the same name.

    Raises:
        ValueError: the run has settings that the simulation does not follow, or its updates under
            AdamW were not calibrated.
    """
    config = TrainConfig(**cell.settings)
    left_out = [
        name
        for name, value in cell.settings.items()
        if name not in (*_FOLLOWED, "num_threads", "log_samples")
        and value != getattr(TrainConfig(), name)
    ]
    if left_out and run is None and problem is None:
        raise requirement_error(
            "twin",
            "cell",
            f"of the settings {', '.join(_FOLLOWED)}",
            f"{cell.name} with {', '.join(left_out)}",
            "Say by `run` or `problem` what stands for them in the simulation",
        )
    if problem is None:
        problem = problem_of(calibration(config.row), config)
    tables = {
        "problem": dict(problem),
        "rule": {"name": config.rule, **config.hyper},
        "optimizer": {
            "name": "adam" if config.optimizer == "adamw" else "sgd",
            "step_size": config.learning_rate,
        },
        "run": {
            "num_runs": num_runs,
            "num_steps": config.num_updates,
            "batch_size": config.num_prompts,
            "batch_order": "epochs",
            "group_size": config.group_size,
            "inner_epochs": config.inner_epochs,
            # Both worlds are read at the same updates.
            "record_every": config.eval_every,
            **(run or {}),
        },
    }
    return SimulatedCell(cell.name, cell.label, tables)


def problem_of(known: Calibration, config: TrainConfig) -> dict[str, Any]:
    """Table [problem] of a calibrated base model under the optimizer of a run.

    Args:
        known: the calibration.
        config: the run; under AdamW the kernels belong to its rule and size.

    Returns:
        The table, of kind `shared_shift`.

    Raises:
        ValueError: the run's updates under AdamW were not calibrated.
    """
    if config.optimizer != "adamw":
        return _problem_table(known, dict(known.law), known.own_kernel)
    batch = known.batch(config.rule, config.num_prompts, config.group_size)
    table = _problem_table(known, dict(batch.adam_law), batch.adam_own_kernel)
    right, wrong = known.score_exponents()
    return table | {
        "base_weight_square": batch.weight_square,
        "right_score_exponent": right,
        "wrong_score_exponent": wrong,
    }
