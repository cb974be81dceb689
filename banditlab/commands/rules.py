"""The command `banditlab rules`."""

import argparse
import inspect
import shutil
import textwrap

from banditlab.command import Command

_INDENT = "    "


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="?",
        help="one rule, with its weight and source: a name, package.module:object or "
        "path/to/file.py:object",
    )


def _print_wrapped(text: str, width: int) -> None:
    inner = {"initial_indent": _INDENT, "subsequent_indent": 2 * _INDENT}
    print(textwrap.fill(text, width=width, break_long_words=False, **inner))


def _list_rules(arguments: argparse.Namespace) -> int:
    from banditlab.find import find_update_rule
    from banditlab.rules import RULES

    width = min(100, shutil.get_terminal_size().columns)
    if arguments.name:
        rule = find_update_rule(arguments.name, asked=("rules", "name"))
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
    _list_third_party(width)
    print("\n`banditlab rules NAME` prints one with its weight; docs/rules.md compares libraries.")
    return 0


def _list_third_party(width: int) -> None:
    from banditlab.find import find_rule, name_clashes, third_party_rules
    from banditlab.update_rule import UpdateRule

    for name, entry in third_party_rules().items():
        try:
            rule = find_rule(name)
        except (TypeError, ValueError) as error:
            print(name)
            _print_wrapped(f"cannot be used: {error}", width)
            continue
        if isinstance(rule, UpdateRule):
            print(rule)
            _print_wrapped(rule.formula, width)
            _print_wrapped(f"from {rule.source}", width)
        else:
            print(f"{name}: a function, for `banditlab check`")
        _print_wrapped(f"of the package {entry.dist.name}", width)
    for sentence in name_clashes().values():
        print(f"left out: {sentence}.")


rules_command = Command(
    name="rules",
    summary="List every update rule with its formula and source.",
    example="banditlab rules clip",
    add_arguments=_add_arguments,
    run=_list_rules,
)
