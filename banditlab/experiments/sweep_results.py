"""What a sweep found: final values of its cells, as a table to read and as a tidy CSV file."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from banditlab.experiments.grids import Cell
from banditlab.experiments.summary import final_values, reward_label
from banditlab.experiments.sweep import CELLS_FOLDER
from banditlab.files import write_atomically
from banditlab.records import Record

RESULTS_FILE = "results.csv"
_SHOWN = ("pass_rate", "heldout_pass_rate", "entropy", "ratio_variance")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def write_results(cells: Sequence[Cell], out: Path) -> None:
    """Write `results.csv`: one row per finished cell and metric, at the last step.

    Columns: cell, one per swept key, metric, step, num_runs, mean, standard_error.

    Args:
        cells: the finished cells.
        out: the sweep's folder.

    Raises:
        OSError: the disk refuses.
    """
    keys = list(cells[0].values)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["cell", *keys, "metric", "step", "num_runs", "mean", "standard_error"])
    for cell in cells:
        record = Record.load(out / CELLS_FOLDER / cell.name)
        swept = [_word(cell.values[key]) for key in keys]
        for metric, (mean, error) in final_values(record).items():
            num_runs = len(record.curves[metric])
            shown_error = "" if math.isnan(error) else repr(error)
            last = record.step[-1].item()
            row = [cell.name, *swept, metric, last, num_runs, repr(mean), shown_error]
            writer.writerow(row)
    write_atomically(out / RESULTS_FILE, buffer.getvalue())


def results_table(cells: Sequence[Cell], out: Path) -> tuple[list[str], list[list[str]]]:
    """Final values of finished cells, as text.

    Args:
        cells: the finished cells.
        out: the sweep's folder.

    Returns:
        The header and one row per cell; a metric that no cell has is left out.
    """
    finals = [final_values(Record.load(out / CELLS_FOLDER / cell.name)) for cell in cells]
    labels = dict.fromkeys(reward_label(cell.experiment.problem["kind"]) for cell in cells)
    rate = " or ".join(labels)
    titles = {"pass_rate": rate, "heldout_pass_rate": f"held-out {rate}"}
    metrics = [name for name in _SHOWN if any(name in final for final in finals)]
    header = [*cells[0].values, *(f"{titles.get(name, name)} (SE)" for name in metrics)]
    rows = [
        [_short(value) for value in cell.values.values()]
        + [_with_error(*final[name]) if name in final else "-" for name in metrics]
        for cell, final in zip(cells, finals, strict=True)
    ]
    return header, rows


def _short(value: Any) -> str:
    text = _word(value)
    return text if len(text) <= 30 else f"{text[:27]}..."


def _with_error(mean: float, error: float) -> str:
    return f"{mean:.4g}" if math.isnan(error) else f"{mean:.4g} ({error:.1g})"
