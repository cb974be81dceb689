"""The command `banditlab simulate`: one experiment, from flags or a file."""

import itertools
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from banditlab.command import Command
from banditlab.commands.rule_arguments import add_rule_arguments, parse_hyper

# Flag, dotted key, metavar, help. The defaults are told where no file is given.
_FLAGS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "arm space": (
        ("--log10-arms", "problem.log10_arms", "X", "log10 of the number of wrong arms (100000)"),
        ("--pass-rate", "problem.success_prob", "P", "initial probability of a correct arm (0.05)"),
        ("--num-correct", "problem.num_correct", "N", "number of correct arms (1)"),
    ),
    "optimizer": (
        ("--optimizer", "optimizer.name", "NAME", "sgd, momentum or adam (sgd)"),
        ("--step-size", "optimizer.step_size", "X", "step size on the logits (0.1)"),
    ),
    "run": (
        ("--group-size", "run.group_size", "G", "rollouts per prompt and round (8)"),
        ("--batch-size", "run.batch_size", "B", "prompts per round; 0 takes all (0)"),
        ("--batch-order", "run.batch_order", "NAME", "subset, replacement or epochs (subset)"),
        ("--inner-epochs", "run.inner_epochs", "N", "steps per round (1)"),
        (
            "--rollout-ages",
            "run.rollout_ages",
            "AGES",
            "ages in rounds of the rollouts trained on, e.g. 0,1,2 for a replay buffer (0)",
        ),
        ("--level", "run.level", "NAME", "unit of the ratio, for sequences (sequence)"),
        ("--runs", "run.num_runs", "R", "independent runs (500)"),
        ("--steps", "run.num_steps", "N", "rounds (1000)"),
        ("--record-every", "run.record_every", "N", "rounds between recorded steps (10)"),
        (
            "--log-records",
            "run.num_log_records",
            "N",
            "record N steps at equal distance in log(step) instead (0: off)",
        ),
        ("--seed", "run.seed", "N", "entropy of all random streams (0)"),
        ("--policy", "run.policy", "NAME", "lumped, dense (few arms) or sequence (by the problem)"),
    ),
}
_DEFAULT_PROBLEM = {"kind": "rare_correct", "log10_arms": 100_000, "success_prob": 0.05}


def add_set_argument(parser: Any) -> None:
    """Add --set.

    Args:
        parser: the command's parser, or a group of its arguments.
    """
    parser.add_argument(
        "--set",
        action="append",
        default=SUPPRESS,
        metavar="TABLE.KEY=VALUE",
        help="any value of the file, e.g. problem.reward_law.kind=bernoulli; may be repeated",
    )


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="experiment file, .toml or .yaml (docs/simulate.md); flags override it. Without one "
        "a rule is needed, and the arm space has one rare correct arm",
    )
    group = parser.add_argument_group("rule")
    add_rule_arguments(group, is_required=False)
    for title, flags in _FLAGS.items():
        group = parser.add_argument_group(title)
        for flag, key, metavar, text in flags:
            group.add_argument(flag, dest=key, metavar=metavar, default=SUPPRESS, help=text)
    group.add_argument(
        "--events",
        dest="run.events",
        action="store_const",
        const="true",
        default=SUPPRESS,
        help="jump from success to success, for rules under which a round of failures changes "
        "nothing",
    )
    group.add_argument(
        "--events-horizon",
        metavar="N",
        default=SUPPRESS,
        help="the same, with N rounds, e.g. 1e100; runs then stop at a success probability of "
        "run.stop_success_prob (0.99)",
    )
    add_set_argument(group)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        type=Path,
        default=SUPPRESS,
        metavar="DIR",
        help="run folder with configuration, curves and picture; the same command goes on where "
        "a run was stopped. Without it only the table is printed",
    )
    output.add_argument(
        "--dry-run",
        action="store_true",
        default=SUPPRESS,
        help="print the resolved configuration with time and memory, estimated from some rounds "
        "that are thrown away, and stop",
    )


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    from banditlab.experiments.overrides import read_assignment, read_word

    changes = {key: read_word(value) for key, value in given.items() if "." in key}
    ages = given.get("run.rollout_ages")
    if ages is not None:
        changes["run.rollout_ages"] = [read_word(word) for word in ages.strip("[]()").split(",")]
    if "events_horizon" in given:
        changes |= {"run.events": True, "run.num_steps": read_word(given["events_horizon"])}
    if "rule" in given:
        changes["rule.name"] = given["rule"]
    hyper = parse_hyper(given.get("hyper", []), "simulate")
    changes |= {f"rule.{name}": value for name, value in hyper.items()}
    return changes | dict(read_assignment(text, "simulate") for text in given.get("set", []))


