"""Run a comparison: measure the base model, predict, train, lay over each other, score.

Everything that is finished is kept in the run folder and reused: `base.json`, one folder per
training run, one per simulated cell.
"""

import json
import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from banditlab.records import (
    CURVES_FILE,
    Record,
    claim_run_folder,
    provenance,
    write_atomically,
    write_json,
)
from figures.tables import CurvePoint, write_table
from llm_bridge.calibrate import BaseMeasurement
from llm_bridge.compare.plan import CELLS, Cell, ComparePlan
from llm_bridge.compare.predictions import simulate_cell, simulation_points, theory_points
from llm_bridge.compare.score import Score, score_panel, scores_csv
from llm_bridge.config import TrainConfig

BASE_FILE = "base.json"
TABLE_FILE = "compare.csv"
SCORES_FILE = "scoreboard.csv"
MANIFEST_FILE = "manifest.json"
_RUNS, _SIMULATIONS = "runs", "simulations"
_POLL_SECONDS = 0.5


def _prepare_worker(num_threads: int) -> None:
    import torch

    torch.set_num_threads(num_threads)


def _train_one(config: TrainConfig, out: Path) -> None:
    from llm_bridge.train import train

    try:
        train(config, out, progress=False, grader=_worker_grader())
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


def _panel_name(cell: Cell, learning_rate: float) -> str:
    return f"{cell.name}-lr{learning_rate:g}"


def measure(plan: ComparePlan, out: Path) -> BaseMeasurement:
    """Measure the base model, or read what was measured before.

    Args:
        plan: model, dataset and sizes.
        out: run folder.

    Returns:
        The numbers that simulation and theory are given.
    """
    path = out / BASE_FILE
    if path.exists():
        return BaseMeasurement(**json.loads(path.read_text()))
    from llm_bridge.calibrate import measure_base, num_blocks
    from llm_bridge.rewards import Grader
    from llm_bridge.run import prepare_run

    _prepare_worker(plan.num_threads)
    config = next(config for _, config in plan.runs()).resolved()
    with Grader() as grader:
        run = prepare_run(config, grader)
        heldout = run.eval_tasks.get("heldout", run.task)
        with tqdm(
            total=num_blocks(run.task, heldout), unit="block", disable=None, desc="base model"
        ) as bar:
            base = measure_base(
                run.policy,
                run.task,
                heldout,
                num_samples=plan.base_samples,
                max_new_tokens=config.max_new_tokens,
                seed=plan.seed,
                grader=grader,
                on_block=bar.update,
            )
    write_json(path, base.as_dict())
    return base


def estimate_seconds(plan: ComparePlan, num_workers: int) -> float:
    """Estimate the time of all training runs from updates that are thrown away.

    Args:
        plan: model, dataset and sizes.
        num_workers: processes at work side by side.

    Returns:
        Seconds.
    """
    from llm_bridge.estimate import estimate_run

    seconds: dict[int, float] = {}
    total = 0.0
    for _, config in plan.runs():
        if config.inner_epochs not in seconds:
            seconds[config.inner_epochs] = estimate_run(config).seconds_total
        total += seconds[config.inner_epochs]
    return total / num_workers


def _num_updates_done(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_text().count('"kind": "update"') if path.exists() else 0


def _wait_with_bar(
    futures: Sequence[Future[None]], folders: Sequence[Path], plan: ComparePlan
) -> None:
    pending = set(futures)
    reached: dict[Path, int] = {}
    total = plan.num_updates * len(folders)
    with tqdm(total=total, unit="update", disable=None, desc="training", smoothing=0.02) as bar:
        while pending:
            finished, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
            for folder in folders:
                if reached.get(folder, 0) < plan.num_updates:
                    reached[folder] = _num_updates_done(folder)
            bar.n = sum(reached.values())
            bar.refresh()
        # Runs that blew up have no further updates to wait for.
        bar.n = total
        bar.refresh()


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
    runs = [(out / _RUNS / name, config) for name, config in plan.runs()]
    simulations = [
        (out / _SIMULATIONS / _panel_name(cell, rate), cell, rate) for cell, rate in plan.panels()
    ]
    runs = [run for run in runs if not _is_finished(run[0])]
    simulations = [job for job in simulations if not (job[0] / CURVES_FILE).exists()]
    if not runs and not simulations:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_prepare_worker, initargs=(plan.num_threads,)
    ) as pool:
        try:
            futures = [pool.submit(_train_one, config, folder) for folder, config in runs]
            futures += [
                pool.submit(_simulate_one, plan, cell, rate, base, folder)
                for folder, cell, rate in simulations
            ]
            _wait_with_bar(futures, [folder for folder, _ in runs], plan)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _model_points(plan: ComparePlan, out: Path) -> list[CurvePoint]:
    from llm_bridge.metrics import read_metrics

    names = {config: name for name, config in _named_cells(plan)}
    points = []
    for folder, config in plan.runs():
        cell = names[(config.rule, config.inner_epochs)]
        for line in read_metrics(out / _RUNS / folder):
            if line["kind"] != "evaluation":
                continue
            for split in ("train", "heldout"):
                if f"{split}_pass_rate" not in line:
                    continue
                points.append(
                    CurvePoint(
                        cell=cell,
                        learning_rate=config.learning_rate,
                        source="model",
                        split=split,
                        series=f"seed {config.seed}",
                        update=line["update"],
                        rollouts=line["update"] * plan.num_prompts * plan.group_size,
                        pass_rate=line[f"{split}_pass_rate"],
                    )
                )
    return points


