"""The picture: cost against the number of arms, and against the touched ones.

`python -m benchmarks.draw DIR` draws again from a folder that `benchmarks.simulator` wrote.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import Row

RESULT_FILE = "simulator.json"
_LUMPED, _DENSE, _SERIES, _OTHER, _GREY = "#4477AA", "#AA3377", "#EE6677", "#CC7711", "#777777"


def read_rows(out: Path) -> list[Row]:
    """Rows of a result folder.

    Args:
        out: the folder.

    Returns:
        The rows.

    Raises:
        OSError: the folder holds no result.
    """
    found = json.loads((out / RESULT_FILE).read_text())["rows"]
    return [Row(**{k: v for k, v in row.items() if k != "is_met"}) for row in found]


def _curve(axes: Any, rows: Sequence[Row], **look: Any) -> None:
    if not rows:
        return
    rows = sorted(rows, key=lambda row: row.value)
    value, median = [row.value for row in rows], [row.median for row in rows]
    axes.fill_between(
        value, [r.low for r in rows], [r.high for r in rows], color=look["color"], alpha=0.25, lw=0
    )
    axes.plot(value, median, lw=1.6, ms=4, **look)


def _pick(rows: Sequence[Row], section: str, case: str, quantity: str) -> list[Row]:
    return [
        row
        for row in rows
        if row.section == section and row.case.startswith(case) and row.quantity == quantity
    ]


def _add_legend(axes: Any, place: str) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc=place)


def _draw_arms(axes: Any, rows: Sequence[Row]) -> None:
    cost = "cost per run and step"
    for case, marker, label in (
        ("raw reward, G = 1, 1 touched", "o", "lumped, G = 1, 1 touched arm"),
        ("raw reward, G = 8, 1 touched", "s", "lumped, G = 8, 1 touched arm"),
        ("raw reward, G = 8, 64 touched", "^", "lumped, G = 8, 64 touched arms"),
    ):
        _curve(axes, _pick(rows, "arms", case, cost), color=_LUMPED, marker=marker, label=label)
    of_dense = "raw reward, G = 8"
    dense = {"color": _DENSE, "marker": "D", "label": "dense NumPy loop, G = 8"}
    series = {"color": _SERIES, "marker": "v", "label": "the same, series for exp"}
    other = {"color": _OTHER, "marker": "x", "label": "MABWiser softmax (another algorithm)"}
    _curve(axes, _pick(rows, "dense", of_dense, "dense"), **dense)
    _curve(axes, _pick(rows, "dense", of_dense, "dense, series"), **series)
    _curve(axes, _pick(rows, "mabwiser", "", "MABWiser"), **other)
    # Linear up to 12, where the dense loop lives, logarithmic beyond.
    axes.set_xscale("symlog", linthresh=12.0, linscale=3.0)
    axes.set(yscale="log", xlabel="log$_{10}$ of the number of arms K (linear up to 12)")
    axes.set_ylabel("cost per run and step, µs")
    axes.set_xlim(2.5, 2e5)
    axes.set_xticks([3, 4, 5, 6, 7, 12, 100, 1e3, 1e4, 1e5])
    axes.set_xticklabels(["3", "4", "5", "6", "7", "12", "100", "1,000", "10,000", "100,000"])
    axes.minorticks_off()
    axes.tick_params(axis="x", labelsize=7)
    axes.set_title("(a) cost against the number of arms")
    _add_legend(axes, "upper right")


def _draw_touched(axes: Any, rows: Sequence[Row]) -> None:
    case = "raw reward, G = 8, step size 0.1"
    cost = _pick(rows, "touched", case, "cost per run and step")
    _curve(axes, cost, color=_LUMPED, marker="o", label="lumped, raw reward, step size 0.1")
    for step_size, marker in (("0.01", "<"), ("1", ">")):
        other = f"raw reward, G = 8, step size {step_size}"
        found = [
            row
            for row in _pick(rows, "touched", other, "cost per run and step")
            if row.case == other
        ]
        _curve(
            axes,
            found,
            color=_LUMPED,
            marker=marker,
            ls="",
            mfc="white",
            label=f"the same, step size {step_size}",
        )
    grown = _pick(rows, "growth", "group_mean, G = 8, log10 K = 6", "touched arms")
    spent = _pick(rows, "growth", "group_mean, G = 8, log10 K = 6", "cost per run and step")
    if grown:
        # Points, not a line: the cost of a step also falls as fewer rounds have a signal.
        axes.plot(
            [row.median for row in grown],
            [row.median for row in spent],
            color="#228833",
            ls="",
            marker="s",
            ms=4,
            label="lumped, group mean, growing, K = 10$^6$",
        )
    floor = _pick(rows, "touched", case, "copy of one logit")
    if floor:
        floor = sorted(floor, key=lambda row: row.value)
        value = [row.value for row in floor]
        copy = [1e-3 * row.median * row.value for row in floor]
        axes.plot(value, copy, color=_GREY, ls="--", label="copy of the logits (floor)")
        axes.plot(value, [4 * x for x in copy], color=_GREY, ls=":", label="4 x the copy")
    axes.set(xscale="log", yscale="log", xlabel="touched arms per run")
    axes.set_ylabel("cost per run and step, µs")
    low, high = axes.get_ylim()
    # Room for the legend above the curves.
    axes.set_ylim(low, 100.0 * high)
    axes.set_title("(b) cost against touched arms")
    _add_legend(axes, "upper left")


def draw(rows: Sequence[Row]) -> Any:
    """Draw both panels.

    Args:
        rows: the rows of a run; what is missing stays empty.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_arms(left, rows)
    _draw_touched(right, rows)
    return figure


def write_picture(rows: Sequence[Row], out: Path) -> list[Path]:
    """Write the picture as PNG and SVG.

    Args:
        rows: the rows of a run.
        out: the folder.

    Returns:
        Paths of the files.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
        OSError: the disk refuses.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'write_picture: Matplotlib is missing. Remedy: pip install "banditlab[figures]".'
        ) from error
    from figures.redraw import save_picture
    from figures.style import style

    with style():
        return save_picture(draw(rows), out / "simulator")


def main(argv: Sequence[str] | None = None) -> int:
    """Draw again into result folders.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.draw",
        description="Draw the picture of a finished benchmark into its folder.",
        epilog="example: python -m benchmarks.draw benchmarks/results",
    )
    parser.add_argument("out", type=Path, help="folder that benchmarks.simulator wrote")
    out = parser.parse_args(argv).out
    for path in write_picture(read_rows(out), out):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
