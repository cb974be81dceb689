"""Picture of one claim: prediction over simulation, and how far its mutants are from passing.

`python -m figures.claim FOLDER` draws again what `banditlab verify --explain` left in a folder.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.validation import require
from figures.redraw import redraw, save_picture
from figures.style import OTHER_COLOUR, style
from theory.verify.explain import COMPARISON_FILE

_MEASURED, _MUTANT = "#4477AA", "#CC7711"
_SMALLEST_SHOWN = 1e-17
_LONGEST_NAME = 46
_UNIT = {
    "difference": "largest |measured - predicted|",
    "bound": "largest relative excess over the bound",
    "z": "largest |measured - predicted|, standard errors",
    "shares": "chi-squared, as standard normal quantile",
    "expected_bound": "excess over the bound, standard errors",
}


def draw(record: dict[str, Any]) -> Any:
    """Draw prediction, measurement and mutants of a claim.

    Args:
        record: what `banditlab verify --explain` wrote.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    values, distances = figure.subplots(1, 2, width_ratios=[1.35, 1.0])
    _draw_values(values, record)
    _draw_distances(distances, record)
    figure.suptitle(record["id"], fontsize=11)
    figure.legend(*values.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _as_floats(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])


def _draw_values(axes: Any, record: dict[str, Any]) -> None:
    at = record["axis"]["at"]
    is_named = any(isinstance(one, str) for one in at)
    joins = record["axis"]["is_ordered"]
    position = np.array(at if joins else np.arange(len(at)), dtype=float)
    predicted, measured = _as_floats(record["predicted"]), _as_floats(record["measured"])
    for index, run in enumerate(record["runs"]):
        name = f"runs ({len(record['runs'])} shown)" if index == 0 else None
        # Side by side where there is one quantity only.
        shift = 0.0 if joins else 0.35 * (np.linspace(-1, 1, len(record["runs"]))[index])
        line = {"lw": 0.4} if joins else {"lw": 0.0, "marker": ".", "ms": 2.5}
        axes.plot(position + shift, run, color=_MEASURED, alpha=0.3, label=name, zorder=1, **line)
    for index, mutant in enumerate(record["mutants"]):
        how = {"color": _MUTANT, "alpha": 0.75, "zorder": 2}
        name = "mutants" if index == 0 else None
        _draw_line(axes, position, _as_floats(mutant["value"]), joins, ":", name, **how)
    _draw_line(axes, position, predicted, joins, "--", "theory", color=OTHER_COLOUR, zorder=3)
    error = 1.96 * _as_floats(record["se"])
    name = "simulation" + (", 95 % interval" if error.any() else "")
    axes.errorbar(
        position, measured, yerr=error, fmt="o", ms=4.5, color=_MEASURED, label=name, zorder=4
    )
    if not joins:
        axes.set_xticks(position, [str(one) for one in at] if len(at) > 1 else [""])
        axes.tick_params(axis="x", labelrotation=25 if is_named else 0)
        axes.set_xlim(position[0] - 0.6, position[-1] + 0.6)
    if record["axis"]["is_log"]:
        axes.set_xscale("log")
    axes.set_xlabel(record["axis"]["label"] if len(at) > 1 else "")
    axes.set_ylabel(record["unit"], fontsize=8)
    _fit_to_truth(axes, predicted, measured, error)


def _draw_line(
    axes: Any,
    position: np.ndarray,
    value: np.ndarray,
    joins: bool,
    dashes: str,
    name: str | None,
    **how: Any,
) -> None:
    if joins:
        axes.plot(position, value, ls=dashes, lw=1.4, label=name, **how)
    else:
        axes.hlines(
            value, position - 0.4, position + 0.4, linestyles=dashes, lw=1.4, label=name, **how
        )


def _fit_to_truth(
    axes: Any, predicted: np.ndarray, measured: np.ndarray, error: np.ndarray
) -> None:
    """Let no mutant or single run squeeze prediction and measurement into a line."""
    shown = np.concatenate([predicted, measured - error, measured + error])
    low, high = np.nanmin(shown), np.nanmax(shown)
    room = 0.6 * (high - low) + 0.08 * max(abs(high), abs(low)) + 1e-300
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, low - room), min(top, high + room))


def _draw_distances(axes: Any, record: dict[str, Any]) -> None:
    names = ["the statement", *(_short(mutant["what"]) for mutant in record["mutants"])]
    distance = [record["distance"], *(mutant["distance"] for mutant in record["mutants"])]
    finite = _as_floats(distance)
    largest = np.nanmax([*finite, record["mutant_tolerance"]])
    shown = np.clip(finite, _SMALLEST_SHOWN, 10.0 * largest)
    position = np.arange(len(names))[::-1]
    axes.scatter(shown, position, color=[_MEASURED, *[_MUTANT] * (len(names) - 1)], zorder=3)
    axes.axvline(record["mutant_tolerance"], color=_MUTANT, lw=1.2, ls=":")
    if record["tolerance"] is not None:
        axes.axvline(record["tolerance"], color=OTHER_COLOUR, lw=1.2, ls="--")
    axes.set_xscale("log")
    axes.set_yticks(position, names, fontsize=8)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel(_UNIT[record["statistic"]], fontsize=8)
    axes.set_title("dotted: mutants must lie right of it", fontsize=8)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."


def write_picture(out: Path) -> list[Path]:
    """Draw the picture of a claim into the folder of its numbers.

    Args:
        out: the folder.

    Returns:
        Paths of `comparison.png` and `comparison.svg`.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
        ValueError: the folder is that of another command.
        OSError: the disk refuses.
    """
    path = out / COMPARISON_FILE
    require(
        path.exists(),
        "write_picture",
        "out",
        "a folder that `banditlab verify --explain` wrote",
        out,
        "Run it first",
    )
    with style():
        return save_picture(draw(json.loads(path.read_text())), out / "comparison")


if __name__ == "__main__":
    raise SystemExit(redraw("claim", write_picture))
