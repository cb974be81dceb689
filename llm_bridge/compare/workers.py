"""The processes of a comparison: what each does, and a progress bar over all of them."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import Any

from tqdm import tqdm

from banditlab.records import CURVES_FILE, claim_run_folder
from llm_bridge.base_statistics import BaseMeasurement
from llm_bridge.compare.gather import is_finished, run_folder, simulation_folder
from llm_bridge.compare.plan import Cell, ComparePlan
from llm_bridge.compare.predictions import simulate_cell
from llm_bridge.config import TrainConfig

_POLL_SECONDS = 0.5
# Workers of a comparison that was killed end within moments and may still hold a run folder then.
_LOCK_WAIT_SECONDS = 10.0
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483647"}


def use_threads(num_threads: int) -> None:
    """Set the threads of torch in this process; they are part of what makes a run repeatable.

    Args:
        num_threads: threads.
    """
    import torch

    torch.set_num_threads(num_threads)


def _end_with(parent_sentinel: int) -> None:
    connection.wait([parent_sentinel])
    try:
        # The grader's process; its own way to notice may take the length of a hanging grade.
        for child in multiprocessing.active_children():
            child.kill()
    finally:
        # Only this ends the whole process from a thread, whatever its main thread is in.
        os._exit(1)


def _start_worker(num_threads: int) -> None:
    """Tie a worker's life to its parent's: the pool itself leaves workers behind when killed."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=_end_with, args=[parent.sentinel], daemon=True).start()
    use_threads(num_threads)


def _train_one(config: TrainConfig, out: Path) -> None:
    from llm_bridge.train import train

    try:
        grader = _worker_grader()
        train(config, out, progress=False, grader=grader, wait_seconds=_LOCK_WAIT_SECONDS)
    except FloatingPointError:
        # The run folder says where it stopped; a collapse is a result.
        return


_GRADERS: list[Any] = []


def _worker_grader() -> Any:
    """One grader for all runs of a worker: its process starts once and its cache is shared."""
    if not _GRADERS:
        from multiprocessing.util import Finalize

        from llm_bridge.rewards import Grader

        _GRADERS.append(Grader())
        # A worker process joins its children when it ends and runs no atexit handlers before
        # that, so the grader's process has to be ended by a finalizer of multiprocessing itself.
        Finalize(None, _GRADERS[0].close, exitpriority=10)
    return _GRADERS[0]


def _simulate_one(
    plan: ComparePlan, cell: Cell, learning_rate: float, base: BaseMeasurement, out: Path
) -> None:
    record = simulate_cell(plan, cell, learning_rate, base)
    claim_run_folder(out, record.config, "simulate")
    record.save(out)


def _num_updates_done(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_text().count('"kind": "update"') if path.exists() else 0


def _wait_with_bar(futures: Sequence[Future[None]], num_updates: Mapping[Path, int]) -> None:
    pending = set(futures)
    reached: dict[Path, int] = {}
    total = sum(num_updates.values())
    with tqdm(total=total, unit="update", disable=None, desc="training", smoothing=0.02) as bar:
        while pending:
            finished, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
            for folder, planned in num_updates.items():
                if reached.get(folder, 0) < planned:
                    reached[folder] = _num_updates_done(folder)
            bar.n = sum(reached.values())
            bar.refresh()
        # Runs that blew up have no further updates to wait for.
        bar.n = total
        bar.refresh()


@contextmanager
def _pool(num_threads: int, num_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that sample and train, each ended with this one; an error cancels what waits."""
    # glibc gives large blocks back to the system after each use and pays for their pages again;
    # workers that sample keep them. Other C libraries ignore these names.
    for name, value in _KEEP_MEMORY.items():
        os.environ.setdefault(name, value)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_start_worker, initargs=(num_threads,)
    ) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def train_all(configs: Mapping[Path, TrainConfig], *, num_threads: int, num_workers: int) -> None:
    """Train every run that is not finished yet.

    Args:
        configs: run folder -> configuration.
        num_threads: threads of torch in each process.
        num_workers: processes at work side by side.
    """
    waiting = {out: config for out, config in configs.items() if not is_finished(out)}
    if not waiting:
        return
    with _pool(num_threads, num_workers) as pool:
        futures = [pool.submit(_train_one, config, out) for out, config in waiting.items()]
        _wait_with_bar(futures, {out: config.num_updates for out, config in waiting.items()})


def run_everything(
    plan: ComparePlan, out: Path, base: BaseMeasurement, *, num_workers: int
) -> None:
    """Train every run and simulate every cell that is not finished yet.

    Args:
        plan: what to run.
        out: run folder.
        base: numbers of the base model.
        num_workers: processes at work side by side.
    """
    runs = [(run_folder(out, name), config) for name, config in plan.runs()]
    simulations = [(simulation_folder(out, cell, rate), cell, rate) for cell, rate in plan.panels()]
    runs = [run for run in runs if not is_finished(run[0])]
    simulations = [job for job in simulations if not (job[0] / CURVES_FILE).exists()]
    if not runs and not simulations:
        return
    with _pool(plan.num_threads, num_workers) as pool:
        futures = [pool.submit(_train_one, config, folder) for folder, config in runs]
        futures += [
            pool.submit(_simulate_one, plan, cell, rate, base, folder)
            for folder, cell, rate in simulations
        ]
        _wait_with_bar(futures, {folder: plan.num_updates for folder, _ in runs})
