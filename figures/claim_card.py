"""One picture a claim card: both worlds' curves, the effects, and the map of where it flips."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from figures.redraw import save_picture
from figures.style import style

_COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#CC7711", "#777777")
_OUTCOME_COLOURS = {"holds": "#228833", "opposite": "#CC3311", "undecided": "#888888"}
_MARKS = {"holds": "", "opposite": "x", "undecided": "."}
_BAND = (0.05, 0.95)
_WORLD_MARKS = {"simulation": ("-", ""), "language_model": (":", "o")}
_LABEL_WIDTH = 46
_MOST_EFFECTS = 24
_WIDTH, _CURVES_HEIGHT, _MAP_HEIGHT, _MAP_COLUMNS = 14.0, 3.6, 3.9, 2


def draw_card(assessment: Any, stem: Path) -> list[Path]:
    """Draw a claim card.

    Args:
        assessment: an `Assessment` of `llm_bridge.claims.assess`.
        stem: path of the picture without its ending.

    Returns:
        Paths of the files, the PNG first.
    """
    from matplotlib.figure import Figure

    card, results = assessment.card, assessment.results
    colours = _cell_colours(card)
    maps = [one for one in card.maps if one.name in results.maps]
    map_rows = max(1, -(-len(maps) // _MAP_COLUMNS))
    maps_height = _MAP_HEIGHT * map_rows
    measured, title = assessment.measured, "effects"
    if len(measured) > _MOST_EFFECTS:
        # The card's page has them all.
        measured, title = [one for one in measured if one.effect.decides], "deciding effects"
    bottom_height = max(maps_height, 0.27 * len(measured) + 0.8)
    with style():
        figure = Figure(figsize=(_WIDTH, _CURVES_HEIGHT + bottom_height), layout="constrained")
        top, bottom = figure.subfigures(2, 1, height_ratios=[_CURVES_HEIGHT, bottom_height])
        simulation, model = top.subplots(1, 2, sharey=True)
        _draw_simulation(simulation, assessment, colours)
        _draw_model(model, assessment, colours)
        columns = min(_MAP_COLUMNS, max(1, len(maps)))
        left, right = bottom.subfigures(1, 2, width_ratios=[1, 0.25 + 0.55 * columns])
        _draw_effects(left.subplots(), measured, title)
        if bottom_height > maps_height:
            # Beside a long list of effects maps keep their height.
            right, _ = right.subfigures(
                2, 1, height_ratios=[maps_height, bottom_height - maps_height]
            )
        panels = right.subplots(map_rows, columns, squeeze=False).flatten()
        for axes, flip_map in zip(panels, maps, strict=False):
            _draw_map(axes, flip_map, results.maps[flip_map.name])
        for axes in panels[len(maps) :]:
            axes.set_axis_off()
        figure.suptitle(f"{card.id}  {card.title}", fontsize=12, x=0.01, ha="left")
        return save_picture(figure, stem)


def _drawn(card: Any, cells: Sequence[Any]) -> list[Any]:
    return [cell for cell in cells if not card.drawn or cell.name in card.drawn]


def _cell_colours(card: Any) -> dict[str, Any]:
    cells = (*_drawn(card, card.trained), *_drawn(card, card.simulated))
    names = list(dict.fromkeys(cell.name for cell in cells))
    if len(names) <= len(_COLOURS):
        return dict(zip(names, _COLOURS, strict=False))
    from matplotlib import colormaps

    return dict(zip(names, colormaps["turbo"](np.linspace(0.05, 0.95, len(names))), strict=True))


def _finish_curves(axes: Any, card: Any, title: str, num_cells: int) -> None:
    axes.set_title(title)
    axes.set_xlabel("rollouts" if card.against == "rollouts" else "updates")
    axes.set_ylim(-0.02, 1.02)
    if card.against == "rollouts":
        axes.set_xscale("symlog", linthresh=100)
        axes.set_xlim(left=0)
    if num_cells:
        columns = 1 if num_cells <= 6 else 2
        axes.legend(fontsize=6.5, ncols=columns, handlelength=1.4, labelspacing=0.25)


def _places(curve: Any, card: Any) -> np.ndarray:
    return curve.rollouts if card.against == "rollouts" else curve.update


def _table(runs: Sequence[Any], split: str, label: str) -> tuple[np.ndarray, str]:
    """Pass rates [N, S] of a split, or of the other one, and the label that says so."""
    if split in runs[0].pass_rate:
        return np.array([run.pass_rate[split] for run in runs]), label
    (other,) = runs[0].pass_rate
    return np.array([run.pass_rate[other] for run in runs]), f"{label} ({other})"


def _draw_simulation(axes: Any, assessment: Any, colours: Mapping[str, Any]) -> None:
    card, drawn = assessment.card, 0
    found = assessment.results.curves.get("simulation", {})
    for cell in _drawn(card, card.simulated):
        if cell.name not in found:
            continue
        runs = found[cell.name]
        values, label = _table(runs, card.split, cell.label)
        places, colour = _places(runs[0], card), colours[cell.name]
        low, high = np.quantile(values, _BAND, axis=0)
        axes.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(places, values.mean(axis=0), color=colour, lw=1.8, label=label)
        drawn += 1
    for label, (places, values) in (card.theory_curve() if card.theory_curve else {}).items():
        axes.plot(places, values, color="black", ls="--", lw=1.0, label=label)
        drawn += 1
    axes.set_ylabel(f"pass rate, {'held out' if card.split == 'heldout' else 'train'}")
    _finish_curves(axes, card, "simulation: mean, band of 5 to 95 % of the runs", drawn)


def _draw_model(axes: Any, assessment: Any, colours: Mapping[str, Any]) -> None:
    card, drawn = assessment.card, 0
    found = assessment.results.curves.get("language_model", {})
    for cell in _drawn(card, card.trained):
        if cell.name not in found:
            continue
        runs = found[cell.name]
        values, label = _table(runs, card.split, cell.label)
        places, colour = _places(runs[0], card), colours[cell.name]
        axes.plot(places, values.T, color=colour, ls=":", lw=0.6, alpha=0.6)
        axes.plot(
            places,
            values.mean(axis=0),
            color=colour,
            ls=":",
            marker="o",
            ms=3.5,
            lw=1.6,
            label=label,
        )
        drawn += 1
    _finish_curves(axes, card, "language model: every seed thin, mean thick", drawn)


def _scale(measured: Sequence[Any]) -> float:
    """Largest finite end of an effect's intervals, so that each effect has a scale of its own."""
    ends = [abs(end) for end in measured[0].effect.expected if math.isfinite(end)]
    ends += [
        abs(end)
        for one in measured
        if one.interval is not None
        for end in (one.interval.low, one.interval.high, one.interval.value)
        if math.isfinite(end)
    ]
    return max([end for end in ends if end > 0.0], default=1.0)


