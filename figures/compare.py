"""Language model, simulation and theory of each rule on the same axes, from a table.

`python -m figures.compare TABLE.csv --out DIR` draws again from a file.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from figures.redraw import save_picture
from figures.style import rule_colour, rule_label, style
from figures.tables import CurvePoint, read_table

Panel = tuple[str, float]
"""A cell and its learning rate."""

_CAPTION = (
    "marks and dotted lines: language model, every seed thin, mean thick; solid line and band: "
    "simulation, mean and 90 % of runs; dashed: theory"
)


def panels_of(points: Sequence[CurvePoint]) -> list[Panel]:
    """Cells with their learning rates, in the order of the table.

    Args:
        points: the table.

    Returns:
        Distinct (cell, learning_rate).
    """
    return list(dict.fromkeys((point.cell, point.learning_rate) for point in points))


def _series(
    points: Sequence[CurvePoint], source: str, split: str
) -> dict[str, tuple[np.ndarray, ...]]:
    names = dict.fromkeys(
        point.series for point in points if (point.source, point.split) == (source, split)
    )
    found = {}
    for name in names:
        chosen = [
            point
            for point in points
            if (point.source, point.split, point.series) == (source, split, name)
        ]
        columns = [(p.update, p.pass_rate, p.low, p.high) for p in chosen]
        found[name] = tuple(np.array(columns, dtype=float).T)
    return found


def _draw_model(
    axes: Any, points: Sequence[CurvePoint], split: str, colour: str, last_update: int
) -> None:
    runs = _series(points, "model", split)
    if not runs:
        return
    is_heldout = split == "heldout"
    marker = {"marker": "o" if is_heldout else "s", "mfc": colour if is_heldout else "white"}
    for update, rate, _, _ in runs.values():
        axes.plot(update, rate, color=colour, lw=0.6, ls=":", alpha=0.6)
        axes.plot(update, rate, color=colour, ls="", ms=2.2, mew=0.5, alpha=0.6, **marker)
    complete = [run for run in runs.values() if run[0][-1] == last_update]
    if complete:
        mean = np.mean([run[1] for run in complete], axis=0)
        axes.plot(complete[0][0], mean, color=colour, lw=1.8, ls=":", ms=4.5, **marker)
    for update, rate, _, _ in runs.values():
        if update[-1] < last_update:
            axes.plot(update[-1], rate[-1], color=colour, marker="x", ms=8, mew=2)


def draw_panel(axes: Any, points: Sequence[CurvePoint], panel: Panel) -> None:
    """Draw one cell at one learning rate.

    Args:
        axes: Matplotlib axes.
        points: the table.
        panel: which rows.
    """
    chosen = [point for point in points if (point.cell, point.learning_rate) == panel]
    colour, last = rule_colour(panel[0]), _last_update(chosen)
    for split, shade, width in (("heldout", 0.22, 1.6), ("train", 0.0, 0.8)):
        for update, rate, low, high in _series(chosen, "simulation", split).values():
            axes.fill_between(update, low, high, color=colour, alpha=shade, lw=0)
            axes.plot(update, rate, color=colour, lw=width, alpha=1.0 if shade else 0.5)
        _draw_model(axes, chosen, split, colour, last)
        for update, rate, _, _ in _series(chosen, "theory", split).values():
            axes.plot(update, rate, color="black", lw=1.3 if shade else 0.7, ls="--")
    axes.set_ylim(0, 1)
    axes.set_xlim(-0.03 * last, 1.03 * last)
    axes.set_title(f"{rule_label(panel[0])}, learning rate {panel[1]:g}", pad=18)
    _add_rollout_axis(axes, chosen)


def _add_rollout_axis(axes: Any, points: Sequence[CurvePoint]) -> None:
    last = max(points, key=lambda point: point.update)
    per_update = last.rollouts / max(last.update, 1)
    twin = axes.secondary_xaxis(
        "top", functions=(lambda x: x * per_update / 1000, lambda x: x * 1000 / per_update)
    )
    twin.tick_params(labelsize=7, pad=1)


def _last_update(points: Sequence[CurvePoint]) -> int:
    """Planned length of the runs of a panel: the simulation always reaches it."""
    return max(point.update for point in points)


def _is_any_stopped(points: Sequence[CurvePoint]) -> bool:
    for panel in panels_of(points):
        chosen = [p for p in points if (p.cell, p.learning_rate) == panel]
        runs = _series(chosen, "model", "heldout") | _series(chosen, "model", "train")
        if any(run[0][-1] < _last_update(chosen) for run in runs.values()):
            return True
    return False


def _legend_handles(points: Sequence[CurvePoint]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    grey = "#444444"
    dotted = {"color": grey, "ls": ":", "ms": 5}
    handles = [
        Line2D([], [], marker="o", label="model, held-out, mean", **dotted),
        Line2D([], [], marker="s", mfc="white", label="model, train, mean", **dotted),
        Line2D([], [], color=grey, lw=0.6, ls=":", marker=".", ms=2.5, label="model, one seed"),
        Line2D([], [], color=grey, lw=1.6, label="simulation, held-out"),
        Line2D([], [], color=grey, lw=0.8, alpha=0.6, label="simulation, train"),
        Patch(color=grey, alpha=0.22, lw=0, label="90 % of simulated runs, held-out"),
        Line2D(
            [], [], color="black", ls="--", label="theory (ODE, where there is one); thin: train"
        ),
    ]
    if _is_any_stopped(points):
        stopped = {"ls": "", "marker": "x", "ms": 7, "mew": 2}
        handles.append(Line2D([], [], color=grey, label="run stopped: not finite", **stopped))
    return handles


def draw_grid(points: Sequence[CurvePoint], panels: Sequence[Sequence[Panel]]) -> Any:
    """Draw a grid of panels on shared axes.

    Args:
        points: the table.
        panels: rows of panels.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    num_rows, num_columns = len(panels), len(panels[0])
    legend_columns = 4 if num_columns > 2 else 2
    height = 2.75 * num_rows + 2.2 / legend_columns + 0.4
    figure = Figure(figsize=(3.1 * num_columns + 0.6, height), layout="constrained")
    grid = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
    for row, axes_row in zip(panels, grid, strict=True):
        for panel, axes in zip(row, axes_row, strict=True):
            draw_panel(axes, points, panel)
    for axes in grid[-1]:
        axes.set_xlabel("updates (top axis: thousand rollouts)")
    for axes in grid[:, 0]:
        axes.set_ylabel("pass rate")
    figure.legend(handles=_legend_handles(points), loc="outside lower center", ncols=legend_columns)
    return figure


