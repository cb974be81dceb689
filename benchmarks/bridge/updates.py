"""Whole updates: ours beside TRL's GRPOTrainer, in turn, on the same prompts x generations."""

import sys

import numpy as np

from benchmarks.bridge.machine import both_clocks, seconds_since
from benchmarks.bridge.subject import Subject
from benchmarks.bridge.trl_side import MISSING, run_updates, trl_version
from benchmarks.rows import Row, Setting
from llm_bridge.config import TrainConfig
from llm_bridge.run import prepare_run
from llm_bridge.run_parts import make_run_grader
from llm_bridge.update import run_update

LEAST_RATIO = 3.0
# Of float32: a log-probability of some nats is a sum of numbers of about 10, each rounded to 1e-6.
LARGEST_MISMATCH = 3e-5
# The first updates fill the caches of grades and of memory.
_NUM_WARM_UP = 3


def _measure_shape(config: TrainConfig, num_rounds: int) -> dict[str, np.ndarray]:
    """Seconds and tokens of each round, ours and, where it is there, TRL's."""
    seconds: list[tuple[float, float]] = []
    lines: list[dict[str, float]] = []
    num_updates = num_rounds + _NUM_WARM_UP
    with make_run_grader(config) as grader:
        run = prepare_run(config, grader)

        def update() -> None:
            start = both_clocks()
            lines.append(run_update(run, len(lines) + 1))
            seconds.append(seconds_since(start))

        found = {}
        if trl_version() is not None:
            theirs, tokens = run_updates(config, num_updates, update)
            # The first one is not timed: it has no beginning.
            found["TRL"], found["TRL, process"] = np.array(theirs[_NUM_WARM_UP - 1 :]).T
            found["TRL tokens"] = np.array(tokens[_NUM_WARM_UP:num_updates], float)
        else:
            for _ in range(num_updates):
                update()
    num_rollouts = config.num_prompts * config.group_size
    kept = lines[_NUM_WARM_UP:]
    ours, ours_of_process = np.array(seconds[_NUM_WARM_UP:]).T
    return found | {
        "ours": ours,
        "ours, process": ours_of_process,
        "tokens": np.array([line["mean_length"] * num_rollouts for line in kept]),
        "mismatch": np.array([line["log_prob_mismatch"] for line in kept]),
        "grading": np.array([line["seconds_grade"] for line in kept]) / ours,
    }


def measure(subject: Subject) -> list[Row]:
    """Measure updates of each shape.

    Args:
        subject: the model.

    Returns:
        Rows of the section "updates": by the clock, which sees the grading worker and neighbours
        too, and a ratio of processor time, which sees neither.
    """
    rows = []
    if trl_version() is None:
        print(MISSING, file=sys.stderr)
    is_float32 = subject.config.dtype == "float32"
    for num_prompts, group_size, inner_epochs in subject.updates:
        config = subject.config_of(num_prompts, group_size, inner_epochs)
        found = _measure_shape(config, subject.num_rounds)
        case = f"{subject.name}, {num_prompts} x {group_size}"
        setting = Setting("updates", case, "inner epochs", inner_epochs)
        rows.append(setting.row("ours", "ms", 1e3 * found["ours"]))
        if "TRL" in found:
            bound = LEAST_RATIO if subject.has_bounds and num_prompts == 32 else None
            ratio = found["TRL"] / found["ours"]
            of_process = found["TRL, process"] / found["ours, process"]
            rows += [
                setting.row("TRL", "ms", 1e3 * found["TRL"]),
                setting.row("TRL over ours", "ratio", ratio, at_least=bound),
                setting.row("TRL over ours, processor time", "ratio", of_process),
            ]
        more = Setting("updates", f"{case}, what was done", "inner epochs", inner_epochs)
        rows.append(more.row("tokens, ours", "tokens", found["tokens"]))
        if "TRL" in found:
            rows.append(more.row("tokens, TRL", "tokens", found["TRL tokens"]))
        bound = LARGEST_MISMATCH if is_float32 else None
        rows += [
            more.row(
                "largest log-prob mismatch", "nats", float(found["mismatch"].max()), at_most=bound
            ),
            more.row("grading", "share", found["grading"], at_most=0.1),
        ]
    return rows
