"""The arguments --rule and --hyper, for every command that takes a rule."""

import argparse
from typing import Any


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


def add_rule_arguments(
    parser: Any, default: str | None = None, *, is_required: bool = True
) -> None:
    """Add --rule and --hyper; what is not given stays out of the namespace.

    Args:
        parser: the command's parser, or a group of its arguments.
        default: name of the rule taken where none is given.
        is_required: whether a rule must be given where there is no default.
    """
    parser.add_argument(
        "--rule",
        metavar="NAME",
        required=default is None and is_required,
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