def _draw_effects(axes: Any, measured: Sequence[Any], title: str) -> None:
    by_name: dict[str, list[Any]] = {}
    for one in measured:
        by_name.setdefault(one.effect.name, []).append(one)
    place, ticks, labels = 0.0, [], []
    for name, group in by_name.items():
        scale = _scale(group)
        low, high = (np.clip(end / scale, -1.15, 1.15) for end in group[0].effect.expected)
        axes.fill_between(
            [low, high], place - 0.45, place + len(group) - 0.55, color="#228833", alpha=0.1, lw=0
        )
        for one in group:
            _draw_effect(axes, one, place, scale)
            world = "LM" if one.world == "language_model" else "sim."
            label = f"{name}, {world}" if one is group[0] else world
            labels.append(textwrap.fill(label, _LABEL_WIDTH))
            ticks.append(place)
            place += 1.0
    axes.axvline(0.0, color="black", lw=0.6)
    axes.set_yticks(ticks, labels, fontsize=6.5)
    axes.set_ylim(place - 0.5, -0.6)
    axes.set_xlim(-1.2, 1.2)
    axes.set_xticks([-1, 0, 1], ["", "0", ""])
    axes.grid(False)
    axes.set_title(f"{title}, 95 % bootstrap interval over runs", fontsize=9)
    axes.set_xlabel("each on its own scale; shaded: where the claim wants it", fontsize=7)


def _draw_effect(axes: Any, one: Any, place: float, scale: float) -> None:
    colour = _OUTCOME_COLOURS[one.says]
    if one.interval is None or math.isnan(one.interval.value):
        axes.text(
            0.03, place, "not reached" if one.interval else "no runs", fontsize=6, va="center"
        )
        return
    value, low, high = (
        float(np.clip(end / scale, -1.15, 1.15))
        for end in (one.interval.value, one.interval.low, one.interval.high)
    )
    line, mark = _WORLD_MARKS[one.world]
    axes.plot([low, high], [place, place], color=colour, ls=line, lw=1.6)
    axes.plot([value], [place], marker=mark or "D", color=colour, ms=4)
    axes.annotate(
        f"{one.interval.value:.3g}",
        (value, place),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=6,
        ha="center",
    )


def _inside(points: np.ndarray, expected: tuple[float, float]) -> np.ndarray:
    """Distance into the region in which the claim holds; negative outside."""
    low, high = expected
    above = points - low if math.isfinite(low) else math.inf
    below = high - points if math.isfinite(high) else math.inf
    return np.minimum(above, below)


def _draw_map(axes: Any, flip_map: Any, points: Mapping[tuple[float, float], Any]) -> None:
    from matplotlib.colors import Normalize

    from llm_bridge.claims.effect import judge

    xs, ys = flip_map.x.values, flip_map.y.values
    effect = [[points[x, y] for x in xs] for y in ys]
    values = np.array([[one.value for one in row] for row in effect])
    inside = _inside(values, flip_map.expected)
    finite = np.abs(inside[np.isfinite(inside)])
    largest = float(np.quantile(finite, 0.95)) if finite.size and finite.max() > 0 else 1.0
    largest = largest or float(finite.max())
    image = axes.imshow(
        np.clip(inside, -largest, largest),
        origin="lower",
        aspect="auto",
        cmap="RdBu",
        norm=Normalize(-largest, largest),
    )
    for row, ones in enumerate(effect):
        for column, one in enumerate(ones):
            mark = _MARKS[judge(one, flip_map.expected)]
            if mark:
                axes.plot(column, row, marker=mark, color="black", ms=4, mew=0.8)
    axes.set_xticks(range(len(xs)), [f"{x:.3g}" for x in xs], fontsize=7, rotation=45)
    axes.set_yticks(range(len(ys)), [f"{y:.3g}" for y in ys], fontsize=7)
    axes.set_xlabel(flip_map.x.label)
    axes.set_ylabel(flip_map.y.label)
    axes.grid(False)
    axes.set_title(f"{flip_map.title}\nblue: holds; x: the opposite; dot: cannot tell", fontsize=8)
    bar = axes.figure.colorbar(image, ax=axes)
    bar.set_label(_bar_label(flip_map), fontsize=7)
    bar.ax.tick_params(labelsize=7)


def _bar_label(flip_map: Any) -> str:
    low, high = flip_map.expected
    if math.isinf(high):
        return flip_map.label + (f" less {low:.2g}" if low else "")
    if math.isinf(low):
        return (f"{high:.2g} less " if high else "minus ") + flip_map.label
    return f"distance from the edge of {low:g} to {high:g}: {flip_map.label}"
