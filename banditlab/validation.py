"""The one form of every error that a wrong input gets, and the few conditions met most often."""

import math
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def requirement_error(
    function: str, argument: str, condition: str, got: Any, remedy: str
) -> ValueError:
    """Return the ValueError that says which argument broke which condition, and what to do.

    Args:
        function: public function that was called.
        argument: name of the offending argument.
        condition: what the argument must be, as it reads after "must be".
        got: the value received.
        remedy: one sentence, without its full stop, that says what to do.

    Returns:
        The error, to be raised by the caller.
    """
    return ValueError(f"{function}: `{argument}` must be {condition}, got {got}. {remedy}.")


def require(
    is_met: bool, function: str, argument: str, condition: str, got: Any, remedy: str
) -> None:
    """Raise the error of `requirement_error` unless the condition is met.

    Args:
        is_met: whether the condition holds.
        function: public function that was called.
        argument: name of the offending argument.
        condition: what the argument must be.
        got: the value received.
        remedy: what to do.

    Raises:
        ValueError: the condition does not hold.
    """
    if not is_met:
        raise requirement_error(function, argument, condition, got, remedy)


def require_equal_shapes(function: str, **arrays: Any) -> None:
    """Demand equal shapes, so that nothing broadcasts by accident ([B] against [B, 1]).

    Args:
        function: public function that was called.
        **arrays: argument name -> array; the first one gives the shape.

    Raises:
        ValueError: a shape differs from the first one.
    """
    (first_name, first), *rest = arrays.items()
    for name, array in rest:
        require(
            tuple(array.shape) == tuple(first.shape),
            function,
            name,
            f"of the shape of `{first_name}`, {tuple(first.shape)}",
            tuple(array.shape),
            "Nothing is broadcast; reshape or expand it first",
        )


def require_known(function: str, argument: str, name: str, known: Iterable[str], kind: str) -> None:
    """Demand that a name is registered, and answer a miss with the nearest names.

    Args:
        function: public function that was called.
        argument: name of the offending argument.
        name: the name asked for.
        known: the names that exist.
        kind: what the names are names of, for the message.

    Raises:
        ValueError: the name is not among the known ones.
    """
    names = list(known)
    if name in names:
        return
    nearest = get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
    raise requirement_error(
        function,
        argument,
        f"a known {kind}",
        repr(name),
        f"{hint}There are: {', '.join(names)}",
    )


def require_finite_number(
    function: str,
    argument: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    is_low_open: bool = False,
    remedy: str,
) -> None:
    """Demand a finite real number within bounds.

    Args:
        function: public function that was called.
        argument: name of the offending argument.
        value: the value received.
        low: least allowed value.
        high: greatest allowed value.
        is_low_open: whether `low` itself is excluded.
        remedy: what to do.

    Raises:
        TypeError: the value is not a real number.
        ValueError: the value is not finite or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"{function}: `{argument}` must be a real number, got {type(value).__name__}. {remedy}."
        )
    is_above = value > low if is_low_open else value >= low
    bounds = f"{'(' if is_low_open else '['}{low:g}, {high:g}]"
    require(
        math.isfinite(value) and is_above and value <= high,
        function,
        argument,
        f"a finite number in {bounds}",
        value,
        remedy,
    )
