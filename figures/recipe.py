"""A figure as a recipe: collect its numbers into a table, draw the table, keep both.

`python -m figures.NAME` draws the committed table; with `--collect` it makes the table anew first.
Committed are the table (CSV), a manifest (JSON: versions, commit, seed, seconds) and the picture.
"""

import argparse
import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from banditlab.files import write_atomically
from banditlab.records import provenance, write_json
from banditlab.validation import require
from figures.redraw import save_picture
from figures.style import style

Row = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How a figure comes about.

    Attributes:
        name: name of its files.
        about: one line on what it shows.
        columns: columns of its table: name -> type of the values.
        collect: seed -> rows.
        draw: rows -> Matplotlib figure.
        seed: seed of the committed table.
    """

    name: str
    about: str
    columns: dict[str, type]
    collect: Callable[[int], list[Row]]
    draw: Callable[[list[Row]], Any]
    seed: int = 0


def write_rows(path: Path, columns: dict[str, type], rows: Sequence[Row]) -> None:
    """Write a table as CSV.

    Args:
        path: the file.
        columns: its columns.
        rows: one dictionary per row.

    Raises:
        OSError: the disk refuses.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, buffer.getvalue())


def read_rows(path: Path, columns: dict[str, type]) -> list[Row]:
    """Read a table written by `write_rows`.

    Args:
        path: the file.
        columns: its columns.

    Returns:
        One dictionary per row, values of the columns' types.

    Raises:
        ValueError: the file has other columns.
        OSError: it cannot be read.
    """
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        require(
            reader.fieldnames == list(columns),
            "read_rows",
            "path",
            f"a table with the columns {', '.join(columns)}",
            f"{path.name} with {', '.join(reader.fieldnames or ['none'])}",
            "Collect it anew with --collect",
        )
        return [{name: kind(row[name]) for name, kind in columns.items()} for row in reader]


def main(recipe: Recipe, argv: Sequence[str] | None = None) -> int:
    """Run a recipe from the command line.

    Args:
        recipe: the recipe.
        argv: arguments; those of the process by default.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m figures.{recipe.name}",
        description=recipe.about,
        epilog=f"example: python -m figures.{recipe.name} --collect",
    )
    parser.add_argument("--collect", action="store_true", help="make the table anew first")
    parser.add_argument("--seed", type=int, default=recipe.seed, help="seed of a new table")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder")
    arguments = parser.parse_args(argv)
    table = arguments.out / "data" / f"{recipe.name}.csv"
    if arguments.collect:
        table.parent.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        rows = recipe.collect(arguments.seed)
        seconds = round(time.perf_counter() - start, 1)
        write_rows(table, recipe.columns, rows)
        manifest = {"about": recipe.about, **provenance(seed=arguments.seed, seconds=seconds)}
        write_json(table.with_name(f"{recipe.name}.manifest.json"), manifest)
    with style():
        paths = save_picture(
            recipe.draw(read_rows(table, recipe.columns)), arguments.out / recipe.name
        )
    print("\n".join(str(path) for path in paths))
    return 0
