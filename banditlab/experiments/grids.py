"""Grids: the cells of a sweep file.

A sweep file is an experiment with one more table, [sweep]: dotted keys -> lists, whose product is
run; lists under [sweep.zip] go together, element by element.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from banditlab.experiments.experiment import TABLES, Experiment
from banditlab.experiments.overrides import with_changes
from banditlab.experiments.settings import Place, require_table
from banditlab.experiments.table_files import read_tables
from banditlab.validation import require, require_known

_LONGEST_NAME = 120
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")


@dataclass(frozen=True)
class Cell:
    """One experiment of a sweep.

    Attributes:
        name: its folder's name, from the swept values.
        values: swept key -> value.
        experiment: the experiment.
    """

    name: str
    values: Mapping[str, Any]
    experiment: Experiment


def read_sweep(
    path: Path, changes: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Cell]]:
    """Read a sweep file.

    Args:
        path: a .toml, .yaml, .yml or .json file.
        changes: dotted key -> value, in place of the file's; see `overrides.with_changes`.

    Returns:
        The file's tables, and its cells.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a key is unknown or missing, in the file or in a cell, or a changed one is
            swept.
        OSError: a file cannot be read.
    """
    tables = with_changes(read_tables(path), changes or {})
    cells = sweep_cells(tables, source=path.name, folder=path.parent)
    for key in changes or {}:
        lost = next((name for name in cells[0].values if f"{key}.".startswith(f"{name}.")), None)
        require(
            lost is None,
            path.name,
            "set",
            "a key that is not swept",
            key,
            f"`{lost}` is swept; change the list in the file",
        )
    return tables, cells


def sweep_cells(
    tables: Mapping[str, Any], *, source: str = "sweep", folder: Path | None = None
) -> list[Cell]:
    """Cells of a sweep.

    Args:
        tables: those of an experiment, and `sweep`.
        source: name of the file, for errors.
        folder: folder that paths of CSV files are relative to.

    Returns:
        The cells, the last key changing fastest.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a key is unknown or missing, or a list is empty or repeats itself.

    Examples:
        >>> arms = {"kind": "rare_correct", "log10_arms": 9, "success_prob": 0.1}
        >>> grid = {"rule.name": ["grpo", "clip"], "run.seed": [0, 1]}
        >>> cells = sweep_cells({"problem": arms, "sweep": grid})
        >>> [cell.name for cell in cells][:2]
        ['rule=grpo,seed=0', 'rule=grpo,seed=1']
    """
    place = Place(source, "sweep")
    base = {name: table for name, table in tables.items() if name != "sweep"}
    cells = []
    for values in _combinations(require_table(tables.get("sweep", {}), place), place):
        name = _cell_name(values)
        changed = with_changes(base, values)
        cell_source = f"{source}, cell {name}"
        cells.append(
            Cell(name, values, Experiment.from_mapping(changed, source=cell_source, folder=folder))
        )
    names = [cell.name for cell in cells]
    repeated = sorted({name for name in names if names.count(name) > 1})
    require(
        not repeated,
        source,
        "sweep",
        "such that no cell comes twice",
        ", ".join(repeated),
        "Leave repeated values out",
    )
    return cells


def _combinations(table: Mapping[str, Any], place: Place) -> list[dict[str, Any]]:
    table = dict(table)
    zipped = _lists(require_table(table.pop("zip", {}), place / "zip"), place / "zip")
    lengths = {key: len(values) for key, values in zipped.items()}
    require(
        len(set(lengths.values())) <= 1,
        place.source,
        "sweep.zip",
        "lists of one length",
        ", ".join(f"{key} of {length}" for key, length in lengths.items()),
        "They go together element by element; a product stands in [sweep] itself",
    )
    crossed = _lists(table, place)
    require(
        bool(crossed or zipped),
        place.source,
        "sweep",
        "a table with at least one list",
        "nothing",
        'For example: [sweep] with "rule.name" = ["grpo", "clip"]',
    )
    together = [dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)]
    return [
        row | dict(zip(crossed, values, strict=True))
        for row in together or [{}]
        for values in itertools.product(*crossed.values())
    ]


def _lists(table: Mapping[str, Any], place: Place, prefix: str = "") -> dict[str, list[Any]]:
    """Lists by dotted key; `run.seed = [..]` without quotes is a table in TOML."""
    found: dict[str, list[Any]] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= _lists(value, place / key, f"{name}.")
            continue
        require_known(
            place.source, f"sweep.{name}", name.partition(".")[0], TABLES, "table of an experiment"
        )
        if not isinstance(value, list):
            raise (place / key).wrong_kind("a list of values", value, "Write [0.1, 0.2]")
        require(bool(value), place.source, f"sweep.{name}", "a list of values", "none", "Give some")
        found[name] = value
    return found


def _cell_name(values: Mapping[str, Any]) -> str:
    short = {key: _short_key(key) for key in values}
    is_clear = len(set(short.values())) == len(short)
    name = ",".join(
        f"{short[key] if is_clear else key}={_value_name(value)}" for key, value in values.items()
    )
    return name if len(name) <= _LONGEST_NAME else f"cell-{_digest(values)}"


def _short_key(key: str) -> str:
    """Last word of a key; of `rule.name` and the like, what is named."""
    table, _, last = key.rpartition(".")
    return table if last in ("name", "kind") else last


def _value_name(value: Any) -> str:
    """A plain value itself; of a table or a list its name or kind, if it has one, and a digest."""
    text = str(value)
    if isinstance(value, str | int | float) and set(text) <= _PLAIN:
        return text
    title = ""
    if isinstance(value, Mapping):
        title = f"{value.get('name', value.get('kind', ''))}-".lstrip("-")
    return f"{title if set(title) <= _PLAIN else ''}{_digest(value)}"


def _digest(value: Any) -> str:
    written = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:10]
