"""Rules by name: those of the registry, those of installed packages, and one's own.

A package lists its rules in the entry-point group `banditlab.rules`, each an `UpdateRule` or a
function of one of the kinds that `banditlab.testing` knows.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from banditlab.references import Asked, file_place, is_reference, load_object
from banditlab.registry import RULES
from banditlab.update_rule import UpdateRule
from banditlab.validation import require_known, requirement_error

ENTRY_POINT_GROUP = "banditlab.rules"


@functools.lru_cache(maxsize=4)
def _entries(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points that a search path has; the path is read only to see that it changed."""
    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def _by_name() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in _entries(tuple(sys.path)):
        found.setdefault(entry.name, []).append(entry)
    return found


def third_party_rules() -> dict[str, EntryPoint]:
    """Rules of installed packages whose names are theirs alone, by name."""
    clashes = name_clashes()
    return {name: entries[0] for name, entries in _by_name().items() if name not in clashes}


def name_clashes() -> dict[str, str]:
    """Names that a package gives to a rule though another one has them -> what to do."""
    told = {}
    for name, entries in _by_name().items():
        owners = sorted(_package(entry) for entry in entries)
        if name in RULES or len(owners) > 1:
            both = " and ".join(["banditlab", *owners] if name in RULES else owners)
            told[name] = (
                f"{both} each have a rule {name!r}. Rename it in the entry points "
                f"{ENTRY_POINT_GROUP!r} of {owners[-1]}, or uninstall {owners[-1]}"
            )
    return told


def is_rule(value: Any) -> bool:
    """Whether a thing may be a rule: an `UpdateRule`, or a callable that is no class."""
    return isinstance(value, UpdateRule) or (callable(value) and not isinstance(value, type))


def find_rule(
    reference: str, *, folder: Path | None = None, asked: Asked = ("find_rule", "reference")
) -> UpdateRule | Callable[..., Any]:
    """Find a rule by its name or by where it is.

    Args:
        reference: a name of `RULES` or of an installed package, `package.module:object`, or
            `path/to/file.py:object`; an object may be dotted.
        folder: folder in which a file is looked for if it is not in the present one.
        asked: function and argument that errors name.

    Returns:
        An `UpdateRule`, whose name is then one that finds it again, or a function.

    Raises:
        ModuleNotFoundError: a module is not installed.
        TypeError: what was found is no rule.
        ValueError: there is no such rule, its module raises, or two packages have its name.

    Examples:
        >>> find_rule("clip")
        clip(clip_low=0.2, clip_high=0.2)
        >>> find_rule("banditlab.weights:topr_weight").__name__
        'topr_weight'
    """
    name = reference
    if is_reference(reference):
        rule = load_object(reference, asked=asked, is_wanted=is_rule, folder=folder)
        name = file_place(reference, folder)
    else:
        clash = name_clashes().get(reference)
        if clash is not None:
            raise requirement_error(*asked, "the name of one rule", repr(reference), clash)
        if reference in RULES:
            return RULES[reference]
        rule = _installed(reference, asked)
    if not is_rule(rule):
        got = f"the class {rule.__name__}" if isinstance(rule, type) else type(rule).__name__
        raise TypeError(
            f"{asked[0]}: `{asked[1]}` must be an UpdateRule or a function, got {reference!r}, "
            f"which is {got}. Name an instance or a function."
        )
    return replace(rule, name=name) if isinstance(rule, UpdateRule) else rule


def _installed(name: str, asked: Asked) -> Any:
    """Load the rule of an installed package."""
    others = third_party_rules()
    known = [*RULES, *others]
    try:
        require_known(*asked, name, known, "rule")
    except ValueError as error:
        raise ValueError(
            f"{str(error).removesuffix('.')}; or one of your own, package.module:object or "
            "path/to/file.py:object."
        ) from None
    try:
        return others[name].load()
    except (Exception, SystemExit) as error:
        raise requirement_error(
            *asked,
            "a rule that can be imported",
            f"{name!r} of {_package(others[name])}, which raises {type(error).__name__}: {error}",
            f"Repair {others[name].value}, or uninstall {_package(others[name])}",
        ) from error


def find_update_rule(
    reference: str, *, folder: Path | None = None, asked: Asked = ("get_rule", "name")
) -> UpdateRule:
    """Find a rule that a loop can run, i.e. one with an advantage and a weight.

    Args:
        reference: as in `find_rule`.
        folder: as in `find_rule`.
        asked: function and argument that errors name.

    Returns:
        The rule.

    Raises:
        ModuleNotFoundError: a module is not installed.
        TypeError: what was found is no `UpdateRule`.
        ValueError: there is no such rule, its module raises, or two packages have its name.
    """
    rule = find_rule(reference, folder=folder, asked=asked)
    if not isinstance(rule, UpdateRule):
        raise TypeError(
            f"{asked[0]}: `{asked[1]}` must be an UpdateRule, got {reference!r}, which is a "
            "function. Make it a part of one: UpdateRule(name=..., advantage=group_mean, "
            "weight=..., formula=..., source=...); `banditlab check` takes functions too."
        )
    return rule


def get_rule(name: str, **hyper: float) -> UpdateRule:
    """Look a rule up, with other hyperparameters where given.

    Args:
        name: a key of `RULES`, a name or a place as in `find_rule`.
        **hyper: hyperparameters to replace.

    Returns:
        The rule.

    Raises:
        ModuleNotFoundError: a module is not installed.
        TypeError: what was found is no `UpdateRule`.
        ValueError: the rule or the hyperparameter is unknown.
    """
    return find_update_rule(name).with_hyper(**hyper)
