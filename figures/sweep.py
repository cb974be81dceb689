"""Pass rates of all cells of a sweep on the same axes, from its folder.

`python -m figures.sweep SWEEP` draws again into the folder of `banditlab sweep`.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from banditlab.experiments.summary import moving_span, reward_label
from banditlab.records import Record
from banditlab.validation import require
from figures.redraw import redraw, save_picture
from figures.simulate import (
    bootstrap_interval,
    problem_title,
    set_rate_axis,
    set_step_axis,
)
from figures.style import RULE_COLOURS, rule_colour, style

_MOST_NAMED = 24


def read_cells(out: Path) -> dict[str, Record]:
    """Finished cells of a sweep.

    Args:
        out: the sweep's folder.

    Returns:
        Name -> record, in the order of `results.csv`.

    Raises:
        ValueError: no cell is finished.
        OSError: a file cannot be read.
    """
    results, names = out / "results.csv", {}
    if results.exists():
        with results.open(newline="") as file:
            names = dict.fromkeys(row["cell"] for row in csv.DictReader(file))
    require(
        bool(names), "read_cells", "out", "a sweep with finished cells", out, "Run it to its end"
    )
    return {name: Record.load(out / "cells" / name) for name in names}


def cell_colours(records: Mapping[str, Record]) -> list[Any]:
    """Colours of cells: of their rules where these differ, else along a scale.

    Args:
        records: name -> record.

    Returns:
        One colour per cell.
    """
    import matplotlib as mpl

    rules = [record.config["rule"]["name"] for record in records.values()]
    if len(set(rules)) == len(rules) and set(rules) <= set(RULE_COLOURS):
        return [rule_colour(rule) for rule in rules]
    scale = mpl.colormaps["viridis"]
    return [scale(0.95 * index / max(1, len(rules) - 1)) for index in range(len(rules))]


def draw(records: Mapping[str, Record]) -> Any:
    """Draw the mean pass rate of every cell with its 95 % bootstrap interval.

    Args:
        records: name -> record.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    is_heldout = all("heldout_pass_rate" in record.curves for record in records.values())
    metrics = ("pass_rate", "heldout_pass_rate") if is_heldout else ("pass_rate",)
    figure = Figure(figsize=(4.2 * len(metrics) + 3.0, 4.2), layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    longest = max((record.step for record in records.values()), key=lambda step: step[-1])
    first_move = min(float(one.step[moving_span(one)[0]]) for one in records.values())
    trained = "prompts trained on" if is_heldout else "all prompts"
    for metric, axes in zip(metrics, panels, strict=True):
        colours = cell_colours(records)
        for (name, record), colour in zip(records.items(), colours, strict=True):
            curve = record.curves[metric]
            axes.plot(record.step, curve.mean(axis=0), color=colour, lw=1.6, label=name)
            if len(curve) > 1:
                axes.fill_between(
                    record.step, *bootstrap_interval(curve), color=colour, alpha=0.25, lw=0
                )
        set_step_axis(axes, longest, first_move)
        set_rate_axis(axes, [record.curves[metric] for record in records.values()])
        axes.set_xlabel("rounds")
        axes.set_title("held-out prompts" if metric == "heldout_pass_rate" else trained)
    configs = [record.config for record in records.values()]
    label = " or ".join(dict.fromkeys(reward_label(one["problem"]["kind"]) for one in configs))
    panels[0].set_ylabel(f"{label}, mean with its 95 % bootstrap interval")
    figure.suptitle(_title(configs), fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    if len(labels) > _MOST_NAMED:
        labels[_MOST_NAMED - 1] = f"... {len(labels) - _MOST_NAMED + 1} more: results.csv"
    figure.legend(handles[:_MOST_NAMED], labels[:_MOST_NAMED], loc="outside right", fontsize=7.5)
    return figure


def _title(configs: Sequence[Mapping[str, Any]]) -> str:
    problems = dict.fromkeys(problem_title(config["problem"]) for config in configs)
    sizes = sorted({config["run"]["group_size"] for config in configs})
    problem = next(iter(problems)) if len(problems) == 1 else f"{len(problems)} problems"
    return f"{problem}  |  G = {', '.join(map(str, sizes))}"


def write_picture(out: Path) -> list[Path]:
    """Draw the picture of a sweep into its folder.

    Args:
        out: the sweep's folder.

    Returns:
        Paths of `curves.png` and `curves.svg`.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
        ValueError: no cell is finished.
        OSError: a file cannot be read or written.
    """
    records = read_cells(out)
    with style():
        return save_picture(draw(records), out / "curves")


if __name__ == "__main__":
    raise SystemExit(redraw("sweep", write_picture))
