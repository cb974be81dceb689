"""The scoreboard: how far simulation and theory were off the model, as it comes out."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from banditlab.validation import require
from figures.tables import CurvePoint

COLLAPSE_SHARE = 0.5
"""A run that ends below this share of its first pass rate has collapsed."""


@dataclass(frozen=True)
class Score:
    """One row of the scoreboard, on held-out prompts.

    Attributes:
        cell: configuration.
        learning_rate: learning rate.
        base: pass rate of the model before training, mean over the runs of `final`.
        final: pass rate of the model after training, mean over runs that reached the end.
        final_sd: spread of the final pass rate between seeds.
        gain: final - base.
        simulated: final pass rate of the simulation, mean.
        predicted: final pass rate of theory; None where no closed form exists.
        rmse_simulated: root mean square distance of simulated from observed mean curve, over the
            evaluations after update 0.
        rmse_predicted: the same for theory.
        rmse_simulated_in_sd: `rmse_simulated` over the mean spread between seeds.
        band_coverage: share of the runs' evaluations after update 0 within the band. The band
            holds exact pass rates, the evaluations have a sampling error of their own, so that a
            perfect simulation covers less than the band's 90 %.
        num_runs: runs of the model.
        num_collapsed: runs that stopped early or ended below half of their first pass rate.
        simulated_collapse: whether the simulated mean ended below half of its first pass rate.
    """

    cell: str
    learning_rate: float
    base: float
    final: float
    final_sd: float
    gain: float
    simulated: float
    predicted: float | None
    rmse_simulated: float
    rmse_predicted: float | None
    rmse_simulated_in_sd: float
    band_coverage: float
    num_runs: int
    num_collapsed: int
    simulated_collapse: bool


def score_panel(points: Sequence[CurvePoint], num_updates: int) -> Score:
    """Score one cell at one learning rate.

    Args:
        points: rows of the table of this cell and learning rate.
        num_updates: planned length of a run.

    Returns:
        The row of the scoreboard.
    """
    heldout = [point for point in points if point.split == "heldout"]
    runs: dict[str, dict[int, float]] = {}
    for point in heldout:
        if point.source == "model":
            runs.setdefault(point.series, {})[point.update] = point.pass_rate
    simulated = {p.update: p for p in heldout if p.source == "simulation"}
    predicted = {p.update: p.pass_rate for p in heldout if p.source == "theory"}
    complete = [run for run in runs.values() if num_updates in run]
    # A run that stopped has no later pass rate; the mean curve is over those that have one.
    updates = sorted({u for run in runs.values() for u in run if u > 0})
    unmatched = [u for u in updates if u not in simulated]
    require(
        not unmatched,
        "score_panel",
        "points",
        "such that every evaluation has a simulated point",
        f"none at updates {unmatched}",
        "Record the simulation at every update that is evaluated",
    )
    observed = {u: [run[u] for run in runs.values() if u in run] for u in updates}
    mean = np.array([np.mean(observed[u]) for u in updates])
    spreads = [np.std(rates, ddof=1) for rates in observed.values() if len(rates) > 1]
    spread = float(np.mean(spreads)) if spreads else 0.0
    ends = [run[num_updates] for run in complete]
    base = float(np.mean([run[0] for run in complete or runs.values()]))
    final = float(np.mean(ends)) if ends else float("nan")
    collapsed = sum(run.get(num_updates, 0.0) < COLLAPSE_SHARE * run[0] for run in runs.values())
    inside = [
        simulated[u].low <= rate <= simulated[u].high for u in updates for rate in observed[u]
    ]
    rmse_simulated = _rmse(mean, [simulated[u].pass_rate for u in updates])
    return Score(
        cell=points[0].cell,
        learning_rate=points[0].learning_rate,
        base=base,
        final=final,
        final_sd=float(np.std(ends, ddof=1)) if len(ends) > 1 else float("nan"),
        gain=final - base,
        simulated=simulated[num_updates].pass_rate,
        predicted=predicted.get(num_updates),
        rmse_simulated=rmse_simulated,
        rmse_predicted=_rmse(mean, [predicted[u] for u in updates]) if predicted else None,
        rmse_simulated_in_sd=rmse_simulated / spread if spread > 0 else float("nan"),
        band_coverage=float(np.mean(inside)),
        num_runs=len(runs),
        num_collapsed=int(collapsed),
        simulated_collapse=simulated[num_updates].pass_rate
        < COLLAPSE_SHARE * simulated[0].pass_rate,
    )


def _rmse(observed: np.ndarray, predicted: Sequence[float]) -> float:
    return float(np.sqrt(np.mean((observed - np.array(predicted)) ** 2)))


def scores_csv(scores: Sequence[Score]) -> str:
    """The scoreboard as CSV.

    Args:
        scores: its rows.

    Returns:
        Text with a header line.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [f.name for f in fields(Score)], lineterminator="\n")
    writer.writeheader()
    for score in scores:
        row = asdict(score)
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return buffer.getvalue()


def scores_table(scores: Sequence[Score]) -> str:
    """The scoreboard for the terminal.

    Args:
        scores: its rows.

    Returns:
        A table.
    """
    from tabulate import tabulate

    def shown(value: float | None) -> str:
        return "-" if value is None or np.isnan(value) else f"{value:.3f}"

    rows = [
        (
            score.cell,
            f"{score.learning_rate:g}",
            f"{shown(score.base)} -> {shown(score.final)}",
            f"{score.gain:+.3f} +- {shown(score.final_sd)}",
            shown(score.simulated),
            shown(score.predicted),
            shown(score.rmse_simulated),
            shown(score.rmse_predicted),
            f"{score.rmse_simulated_in_sd:.1f}",
            f"{score.num_collapsed}/{score.num_runs}",
            "yes" if score.simulated_collapse else "no",
        )
        for score in scores
    ]
    headers = (
        "cell",
        "lr",
        "model\nheld-out",
        "gain\n+- seed SD",
        "simu-\nlation",
        "theory",
        "RMSE\nsimul.",
        "RMSE\ntheory",
        "RMSE in\nseed SD",
        "collapsed\nruns",
        "collapse\nsimulated",
    )
    return tabulate(rows, headers=headers, disable_numparse=True)
