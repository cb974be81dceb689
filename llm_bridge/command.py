"""The command `banditlab train`: train a language model with an update rule.

Only the standard library is imported here; everything else loads inside the command.
"""

import json
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from banditlab.command import Command
from banditlab.commands import add_rule_arguments, parse_hyper
from llm_bridge.arguments import (
    add_default,
    add_open,
    add_reference_arguments,
    add_replay_arguments,
    add_step_arguments,
    add_switch,
    parse_reference,
)
from llm_bridge.data_arguments import add_data_arguments, add_model_arguments

if TYPE_CHECKING:
    from llm_bridge.config import TrainConfig


def _add_arguments(parser: ArgumentParser) -> None:
    # What is not given stays out of the namespace, and the preset or TrainConfig's default holds.
    _add_data_group(parser.add_argument_group("model and data"))
    _add_rule_group(parser.add_argument_group("update rule", "by default group_mean"))
    add_step_arguments(parser.add_argument_group("steps"))
    add_replay_arguments(parser.add_argument_group("stale rollouts"))
    _add_run_group(parser.add_argument_group("run"))


def _add_data_group(what: Any) -> None:
    add_model_arguments(what)
    add_switch(
        what,
        "--gradient-checkpointing",
        "compute each layer twice and keep less of it: less memory for a longer backward pass",
    )
    add_open(what, "--lora-rank", "R", "train LoRA adapters of this rank alone (extra: lora)", int)
    add_open(what, "--lora-alpha", "A", "their output is scaled by A/R; by default A = 2R", float)
    add_open(what, "--lora-targets", "A,B", "names of layers; by default all linear ones", _words)
    add_data_arguments(what)
    add_open(what, "--split", "NAME", "split to train on; by default the only one, or train")
    add_open(what, "--eval-dataset", "NAME_OR_PATH", "held-out data; by default --dataset")
    add_open(what, "--eval-split", "NAME", "by default heldout, test or validation, if any")
    add_open(what, "--take", "N", "train on the first N rows only", int)
    add_open(what, "--eval-take", "N", "evaluate on the first N held-out rows only", int)
    add_open(what, "--row", "N", "train on row N alone, counted from 0; with --prompts 1", int)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _add_rule_group(rule: Any) -> None:
    add_rule_arguments(rule, is_required=False)
    add_default(
        rule, "--level", "LEVEL", "sequence", "ratio of a token, sequence or sequence_geometric"
    )
    add_default(rule, "--prompts", "P", 32, "prompts of an update", dest="num_prompts")
    add_default(rule, "--group-size", "G", 8, "rollouts of a prompt")
    add_default(rule, "--temperature", "T", 1.0, "of the sampling distribution")
    add_open(
        rule,
        "--max-new-tokens",
        "N",
        "limit of a response; by default the embedded task's own, else 256",
        int,
    )
    add_open(
        rule, "--max-prompt-tokens", "N", "refuse longer prompts; by default the model's own", int
    )
    add_reference_arguments(rule)


def _add_run_group(run: Any) -> None:
    add_open(run, "--preset", "NAME", "configuration of a paper, which further flags override")
    run.add_argument(
        "--list-presets",
        action="store_true",
        default=SUPPRESS,
        help="print all presets with the source of every field",
    )
    add_default(run, "--updates", "N", 100, "length of the run", dest="num_updates")
    add_default(run, "--seed", "N", 0, "seed of prompts, samples and evaluations")
    add_default(run, "--eval-every", "N", 10, "updates between evaluations")
    add_default(run, "--eval-samples", "N", 2048, "responses of an evaluation")
    run.add_argument(
        "--pass-at",
        metavar="K",
        type=int,
        nargs="+",
        default=SUPPRESS,
        help="estimate Pass@k for each K, without bias, with 95 %% intervals; by default 1",
    )
    add_switch(run, "--eval-greedy", "evaluate the most likely response of each prompt too")
    add_open(run, "--eval-top-k", "K", "evaluations sample from the K likeliest tokens only", int)
    add_open(run, "--eval-top-p", "P", "and from the likeliest of probability P only", float)
    for flag in ("--top-k", "--top-p"):
        add_open(
            run, flag, "X", "refused in training, where it would make E_old[ratio] differ from 1"
        )
    add_open(
        run,
        "--threads",
        "N",
        "threads of torch; by default its own choice",
        int,
        dest="num_threads",
    )
    add_open(
        run,
        "--out",
        "DIR",
        "run folder, by default runs/train/MODEL-RULE-SEED; the same command goes on where a run "
        "stopped and reuses a finished one",
        Path,
    )
    _add_folder_arguments(run)
    run.add_argument(
        "--dry-run",
        action="store_true",
        default=SUPPRESS,
        help="print the resolved configuration with time and memory, measured on two throw-away "
        "updates, and write nothing",
    )


