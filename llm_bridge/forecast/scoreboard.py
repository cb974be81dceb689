"""How far off a forecast was: per cell, against two simple predictors, and in ranking the rules.

Shapes: R simulated runs, N training runs (seeds), S points of a curve.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from banditlab.validation import require
from llm_bridge.forecast.predict import BAND, Forecast, half_time

_MOST_RMSE = 0.05
_MOST_TIME_FACTOR = 1.5
_MOVES = 0.05


@dataclass(frozen=True)
class Observed:
    """Curves of the training runs of one cell.

    Attributes:
        update: updates done at each evaluation, shape [S].
        pass_rate: of the target prompts, shape [N, S].
        num_samples: responses of each evaluation.
    """

    update: np.ndarray
    pass_rate: np.ndarray
    num_samples: int

    def mean(self) -> np.ndarray:
        """Mean over runs, shape [S]."""
        return self.pass_rate.mean(axis=0)


@dataclass(frozen=True)
class CellScore:
    """One line of the scoreboard.

    Attributes:
        cell: name of the cell.
        learning_rate: its learning rate.
        num_runs: training runs.
        base: observed pass rate before training.
        final: observed pass rate at the end, mean over runs.
        seed_sd: standard deviation over runs at the end.
        predicted_final: predicted pass rate at the end.
        rmse: of the mean curve.
        rmse_in_seed_sd: the same in units of the pooled standard deviation over runs; NaN where
            that is 0, or there is one run.
        rmse_fitted: after a fit of one time scale to the evaluations of the first 10 updates, or to
            the first one: no prediction, and shown beside it.
        time_scale: the fitted one: how many predicted updates an update is worth.
        rmse_constant: of the logistic with the base model's one number.
        rmse_no_change: of "no change".
        skill_constant: 1 - rmse^2 / rmse_constant^2.
        skill_no_change: 1 - rmse^2 / rmse_no_change^2.
        half_time_ratio: predicted over observed time to half of the gain; None where the observed
            curve gains less than .05.
        coverage: share of all evaluations of all runs inside the predicted 90 % band.
        is_simulation_stopped: whether the simulation blew up.
    """

    cell: str
    learning_rate: float
    num_runs: int
    base: float
    final: float
    seed_sd: float
    predicted_final: float
    rmse: float
    rmse_in_seed_sd: float
    rmse_fitted: float
    time_scale: float
    rmse_constant: float
    rmse_no_change: float
    skill_constant: float
    skill_no_change: float
    half_time_ratio: float | None
    coverage: float
    is_simulation_stopped: bool


@dataclass(frozen=True)
class PairScore:
    """Whether two cells that can be compared were ranked rightly.

    Attributes:
        group: what both belong to.
        quantity: "final pass rate" or "speed" (mean pass rate over the run).
        better: cell that was observed to be better.
        worse: the other one.
        difference: observed difference of means.
        standard_error: of the difference.
        predicted_difference: of the same quantity, in the same order.
    """

    group: str
    quantity: str
    better: str
    worse: str
    difference: float
    standard_error: float
    predicted_difference: float

    @property
    def is_ranked_rightly(self) -> bool:
        """Whether the forecast has the same order."""
        return self.predicted_difference > 0.0


def _at(forecast: Forecast, update: np.ndarray) -> np.ndarray:
    """Simulated target curves at the evaluations of the runs, shape [R, S]."""
    places = np.searchsorted(forecast.update, update)
    require(
        bool((places < len(forecast.update)).all())
        and bool((forecast.update[np.minimum(places, len(forecast.update) - 1)] == update).all()),
        "score_cell",
        "observed",
        "evaluated at updates that the forecast has",
        f"updates {update.tolist()} of {forecast.cell.name}",
        "Predict with the eval_every and num_updates of the runs",
    )
    return forecast.target[:, places]


def _rmse(predicted: np.ndarray, observed: np.ndarray) -> float:
    return float(np.sqrt(((predicted - observed) ** 2).mean()))


def _skill(rmse: float, simple: float) -> float:
    return 1.0 - (rmse / simple) ** 2 if simple > 0.0 else float("nan")


def evaluated_band(
    curves: np.ndarray, num_samples: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Band of what an evaluation of a run would read: the runs' spread and its sampling error.

    Args:
        curves: true pass rates of simulated runs, shape [R, S].
        num_samples: responses of an evaluation.
        seed: of the evaluations drawn.

    Returns:
        Lower and upper end of the 90 % band, each of shape [S].
    """
    rng = np.random.default_rng(seed)
    read = rng.binomial(num_samples, np.clip(curves, 0.0, 1.0)) / num_samples
    low, high = np.quantile(read, BAND, axis=0)
    return low, high


def fit_time_scale(
    forecast: Forecast, observed: Observed, first_updates: int = 10
) -> tuple[float, np.ndarray]:
    """Stretch the predicted mean curve in time until it meets the first evaluations.

    Args:
        forecast: the forecast.
        observed: curves of the runs.
        first_updates: evaluations up to this update are fitted; at least the first one is.

    Returns:
        The scale, between 0.1 and 10, and the stretched curve at the evaluations, shape [S].
    """
    mean, curve = observed.mean(), forecast.target.mean(axis=0)
    num_fitted = max(1, int((observed.update[1:] <= first_updates).sum()))
    fitted = slice(1, 1 + num_fitted)
    scales = np.geomspace(0.1, 10.0, 801)
    errors = [
        _rmse(np.interp(scale * observed.update[fitted], forecast.update, curve), mean[fitted])
        for scale in scales
    ]
    scale = float(scales[int(np.argmin(errors))])
    return scale, np.interp(scale * observed.update, forecast.update, curve)


