"""The command `banditlab check`: hold rules to what they promise."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from banditlab.command import Command

if TYPE_CHECKING:
    from banditlab.testing.report import Report

# Those of banditlab.testing, whose import would cost the help a quarter of a second.
_KINDS = ("weight", "loss", "advantage", "rule")
_PROFILES = ("ci", "search")
_INDENTS = {"initial_indent": "    ", "subsequent_indent": "        "}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "rules",
        nargs="*",
        metavar="RULE",
        help="a name of `banditlab rules`, package.module:object or path/to/file.py:object: an "
        "UpdateRule, a score weight, a torch loss or an advantage estimator",
    )
    parser.add_argument("--all", action="store_true", help="check every rule of the registry")
    rule = parser.add_argument_group("rule")
    rule.add_argument("--kind", choices=_KINDS, help="what the rule is; told by its signature")
    _add_repeated(rule, "--set", "NAME=NUMBER", "hyperparameter of the rule, e.g. clip_high=0.28")
    _add_repeated(
        rule,
        "--promise",
        "NAME=VALUE",
        "what the rule promises, in place of what it declares, e.g. on_policy_scale=0.2, "
        "clip_high=none, objective=file.py:function",
    )
    _add_repeated(rule, "--expect-fail", "CHECK=REASON", "a check that must fail, and why")
    run = parser.add_argument_group("run")
    run.add_argument(
        "--profile",
        choices=_PROFILES,
        default="ci",
        help="ci takes seconds, search draws 40 times as many examples",
    )
    run.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="search with fresh seeds until the time is used, for each rule",
    )
    run.add_argument("--seed", type=int, default=0, help="of the examples")
    run.add_argument("--checks", metavar="A,B", help="run these checks only")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--verbose", action="store_true", help="list the checks that passed or were skipped too"
    )
    output.add_argument("--json", type=Path, metavar="FILE", help="write the reports as JSON too")
    output.add_argument(
        "--list",
        nargs="?",
        const="",
        metavar="CHECK",
        help="list all checks, or explain one, and stop",
    )


def _add_repeated(group: argparse._ArgumentGroup, flag: str, metavar: str, text: str) -> None:
    # A default of None is not told by the help.
    group.add_argument(flag, action="append", metavar=metavar, help=f"{text}; may be repeated")


def _check(arguments: argparse.Namespace) -> int:
    if arguments.list is not None:
        return _list_checks(arguments.list)
    from banditlab.cli import EXIT_INTERRUPTED
    from banditlab.commands.check_rounds import Request, rounds

    request = Request.from_arguments(arguments)
    references = _references(arguments)
    reports: list[Report] = []
    latest, num_rounds = None, 0
    try:
        with _interruptible() as require_going_on:
            for reference in references:
                latest, num_rounds = None, 0
                for report in rounds(reference, request, on_check=require_going_on):
                    latest, num_rounds = report, num_rounds + 1
                    require_going_on()
                _print_report(latest, arguments, num_rounds)
                reports.append(latest)
    except KeyboardInterrupt:
        if latest is not None and not any(latest is report for report in reports):
            _print_report(latest, arguments, num_rounds)
        print(
            f"banditlab: interrupted; {len(reports)} of {len(references)} rules were finished, and "
            "what was found so far is told above. A check begins anew at the next call",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    if len(reports) > 1:
        print(f"\n{len(reports)} rules: {_counted(reports)}")
    if arguments.json is not None:
        _write_json(arguments, reports)
    return 0 if all(report.is_success for report in reports) else 1


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Context in which Ctrl-C is not lost where it strikes inside a callback.

    Python only prints what is raised in a callback of its garbage collector, and hypothesis has
    one; so the function that the context gives raises again.
    """
    import signal
    import threading

    struck = []

    def strike(*_: Any) -> None:
        struck.append(True)
        raise KeyboardInterrupt

    def require_going_on() -> None:
        if struck:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield require_going_on
        return
    before = signal.signal(signal.SIGINT, strike)
    try:
        yield require_going_on
    finally:
        signal.signal(signal.SIGINT, before)


def _references(arguments: argparse.Namespace) -> list[str]:
    from banditlab.registry import RULES
    from banditlab.validation import require

    require(
        bool(arguments.rules) != arguments.all,
        "check",
        "RULE",
        "given, or else --all",
        "both" if arguments.all else "neither",
        "For example: banditlab check clip, banditlab check my_rule.py:my_rule",
    )
    return list(RULES) if arguments.all else list(arguments.rules)


def _print_report(report: "Report", arguments: argparse.Namespace, num_rounds: int) -> None:
    print(report.table(is_long=arguments.verbose))
    if arguments.seconds is not None:
        last = arguments.seed + num_rounds - 1
        print(f"searched with {num_rounds} seeds, {arguments.seed} to {last}")
    if details := report.details():
        print(f"\n{details}\n")


def _counted(reports: Sequence["Report"]) -> str:
    from banditlab.testing.report import merged_counts

    counts = merged_counts(dict(enumerate(reports)))
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())


def _write_json(arguments: argparse.Namespace, reports: Sequence["Report"]) -> None:
    from banditlab.records import write_json
    from banditlab.testing.report import merged_counts

    value = {
        "profile": arguments.profile,
        "seed": arguments.seed,
        "seconds": arguments.seconds,
        "counts": merged_counts(dict(enumerate(reports))),
        "rules": [report.as_dict() for report in reports],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(arguments.json, value)
    print(f"written: {arguments.json}")


def _list_checks(name: str) -> int:
    import shutil
    import textwrap

    from banditlab.testing.checks import CHECKS
    from banditlab.validation import require_known

    if name:
        require_known("check", "list", name, CHECKS, "check")
    width = min(100, shutil.get_terminal_size().columns)
    for check in [CHECKS[name]] if name else CHECKS.values():
        print(f"{check.name}  ({', '.join(check.needs)})")
        for title, text in (
            ("property", check.reason),
            ("catches", check.catches),
            ("in training", check.consequence),
        ):
            told = f"{title}: {text}"
            print(textwrap.fill(told, width, break_on_hyphens=False, **_INDENTS))
    return 0


check_command = Command(
    name="check",
    summary="Check a rule of your own, or one of the registry, against what it promises.",
    example="banditlab check my_rule.py:my_rule --expect-fail dtype_kept='written for float64'",
    add_arguments=_add_arguments,
    run=_check,
)
