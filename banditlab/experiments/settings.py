"""Tables of an experiment file as keyword arguments: names known, kinds right, defaults filled in.

What a table may hold is read off the signature of the function that gets it, so that a file knows
exactly what the Python interface knows.
"""

import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from banditlab.metrics import LARGEST_COUNT
from banditlab.validation import require, require_known, requirement_error


@dataclass(frozen=True)
class Place:
    """Where in an experiment a table stands, for errors.

    Attributes:
        source: the file's name, or "Experiment".
        table: dotted name of the table; empty for the whole file.
    """

    source: str
    table: str = ""

    def __truediv__(self, key: str) -> "Place":
        return Place(self.source, f"{self.table}.{key}" if self.table else key)

    def wrong_kind(self, wanted: str, got: Any, remedy: str) -> TypeError:
        """Return the error for a value of the wrong kind at this place.

        Args:
            wanted: what must stand there.
            got: what stands there.
            remedy: what to do.

        Returns:
            The error, to be raised by the caller.
        """
        return TypeError(
            f"{self.source}: `{self.table}` must be {wanted}, got {type(got).__name__} {got!r}. "
            f"{remedy}."
        )

    @contextmanager
    def named(self) -> Iterator[None]:
        """Context in which errors of a constructor are told with the place of its table.

        Raises:
            ValueError, TypeError: what was raised inside, with file and table before the message.
        """
        try:
            yield
        except (ValueError, TypeError) as error:
            message = str(error)
            if message.startswith(self.source):
                raise
            table = f" [{self.table}]" if self.table else ""
            function, sign, rest = message.partition(": `")
            if not table and sign and function.isidentifier():
                # The file, or the command, says where; the function inside says no more.
                message = f"`{rest}"
            # Some kinds, e.g. UnicodeDecodeError, are not made from a message alone.
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{self.source}{table}: {message}") from error


def require_table(value: Any, place: Place) -> Mapping[str, Any]:
    """Demand a table of keys and values.

    Args:
        value: the value received.
        place: where it stands.

    Returns:
        The same.

    Raises:
        TypeError: it is no table, or a key is no word.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise place.wrong_kind("a table", value, "Give keys and values")
    return value


def read_arguments(
    function: Callable[..., Any],
    table: Mapping[str, Any],
    place: Place,
    *,
    leave_out: Collection[str] = (),
    other_keys: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Keyword arguments of a function from a table.

    Args:
        function: the function or class that gets them.
        table: key -> value.
        place: where the table stands.
        leave_out: parameters that a file does not give.
        other_keys: keys of the table that somebody else reads.
        defaults: values of parameters where neither the table nor the signature has another.

    Returns:
        Parameter -> value, as JSON can write it; a parameter whose default is None is there only
        if given.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a key is unknown, or a required one is missing.
    """
    hints = get_type_hints(function)
    parameters = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in leave_out
    } | dict(defaults or {})
    known = [*parameters, *other_keys]
    for key in table:
        require_known(place.source, (place / key).table, key, known, f"key of [{place.table}]")
    found = {}
    for name, default in parameters.items():
        if table.get(name) is not None:
            found[name] = read_value(table[name], hints[name], place / name)
        elif default is inspect.Parameter.empty:
            raise requirement_error(
                place.source, (place / name).table, "given", "nothing", f"Set {name} = ..."
            )
        elif default is not None:
            found[name] = list(default) if isinstance(default, tuple) else default
    return found


def _plain_kind(hint: Any) -> tuple[type, int | None]:
    """Kind of the numbers of a type hint, and the depth of its lists; None where any depth does."""
    if isinstance(hint, UnionType):
        # int | float is a whole number of any size, whose first kind is read here.
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is Literal:
        return str, 0
    if hint is np.ndarray:
        return float, None
    depth = 0
    while get_args(hint):
        hint, depth = get_args(hint)[0], depth + 1
    return hint, depth


def read_value(value: Any, hint: Any, place: Place) -> Any:
    """Read one value of the kind that a type hint asks for.

    Args:
        value: the value as the file has it.
        hint: e.g. int, float, str, bool, np.ndarray, tuple[int, ...].
        place: where it stands.

    Returns:
        The value: a whole float as an integer where one is wanted, an integer as a float where
        one is wanted.

    Raises:
        TypeError: it is of another kind.
        ValueError: it is not finite.

    Examples:
        >>> read_value(1e6, int, Place("grid.toml", "run.num_steps"))
        1000000
    """
    kind, depth = _plain_kind(hint)
    is_list = isinstance(value, list | tuple | np.ndarray)
    if depth is None:
        if not is_list:
            raise place.wrong_kind("a list of numbers", value, "Write [0.1, 0.2]")
        return [_read_nested(entry, kind, place) for entry in value]
    if depth == 0:
        number = _read_scalar(value, kind, place)
        # Horizons of the event-driven mode are counts that no float64 counts one by one.
        is_horizon = kind is int and float in get_args(hint)
        return float(number) if is_horizon and number > LARGEST_COUNT else number
    if not is_list:
        raise place.wrong_kind("a list", value, "Write [...]")
    inner = get_args(hint)[0]
    return [read_value(entry, inner, place) for entry in value]


def _read_nested(value: Any, kind: type, place: Place) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return [_read_nested(entry, kind, place) for entry in value]
    return _read_scalar(value, kind, place)


def _read_scalar(value: Any, kind: type, place: Place) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise place.wrong_kind("true or false", value, "It is a switch")
    if kind is str:
        if isinstance(value, str):
            return value
        raise place.wrong_kind("a word", value, 'Write it in quotes, "like this"')
    if isinstance(value, bool) or not isinstance(value, int | float):
        wanted = "a whole number" if kind is int else "a number"
        raise place.wrong_kind(wanted, value, "Write it without quotes")
    require(math.isfinite(value), place.source, place.table, "finite", value, "Give a number")
    if kind is float:
        return float(value)
    if value != int(value):
        raise place.wrong_kind("a whole number", value, "Round it")
    return int(value)
