"""Values that replace those of an experiment file: from flags, --set and sweeps, by dotted key."""

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

from banditlab.validation import requirement_error

_CHOICES = {"problem.kind": (), "rule.name": (), "optimizer.name": ("step_size",)}
"""Keys whose change makes the rest of their table meaningless, and what stays all the same."""


def with_changes(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with some values replaced.

    Another kind of problem, rule or optimizer starts its table anew: the arguments of the former
    one would be unknown to it.

    Args:
        tables: table -> key -> value; left as it is.
        changes: dotted key -> value, e.g. {"rule.clip_high": 0.28}, or a whole table by its name.

    Returns:
        The new tables.

    Raises:
        ValueError: a key leads through a value that is no table.

    Examples:
        >>> with_changes({"rule": {"name": "clip", "clip_high": 0.3}}, {"rule.name": "grpo"})
        {'rule': {'name': 'grpo'}}
    """
    new = copy.deepcopy(dict(tables))
    for key in sorted(changes, key=lambda name: (name.count(".") > 0, name not in _CHOICES)):
        *path, last = key.split(".")
        inner = new
        for word in path:
            inner = inner.setdefault(word, {})
            if not isinstance(inner, dict):
                raise requirement_error(
                    "with_changes", key, "a key of a table", f"{word} = {inner!r}", "Set it whole"
                )
        if key in _CHOICES and inner.get(last) != changes[key]:
            for name in [name for name in inner if name not in _CHOICES[key]]:
                del inner[name]
        inner[last] = copy.deepcopy(changes[key])
    return new


def read_word(text: str) -> Any:
    """Value of a word of the command line: a number, another TOML value, or the word itself.

    Args:
        text: the word.

    Returns:
        The value.

    Examples:
        >>> [read_word(text) for text in ("8", ".5", "[0, 1]", "true", '{kind = "zipf"}', "adam")]
        [8, 0.5, [0, 1], True, {'kind': 'zipf'}, 'adam']
    """
    for read in (int, float, lambda word: tomllib.loads(f"value = {word}")["value"]):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def read_assignment(text: str, function: str) -> tuple[str, Any]:
    """Dotted key and value of a word KEY=VALUE.

    Args:
        text: e.g. "run.num_steps=500".
        function: name of the command, for the error.

    Returns:
        The key and the value.

    Raises:
        ValueError: the word is not of that form.
    """
    key, sign, value = (part.strip() for part in text.partition("="))
    if not sign or "." not in key:
        raise requirement_error(
            function, "set", "TABLE.KEY=VALUE", repr(text), "For example: --set run.num_steps=500"
        )
    return key, read_word(value)
