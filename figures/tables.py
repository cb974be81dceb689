"""Tidy tables as CSV: one row per value, the same columns for every world."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from banditlab.files import write_atomically
from banditlab.validation import require


@dataclass(frozen=True)
class CurvePoint:
    """One point of one curve.

    Attributes:
        cell: configuration, e.g. "clip".
        learning_rate: learning rate of the model, or step size of the simulation.
        source: "model", "simulation" or "theory".
        split: "train" or "heldout".
        series: "seed N" for a run, "mean" over runs, "ode" for theory.
        update: rounds done.
        rollouts: responses sampled so far.
        pass_rate: probability of a right answer.
        low: lower end of the interval, where the series has one.
        high: upper end of the interval, where the series has one.
    """

    cell: str
    learning_rate: float
    source: str
    split: str
    series: str
    update: int
    rollouts: int
    pass_rate: float
    low: float | None = None
    high: float | None = None


def write_rows(path: Path, kind: type, rows: Iterable[Any], *, digits: int | None = None) -> None:
    """Write the rows of a table as CSV, one column a field.

    Args:
        path: the file.
        kind: dataclass of a row; its fields are str, int, float, or one of these and None.
        rows: the rows.
        digits: significant digits of a float; by default all that tell it apart.

    Raises:
        OSError: the disk refuses.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in fields(kind)])
    writer.writerows([_text(value, digits) for value in astuple(row)] for row in rows)
    write_atomically(path, buffer.getvalue())


def _text(value: Any, digits: int | None) -> Any:
    if value is None:
        return ""
    return f"{value:.{digits}g}" if isinstance(value, float) and digits else value


def read_rows(path: Path, kind: type, *, function: str, remedy: str) -> list[Any]:
    """Read what `write_rows` wrote.

    Args:
        path: the file.
        kind: dataclass of a row.
        function: public function that was called, for the error.
        remedy: what to do about a file with other columns.

    Returns:
        The rows.

    Raises:
        ValueError: the columns are others.
        OSError: the file cannot be read.
    """
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        wanted = [column.name for column in fields(kind)]
        require(
            reader.fieldnames == wanted,
            function,
            "path",
            f"a table with the columns {', '.join(wanted)}",
            f"{path.name} with {', '.join(reader.fieldnames or [])}",
            remedy,
        )
        return [
            kind(**{column.name: _value(row[column.name], column.type) for column in fields(kind)})
            for row in reader
        ]


def _value(text: str, kind: Any) -> Any:
    plain, *optional = get_args(kind) or (kind,)
    return None if optional and not text else plain(text)


def write_table(path: Path, points: Iterable[CurvePoint]) -> None:
    """Write points as CSV.

    Args:
        path: the file.
        points: the rows.

    Raises:
        OSError: the disk refuses.
    """
    write_rows(path, CurvePoint, points)


def read_table(path: Path) -> list[CurvePoint]:
    """Read points written by `write_table`.

    Args:
        path: the file.

    Returns:
        The rows.

    Raises:
        ValueError: the columns are others.
        OSError: there is no such file.
    """
    remedy = "Write it with figures.tables.write_table"
    return read_rows(path, CurvePoint, function="read_table", remedy=remedy)