def score_cell(forecasts: Mapping[str, Forecast], observed: Observed) -> CellScore:
    """Compare the forecasts of one cell with its runs.

    Args:
        forecasts: by predictor.
        observed: curves of the runs.

    Returns:
        The score.

    Raises:
        ValueError: the runs were evaluated where the forecast has no point, or only once.
    """
    require(
        len(observed.update) >= 2,
        "score_cell",
        "observed",
        "evaluated at two updates or more",
        f"updates {observed.update.tolist()} of {forecasts['drifting'].cell.name}",
        "Lower eval_every, or log more often",
    )
    curves = {name: _at(forecast, observed.update) for name, forecast in forecasts.items()}
    mean, main = observed.mean(), forecasts["drifting"]
    # The first evaluation is of the base model, the same in all runs.
    rmse = {name: _rmse(curve.mean(axis=0)[1:], mean[1:]) for name, curve in curves.items()}
    deviation = observed.pass_rate.std(axis=0, ddof=1) if len(observed.pass_rate) > 1 else None
    pooled = float("nan") if deviation is None else math.sqrt(float((deviation[1:] ** 2).mean()))
    low, high = evaluated_band(curves["drifting"], observed.num_samples)
    inside = (observed.pass_rate >= low) & (observed.pass_rate <= high)
    moves = mean[-1] - mean[0] >= _MOVES
    scale, stretched = fit_time_scale(main, observed)
    ratio = main.half_time() / half_time(observed.update, mean) if moves else None
    return CellScore(
        cell=main.cell.name,
        learning_rate=main.cell.learning_rate,
        num_runs=len(observed.pass_rate),
        base=float(mean[0]),
        final=float(mean[-1]),
        seed_sd=float("nan") if deviation is None else float(deviation[-1]),
        predicted_final=float(curves["drifting"].mean(axis=0)[-1]),
        rmse=rmse["drifting"],
        rmse_in_seed_sd=rmse["drifting"] / pooled if pooled > 0.0 else float("nan"),
        rmse_fitted=_rmse(stretched[1:], mean[1:]),
        time_scale=scale,
        rmse_constant=rmse["constant"],
        rmse_no_change=rmse["no_change"],
        skill_constant=_skill(rmse["drifting"], rmse["constant"]),
        skill_no_change=_skill(rmse["drifting"], rmse["no_change"]),
        half_time_ratio=ratio,
        coverage=float(inside[:, 1:].mean()),
        is_simulation_stopped=main.reason is not None,
    )


def score_pairs(forecasts: Sequence[Forecast], observed: Mapping[str, Observed]) -> list[PairScore]:
    """Rank every two cells of a group whose runs differ by more than two standard errors.

    Args:
        forecasts: of the drifting kernel, one a cell.
        observed: curves of the runs, by cell.

    Returns:
        The pairs, for the final pass rate and for the speed.
    """
    pairs = []
    # One run has no standard error.
    repeated = {name for name, found in observed.items() if len(found.pass_rate) > 1}
    for first, second in combinations([f for f in forecasts if f.cell.name in repeated], 2):
        if first.cell.comparison != second.cell.comparison:
            continue
        for quantity in ("final pass rate", "speed"):
            values = [_quantity(quantity, observed[f.cell.name].pass_rate) for f in (first, second)]
            predicted = [
                _quantity(quantity, _at(f, observed[f.cell.name].update)) for f in (first, second)
            ]
            difference = float(values[0].mean() - values[1].mean())
            error = math.sqrt(sum(float(v.var(ddof=1)) / len(v) for v in values))
            if not abs(difference) > 2.0 * error:
                continue
            sign = 1.0 if difference > 0.0 else -1.0
            names = [first.cell.name, second.cell.name][:: int(sign)]
            pairs.append(
                PairScore(
                    group=first.cell.comparison,
                    quantity=quantity,
                    better=names[0],
                    worse=names[1],
                    difference=abs(difference),
                    standard_error=error,
                    predicted_difference=sign * float(predicted[0].mean() - predicted[1].mean()),
                )
            )
    return pairs


def _quantity(quantity: str, curves: np.ndarray) -> np.ndarray:
    return curves[:, -1] if quantity == "final pass rate" else curves[:, 1:].mean(axis=1)


def summarize(scores: Sequence[CellScore], pairs: Sequence[PairScore]) -> dict[str, Any]:
    """The scoreboard in a few numbers.

    Args:
        scores: of all cells.
        pairs: of all groups.

    Returns:
        Counts and shares.
    """
    ratios = [score.half_time_ratio for score in scores if score.half_time_ratio is not None]
    within = [1.0 / _MOST_TIME_FACTOR <= ratio <= _MOST_TIME_FACTOR for ratio in ratios]
    right = [pair.is_ranked_rightly for pair in pairs]
    return {
        "num_cells": len(scores),
        "num_rmse_at_most_0.05": sum(score.rmse <= _MOST_RMSE for score in scores),
        "mean_rmse": float(np.mean([score.rmse for score in scores])),
        "num_that_move": len(ratios),
        "num_half_time_within_1.5": sum(within),
        "num_separated_pairs": len(pairs),
        "num_ranked_rightly": sum(right),
        "num_positive_skill_over_both": sum(
            score.skill_constant > 0.0 and score.skill_no_change > 0.0 for score in scores
        ),
        "mean_coverage": float(np.mean([score.coverage for score in scores])),
    }
