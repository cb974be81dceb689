"""What a benchmark prints and writes at its end."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from banditlab.files import write_atomically
from banditlab.records import provenance, write_json
from benchmarks.rows import Row, csv_text, json_rows, table


def print_section(name: str, rows: Sequence[Row]) -> None:
    """Print the tables of one section.

    Args:
        name: of the section.
        rows: its rows.
    """
    print(f"\n# {name}\n\n{table(rows)}", flush=True)


def missed_bounds(rows: Sequence[Row]) -> list[str]:
    """Name the bounds that are missed.

    Args:
        rows: of all sections.

    Returns:
        One line a bound.
    """
    lines = []
    for row in rows:
        if row.is_met is False:
            bound = (
                f"at most {row.at_most:g}" if row.at_most is not None else f">= {row.at_least:g}"
            )
            lines.append(f"missed: {row.case}, {row.quantity}: {row.median:.3g}, aimed for {bound}")
    return lines


def write_results(
    rows: Sequence[Row],
    file: Path,
    write_picture: Callable[[Sequence[Row], Path], list[Path]],
    **measured: Any,
) -> list[Path]:
    """Write rows with their provenance, as a table, and as a picture.

    Args:
        rows: of all sections.
        file: the JSON file; the others stand beside it.
        write_picture: draws rows into a folder and gives the paths.
        **measured: what else the provenance says.

    Returns:
        Paths of all files.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"provenance": provenance(**measured), "rows": json_rows(rows)})
    write_atomically(file.with_suffix(".csv"), csv_text(rows))
    return [file, file.with_suffix(".csv"), *write_picture(rows, file.parent)]
