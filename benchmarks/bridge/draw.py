"""The picture: an update beside TRL's, sampling beside `generate`, and where an update's time goes.

`python -m benchmarks.bridge.draw DIR` draws again from a folder that `benchmarks.bridge` wrote.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.bridge.phases import PHASES
from benchmarks.rows import Row

RESULT_FILE = "bridge.json"
_OURS, _GENERIC, _OTHER, _GREY = "#4477AA", "#66CCEE", "#CC7711", "#777777"
_PHASE_COLOURS = ("#4477AA", "#228833", "#66CCEE", "#AA3377", "#CC7711", "#BBBBBB")


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


def _pick(rows: Sequence[Row], section: str, quantity: str, unit: str) -> list[Row]:
    return [
        row for row in rows if (row.section, row.quantity, row.unit) == (section, quantity, unit)
    ]


def _whiskers(rows: Sequence[Row], scale: float = 1.0) -> list[list[float]]:
    return [
        [scale * (row.median - row.low) for row in rows],
        [scale * (row.high - row.median) for row in rows],
    ]


def _draw_updates(axes: Any, rows: Sequence[Row]) -> None:
    ours, theirs = (_pick(rows, "updates", name, "ms") for name in ("ours", "TRL"))
    ratios = _pick(rows, "updates", "TRL over ours", "ratio")
    for found, label, colour, shift in (
        (ours, "ours", _OURS, -0.2),
        (theirs, "TRL GRPOTrainer", _OTHER, 0.2),
    ):
        places = [place + shift for place in range(len(found))]
        heights = [1e-3 * row.median for row in found]
        axes.bar(places, heights, 0.38, color=colour, label=label, yerr=_whiskers(found, 1e-3))
    for place, row in enumerate(ratios):
        top = 1e-3 * theirs[place].high
        axes.annotate(
            f"{row.median:.1f} x",
            (place + 0.2, top),
            (0, 3),
            textcoords="offset points",
            ha="center",
        )
    names = [row.case.rpartition(", ")[2] for row in ours]
    labels = [f"{name}\n{row.value:g} inner" for name, row in zip(names, ours, strict=True)]
    axes.set_xticks(range(len(labels)), labels)
    axes.set(ylabel="seconds an update", title="(a) whole updates, by the clock")
    axes.margins(y=0.18)
    axes.grid(axis="x", visible=False)


def _draw_generation(axes: Any, rows: Sequence[Row]) -> None:
    for quantity, label, look in (
        ("arithmetic floor", "floor: arithmetic", {"color": _GREY, "ls": "--"}),
        ("memory floor", "floor: memory", {"color": _GREY, "ls": ":"}),
        ("ours", "ours", {"color": _OURS, "marker": "o"}),
        (
            "ours, generic path",
            "ours around the model's forward",
            {"color": _GENERIC, "marker": "s"},
        ),
        ("generate", "generate", {"color": _OTHER, "marker": "x"}),
    ):
        found = _pick(rows, "generation", quantity, "tokens/s")
        value = [row.value for row in found]
        axes.plot(value, [row.median for row in found], lw=1.6, ms=4, label=label, **look)
        low, high = [row.low for row in found], [row.high for row in found]
        axes.fill_between(value, low, high, color=look["color"], alpha=0.25, lw=0)
    axes.set(xscale="log", yscale="log", xlabel="rows sampled together", ylabel="tokens a second")
    ticks = sorted({row.value for row in _pick(rows, "generation", "ours", "tokens/s")})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    low, high = axes.get_ylim()
    # Room for the legend below the curves.
    axes.set_ylim(low / 12.0, high)
    axes.set_title("(b) sampling")


def _draw_phases(axes: Any, rows: Sequence[Row]) -> None:
    left = 0.0
    for name, colour in zip((*PHASES, "all else"), _PHASE_COLOURS, strict=True):
        for row in _pick(rows, "phases", name, "ms"):
            axes.barh([name], [row.median], left=left, color=colour)
            axes.text(left + row.median + 1, name, f"{row.median:.3g}", va="center", fontsize=8)
            left += row.median
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * left or 1.0)
    axes.set(xlabel="ms, one phase after the other", title="(c) where an update's time goes")
    axes.grid(axis="y", visible=False)


def draw(rows: Sequence[Row]) -> Any:
    """Draw the three panels.

    Args:
        rows: the rows of a run; what is missing stays empty.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _draw_updates(left, rows)
    _draw_generation(middle, rows)
    _draw_phases(right, rows)
    for axes in (left, middle):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, loc="upper right" if axes is left else "lower right")
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
        return save_picture(draw(rows), out / Path(RESULT_FILE).stem)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw again into result folders.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bridge.draw",
        description="Draw the picture of a finished benchmark into its folder.",
        epilog="example: python -m benchmarks.bridge.draw benchmarks/results",
    )
    parser.add_argument("out", type=Path, help="folder that benchmarks.bridge wrote")
    out = parser.parse_args(argv).out
    for path in write_picture(read_rows(out), out):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