def _add_folder_arguments(run: Any) -> None:
    add_default(run, "--checkpoint-every", "N", 10, "updates between checkpoints")
    add_open(run, "--keep-checkpoints", "N", "keep the newest N; by default 2", int)
    add_default(
        run, "--log-samples", "N", 4, "responses in samples.jsonl of each update and evaluation"
    )
    add_switch(run, "--tensorboard", "write files for TensorBoard too (extra: tensorboard)")
    add_switch(run, "--quiet", "no progress bar and no summary; errors and warnings only")


def _configuration(given: dict[str, Any]) -> "TrainConfig":
    """Defaults, then the preset, then what was given."""
    from llm_bridge.config import TrainConfig
    from llm_bridge.presets import get_preset, overridden

    given = {**given, **parse_reference(given)}
    if "hyper" in given:
        given["hyper"] = parse_hyper(given["hyper"], "train")
    names = {field.name for field in fields(TrainConfig)}
    chosen = {name: given[name] for name in names & given.keys()}
    if "preset" in given:
        chosen = overridden(get_preset(given["preset"]), chosen)
    return TrainConfig(**chosen).resolved()


def _refuse_filters(arguments: Namespace) -> None:
    from banditlab.validation import require

    for name in ("top_k", "top_p"):
        require(
            not hasattr(arguments, name),
            "train",
            name,
            "left out, since E_old[ratio] is no longer 1 when samples come from a filtered "
            "distribution and the ratio from whole ones",
            getattr(arguments, name, None),
            f"Filter evaluations with --eval-{name.replace('_', '-')}",
        )


def _run(arguments: Namespace) -> int:
    given = vars(arguments)
    if given.get("list_presets"):
        from llm_bridge.presets import describe_presets

        print(describe_presets())
        return 0
    _refuse_filters(arguments)
    config = _configuration(given)
    from llm_bridge.estimate import estimate_run
    from llm_bridge.launch import is_other_process
    from llm_bridge.train import SUMMARY_FILE, train

    # A rule's file stands for its path, whose slashes would make folders.
    model, rule = Path(config.model).name, Path(config.rule).name.replace(":", "-")
    default_out = Path("runs") / "train" / f"{model}-{rule}-{config.seed}"
    out = given.get("out", default_out)
    options = {name: given[name] for name in ("keep_checkpoints", "tensorboard") if name in given}
    if is_other_process():
        # The main process speaks for all.
        if not given.get("dry_run"):
            train(config, out, progress=False, **options)
        return 0
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
    is_quiet = given.get("quiet", False)
    train(config, out, progress=not is_quiet, **options)
    if is_quiet:
        return 0
    if was_finished:
        print(f"reused the finished run in {out}")
    _print_summary(config, out, json.loads((out / SUMMARY_FILE).read_text()))
    return 0


def _print_summary(config: "TrainConfig", out: Path, summary: dict[str, Any]) -> None:
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


train_command = Command(
    name="train",
    summary="Train a language model with an update rule and evaluate it on held-out prompts.",
    example="banditlab train --rule clip --hyper clip_high=0.28 --inner-epochs 4 "
    "--learning-rate 0.03 --updates 40 --out runs/clip",
    add_arguments=_add_arguments,
    run=_run,
)
