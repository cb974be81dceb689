"""Training a causal language model with an update rule: a run folder, and how it goes on.

A run folder holds config.json, provenance.json (versions, thread count), metrics.jsonl, the last
two checkpoints, and at the end model/ (a Transformers folder) and summary.json, or stopped.json
if the run blew up; while a process works on it, also lock. Every random number comes from (seed,
purpose, update), so a run that was killed and goes on from a checkpoint gives the same bits. What
an update does is in `llm_bridge.update`.
"""

import json
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from banditlab.lock import lock_run_folder
from banditlab.records import claim_run_folder, provenance, write_json
from banditlab.validation import require
from llm_bridge.checkpoint import read_latest_checkpoint, save_checkpoint
from llm_bridge.config import TrainConfig
from llm_bridge.evaluate_run import run_evaluation
from llm_bridge.graders import AnyGrader
from llm_bridge.launch import find_processes
from llm_bridge.metrics import (
    MetricsFile,
    read_metrics,
)
from llm_bridge.models import save_policy
from llm_bridge.parallel import Alone, checksum
from llm_bridge.run import (
    Run,
    prepare_run,
    torch_threads,
)
from llm_bridge.run_parts import make_run_grader
from llm_bridge.update import run_update

SUMMARY_FILE = "summary.json"
STOPPED_FILE = "stopped.json"
PROVENANCE_FILE = "provenance.json"
MODEL_FOLDER = "model"


def _restore(run: Run, out: Path, metrics: MetricsFile) -> int:
    state, notices = read_latest_checkpoint(out)
    for notice in notices:
        if run.processes.is_main:
            tqdm.write(f"train: {notice}", file=sys.stderr)
    done = 0 if state is None else state["update"]
    run.processes.require_same(done, "checkpoints")
    run.processes.on_main(metrics.truncate, 0 if state is None else state["metrics_bytes"])
    if state is not None:
        run.load_state_dict(state)
    return done


def _run_updates(run: Run, out: Path, progress: bool) -> None:
    config, processes = run.config, run.processes
    metrics = MetricsFile(out)
    done = _restore(run, out, metrics)
    shown: dict[str, str] = {}

    def log(line: dict[str, Any]) -> None:
        processes.on_main(metrics.append, line)
        wanted = {"reward": "reward_mean", "train": "train_pass_rate"}
        wanted["held-out"] = "heldout_pass_rate"
        shown.update({name: f"{line[key]:.3f}" for name, key in wanted.items() if key in line})
        bar.set_postfix(shown)

    with tqdm(
        total=config.num_updates,
        initial=done,
        unit="update",
        disable=None if progress and processes.is_main else True,
    ) as bar:
        if done == 0:
            log(run_evaluation(run, 0))
        for update in range(done + 1, config.num_updates + 1):
            is_last = update == config.num_updates
            try:
                log(run_update(run, update))
                if is_last or update % config.eval_every == 0:
                    log(run_evaluation(run, update))
            except FloatingPointError as error:
                stopped = {"update": update, "reason": str(error)}
                processes.on_main(write_json, out / STOPPED_FILE, stopped)
                raise _stopped_error(out) from error
            if is_last or update % config.checkpoint_every == 0:
                if processes.count > 1:
                    processes.require_same(checksum(run.policy.model), "weights")
                processes.on_main(_save_state, run, out, update, metrics)
            bar.update()


def _save_state(run: Run, out: Path, update: int, metrics: MetricsFile) -> None:
    save_checkpoint(out, update, {**run.state_dict(), "metrics_bytes": metrics.sync()})


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


def _record_provenance(out: Path, config: TrainConfig, processes: Alone) -> None:
    if not (out / PROVENANCE_FILE).exists():
        counts = {"num_threads": torch.get_num_threads(), "num_processes": processes.count}
        write_json(out / PROVENANCE_FILE, provenance(**counts, seed=config.seed))


def _finish(run: Run, out: Path) -> None:
    save_policy(run.policy, out / MODEL_FOLDER)
    write_json(out / SUMMARY_FILE, _summarize(out))


def train(
    config: TrainConfig,
    out: Path,
    *,
    progress: bool = True,
    grader: AnyGrader | None = None,
    wait_seconds: float = 0.0,
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

    Returns:
        The run folder.

    Raises:
        ValueError: bad configuration, model or dataset, a folder of another run, or one that
            another process works on, or that other than so many processes began; nothing is
            written then.
        ModuleNotFoundError: several processes were launched and accelerate is not installed.
        FloatingPointError: the run blew up, now or when it ran before; stopped.json says where.
    """
    out = Path(out)
    config = config.resolved()
    processes = find_processes(config.device)
    if processes.on_main(_find_finished, out, config, wait_seconds):
        return out
    with make_run_grader(config) if grader is None else nullcontext(grader) as grader:
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
            processes.on_main(_record_provenance, out, config, processes)
            _run_updates(run, out, progress)
            processes.on_main(_finish, run, out)
    return out