def _named_cells(plan: ComparePlan) -> list[tuple[str, tuple[str, int]]]:
    return [(name, (CELLS[name].rule, CELLS[name].inner_epochs)) for name in plan.cells]


def gather(plan: ComparePlan, out: Path, base: BaseMeasurement) -> list[CurvePoint]:
    """Collect all curves of a finished comparison.

    Args:
        plan: what was run.
        out: run folder.
        base: numbers of the base model.

    Returns:
        Rows of the table, panel by panel.
    """
    model = _model_points(plan, out)
    points: list[CurvePoint] = []
    for cell, rate in plan.panels():
        record = Record.load(out / _SIMULATIONS / _panel_name(cell, rate))
        points += [p for p in model if (p.cell, p.learning_rate) == (cell.name, rate)]
        points += simulation_points(plan, cell, rate, record)
        points += theory_points(plan, cell, rate, base)
    return points


def penalty_stability(plan: ComparePlan, base: BaseMeasurement) -> list[dict[str, Any]]:
    """What theory P40 says, before training, of inner steps on the variance penalty.

    Args:
        plan: learning rates and cells.
        base: numbers of the base model.

    Returns:
        For each learning rate: the isolated-arm and the batch form, and their verdicts.
    """
    from banditlab.rules import RULES
    from theory.predict.stability import (
        is_batch_penalty_stable,
        is_inner_loop_stable,
        predicted_largest_learning_rate,
    )

    multiplier = RULES["variance_penalty"].hyper["multiplier"]
    num_rollouts = plan.num_prompts * plan.group_size
    found = []
    for rate in plan.learning_rates:
        arm_step = rate * base.score_norm / num_rollouts
        found.append(
            {
                "learning_rate": rate,
                "is_arm_stable": bool(is_inner_loop_stable(arm_step, 1.0, multiplier)),
                "is_batch_stable": is_batch_penalty_stable(rate, multiplier, base.score_gram_top),
                "largest_stable_learning_rate": predicted_largest_learning_rate(
                    base.score_gram_top, multiplier
                ),
            }
        )
    return found


def compare(
    plan: ComparePlan,
    out: Path,
    *,
    num_workers: int = 2,
    say: Callable[[str], Any] = print,
) -> tuple[list[Score], list[Path]]:
    """Run a comparison, or finish one, and write table, scoreboard, manifest and pictures.

    Args:
        plan: what to run.
        out: run folder, new or of this very comparison.
        num_workers: processes at work side by side.
        say: takes each sentence meant for the user.

    Returns:
        The scoreboard and the paths of the pictures.

    Raises:
        ValueError: the folder holds another run, or model or dataset cannot be loaded.
    """
    from figures.compare import write_pictures

    begin = time.perf_counter()
    # A folder in use is checked first; a new one is made only after model and data have loaded.
    if out.exists() and any(out.iterdir()) and claim_run_folder(out, plan.as_dict(), "compare"):
        say(f"found {out}: what is finished there is reused")
    missing = [name for name, _ in plan.runs() if not _is_finished(out / _RUNS / name)]
    if missing:
        seconds = estimate_seconds(plan, num_workers) * len(missing) / len(list(plan.runs()))
        say(
            f"{len(missing)} training runs to do: about {math.ceil(seconds / 60)} min on "
            f"{num_workers} processes, after the base model is measured"
        )
    claim_run_folder(out, plan.as_dict(), "compare")
    base = measure(plan, out)
    error = "" if base.shared_kernel_se is None else f" +- {base.shared_kernel_se:.2f}"
    say(
        f"base model: pass rate {_mean(base.train_pass_rates):.3f} on train, "
        f"{_mean(base.heldout_pass_rates):.3f} on held-out prompts; shared kernel "
        f"{base.shared_kernel:.2f}{error} nats per unit step"
    )
    run_everything(plan, out, base, num_workers=num_workers)
    points = gather(plan, out, base)
    write_table(out / TABLE_FILE, points)
    scores = []
    for cell, rate in plan.panels():
        chosen = [p for p in points if (p.cell, p.learning_rate) == (cell.name, rate)]
        scores.append(score_panel(chosen, plan.num_updates))
    write_atomically(out / SCORES_FILE, scores_csv(scores))
    pictures = write_pictures(points, out)
    write_json(
        out / MANIFEST_FILE,
        {
            "plan": plan.as_dict(),
            "base": {
                "train_pass_rate": _mean(base.train_pass_rates),
                "heldout_pass_rate": _mean(base.heldout_pass_rates),
                "num_prompts": [len(base.train_pass_rates), len(base.heldout_pass_rates)],
                **{
                    name: value
                    for name, value in base.as_dict().items()
                    if not name.endswith("_pass_rates")
                },
            },
            "penalty_stability": penalty_stability(plan, base),
            "scoreboard": [_without_nan(asdict(score)) for score in scores],
            "provenance": provenance(seconds_this_call=round(time.perf_counter() - begin, 1)),
        },
    )
    return scores, pictures


def _is_finished(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("summary.json", "stopped.json"))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
