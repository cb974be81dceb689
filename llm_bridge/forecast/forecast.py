"""Forecasts of a study and the table and picture of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from figures.study import draw_study, write_forecast
from llm_bridge.forecast.calibration import Calibration
from llm_bridge.forecast.compare import FORECAST_FILE, forecast_points
from llm_bridge.forecast.predict import PREDICTORS, Forecast, predict_study
from llm_bridge.forecast.study import Study

# Starting two processes takes as long as this many forecasts.
_MOST_WORKERS, _WORTH_WORKERS = 2, 18

Plan = tuple[Study, Mapping[int | None, Calibration]]
"""A study and what is known of its base model, by row."""


def make_forecasts(
    study: Study,
    calibrations: Mapping[int | None, Calibration],
    *,
    num_runs: int,
    seed: int,
) -> list[Forecast]:
    """Predict all cells by all predictors, with a progress bar.

    Args:
        study: the cells.
        calibrations: of its base model, by row.
        num_runs: simulated runs of each cell.
        seed: of the simulations.

    Returns:
        The forecasts.
    """
    total = len(study.cells) * len(PREDICTORS)
    with tqdm(total=total, unit="forecast", disable=None) as bar:
        return predict_study(
            study,
            calibrations,
            num_runs=num_runs,
            seed=seed,
            num_workers=_MOST_WORKERS if total >= _WORTH_WORKERS else 1,
            on_forecast=lambda forecast: bar.update(),
        )


def write_forecasts(
    plans: Sequence[Plan], out: Path, *, num_runs: int, seed: int
) -> tuple[list[Forecast], list[Path]]:
    """Predict studies and write one table and one picture of them.

    Args:
        plans: studies whose cells have different names, each with its calibrations.
        out: folder, made if need be.
        num_runs: simulated runs of each cell.
        seed: of the simulations.

    Returns:
        The forecasts, and the files.
    """
    forecasts, points = [], []
    for study, calibrations in plans:
        found = make_forecasts(study, calibrations, num_runs=num_runs, seed=seed)
        forecasts += found
        points += forecast_points(study, calibrations, found)
    out.mkdir(parents=True, exist_ok=True)
    write_forecast(out / FORECAST_FILE, points)
    return forecasts, [*draw_study(points, {}, out / "forecast"), out / FORECAST_FILE]
