"""Training a causal language model with an update rule: a run folder, and how it goes on.

A run folder holds config.json, provenance.json (versions, thread count), metrics.jsonl,
samples.jsonl, the last checkpoints, and at the end model/ (a Transformers folder with its card) and
summary.json, or stopped.json if the run blew up; while a process works on it, also lock. Every
random number comes from (seed, purpose, update), so a run that was killed and goes on from a
checkpoint gives the same bits. What an update does is in `llm_bridge.update`.
"""

import json
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from banditlab.files import remove_leftovers
from banditlab.lock import lock_run_folder
from banditlab.records import claim_run_folder, provenance, read_json, write_json
from banditlab.validation import require
from llm_bridge.checkpoint import DEFAULT_NUM_KEPT, read_latest_checkpoint, save_checkpoint
from llm_bridge.config import TrainConfig
from llm_bridge.evaluate_run import run_evaluation
from llm_bridge.graders import AnyGrader
from llm_bridge.launch import find_processes
from llm_bridge.metrics import read_metrics
from llm_bridge.parallel import Alone, checksum
from llm_bridge.progress import ProgressBar
from llm_bridge.run import (
    Run,
    prepare_run,
    torch_threads,
)
from llm_bridge.run_parts import make_run_grader
from llm_bridge.run_record import RunRecord
from llm_bridge.saved_model import save_model
from llm_bridge.tensorboard_log import require_tensorboard
from llm_bridge.update import run_update

SUMMARY_FILE = "summary.json"
STOPPED_FILE = "stopped.json"
PROVENANCE_FILE = "provenance.json"


def _restore(run: Run, out: Path) -> dict[str, Any] | None:
    """Go back to the last checkpoint, if there is one, and return it."""
    with run.processes.together():
        state, notices = read_latest_checkpoint(out)
    for notice in notices:
        if run.processes.is_main:
            tqdm.write(f"train: {notice}", file=sys.stderr)
    run.processes.require_same(None if state is None else state["update"], "checkpoints")
    if state is not None:
        with run.processes.together():
            run.load_state_dict(state)
    return state


def _run_updates(
    run: Run, out: Path, *, progress: bool, keep_checkpoints: int, tensorboard: bool
) -> None:
    config, processes = run.config, run.processes
    state = _restore(run, out)
    done = 0 if state is None else state["update"]
    is_shown = progress and processes.is_main
    with (
        RunRecord(out, state, tensorboard=tensorboard, processes=processes) as record,
        ProgressBar(config.num_updates, done, is_shown=is_shown) as bar,
    ):

        def tell(line: dict[str, Any]) -> None:
            record.append(line, run.samples.take())
            bar.tell(line)

        if done == 0:
            tell(run_evaluation(run, 0))
        for update in range(done + 1, config.num_updates + 1):
            is_last = update == config.num_updates
            try:
                tell(run_update(run, update))
                if is_last or update % config.eval_every == 0:
                    tell(run_evaluation(run, update))
            except FloatingPointError as error:
                stopped = {"update": update, "reason": str(error)}
                processes.on_main(write_json, out / STOPPED_FILE, stopped)
                raise _stopped_error(out) from error
            if is_last or update % config.checkpoint_every == 0:
                if processes.count > 1:
                    processes.require_same(checksum(run.policy.model), "weights")
                state = {**run.state_dict(), **record.sync()}
                processes.on_main(save_checkpoint, out, update, state, num_kept=keep_checkpoints)


def _stopped_error(out: Path) -> FloatingPointError:
    stopped = json.loads((out / STOPPED_FILE).read_text())
    return FloatingPointError(
        f"train: the run blew up at update {stopped['update']}: {stopped['reason']}. "
        f"Its metrics up to there are in {out}; lower the learning rate or use the rule clip."
    )


def _summarize(out: Path) -> dict[str, Any]:
    lines = read_metrics(out)
    evaluations = [line for line in lines if line["kind"] == "evaluation"]
    seconds = sum(
        value for line in lines for name, value in line.items() if name.startswith("seconds_")
    )
    return {
        "num_updates": evaluations[-1]["update"],
        "first_evaluation": evaluations[0],
        "last_evaluation": evaluations[-1],
        "num_updates_with_signal": sum(line.get("advantage_abs_mean", 0.0) > 0 for line in lines),
        "num_grade_timeouts": sum(line.get("num_grade_timeouts", 0) for line in lines),
        "seconds_total": seconds,
    }


