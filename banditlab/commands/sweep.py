"""The command `banditlab sweep`: a grid of experiments, on local processes or a Dask cluster."""

import math
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from banditlab.command import Command
from banditlab.commands.simulate import add_set_argument

if TYPE_CHECKING:
    from banditlab.experiments.grids import Cell

_NUM_TRIED = 6


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="GRID", help="experiment file with a table [sweep]"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        required=True,
        help="folder of the sweep; finished cells in it are kept and skipped",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", default=SUPPRESS, help="processes; by default all cores"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        default=SUPPRESS,
        help="Dask scheduler, e.g. tcp://host:8786, whose workers see DIR; or 'local' for a Dask "
        "cluster of --workers processes here",
    )
    add_set_argument(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        default=SUPPRESS,
        help="print the number of cells with time and memory, estimated from some rounds of some "
        "cells that are thrown away, and stop",
    )


def _sweep(arguments: Namespace) -> int:
    from tqdm import tqdm

    from banditlab.experiments.grids import read_sweep
    from banditlab.experiments.overrides import read_assignment
    from banditlab.experiments.sweep import claim_sweep_folder, default_workers, run_sweep
    from banditlab.experiments.sweep_results import write_results
    from banditlab.validation import require

    given = vars(arguments)
    num_workers = given.get("workers", default_workers())
    require(num_workers >= 1, "sweep", "workers", "at least 1", num_workers, "Leave it out")
    changes = dict(read_assignment(text, "sweep") for text in given.get("set", []))
    tables, cells = read_sweep(arguments.file, changes)
    out = arguments.out
    if "dry_run" in given:
        return _dry_run(cells, num_workers)
    unfinished = claim_sweep_folder(out, tables, cells)
    if len(unfinished) < len(cells):
        print(f"kept {len(cells) - len(unfinished)} of {len(cells)} cells, finished before")
    with tqdm(total=len(unfinished), unit="cell", disable=None) as bar:
        outcomes = run_sweep(
            unfinished,
            out,
            num_workers=num_workers,
            cluster=given.get("cluster"),
            on_cell=lambda _: bar.update(),
        )
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    names = {outcome.name for outcome in failed}
    finished = [cell for cell in cells if cell.name not in names]
    if finished:
        _print_results(finished, out)
        write_results(finished, out)
        from banditlab.commands.pictures import draw_picture

        print(f"written: {out}")
        draw_picture("sweep", out)
    if failed:
        print(f"\n{len(failed)} of {len(cells)} cells failed:")
        for outcome in failed:
            print(f"  {outcome.name}: {outcome.error}")
    return 1 if failed else 0


def _dry_run(cells: Sequence["Cell"], num_workers: int) -> int:
    from banditlab.experiments.estimate import NO_ESTIMATE, estimate
    from banditlab.experiments.run import prepare

    stepped = [cell for cell in cells if not cell.experiment.run["events"]]
    by_event = [cell for cell in cells if cell.experiment.run["events"]]
    tried = [
        cell
        for kind in (stepped, by_event)
        for cell in kind[:: math.ceil(len(kind) / _NUM_TRIED) or 1]
    ]
    found, failures = [], []
    for cell in tried:
        try:
            parts = prepare(cell.experiment)
            if not cell.experiment.run["events"]:
                found.append(estimate(*parts, budget_seconds=0.5))
        except (ArithmeticError, MemoryError, TypeError, ValueError) as error:
            failures.append(f"{cell.name} would fail: {error}")
    print(f"{len(cells)} cells, {num_workers} processes")
    print("\n".join(failures), end="\n" if failures else "")
    if found:
        seconds = sum(one.seconds for one in found) / len(found)
        upper = sum(one.upper_seconds for one in found) / len(found)
        share = len(stepped) / min(num_workers, len(stepped))
        print(
            f"estimate from {len(found)} cells: {seconds:.1f} s a cell (up to {upper:.1f} s), "
            f"{share * seconds:.1f} s in all (up to {share * upper:.1f} s), memory "
            f"{max(one.peak_bytes for one in found) / 2**20:.0f} MiB a process beside Python's own"
        )
    if by_event:
        print(f"{len(by_event)} event-driven cells: {NO_ESTIMATE}")
    print("nothing written")
    return 0


def _print_results(cells: Sequence["Cell"], out: Path) -> None:
    from tabulate import tabulate

    from banditlab.experiments.sweep_results import results_table

    header, rows = results_table(cells, out)
    print(tabulate(rows, headers=header, disable_numparse=True))


sweep_command = Command(
    name="sweep",
    summary="Run a grid of experiments in parallel; finished cells are kept.",
    example="banditlab sweep examples/sweep.toml --out runs/sweep --workers 2",
    add_arguments=_add_arguments,
    run=_sweep,
)
