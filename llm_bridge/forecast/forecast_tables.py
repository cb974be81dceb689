"""Forecasts and scoreboards as tables for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from llm_bridge.forecast.calibration import Calibration
from llm_bridge.forecast.forecast import Plan
from llm_bridge.forecast.limits import runaway_warning
from llm_bridge.forecast.predict import Forecast
from llm_bridge.forecast.ranking import ranking
from llm_bridge.forecast.scoreboard import CellScore, PairScore, evaluated_band

_EVALUATION = 2048


def forecast_table(forecasts: Sequence[Forecast], plans: Sequence[Plan]) -> str:
    """What is predicted for each cell.

    Args:
        forecasts: of all cells.
        plans: the studies and calibrations that they come from.

    Returns:
        The table.
    """
    rows = []
    calibration_of = {
        cell.name: calibrations[cell.row] for study, calibrations in plans for cell in study.cells
    }
    for forecast in forecasts:
        if forecast.predictor != "drifting":
            continue
        low, high = evaluated_band(forecast.target, _EVALUATION)
        mean, train = forecast.target.mean(axis=0), forecast.train.mean(axis=0)
        entropy = calibration_of[forecast.cell.name].entropy_at(float(train[-1]))
        rows.append(
            (
                forecast.cell.name,
                f"{forecast.cell.learning_rate:g}",
                f"{mean[0]:.3f} -> {mean[-1]:.3f}",
                f"{low[-1]:.3f} to {high[-1]:.3f}",
                f"{train[-1]:.3f}",
                f"{forecast.half_time():.1f}",
                "-" if entropy is None else f"{entropy:.2f}",
                f"{forecast.ratio_variance.mean(axis=0)[-1]:.4f}",
                _warning(forecast, calibration_of[forecast.cell.name]),
            )
        )
    headers = (
        "cell",
        "learning\nrate",
        "target\npass rate",
        "90 % of\nevaluations",
        "train",
        "updates to\nhalf gain",
        "entropy,\nnats",
        "ratio\nvariance",
        "",
    )
    return tabulate(rows, headers=headers, disable_numparse=True)


def _warning(forecast: Forecast, calibration: Calibration) -> str:
    if forecast.reason is not None:
        return "the simulation blew up"
    return runaway_warning(calibration, forecast.cell)


def ranking_table(forecasts: Sequence[Forecast]) -> str:
    """Which cell of each group will end best, and how sure that is.

    Args:
        forecasts: of all cells.

    Returns:
        The table; probabilities are shares of simulated runs of the same seeds, and leave out
        what the calibration itself does not know.
    """
    rows = [
        (
            line["group"],
            line["cell"],
            f"{line['predicted_final']:.3f}",
            f"{line['probability_best']:.2f}",
            "" if (ahead := line["probability_ahead_of_next"]) is None else f"{ahead:.2f}",
        )
        for line in ranking([f for f in forecasts if f.predictor == "drifting"])
    ]
    headers = ("group", "cell, best first", "predicted final", "P(best)", "P(ahead of the next)")
    return tabulate(rows, headers=headers, disable_numparse=True)


def _shown(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def scores_table(scores: Sequence[CellScore]) -> str:
    """The scoreboard.

    Args:
        scores: one a cell.

    Returns:
        The table.
    """
    rows = [
        (
            score.cell,
            f"{score.learning_rate:g}",
            score.num_runs,
            f"{score.base:.3f} -> {score.final:.3f}",
            _shown(score.seed_sd),
            _shown(score.predicted_final),
            _shown(score.rmse),
            _shown(score.rmse_in_seed_sd, 1),
            _shown(score.half_time_ratio, 2),
            _shown(score.coverage, 2),
            _shown(score.rmse_constant),
            _shown(score.rmse_no_change),
            f"{_shown(score.rmse_fitted)} (x{score.time_scale:.2f})",
        )
        for score in scores
    ]
    headers = (
        "cell",
        "lr",
        "runs",
        "observed",
        "seed SD",
        "predicted",
        "RMSE",
        "in seed\nSD",
        "half-gain\ntime ratio",
        "in 90 %\nband",
        "constant\nkernel",
        "no\nchange",
        "one time\nscale fitted",
    )
    return tabulate(rows, headers=headers, disable_numparse=True)


def summary_text(summary: Mapping[str, Any], pairs: Sequence[PairScore]) -> str:
    """The scoreboard in sentences, and every pair that was ranked wrongly.

    Args:
        summary: from `summarize`.
        pairs: separated pairs.

    Returns:
        Several lines.
    """
    lines = [
        f"RMSE at most .05 in {summary['num_rmse_at_most_0.05']} of {summary['num_cells']} cells "
        f"(mean {summary['mean_rmse']:.3f}); better than both simple predictors in "
        f"{summary['num_positive_skill_over_both']}.",
        f"Time to half of the gain within 1.5x in {summary['num_half_time_within_1.5']} of "
        f"{summary['num_that_move']} cells that move.",
        f"{summary['num_ranked_rightly']} of {summary['num_separated_pairs']} separated pairs "
        f"ranked rightly. Evaluations inside the 90 % band: {summary['mean_coverage']:.0%}.",
    ]
    lines += [
        f"wrong: {pair.better} ahead of {pair.worse} in {pair.quantity} by {pair.difference:.3f} "
        f"+- {pair.standard_error:.3f}, predicted {pair.predicted_difference:+.3f}"
        for pair in pairs
        if not pair.is_ranked_rightly
    ]
    return "\n".join(lines)
