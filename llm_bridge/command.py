"""The command `banditlab train`: train a language model with an update rule.

Only the standard library is imported here; everything else loads inside the command.
"""

import json
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from banditlab.command import Command
from banditlab.commands import add_rule_arguments, parse_hyper


def _add_arguments(parser: ArgumentParser) -> None:
    # What is not given stays out of the namespace, and TrainConfig's default holds.
    what = parser.add_argument_group("model and data")
    what.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        default="embedded",
        help="'embedded', a folder written by save_pretrained (safetensors), or a hub name",
    )
    what.add_argument(
        "--dataset",
        metavar="NAME_OR_PATH",
        default="embedded",
        help="'embedded', a .jsonl, .json, .parquet, .csv or .arrow file, a folder, or a hub name "
        "(openai/gsm8k:main)",
    )
    what.add_argument(
        "--task",
        metavar="NAME",
        default="gsm8k",
        help="gsm8k (answers end with '#### ' and the final answer), math (solutions with the "
        "final answer in \\boxed{}), verl (its parquet rows), or your own, file.py:object",
    )
    what.add_argument(
        "--grader",
        metavar="NAME",
        default="math_verify",
        help="math_verify (equal values), mark (the string after '#### ') or boxed (the string "
        "in \\boxed{})",
    )
    _add_open(
        what,
        "--reward",
        "FILE.PY:FUNCTION",
        "f(completion, row) -> float, in place of the grader; 1 or more counts as right",
    )
    _add_open(what, "--split", "NAME", "split to train on; by default the only one, or train")
    _add_open(what, "--eval-dataset", "NAME_OR_PATH", "held-out data; by default --dataset")
    _add_open(what, "--eval-split", "NAME", "by default heldout, test or validation, if any")
    _add_open(what, "--take", "N", "train on the first N rows only", int)
    _add_open(what, "--eval-take", "N", "evaluate on the first N held-out rows only", int)
    _add_open(what, "--row", "N", "train on row N alone, counted from 0; with --prompts 1", int)
    _add_open(what, "--shuffle-seed", "N", "shuffle the rows before --take and --eval-take", int)
    _add_open(what, "--question-column", "NAME", "by default the task's own: question or problem")
    _add_open(what, "--answer-column", "NAME", "by default the task's own: answer or solution")
    _add_open(
        what,
        "--prompt-format",
        "FORMAT",
        "'embedded' (the bare question) or 'instruction' (as the task asks, in the model's chat "
        "template if it has one); by default as the model needs it",
    )
    rule = parser.add_argument_group("update rule")
    add_rule_arguments(rule, default="group_mean")
    rule.add_argument(
        "--level",
        default="sequence",
        help="unit of the ratio: token, sequence or sequence_geometric",
    )
    _add_number(rule, "--prompts", "P", 32, "prompts of an update", dest="num_prompts")
    _add_number(rule, "--group-size", "G", 8, "rollouts of a prompt")
    _add_number(rule, "--inner-epochs", "N", 1, "gradient steps on the rollouts of an update")
    _add_number(
        rule,
        "--learning-rate",
        "RATE",
        0.01,
        "step on a loss summed over tokens and averaged over rollouts",
    )
    rule.add_argument(
        "--optimizer", metavar="NAME", default="sgd", help="sgd (no momentum) or adamw (no decay)"
    )
    _add_number(rule, "--temperature", "T", 1.0, "of the sampling distribution")
    _add_open(
        rule,
        "--max-new-tokens",
        "N",
        "limit of a response; by default the embedded task's own, else 256",
        int,
    )
    run = parser.add_argument_group("run")
    _add_number(run, "--updates", "N", 100, "length of the run", dest="num_updates")
    _add_number(run, "--seed", "N", 0, "seed of prompts, samples and evaluations")
    _add_number(run, "--eval-every", "N", 10, "updates between evaluations")
    _add_number(run, "--eval-samples", "N", 2048, "responses of an evaluation")
    run.add_argument(
        "--threads",
        metavar="N",
        type=int,
        dest="num_threads",
        default=SUPPRESS,
        help="threads of torch; by default its own choice",
    )
    run.add_argument("--device", default="cpu", help="torch device")
    _add_open(
        run,
        "--out",
        "DIR",
        "run folder, by default runs/train/MODEL-RULE-SEED; the same command goes on where a run "
        "stopped and reuses a finished one",
        Path,
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        default=SUPPRESS,
        help="print the resolved configuration with time and memory, measured on two throw-away "
        "updates, and write nothing",
    )


