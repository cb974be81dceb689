"""The commands of the core: rules, simulate, env."""

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from banditlab.command import Command

if TYPE_CHECKING:
    from banditlab.rules import UpdateRule


def parse_hyper(words: list[str], function: str) -> dict[str, float]:
    """Read NAME=VALUE words.

    Args:
        words: e.g. ["clip_high=0.28"].
        function: name of the command, for the error.

    Returns:
        Hyperparameter -> value; whole numbers stay integers.

    Raises:
        ValueError: a word is not of that form.
    """
    from banditlab.validation import requirement_error

    hyper: dict[str, float] = {}
    for word in words:
        name, _, text = (part.strip() for part in word.partition("="))
        try:
            hyper[name] = int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError as error:
            raise requirement_error(
                function, "hyper", "NAME=NUMBER", repr(word), "For example: --hyper clip_high=0.28"
            ) from error
    return hyper


def add_rule_arguments(parser: Any, default: str | None = None) -> None:
    """Add --rule and --hyper; what is not given stays out of the namespace.

    Args:
        parser: the command's parser, or a group of its arguments.
        default: name of the rule taken where none is given; by default one must be given.
    """
    parser.add_argument(
        "--rule",
        metavar="NAME",
        required=default is None,
        default=argparse.SUPPRESS if default is None else default,
        help="name of the rule; see `banditlab rules`",
    )
    parser.add_argument(
        "--hyper",
        action="append",
        default=argparse.SUPPRESS,
        metavar="NAME=NUMBER",
        help="hyperparameter of the rule, e.g. clip_high=0.28; may be repeated",
    )


def rule_from(arguments: argparse.Namespace, function: str) -> "UpdateRule":
    """Rule asked for by --rule and --hyper.

    Args:
        arguments: parsed arguments.
        function: name of the command, for errors.

    Returns:
        The rule.

    Raises:
        ValueError: rule or hyperparameter is unknown.
    """
    from banditlab.rules import get_rule

    return get_rule(arguments.rule, **parse_hyper(getattr(arguments, "hyper", []), function))


def _list_rules(arguments: argparse.Namespace) -> int:
    from tabulate import tabulate

    from banditlab.rules import RULES

    if arguments.name:
        from banditlab.rules import get_rule

        rule = get_rule(arguments.name)
        print(f"{rule!r}\n  objective per sample: {rule.formula}\n  source: {rule.source}")
        print(f"  score weight:\n{rule.weight.__doc__}")
        return 0
    rows = [
        (rule.name, rule.formula, ", ".join(f"{k}={v:g}" for k, v in rule.hyper.items()) or "-")
        for rule in RULES.values()
    ]
    print("A rule is the weight on the score: gradient = sum_i weight_i * grad log_prob_i.\n")
    print(tabulate(rows, headers=("rule", "objective per sample (A = advantage)", "hyper")))
    print("\n`banditlab rules NAME` prints one with its weight and source.")
    return 0


def _add_rules_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one rule, with its weight and source")


def _add_simulate_arguments(parser: argparse.ArgumentParser) -> None:
    add_rule_arguments(parser)
    problem = parser.add_argument_group("arm space")
    problem.add_argument(
        "--log10-arms", type=float, default=100_000.0, help="log10 of the number of wrong arms"
    )
    problem.add_argument(
        "--pass-rate", type=float, default=0.05, help="initial probability of a correct arm"
    )
    problem.add_argument("--num-correct", type=int, default=1, help="number of correct arms")
    run = parser.add_argument_group("run")
    run.add_argument("--group-size", type=int, default=8, help="rollouts per round, G")
    run.add_argument("--inner-epochs", type=int, default=1, help="steps per round")
    run.add_argument("--step-size", type=float, default=0.1, help="step size of SGD on logits")
    run.add_argument("--runs", type=int, default=500, help="independent runs, R")
    run.add_argument("--steps", type=int, default=1000, help="rounds")
    run.add_argument("--record-every", type=int, default=10, help="rounds between records")
    run.add_argument("--seed", type=int, default=0, help="seed of the one generator")
    run.add_argument("--policy", default="lumped", help="lumped, or dense for few arms")
    run.add_argument("--out", type=Path, help="run folder; without it only the table is printed")
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="print the configuration with an estimate of time and memory, and stop",
    )


def _estimate(simulate_some: Any, num_steps: int) -> float:
    """Seconds for all steps, from a few steps of the very configuration."""
    sample = min(num_steps, 20)
    begin = time.perf_counter()
    simulate_some(sample)
    return (time.perf_counter() - begin) * num_steps / sample