def _is_finished(out: Path) -> bool:
    if (out / STOPPED_FILE).exists():
        raise _stopped_error(out)
    return (out / SUMMARY_FILE).exists()


def _recorded_threads(out: Path, wanted: int | None, processes: Alone) -> int | None:
    # Other thread counts and numbers of processes sum in another order: the bits would differ.
    path = out / PROVENANCE_FILE
    if not path.exists():
        return wanted
    recorded = json.loads(path.read_text())
    count = recorded.get("num_processes", 1)
    require(
        count == processes.count,
        "train",
        "out",
        f"a run folder of {processes.count} {'process' if processes.count == 1 else 'processes'}",
        f"{out}, whose run began with {count}",
        f"Go on with {count}, or choose another --out",
    )
    return recorded["num_threads"]


def _find_finished(out: Path, config: TrainConfig, wait_seconds: float) -> bool:
    """Whether a folder holds the end of this run, once it is clear that none works on it."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    claim_run_folder(out, config.as_dict(), "train")
    if _is_finished(out):
        return True
    with lock_run_folder(out, "train", wait_seconds=wait_seconds):
        # A folder that is held is told before a model is loaded, which may be a large one.
        return False


def _prepare_folder(out: Path, config: TrainConfig, processes: Alone) -> None:
    remove_leftovers(out)
    if not (out / PROVENANCE_FILE).exists():
        counts = {"num_threads": torch.get_num_threads(), "num_processes": processes.count}
        write_json(out / PROVENANCE_FILE, provenance(**counts, seed=config.seed))


def _finish(run: Run, out: Path) -> None:
    summary = _summarize(out)
    save_model(run, out, summary, read_json(out / PROVENANCE_FILE))
    write_json(out / SUMMARY_FILE, summary)


def train(
    config: TrainConfig,
    out: Path,
    *,
    progress: bool = True,
    grader: AnyGrader | None = None,
    wait_seconds: float = 0.0,
    keep_checkpoints: int = DEFAULT_NUM_KEPT,
    tensorboard: bool = False,
) -> Path:
    """Train a model, or go on with a run that was interrupted; a finished run is reused.

    Where a launcher started several processes, they share the run and one of them writes.

    Args:
        config: the configuration.
        out: run folder, new or of this very run.
        progress: whether a terminal gets a progress bar.
        grader: a grader that several runs of one process share, left open; by default the run
            has its own.
        wait_seconds: how long to wait for another process that works on the folder.
        keep_checkpoints: checkpoints kept, the newest; with one, nothing stands behind it.
        tensorboard: whether files for TensorBoard are written into the folder `tensorboard`.

    Returns:
        The run folder.

    Raises:
        ValueError: bad configuration, model or dataset, a folder of another run, or one that
            another process works on, or that other than so many processes began; nothing is
            written then.
        ModuleNotFoundError: TensorBoard is asked for and not installed, or several processes were
            launched and accelerate is not; nothing is written then.
        FloatingPointError: the run blew up, now or when it ran before; stopped.json says where.
        WriteRefusedError: the disk is full or refuses; the last good checkpoint remains, and the
            same call goes on from it.
    """
    require(
        keep_checkpoints >= 1,
        "train",
        "keep_checkpoints",
        "at least 1",
        keep_checkpoints,
        "With 2, a damaged one has a good one behind it",
    )
    if tensorboard:
        require_tensorboard()
    out = Path(out)
    config = config.resolved()
    processes = find_processes(config.device)
    if processes.on_main(_find_finished, out, config, wait_seconds):
        return out
    with make_run_grader(config) if grader is None else nullcontext(grader) as grader:
        with processes.together():
            run = prepare_run(config, grader, processes)
        with ExitStack() as stack:

            def begin() -> int | None:
                claim_run_folder(out, config.as_dict(), "train")
                stack.enter_context(lock_run_folder(out, "train", wait_seconds=wait_seconds))
                return _recorded_threads(out, config.num_threads, processes)

            stack.enter_context(torch_threads(processes.on_main(begin)))
            # Another process may have come to the end of the run before the lock was free.
            if processes.on_main(_is_finished, out):
                return out
            processes.on_main(_prepare_folder, out, config, processes)
            _run_updates(
                run,
                out,
                progress=progress,
                keep_checkpoints=keep_checkpoints,
                tensorboard=tensorboard,
            )
            processes.on_main(_finish, run, out)
    return out