def _add_open(
    group: Any, flag: str, metavar: str, text: str, kind: Callable[[str], Any] = str
) -> None:
    group.add_argument(flag, metavar=metavar, type=kind, default=SUPPRESS, help=text)


def _add_number(
    group: Any, flag: str, metavar: str, default: float, text: str, **options: str
) -> None:
    kind = type(default)
    group.add_argument(flag, metavar=metavar, type=kind, default=default, help=text, **options)


def _run(arguments: Namespace) -> int:
    from llm_bridge.config import TrainConfig

    given = vars(arguments) | {"hyper": parse_hyper(getattr(arguments, "hyper", []), "train")}
    names = {field.name for field in fields(TrainConfig)}
    config = TrainConfig(**{name: given[name] for name in names & given.keys()}).resolved()
    from llm_bridge.estimate import estimate_run
    from llm_bridge.train import SUMMARY_FILE, train

    # A rule's file stands for its path, whose slashes would make folders.
    model, rule = Path(config.model).name, Path(config.rule).name.replace(":", "-")
    default_out = Path("runs") / "train" / f"{model}-{rule}-{config.seed}"
    out = given.get("out", default_out)
    if given.get("dry_run"):
        estimate = estimate_run(config)
        print(json.dumps(config.as_dict(), indent=2))
        print(f"run folder   {out}")
        print(f"parameters   {estimate.num_parameters:,}")
        print(f"an update    {estimate.seconds_per_update:.2f} s")
        print(f"whole run    {estimate.seconds_total / 60:.1f} min, evaluations included")
        limit = "at least " if estimate.probe_share < 1 else ""
        print(f"memory       {limit}{estimate.memory_bytes / 2**30:.2f} GiB")
        return 0
    was_finished = (out / SUMMARY_FILE).exists()
    train(config, out)
    if was_finished:
        print(f"reused the finished run in {out}")
    summary = json.loads((out / SUMMARY_FILE).read_text())
    print(f"{config.update_rule!r} on {config.model}: {summary['num_updates']} updates in {out}")
    for name in ("heldout", "train"):
        first, last = summary["first_evaluation"], summary["last_evaluation"]
        if f"{name}_pass_rate" in first:
            print(
                f"{name + ' pass rate':18} {first[name + '_pass_rate']:.3f} -> "
                f"{last[name + '_pass_rate']:.3f} (standard error "
                f"{last[name + '_standard_error']:.3f}, {last[name + '_num_samples']} samples)"
            )
    if "heldout_pass_rate" not in summary["first_evaluation"]:
        print("no held-out rows: name them with --eval-dataset or --eval-split")
    if summary["num_updates_with_signal"] == 0:
        cut = summary["last_evaluation"]["train_truncated_share"]
        print(
            "no update had a signal, so nothing was learned: every group's rewards were alike "
            f"({cut:.0%} of the last responses were cut at --max-new-tokens)"
        )
    if summary["num_grade_timeouts"]:
        print(f"{summary['num_grade_timeouts']} grades ran out of time", file=sys.stderr)
    return 0


train_command = Command(
    name="train",
    summary="Train a language model with an update rule and evaluate it on held-out prompts.",
    example="banditlab train --rule clip --hyper clip_high=0.28 --inner-epochs 4 "
    "--learning-rate 0.03 --updates 40 --out runs/clip",
    add_arguments=_add_arguments,
    run=_run,
)