def pictures(points: Sequence[CurvePoint]) -> dict[str, Any]:
    """The overview of all rules and one picture per rule.

    Args:
        points: the table.

    Returns:
        File stem -> Matplotlib figure.
    """
    panels = panels_of(points)
    cells = list(dict.fromkeys(cell for cell, _ in panels))
    rates = sorted({rate for _, rate in panels})
    full = [[(cell, rate) for cell in cells] for rate in rates]
    drawn = {"compare": draw_grid(points, full)}
    for cell in cells:
        drawn[f"compare_{cell}"] = draw_grid(points, [[(cell, rate) for rate in rates]])
    return drawn


def write_pictures(points: Sequence[CurvePoint], out: Path) -> list[Path]:
    """Draw the pictures of a table as PNG and SVG.

    Args:
        points: the table.
        out: folder for the files.

    Returns:
        Paths of the PNG files, the overview first.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
        OSError: the disk refuses.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'write_pictures: Matplotlib is missing. Remedy: pip install "banditlab[figures]".'
        ) from error
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with style():
        for stem, figure in pictures([replace(point) for point in points]).items():
            written.append(save_picture(figure, out / stem)[0])
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Draw again from a table.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m figures.compare",
        description=f"Draw model, simulation and theory from a table: {_CAPTION}.",
        epilog="example: python -m figures.compare figures/data/compare.csv --out figures",
    )
    parser.add_argument("table", type=Path, help="CSV written by `banditlab compare`")
    parser.add_argument("--out", type=Path, required=True, help="folder for PNG and SVG")
    arguments = parser.parse_args(argv)
    for path in write_pictures(read_table(arguments.table), arguments.out):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
