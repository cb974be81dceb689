"""The command `banditlab rules`."""

import argparse
import inspect
import shutil
import textwrap

from banditlab.command import Command

_INDENT = "    "


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one rule, with its weight and source")


def _print_wrapped(text: str, width: int) -> None:
    inner = {"initial_indent": _INDENT, "subsequent_indent": 2 * _INDENT}
    print(textwrap.fill(text, width=width, break_long_words=False, **inner))


def _list_rules(arguments: argparse.Namespace) -> int:
    from banditlab.rules import RULES, get_rule

    width = min(100, shutil.get_terminal_size().columns)
    if arguments.name:
        rule = get_rule(arguments.name)
        print(f"{rule!r}\n  objective per sample: {rule.formula}\n  source: {rule.source}")
        meaning = inspect.getdoc(rule.weight) or "see its source"
        print(f"  score weight:\n{textwrap.indent(meaning, _INDENT)}")
        return 0
    print("A rule is the weight on the score: gradient = sum_i weight_i * grad log_prob_i.")
    print("Below: its objective per sample, A = advantage, and where it comes from.\n")
    for rule in RULES.values():
        print(rule)
        _print_wrapped(rule.formula, width)
        _print_wrapped(f"from {rule.source}", width)
    print("\n`banditlab rules NAME` prints one with its weight; docs/rules.md compares libraries.")
    return 0


rules_command = Command(
    name="rules",
    summary="List every update rule with its formula and source.",
    example="banditlab rules clip",
    add_arguments=_add_arguments,
    run=_list_rules,
)
