"""Tidy tables as CSV: one row per value, the same columns for every world."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

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


def write_table(path: Path, points: Iterable[CurvePoint]) -> None:
    """Write points as CSV.

    Args:
        path: the file.
        points: the rows.

    Raises:
        OSError: the disk refuses.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in fields(CurvePoint)])
    for point in points:
        writer.writerow(["" if value is None else value for value in astuple(point)])
    write_atomically(path, buffer.getvalue())


def read_table(path: Path) -> list[CurvePoint]:
    """Read points written by `write_table`.

    Args:
        path: the file.

    Returns:
        The rows.

    Raises:
        ValueError: a column is missing.
        OSError: there is no such file.
    """
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        wanted = [column.name for column in fields(CurvePoint)]
        require(
            reader.fieldnames == wanted,
            "read_table",
            "path",
            f"a table with the columns {', '.join(wanted)}",
            reader.fieldnames,
            "Write it with figures.tables.write_table",
        )
        return [
            CurvePoint(
                cell=row["cell"],
                learning_rate=float(row["learning_rate"]),
                source=row["source"],
                split=row["split"],
                series=row["series"],
                update=int(row["update"]),
                rollouts=int(row["rollouts"]),
                pass_rate=float(row["pass_rate"]),
                low=float(row["low"]) if row["low"] else None,
                high=float(row["high"]) if row["high"] else None,
            )
            for row in reader
        ]