@contextmanager
def _flags_named(given: dict[str, Any]) -> Iterator[None]:
    """Context in which errors tell a key that a flag has set with that flag."""
    try:
        yield
    except (ValueError, TypeError) as error:
        message = str(error)
        for flag, key, *_ in itertools.chain.from_iterable(_FLAGS.values()):
            if key in given:
                message = message.replace(f"`{key}`", f"`{key}` ({flag})")
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(message) from error


def _simulate(arguments: Namespace) -> int:
    from banditlab.experiments.experiment import Experiment
    from banditlab.experiments.overrides import with_changes
    from banditlab.experiments.run import run_experiment

    given = vars(arguments)
    path, out = arguments.file, given.get("out")
    changes = _changes(given)
    with _flags_named(given):
        if path is None:
            tables = with_changes({"problem": _DEFAULT_PROBLEM}, changes)
            experiment = Experiment.from_mapping(tables, source="simulate")
        else:
            experiment = Experiment.from_file(path, changes)
    if "dry_run" in given:
        return _dry_run(experiment)
    from tqdm import tqdm

    is_by_event = experiment.run["events"]
    with tqdm(
        total=experiment.run["num_runs" if is_by_event else "num_steps"],
        unit="run" if is_by_event else "step",
        disable=None,
        desc=experiment.rule["name"],
    ) as bar:
        record, is_reused = run_experiment(
            experiment,
            out,
            # A resumed run begins with the rounds that it had done.
            on_step=lambda done: bar.update(done - bar.n),
            on_projection=_print_projection,
        )
    if is_reused:
        print(f"reused the finished run in {out}")
    _print_record(record, experiment)
    if out is not None:
        from banditlab.commands.pictures import draw_picture

        print(f"written: {out}")
        draw_picture("simulate", out)
    return 0


def _print_projection(distance: float) -> None:
    print(f"kernel: projected on the positive semi-definite ones, at distance {distance:.3g}")


def _dry_run(experiment: Any) -> int:
    import json

    from banditlab.experiments.estimate import NO_ESTIMATE, estimate
    from banditlab.experiments.run import prepare

    parts = prepare(experiment, _print_projection)
    for name, table in experiment.as_dict().items():
        print(f"[{name}]")
        for key, value in table.items():
            text = json.dumps(value)
            print(f"{key:>16}: {text if len(text) <= 80 else text[:77] + '...'}")
    if experiment.run["events"]:
        print(NO_ESTIMATE)
    else:
        print(estimate(*parts))
    print("nothing written")
    return 0


def _print_record(record: Any, experiment: Any) -> None:
    from tabulate import tabulate

    from banditlab.experiments.summary import stop_note, summary_table

    header, rows = summary_table(record)
    print(f"{experiment.build()[1]!r}, {experiment.run['num_runs']} runs")
    print(tabulate(rows, headers=header, disable_numparse=True, stralign="right"))
    if note := stop_note(record):
        print(note)


simulate_command = Command(
    name="simulate",
    summary="Simulate a rule on any arm space, from flags or an experiment file.",
    example="banditlab simulate --rule grpo --log10-arms 100000 --pass-rate 0.05 --group-size 8 "
    "--runs 500 --steps 1000 --out runs/grpo",
    add_arguments=_add_arguments,
    run=_simulate,
)
