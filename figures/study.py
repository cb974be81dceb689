"""A study: what was predicted from the base model alone, and the runs laid over it.

`python -m figures.study forecast.csv study.csv --out DIR` draws again from files.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from figures.redraw import save_picture
from figures.style import rule_colour, style
from figures.tables import read_rows, write_rows

_COLUMNS = 4
_CAPTION = (
    "marks, dotted: language model, every seed thin, mean thick. Solid, band: simulation from the "
    "base model's numbers, mean and 90 % of what an evaluation would read. "
    "Grey: constant kernel. Dashed: theory, where there is a closed form"
)


@dataclass(frozen=True)
class ForecastPoint:
    """One point of a predicted curve of the target pass rate.

    Attributes:
        cell: name of the cell.
        rule: its rule.
        learning_rate: its learning rate.
        predictor: "drifting", "constant", "no_change" or "theory".
        update: updates done.
        pass_rate: mean over simulated runs.
        low: lower end of the 90 % band of evaluations.
        high: its upper end.
    """

    cell: str
    rule: str
    learning_rate: float
    predictor: str
    update: int
    pass_rate: float
    low: float
    high: float


def write_forecast(path: Path, points: Iterable[ForecastPoint]) -> None:
    """Write points as CSV.

    Args:
        path: the file.
        points: the rows.

    Raises:
        OSError: the disk refuses.
    """
    write_rows(path, ForecastPoint, points, digits=6)


def read_forecast(path: Path) -> list[ForecastPoint]:
    """Read what `write_forecast` wrote.

    Args:
        path: the file.

    Returns:
        The points.

    Raises:
        ValueError: the columns are others.
        OSError: the file cannot be read.
    """
    remedy = "banditlab predict writes such a table"
    return read_rows(path, ForecastPoint, function="read_forecast", remedy=remedy)


Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Cell -> updates [S] and pass rates of the runs [N, S]."""


def draw_study(points: Sequence[ForecastPoint], observed: Curves, stem: Path) -> list[Path]:
    """Draw one panel a cell.

    Args:
        points: predicted curves.
        observed: curves of the runs, by cell; cells without any show the forecast alone.
        stem: path of the picture without its ending.

    Returns:
        Paths of the files, the PNG first.
    """
    from matplotlib.figure import Figure

    cells = list(dict.fromkeys(point.cell for point in points))
    columns = min(_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    with style():
        figure = Figure(figsize=(3.1 * columns, 2.5 * rows + 0.7), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
        for axes, cell in zip(panels, cells, strict=False):
            _draw_cell(axes, [p for p in points if p.cell == cell], observed.get(cell))
        for axes in panels[len(cells) :]:
            axes.set_axis_off()
        for axes in panels[::columns]:
            axes.set_ylabel("pass rate")
        for axes in panels[max(0, len(cells) - columns) : len(cells)]:
            axes.set_xlabel("updates")
        figure.supxlabel(_CAPTION, fontsize=7, wrap=True)
        return save_picture(figure, stem)


def _draw_cell(axes: Any, points: Sequence[ForecastPoint], runs: Any) -> None:
    colour = rule_colour(points[0].rule)
    if runs is not None:
        update, curves = runs
        axes.plot(update, curves.T, color=colour, ls=":", marker="o", ms=2, lw=0.6, alpha=0.6)
        axes.plot(
            update, curves.mean(axis=0), color=colour, ls=":", marker="o", ms=4.5, lw=1.6, zorder=4
        )
    for predictor, look in (
        ("constant", {"color": "#999999", "lw": 1.0}),
        ("drifting", {"color": colour, "lw": 1.8}),
        ("theory", {"color": "black", "lw": 1.0, "ls": "--"}),
    ):
        chosen = [point for point in points if point.predictor == predictor]
        if not chosen:
            continue
        table = np.array([(p.update, p.pass_rate, p.low, p.high) for p in chosen]).T
        axes.plot(table[0], table[1], zorder=3, **look)
        if predictor == "drifting":
            axes.fill_between(table[0], table[2], table[3], color=colour, alpha=0.2, lw=0)
    axes.set_ylim(0.0, 1.0)
    axes.set_title(
        f"{points[0].cell.replace('_', ' ')}\nlearning rate {points[0].learning_rate:g}", fontsize=8
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Draw a study again.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m figures.study",
        description="Draw forecast and runs of a study again.",
        epilog="example: python -m figures.study runs/study/forecast.csv runs/study/study.csv",
    )
    parser.add_argument("forecast", type=Path, help="forecast.csv of `banditlab compare --study`")
    parser.add_argument("runs", type=Path, help="study.csv of the same")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the picture")
    arguments = parser.parse_args(argv)
    from llm_bridge.forecast.observed import curves_by_cell, read_points

    arguments.out.mkdir(parents=True, exist_ok=True)
    observed = curves_by_cell(read_points(arguments.runs))
    points = read_forecast(arguments.forecast)
    print(draw_study(points, observed, arguments.out / "study")[0])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
