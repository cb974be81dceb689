"""Sweeps at work: the cells of a grid over joblib, on local processes or a Dask cluster.

Each cell has a run folder of its own, `cells/NAME`, which appears whole or not at all.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from banditlab.experiments.experiment import Experiment
from banditlab.experiments.grids import Cell
from banditlab.experiments.run import KIND, run_experiment
from banditlab.lock import hold_lock
from banditlab.records import CONFIG_FILE, claim_run_folder, write_json

CELLS_FOLDER = "cells"
LOCAL_CLUSTER = "local"
# Workers of a sweep that was killed wait for more work, and leave after a while without any.
_LOKY = {"inner_max_num_threads": 1, "idle_worker_timeout": 20}


@dataclass(frozen=True)
class Outcome:
    """How a cell ended.

    Attributes:
        name: the cell.
        error: what went wrong; None for a finished cell.
    """

    name: str
    error: str | None = None


def claim_sweep_folder(out: Path, tables: Mapping[str, Any], cells: Sequence[Cell]) -> list[Cell]:
    """Create the folder of a sweep, or find it again; its grid may have changed since.

    Args:
        out: the folder.
        tables: the file's tables.
        cells: the cells.

    Returns:
        The cells that are not finished.

    Raises:
        ValueError: the folder holds something else, or a finished cell of the same name had
            another configuration.
    """
    config_file = out / CONFIG_FILE
    if config_file.exists() and json.loads(config_file.read_text()).get("kind") == "sweep":
        unfinished = []
        for cell in cells:
            folder = out / CELLS_FOLDER / cell.name
            if folder.exists():
                claim_run_folder(folder, cell.experiment.as_dict(), KIND)
            else:
                unfinished.append(cell)
        write_json(config_file, {"kind": "sweep", **tables})
        return unfinished
    claim_run_folder(out, dict(tables), "sweep")
    (out / CELLS_FOLDER).mkdir()
    return list(cells)


def run_cell(cell: Cell, out: Path) -> Outcome:
    """Run one cell; its folder appears when it is complete.

    Args:
        cell: the cell.
        out: the sweep's folder.

    Returns:
        The outcome; an error is an outcome too, so that the other cells go on.
    """
    folder = out / CELLS_FOLDER / cell.name
    partial = folder.with_name(f".{cell.name}.partial")
    try:
        # Workers of a sweep that was killed may still be finishing their cells.
        with hold_lock(folder.with_name(f".{cell.name}.lock"), "sweep", folder):
            if folder.exists():
                return Outcome(cell.name)
            _drop_foreign(partial, cell.experiment)
            run_experiment(cell.experiment, partial)
            partial.rename(folder)
    except Exception as error:
        unexpected = not isinstance(error, ValueError | TypeError | FloatingPointError | OSError)
        return Outcome(cell.name, f"{type(error).__name__ + ': ' if unexpected else ''}{error}")
    return Outcome(cell.name)


def _drop_foreign(partial: Path, experiment: Experiment) -> None:
    """Remove what an interrupted sweep with another configuration left of a cell."""
    config_file = partial / CONFIG_FILE
    wanted = {"kind": KIND, **experiment.as_dict()}
    if config_file.exists() and json.loads(config_file.read_text()) != wanted:
        shutil.rmtree(partial)


def run_sweep(
    cells: Sequence[Cell],
    out: Path,
    *,
    num_workers: int,
    cluster: str | None = None,
    on_cell: Callable[[Outcome], Any] | None = None,
) -> list[Outcome]:
    """Run cells, each in a process of its own kind, one BLAS thread each.

    Args:
        cells: the cells to run.
        out: the sweep's folder, claimed before; workers of a cluster must see it by that path.
        num_workers: processes.
        cluster: address of a Dask scheduler, or "local" for a cluster of `num_workers` processes
            on this machine; by default joblib's own processes.
        on_cell: called with each outcome as it comes.

    Returns:
        Outcomes in the order of the cells.

    Raises:
        ModuleNotFoundError: a cluster is asked for and Dask is not installed.
        OSError: the cluster does not answer.
    """
    from joblib import Parallel, delayed

    found: dict[str, Outcome] = {}
    problem = "the sweep stopped before it"
    with ExitStack() as stack:
        stack.enter_context(_workers(num_workers, cluster))
        tasks = (delayed(run_cell)(cell, out.absolute()) for cell in cells)
        try:
            for outcome in Parallel(return_as="generator_unordered", batch_size=1)(tasks):
                found[outcome.name] = outcome
                if on_cell is not None:
                    on_cell(outcome)
        except Exception as error:
            # A worker process died, e.g. for want of memory; what is finished counts.
            problem = f"its worker or another one died: {type(error).__name__}: {error}"
    outcomes = [found.get(cell.name, Outcome(cell.name, problem)) for cell in cells]
    return [_seen(outcome, out) for outcome in outcomes]


def _seen(outcome: Outcome, out: Path) -> Outcome:
    folder = out / CELLS_FOLDER / outcome.name
    if outcome.error is None and not folder.exists():
        return Outcome(outcome.name, f"its folder {folder} cannot be seen here; share the disk")
    return outcome


@contextmanager
def _workers(num_workers: int, cluster: str | None) -> Iterator[None]:
    """Context in which joblib uses the processes asked for."""
    from joblib import parallel_config

    if cluster is None:
        with parallel_config("loky", n_jobs=num_workers, **_LOKY):
            yield
        return
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        address: Any = cluster
        if cluster == LOCAL_CLUSTER:
            # Dask starts its processes with one BLAS thread each, unless it is told otherwise.
            local = LocalCluster(
                n_workers=num_workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
            address = stack.enter_context(local)
        client = stack.enter_context(Client(address, set_as_default=False))
        stack.enter_context(parallel_config("dask", client=client))
        yield


def default_workers() -> int:
    """Processes that this machine can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
