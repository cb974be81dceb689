"""Run a comparison: measure the base model, predict, train, lay over each other, score.

Everything that is finished is kept in the run folder and reused: `base.json`, one folder per
training run, one per simulated cell.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from banditlab.files import write_atomically
from banditlab.records import (
    PROVENANCE_FILE,
    claim_run_folder,
    provenance,
    without_path,
    write_json,
)
from banditlab.validation import require
from figures.tables import write_table
from llm_bridge.base_statistics import BaseMeasurement
from llm_bridge.compare.gather import gather, is_finished, run_folder
from llm_bridge.compare.plan import ComparePlan
from llm_bridge.compare.predictions import penalty_stability
from llm_bridge.compare.score import Score, score_panel, scores_csv
from llm_bridge.compare.workers import run_everything, use_threads

BASE_FILE = "base.json"
TABLE_FILE = "compare.csv"
SCORES_FILE = "scoreboard.csv"
MANIFEST_FILE = "manifest.json"


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
        return BaseMeasurement(**json.loads(path.read_text())["measurement"])
    from llm_bridge.calibrate import measure_base, num_blocks
    from llm_bridge.rewards import Grader
    from llm_bridge.run import prepare_run

    use_threads(plan.num_threads)
    config = next(config for _, config in plan.runs()).resolved()
    with Grader() as grader:
        run = prepare_run(config, grader)
        heldout = run.eval_tasks["heldout"]
        with tqdm(
            total=num_blocks(run.task, heldout), unit="block", disable=None, desc="base model"
        ) as bar:
            base = measure_base(
                run.policy,
                run.task,
                heldout,
                num_samples=plan.num_base_samples,
                num_prompts=plan.num_prompts,
                group_size=plan.group_size,
                max_new_tokens=config.max_new_tokens,
                seed=plan.seed,
                grader=grader,
                on_block=bar.update,
            )
    write_json(path, {"measurement": base.as_dict(), "provenance": provenance(seed=plan.seed)})
    return base


def require_heldout(plan: ComparePlan) -> None:
    """Demand held-out prompts, on which the scoreboard is made.

    Args:
        plan: the datasets.

    Raises:
        ValueError: no split is named and the dataset has none that could be held out.
    """
    if plan.eval_split is not None or plan.eval_dataset not in (None, plan.dataset):
        return
    from llm_bridge.tasks import default_eval_split

    require(
        default_eval_split(plan.dataset, plan.split) is not None,
        "compare",
        "eval_split",
        "named where the dataset has no split called heldout, test or validation",
        f"nothing, for {plan.dataset!r}",
        "Name held-out prompts with --eval-dataset or --eval-split",
    )


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
    is_in_use = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if is_in_use and claim_run_folder(out, plan.as_dict(), "compare"):
        say(f"found {out}: what is finished there is reused")
    require_heldout(plan)
    missing = [name for name, _ in plan.runs() if not is_finished(run_folder(out, name))]
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
    stability = penalty_stability(plan, base)
    if "variance_penalty" in plan.cells:
        limit = stability[0]["largest_stable_learning_rate"]
        say(
            "theory P40 for a batch, before any training: inner steps on the variance penalty are "
            f"stable up to learning rate {limit:.3g}"
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
            "plan": {
                name: without_path(value) if isinstance(value, str) else value
                for name, value in plan.as_dict().items()
            },
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
            "penalty_stability": stability,
            "scoreboard": [_without_nan(asdict(score)) for score in scores],
            "commits_of_runs": _commits(plan, out),
            "provenance": provenance(seconds_this_call=round(time.perf_counter() - begin, 1)),
        },
    )
    return scores, pictures


def _commits(plan: ComparePlan, out: Path) -> list[str | None]:
    """Commits that the training runs were made from; more than one if some were reused."""
    files = (run_folder(out, name) / PROVENANCE_FILE for name, _ in plan.runs())
    found = {json.loads(file.read_text())["commit"] for file in files}
    return sorted(found, key=str)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
