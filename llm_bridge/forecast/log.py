"""Training logs that others have written: one curve of pass rates from each.

Read are CSV, JSON lines (also those of verl's file logger, whose fields lie under `data`), and
`trainer_state.json` of Transformers and TRL.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.validation import requirement_error

UPDATE_COLUMNS = ("update", "step", "global_step", "training/global_step")
PASS_RATE_COLUMNS = (
    "heldout_pass_rate",
    "pass_rate",
    "rollout_pass_rate",
    "reward",
    "rewards/mean",
    "reward_mean",
    "critic/rewards/mean",
    "critic/score/mean",
)
"""Columns that are looked for, in this order, where none is named."""


def _flattened(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of nested mappings by their own names; a name that comes twice keeps the first."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            for inner, entry in _flattened(value).items():
                found.setdefault(inner, entry)
        else:
            found.setdefault(name, value)
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            # What stands beyond the header's columns has no name.
            return [
                {name: value for name, value in line.items() if name is not None}
                for line in csv.DictReader(file)
            ]
    text = path.read_text()
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        whole = None
    try:
        if isinstance(whole, Mapping) and "log_history" in whole:
            entries = whole["log_history"]
        elif isinstance(whole, list):
            entries = whole
        else:
            entries = [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise requirement_error(
            "read_log",
            "path",
            "a CSV file, JSON lines, or a trainer_state.json",
            f"{path.name} ({error})",
            "Correct that line, or write the curve as CSV",
        ) from error
    return [_flattened(entry) for entry in entries if isinstance(entry, Mapping)]


def _column(
    lines: list[dict[str, Any]], name: str | None, usual: tuple[str, ...], argument: str, path: Path
) -> str:
    known = list(dict.fromkeys(key for line in lines for key in line))
    for candidate in (name,) if name is not None else usual:
        if candidate in known:
            return candidate
    raise requirement_error(
        "read_log",
        argument,
        f"a column of {path.name}: {', '.join(known) or 'it has none'}",
        "nothing that is usual" if name is None else repr(name),
        f"Name it with --{argument.replace('_', '-')}",
    )


def read_log(
    path: Path, *, update_column: str | None = None, pass_rate_column: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Read one curve.

    Args:
        path: the log.
        update_column: column of the updates; by default the first of `UPDATE_COLUMNS`.
        pass_rate_column: column of the pass rates, or of mean rewards of 0 and 1; by default the
            first of `PASS_RATE_COLUMNS`.

    Returns:
        Updates, ascending, and pass rates, each of shape [S]; lines without both are left out.

    Raises:
        ValueError: the file is no log, a column is missing, or a value is no pass rate.
        OSError: the file cannot be read.
    """
    lines = _lines(path)
    update = _column(lines, update_column, UPDATE_COLUMNS, "log_update", path)
    value = _column(lines, pass_rate_column, PASS_RATE_COLUMNS, "log_pass_rate", path)
    points: dict[int, float] = {}
    for line in lines:
        pair = (line.get(update), line.get(value))
        if None in pair or "" in pair:
            continue
        try:
            points[int(float(pair[0]))] = float(pair[1])
        except (TypeError, ValueError, OverflowError) as error:
            raise requirement_error(
                "read_log",
                value,
                "numbers",
                f"{pair[1]!r} at {update} {pair[0]!r}",
                "Leave lines without a measurement empty",
            ) from error
    updates = np.array(sorted(points))
    rates = np.array([points[key] for key in updates.tolist()])
    outside = rates[~((rates >= 0.0) & (rates <= 1.0))]
    if len(rates) == 0 or outside.size:
        raise requirement_error(
            "read_log",
            value,
            "pass rates between 0 and 1, or mean rewards of 0 and 1",
            f"{outside[0]:g}" if outside.size else "no line with both columns",
            "Name another column with --log-pass-rate",
        )
    return updates, rates
