"""A study from end to end: predict, run or read the runs, lay them over each other, and score.

What is finished in the run folder is reused. The forecast is written before any run begins.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logit

from banditlab.files import write_atomically
from banditlab.records import claim_run_folder, provenance, write_json
from banditlab.validation import requirement_error
from figures.study import ForecastPoint, draw_study, write_forecast
from llm_bridge.forecast.calibration import Calibration
from llm_bridge.forecast.observed import (
    ObservedPoint,
    curves_by_cell,
    observed_cells,
    read_points,
    read_run,
    run_name,
    write_points,
)
from llm_bridge.forecast.predict import Forecast
from llm_bridge.forecast.scoreboard import (
    CellScore,
    PairScore,
    evaluated_band,
    score_cell,
    score_pairs,
    summarize,
)
from llm_bridge.forecast.study import Study, StudyCell

FORECAST_FILE, RUNS_FILE, SCORES_FILE = "forecast.csv", "study.csv", "scores.csv"
PAIRS_FILE, SUMMARY_FILE = "pairs.csv", "summary.json"


@dataclass(frozen=True)
class Scoreboard:
    """What a comparison found.

    Attributes:
        scores: one a cell that has runs.
        pairs: separated pairs of cells.
        summary: both in a few numbers.
        paths: files written.
    """

    scores: list[CellScore]
    pairs: list[PairScore]
    summary: dict[str, Any]
    paths: list[Path]


def theory_curve(calibration: Calibration, cell: StudyCell) -> tuple[np.ndarray, np.ndarray] | None:
    """The rule's ODE with the calibrated law of the kernel.

    Args:
        calibration: numbers of the base model.
        cell: the configuration.

    Returns:
        Updates and target pass rate; None where there is no closed form.
    """
    from theory.predict.batch_curves import RULES_WITHOUT_CLOSED_FORM, predicted_pass_rates
    from theory.predict.drift import RULES

    has_form = cell.rule in RULES and cell.optimizer == "sgd"
    if not has_form or (cell.rule in RULES_WITHOUT_CLOSED_FORM and cell.inner_epochs > 1):
        return None
    law = calibration.kernel_law()
    updates = np.linspace(0, cell.num_updates, 61).round()
    curve = predicted_pass_rates(
        cell.rule,
        logit(calibration.train_pass_rates()),
        updates,
        learning_rate=cell.learning_rate,
        shared_kernel=lambda rate: float(law.strength(np.array(rate))),
        group_size=cell.group_size,
        evaluated_log_odds=logit(calibration.target_pass_rates()),
        inner_epochs=cell.inner_epochs,
    )
    return updates, curve


def forecast_points(
    study: Study,
    calibrations: Mapping[int | None, Calibration],
    forecasts: Sequence[Forecast],
) -> list[ForecastPoint]:
    """Predicted curves as rows of a table, with what theory says.

    Args:
        study: the cells.
        calibrations: by row.
        forecasts: of all cells and predictors.

    Returns:
        The rows, cell by cell.
    """
    points = []
    for cell in study.cells:
        for forecast in forecasts:
            if forecast.cell.name != cell.name:
                continue
            low, high = evaluated_band(forecast.target, study.eval_samples)
            mean = forecast.target.mean(axis=0)
            rows = zip(forecast.update, mean, low, high, strict=True)
            points += [
                ForecastPoint(
                    cell.name,
                    cell.rule,
                    cell.learning_rate,
                    forecast.predictor,
                    int(update),
                    float(rate),
                    float(bottom),
                    float(top),
                )
                for update, rate, bottom, top in rows
            ]
        theory = theory_curve(calibrations[cell.row], cell)
        if theory is not None:
            points += [
                ForecastPoint(
                    cell.name,
                    cell.rule,
                    cell.learning_rate,
                    "theory",
                    int(update),
                    float(rate),
                    float(rate),
                    float(rate),
                )
                for update, rate in zip(*theory, strict=True)
            ]
    return points


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write dictionaries with the same keys as CSV.

    Args:
        path: the file.
        rows: the lines.

    Raises:
        OSError: the disk refuses.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(rows[0] if rows else [])
    for row in rows:
        writer.writerow(
            ["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in row.values()]
        )
    write_atomically(path, buffer.getvalue())


def run_study(study: Study, out: Path, *, num_workers: int) -> list[ObservedPoint]:
    """Train every run of a study that is not finished yet, and read all of them.

    Args:
        study: the cells.
        out: run folder.
        num_workers: processes at work side by side.

    Returns:
        All evaluations.
    """
    from llm_bridge.compare.workers import train_all

    jobs = {
        run_name(cell, seed): (cell, seed)
        for seed in range(study.seed, study.seed + study.num_seeds)
        for cell in study.cells
    }
    configs = {
        out / "runs" / name: cell.train_config(study, seed) for name, (cell, seed) in jobs.items()
    }
    train_all(configs, num_threads=study.num_threads, num_workers=num_workers)
    points = []
    for name, (cell, seed) in jobs.items():
        points += read_run(out / "runs" / name, cell, seed)
    return points


def compare_study(
    study: Study,
    calibrations: Mapping[int | None, Calibration],
    forecasts: Sequence[Forecast],
    out: Path,
    *,
    runs: Path | None = None,
    logs: Sequence[ObservedPoint] | None = None,
    num_workers: int = 2,
) -> Scoreboard:
    """Score a forecast against runs.

    Args:
        study: the cells.
        calibrations: of its base model, by row.
        forecasts: of all cells by all predictors.
        out: run folder.
        runs: a table of runs to read, study.csv of an earlier comparison; by default the runs are
            made.
        logs: evaluations of runs that others made, instead of either.
        num_workers: processes that train.

    Returns:
        The scoreboard; its files are in `out`.

    Raises:
        ValueError: the folder holds another comparison, or no run belongs to the study.
    """
    kept = {} if runs is None else {"runs": runs.name}
    claim_run_folder(out, {"study": study.as_dict(), **kept}, "compare")
    points = forecast_points(study, calibrations, forecasts)
    write_forecast(out / FORECAST_FILE, points)
    if logs is not None:
        observed_points = list(logs)
    elif runs is not None:
        observed_points = read_points(runs)
    else:
        observed_points = run_study(study, out, num_workers=num_workers)
    observed = observed_cells(study, observed_points)
    if not observed:
        raise requirement_error(
            "compare",
            "runs",
            "a table with whole runs of the study's cells",
            "none of them",
            "Cells are found by name and learning rate",
        )
    by_cell: dict[str, dict[str, Forecast]] = {}
    for forecast in forecasts:
        by_cell.setdefault(forecast.cell.name, {})[forecast.predictor] = forecast
    scores = [score_cell(by_cell[name], found) for name, found in observed.items()]
    pairs = score_pairs([f for f in forecasts if f.predictor == "drifting"], observed)
    summary = summarize(scores, pairs)
    rates = {cell.name: cell.learning_rate for cell in study.cells if cell.name in observed}
    kept_points = [p for p in observed_points if rates.get(p.cell) == p.learning_rate]
    write_points(out / RUNS_FILE, kept_points)
    write_rows(out / SCORES_FILE, [asdict(score) for score in scores])
    write_rows(
        out / PAIRS_FILE,
        [{**asdict(pair), "is_ranked_rightly": pair.is_ranked_rightly} for pair in pairs],
    )
    costs = {str(row): found.cost for row, found in calibrations.items()}
    write_json(out / SUMMARY_FILE, {**summary, "calibration_cost": costs})
    write_json(out / "manifest.json", provenance(seed=study.seed))
    pictures = draw_study(points, curves_by_cell(kept_points), out / "study")
    files = [FORECAST_FILE, RUNS_FILE, SCORES_FILE, PAIRS_FILE, SUMMARY_FILE]
    return Scoreboard(scores, pairs, summary, [*pictures, *(out / name for name in files)])
