"""The command `compare`."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from banditlab.command import Command


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be numbers separated by commas, e.g. 0.01,0.1, got {text!r}"
        ) from error


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    from llm_bridge.compare.plan import CELLS, ComparePlan

    default = {field.name: field.default for field in fields(ComparePlan)}

    def add(group: Any, flag: str, field: str, explanation: str, **options: Any) -> None:
        value = default[field]
        shown = ",".join(f"{word}" for word in value) if isinstance(value, tuple) else value
        group.add_argument(flag, dest=field, default=shown, help=explanation, **options)

    what = parser.add_argument_group("model and data")
    add(what, "--model", "model", "embedded, a folder, or a hub name")
    add(
        what,
        "--dataset",
        "dataset",
        "embedded, a JSONL/JSON/parquet/CSV file, a folder, or a hub name",
    )
    add(what, "--split", "split", "split to train on; by default the only one, or train")
    add(what, "--eval-dataset", "eval_dataset", "dataset of held-out prompts; by default the same")
    add(what, "--eval-split", "eval_split", "split of held-out prompts; by default heldout or test")
    add(what, "--take", "take", "use the first rows of each split only", type=int)
    add(what, "--max-new-tokens", "max_new_tokens", "limit of a response, tokens", type=int)
    grid = parser.add_argument_group("grid")
    known = "; ".join(
        f"{cell.name} = {cell.rule}, inner epochs {cell.inner_epochs}" for cell in CELLS.values()
    )
    add(grid, "--cells", "cells", f"configurations, of: {known}", type=_words)
    add(
        grid,
        "--learning-rates",
        "learning_rates",
        "learning rates, the same for all cells",
        type=_numbers,
    )
    add(grid, "--seeds", "num_seeds", "runs per cell and learning rate", type=int)
    size = parser.add_argument_group("sizes")
    for flag, field, explanation in (
        ("--prompts", "num_prompts", "prompts of an update"),
        ("--group-size", "group_size", "rollouts of a prompt"),
        ("--updates", "num_updates", "length of a run"),
        ("--eval-every", "eval_every", "updates between evaluations"),
        ("--eval-samples", "num_eval_samples", "responses of an evaluation, at the least"),
        ("--base-samples", "num_base_samples", "responses per prompt to measure the base model"),
        ("--simulated-runs", "num_simulated_runs", "runs of the bandit per cell and rate"),
        ("--seed", "seed", "first seed"),
        ("--threads", "num_threads", "threads of each process"),
    ):
        add(size, flag, field, explanation, type=int)
    forecast = parser.add_argument_group(
        "forecast of a study", "instead of the grid: a calibrated base model, and a scoreboard"
    )
    forecast.add_argument(
        "--study",
        type=Path,
        metavar="FILE",
        help="TOML file of [study] and [[cells]]; of the flags above none counts then",
    )
    forecast.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        default=Path("runs/calibration"),
        help="folder that banditlab calibrate wrote for the same study",
    )
    forecast.add_argument(
        "--runs",
        type=Path,
        metavar="FILE",
        help="study.csv of an earlier comparison, to read the runs from; by default they are made",
    )
    forecast.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        action="append",
        help="a training log of your own (CSV, JSON lines, trainer_state.json, verl's file "
        "logger), one run each, laid over the forecast of the study's only cell",
    )
    for flag, what in (("--log-update", "updates"), ("--log-pass-rate", "pass rates")):
        forecast.add_argument(
            flag, metavar="COLUMN", help=f"its column of {what}; by default a usual name"
        )
    parser.add_argument("--workers", type=int, default=2, help="processes at work side by side")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="run folder")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the configuration with an estimate of time and memory, and stop",
    )


def _run(arguments: argparse.Namespace) -> int:
    from banditlab.validation import require
    from llm_bridge.compare.plan import ComparePlan
    from llm_bridge.launch import require_alone

    require_alone("compare")
    require(
        arguments.workers >= 1,
        "compare",
        "workers",
        "at least 1",
        arguments.workers,
        "Use as many as there are cores",
    )
    if arguments.study is not None:
        from llm_bridge.forecast.compare_command import run_study_comparison

        return run_study_comparison(arguments)
    require(
        arguments.log is None,
        "compare",
        "log",
        "given with --study FILE, which says what was run",
        arguments.log,
        "Write the run's configuration as the one cell of a study file",
    )
    plan = ComparePlan(
        **{field.name: getattr(arguments, field.name) for field in fields(ComparePlan)}
    )
    from llm_bridge.compare.run import compare, estimate_seconds, require_heldout
    from llm_bridge.compare.score import scores_table

    if arguments.dry_run:
        from llm_bridge.estimate import peak_memory_bytes

        require_heldout(plan)
        for name, value in plan.as_dict().items():
            print(f"{name:>18}: {value}")
        seconds = estimate_seconds(plan, arguments.workers)
        print(
            f"estimate: {seconds / 60:.1f} min of training on {arguments.workers} processes of "
            f"about {peak_memory_bytes() / 2**30:.1f} GiB each; nothing written"
        )
        return 0
    scores, pictures = compare(plan, arguments.out, num_workers=arguments.workers)
    print(scores_table(scores))
    for path in pictures:
        print(path)
    return 0


compare_command = Command(
    name="compare",
    summary="Train a language model with several rules and lay it over simulation and theory.",
    example="banditlab compare --cells raw_reward,clip --learning-rates 0.01,0.03 --seeds 5 "
    "--out runs/mine",
    add_arguments=_add_arguments,
    run=_run,
)
