"""Curves of training runs: read from run folders, from the study's table, or from anyone's log.

Shapes: N runs, S points of a curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from figures.tables import read_rows, write_rows
from llm_bridge.forecast.scoreboard import Observed
from llm_bridge.forecast.study import Study, StudyCell


@dataclass(frozen=True)
class ObservedPoint:
    """One evaluation of one run.

    Attributes:
        cell: name of the cell.
        learning_rate: its learning rate.
        seed: of the run.
        split: "train" or "heldout".
        update: updates done.
        pass_rate: share of right responses.
        num_samples: responses.
    """

    cell: str
    learning_rate: float
    seed: int
    split: str
    update: int
    pass_rate: float
    num_samples: int


def run_name(cell: StudyCell, seed: int) -> str:
    """Name of the folder of one run.

    Args:
        cell: its configuration.
        seed: its seed.

    Returns:
        The name.
    """
    return f"{cell.name}-lr{cell.learning_rate:g}-seed{seed}"


def read_run(folder: Path, cell: StudyCell, seed: int) -> list[ObservedPoint]:
    """Evaluations of one run.

    Args:
        folder: its run folder.
        cell: its configuration.
        seed: its seed.

    Returns:
        The points of both splits, or of the prompt trained on where it is the only one. A run
        that blew up keeps pass rate 0 from there on, its last update included: its model is
        not one.
    """
    # It brings torch, which tables of runs do not need.
    from llm_bridge.metrics import read_metrics

    points = []
    lines = [line for line in read_metrics(folder) if line["kind"] == "evaluation"]
    for split in ("train", "heldout") if cell.row is None else ("train",):
        known = [line for line in lines if f"{split}_pass_rate" in line]
        for line in known:
            points.append(
                ObservedPoint(
                    cell.name,
                    cell.learning_rate,
                    seed,
                    split,
                    line["update"],
                    line[f"{split}_pass_rate"],
                    line[f"{split}_num_samples"],
                )
            )
        if not known or not (folder / "stopped.json").exists():
            continue
        samples = known[-1][f"{split}_num_samples"]
        evaluated = range(cell.eval_every, cell.num_updates, cell.eval_every)
        points += [
            ObservedPoint(cell.name, cell.learning_rate, seed, split, update, 0.0, samples)
            for update in (*evaluated, cell.num_updates)
            if update > known[-1]["update"]
        ]
    return points


def write_points(path: Path, points: Sequence[ObservedPoint]) -> None:
    """Write points as CSV.

    Args:
        path: the file.
        points: the rows.

    Raises:
        OSError: the disk refuses.
    """
    write_rows(path, ObservedPoint, points)


def read_points(path: Path) -> list[ObservedPoint]:
    """Read what `write_points` wrote.

    Args:
        path: the file.

    Returns:
        The points.

    Raises:
        ValueError: the columns are others.
        OSError: the file cannot be read.
    """
    remedy = "banditlab compare --study writes such a table"
    return read_rows(path, ObservedPoint, function="read_points", remedy=remedy)


def observed_cells(study: Study, points: Sequence[ObservedPoint]) -> dict[str, Observed]:
    """Target curves of the study's cells that have whole runs.

    The target of a cell is held out, or the prompt trained on where that is the only one.

    Args:
        study: the cells.
        points: evaluations.

    Returns:
        Curves by cell; runs that are not at their end are left out, and cells without a run.
    """
    found = {}
    for cell in study.cells:
        split = "heldout" if cell.row is None else "train"
        runs: dict[int, dict[int, ObservedPoint]] = {}
        for point in points:
            is_cell = (point.cell, point.learning_rate) == (cell.name, cell.learning_rate)
            if is_cell and point.split == split:
                runs.setdefault(point.seed, {})[point.update] = point
        whole = [run for _, run in sorted(runs.items()) if cell.num_updates in run]
        if not whole:
            continue
        updates = sorted(set.intersection(*(set(run) for run in whole)))
        found[cell.name] = Observed(
            update=np.array(updates),
            pass_rate=np.array([[run[update].pass_rate for update in updates] for run in whole]),
            num_samples=whole[0][updates[0]].num_samples,
        )
    return found


def curves_by_cell(points: Sequence[ObservedPoint]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Curves of whole runs for a picture, of held-out prompts where there are enough of them.

    Args:
        points: evaluations of runs of the same length within a cell; of a cell that trains on one
            prompt alone, only those of that prompt.

    Returns:
        Cell -> updates [S] and pass rates [N, S]; runs that are not at their end are left out.
    """
    found = {}
    for cell in dict.fromkeys(point.cell for point in points):
        of_cell = [point for point in points if point.cell == cell]
        split = "heldout" if any(point.split == "heldout" for point in of_cell) else "train"
        runs: dict[int, dict[int, float]] = {}
        for point in of_cell:
            if point.split == split:
                runs.setdefault(point.seed, {})[point.update] = point.pass_rate
        last = max(update for run in runs.values() for update in run)
        whole = [run for run in runs.values() if last in run]
        updates = sorted(set.intersection(*(set(run) for run in whole)))
        curves = [[run[update] for update in updates] for run in whole]
        found[cell] = (np.array(updates), np.array(curves))
    return found
