"""Results as tidy rows, and as tables with the competitors side by side.

Shapes: N rounds.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields

import numpy as np
from tabulate import tabulate

from benchmarks.timing import quartiles


@dataclass(frozen=True)
class Row:
    """One measured quantity at one setting.

    Attributes:
        section: part of the benchmark, a key of `SECTIONS`.
        case: what was run.
        variable: what varies between the lines of a table.
        value: its value.
        quantity: what was measured.
        unit: its unit.
        median: over rounds.
        low: lower quartile over rounds.
        high: upper quartile over rounds.
        at_most: upper bound that is aimed for, where there is one.
        at_least: lower bound that is aimed for, where there is one.
    """

    section: str
    case: str
    variable: str
    value: float
    quantity: str
    unit: str
    median: float
    low: float
    high: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the median keeps its bound; None where there is no bound."""
        if self.at_most is None and self.at_least is None:
            return None
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= self.median <= high


@dataclass(frozen=True)
class Setting:
    """Setting of a section, from which rows of several quantities are made.

    Attributes:
        section: part of the benchmark.
        case: what was run.
        variable: what varies.
        value: its value.
    """

    section: str
    case: str
    variable: str
    value: float

    def row(
        self,
        quantity: str,
        unit: str,
        samples: np.ndarray | tuple[float, float, float] | float,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> Row:
        """Row of one quantity.

        Args:
            quantity: what was measured.
            unit: its unit.
            samples: one number per round, shape [N]; or median and quartiles; or one number.
            at_most: upper bound that is aimed for.
            at_least: lower bound that is aimed for.

        Returns:
            The row.
        """
        if isinstance(samples, tuple):
            median, low, high = samples
        else:
            median, low, high = quartiles(np.atleast_1d(samples))
        where = (self.section, self.case, self.variable, self.value)
        return Row(*where, quantity, unit, median, low, high, at_most, at_least)


def _cell(row: Row) -> str:
    text = f"{row.median:.3g}"
    if row.low != row.high:
        text += f" [{row.low:.3g}, {row.high:.3g}]"
    if row.is_met is not None:
        bound = f"<= {row.at_most:g}" if row.at_most is not None else f">= {row.at_least:g}"
        text += f" ({bound}: {'met' if row.is_met else 'MISSED'})"
    return text


def table(rows: Sequence[Row]) -> str:
    """One table per set of columns: a line per setting, quantities side by side.

    Args:
        rows: rows of one section.

    Returns:
        Text; a cell reads median [lower quartile, upper quartile].
    """
    lines: dict[tuple[str, str, float], dict[str, str]] = {}
    for row in rows:
        cells = lines.setdefault((row.case, row.variable, row.value), {})
        cells[f"{row.quantity}\n{row.unit}"] = _cell(row)
    tables: dict[tuple[str, ...], list[list[str]]] = {}
    for (case, variable, value), cells in lines.items():
        columns = ("case", variable, *cells)
        tables.setdefault(columns, []).append([case, f"{value:g}", *cells.values()])
    return "\n\n".join(
        tabulate(body, headers=columns, disable_numparse=True) for columns, body in tables.items()
    )


def csv_text(rows: Sequence[Row]) -> str:
    """Rows as CSV.

    Args:
        rows: the rows.

    Returns:
        The text, with a header.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in fields(Row)])
    for row in rows:
        writer.writerow(["" if value is None else value for value in astuple(row)])
    return buffer.getvalue()


def json_rows(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Rows as JSON can write them.

    Args:
        rows: the rows.

    Returns:
        One dictionary per row, `is_met` included.
    """
    return [{**asdict(row), "is_met": row.is_met} for row in rows]