def _simulate(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from tqdm import tqdm

    from banditlab.problems import rare_correct
    from banditlab.records import CURVES_FILE, Record, claim_run_folder
    from banditlab.simulate import SimulationConfig, simulate

    rule = rule_from(arguments, "simulate")
    problem_config = {
        "log10_arms": arguments.log10_arms,
        "success_prob": arguments.pass_rate,
        "num_correct": arguments.num_correct,
    }
    problem = rare_correct(**problem_config)
    config = SimulationConfig(
        num_runs=arguments.runs,
        num_steps=arguments.steps,
        group_size=arguments.group_size,
        step_size=arguments.step_size,
        inner_epochs=arguments.inner_epochs,
        record_every=arguments.record_every,
        seed=arguments.seed,
        policy=arguments.policy,
    )
    config.require_valid(problem, rule)
    resolved = {
        "rule": rule.name,
        "hyper": rule.hyper,
        "problem": problem_config,
        **asdict(config),
    }
    if arguments.dry_run:
        for name, value in resolved.items():
            print(f"{name:>14}: {value}")
        seconds = _estimate(
            lambda steps: simulate(problem, rule, replace(config, num_steps=steps)),
            config.num_steps,
        )
        curve_bytes = 8 * 4 * config.num_runs * (2 + config.num_steps // config.record_every)
        print(f"estimate: {seconds:.1f} s, curves {curve_bytes / 2**20:.1f} MiB; nothing written")
        return 0
    is_known = arguments.out is not None and claim_run_folder(arguments.out, resolved, "simulate")
    if is_known and (arguments.out / CURVES_FILE).exists():
        print(f"reused the finished run in {arguments.out}")
        record = Record.load(arguments.out)
    else:
        with tqdm(total=config.num_steps, unit="step", disable=None, desc=rule.name) as bar:
            record = simulate(problem, rule, config, on_step=lambda _: bar.update())
        if arguments.out is not None:
            record.save(arguments.out)
    _print_record(record, rule, arguments.out)
    return 0


def _print_record(record: Any, rule: "UpdateRule", out: Path | None) -> None:
    import numpy as np
    from tabulate import tabulate

    rate = record.curves["pass_rate"]
    chosen = np.unique(np.linspace(0, len(record.step) - 1, 6).round().astype(int))
    rows = [
        (
            int(record.step[index]),
            f"{rate[:, index].mean():.4f}",
            f"{rate[:, index].std(ddof=1) / np.sqrt(len(rate)) if len(rate) > 1 else 0:.4f}",
            *(f"{q:.3f}" for q in np.quantile(rate[:, index], (0.05, 0.5, 0.95))),
        )
        for index in chosen
    ]
    print(f"{rule!r}, {len(rate)} runs")
    print(tabulate(rows, headers=("step", "pass rate", "SE", "5 %", "median", "95 %")))
    if out is not None:
        print(f"written: {out}")


def _add_env_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print as JSON")


def _print_env(arguments: argparse.Namespace) -> int:
    import json
    import os
    from importlib.util import find_spec

    from tabulate import tabulate

    from banditlab.records import provenance

    found = provenance()
    data_folder = os.environ.get("BANDITLAB_DATA")
    extras = {
        extra: "installed" if find_spec(module) else f'missing: pip install "banditlab[{extra}]"'
        for extra, module in (
            ("llm", "transformers"),
            ("figures", "matplotlib"),
            ("test", "pytest"),
        )
    }
    data = (
        "not set" if data_folder is None else "set" if Path(data_folder).is_dir() else "no folder"
    )
    if arguments.json:
        print(json.dumps({**found, "extras": extras, "BANDITLAB_DATA": data}, indent=2))
        return 0
    rows = [(name, value) for name, value in found["versions"].items()]
    rows += [("commit", found["commit"]), ("machine", found["machine"]), ("BANDITLAB_DATA", data)]
    rows += [(f"extra {name}", value) for name, value in extras.items()]
    print(tabulate(rows, tablefmt="plain", disable_numparse=True))
    return 0


rules_command = Command(
    name="rules",
    summary="List every update rule with its formula and source.",
    example="banditlab rules clip",
    add_arguments=_add_rules_arguments,
    run=_list_rules,
)
simulate_command = Command(
    name="simulate",
    summary="Simulate a rule on one prompt with a rare correct arm among 10^N wrong ones.",
    example="banditlab simulate --rule grpo --log10-arms 100000 --pass-rate 0.05 --group-size 8 "
    "--runs 500 --steps 1000 --out runs/grpo",
    add_arguments=_add_simulate_arguments,
    run=_simulate,
)
env_command = Command(
    name="env",
    summary="Print versions, extras and machine, for a bug report.",
    example="banditlab env --json",
    add_arguments=_add_env_arguments,
    run=_print_env,
)
