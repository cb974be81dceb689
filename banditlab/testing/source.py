"""What a rule is called, and the Python that binds it, for reports and minimal examples."""

import functools
import importlib
from typing import Any

from banditlab.find import find_update_rule
from banditlab.testing.promises import Promises
from banditlab.update_rule import UpdateRule

_UNKNOWN = "rule = ...  # the rule that was checked; it has no name that can be imported"
_UNKNOWN_PROMISES = "\npromises = ...  # those given; a function in them cannot be imported"


def name_of(rule: Any) -> str:
    """Name of a rule in reports.

    Examples:
        >>> import functools
        >>> name_of(functools.partial(max, default=0.0))
        'max(default=0.0)'
    """
    if isinstance(rule, UpdateRule):
        return rule.name
    if isinstance(rule, functools.partial):
        given = [
            *map(repr, rule.args),
            *(f"{name}={value!r}" for name, value in rule.keywords.items()),
        ]
        return f"{name_of(rule.func)}({', '.join(given)})"
    return getattr(rule, "__name__", None) or type(rule).__name__


def _importable(value: Any) -> tuple[str, str] | None:
    """Module and dotted name under which an object can be imported, or None."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "<>")
    if not module or "<" in name or module == "__main__":
        return None
    try:
        found = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError):
        return None
    return (module, name) if found is value else None


def _code_of_update_rule(rule: UpdateRule) -> str:
    try:
        known = find_update_rule(rule.name)
    except (TypeError, ValueError, ModuleNotFoundError):
        return _UNKNOWN
    parts = ("advantage", "weight", "reference", "initial_state")
    if any(getattr(known, part) != getattr(rule, part) for part in parts):
        return _UNKNOWN
    changed = {name: value for name, value in rule.hyper.items() if known.hyper.get(name) != value}
    given = "".join(f", {name}={value!r}" for name, value in changed.items())
    return f"from banditlab import get_rule\nrule = get_rule({rule.name!r}{given})"


def code_of(rule: Any) -> str:
    """Python that binds the name `rule`, as far as the rule can be found by its name.

    Args:
        rule: an `UpdateRule` that `get_rule` finds, an importable object, or a partial of one.

    Returns:
        The code, one to three lines; a comment where the rule cannot be found.
    """
    if isinstance(rule, UpdateRule):
        return _code_of_update_rule(rule)
    if isinstance(rule, functools.partial) and not rule.args:
        inner = code_of(rule.func)
        if inner == _UNKNOWN:
            return _UNKNOWN
        given = "".join(f", {name}={value!r}" for name, value in rule.keywords.items())
        return f"import functools\n{inner}\nrule = functools.partial(rule{given})"
    place = _importable(rule)
    if place is None:
        return _UNKNOWN
    return f"from {place[0]} import {place[1].partition('.')[0]}\nrule = {place[1]}"


def code_with(code: str, kind: str | None, promises: Promises | None) -> str:
    """Python that also binds `check_example` to the kind and the promises that were given.

    Args:
        code: Python that binds the name `rule`.
        kind: kind given by the caller, if any.
        promises: promises given by the caller, if any.

    Returns:
        The code.
    """
    imports, bound = [], []
    if kind is not None:
        bound.append(f"kind={kind!r}")
    if promises is not None:
        told = {n: _expression(value, imports) for n, value in promises.changed().items()}
        if None in told.values():
            code += _UNKNOWN_PROMISES
        else:
            given = ", ".join(f"{name}={expression}" for name, expression in told.items())
            imports.append("from banditlab.testing import Promises")
            code += f"\npromises = Promises({given})"
        bound.append("promises=promises")
    if not bound:
        return code
    imports.append("import functools")
    call = f"check_example = functools.partial(check_example, {', '.join(bound)})"
    return "\n".join([*sorted(set(imports)), code, call])


def _expression(value: Any, imports: list[str]) -> str | None:
    """Python for one promise, None for an unimportable function; adds to `imports`."""
    if isinstance(value, functools.partial) and not value.args:
        inner = _expression(value.func, imports)
        imports.append("import functools")
        given = "".join(f", {name}={entry!r}" for name, entry in value.keywords.items())
        return None if inner is None else f"functools.partial({inner}{given})"
    if not callable(value):
        return repr(value)
    place = _importable(value)
    if place is None:
        return None
    imports.append(f"import {place[0]}")
    return f"{place[0]}.{place[1]}"
