"""Training a causal language model with an update rule: a run folder, and how it goes on.

A run folder holds config.json, provenance.json (versions, thread count), metrics.jsonl,
samples.jsonl, the last checkpoints, and at the end model/ (a Transformers folder with its card) and
summary.json, or stopped.json if the run blew up; while a process works on it, also lock. Every
random number comes from (seed, purpose, update), so a run that was killed and goes on from a
checkpoint gives the same bits. What an update does is in `llm_bridge.update`.
"""

import json
import sys
from contextlib import nullcontext
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
from llm_bridge.metrics import read_metrics
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
    state, notices = read_latest_checkpoint(out)
    for notice in notices:
        tqdm.write(f"train: {notice}", file=sys.stderr)
    if state is not None:
        run.load_state_dict(state)
    return state


def _run_updates(
    run: Run, out: Path, *, progress: bool, keep_checkpoints: int, tensorboard: bool
) -> None:
    config = run.config
    state = _restore(run, out)
    done = 0 if state is None else state["update"]
    with (
        RunRecord(out, state, tensorboard=tensorboard) as record,
        ProgressBar(config.num_updates, done, is_shown=progress) as bar,
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
                write_json(out / STOPPED_FILE, {"update": update, "reason": str(error)})
                raise _stopped_error(out) from error
            if is_last or update % config.checkpoint_every == 0:
                state = {**run.state_dict(), **record.sync()}
                save_checkpoint(out, update, state, num_kept=keep_checkpoints)


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


def _recorded_threads(out: Path, wanted: int | None) -> int | None:
    # Other thread counts sum in another order: the bits would differ.
    path = out / PROVENANCE_FILE
    return json.loads(path.read_text())["num_threads"] if path.exists() else wanted


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
            another process works on; nothing is written then.
        ModuleNotFoundError: TensorBoard is asked for and not installed; nothing is written then.
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
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        claim_run_folder(out, config.as_dict(), "train")
        if _is_finished(out):
            return out
        with lock_run_folder(out, "train", wait_seconds=wait_seconds):
            # A folder that is held is told before a model is loaded, which may be a large one.
            pass
    with make_run_grader(config) if grader is None else nullcontext(grader) as grader:
        run = prepare_run(config, grader)
        claim_run_folder(out, config.as_dict(), "train")
        with (
            lock_run_folder(out, "train", wait_seconds=wait_seconds),
            torch_threads(_recorded_threads(out, config.num_threads)),
        ):
            # Another process may have come to the end of the run before the lock was free.
            if _is_finished(out):
                return out
            remove_leftovers(out)
            if not (out / PROVENANCE_FILE).exists():
                threads = torch.get_num_threads()
                write_json(out / PROVENANCE_FILE, provenance(num_threads=threads, seed=config.seed))
            _run_updates(
                run,
                out,
                progress=progress,
                keep_checkpoints=keep_checkpoints,
                tensorboard=tensorboard,
            )
            summary = _summarize(out)
            save_model(run, out, summary, read_json(out / PROVENANCE_FILE))
            write_json(out / SUMMARY_FILE, summary)
    return out
