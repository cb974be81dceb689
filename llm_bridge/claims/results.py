"""What running a card leaves: curves and maps as files, small enough to be shipped.

curves.jsonl has one line for each world and cell, with all its runs; a simulated cell that blew up
has a reason in their place. maps.csv has one row a point.

Shapes: S points of a curve.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.files import write_atomically
from banditlab.validation import require
from llm_bridge.claims.card import Card
from llm_bridge.claims.curve import SPLITS, Curve
from llm_bridge.claims.effect import Interval

CURVES_FILE, MAPS_FILE, MANIFEST_FILE = "curves.jsonl", "maps.csv", "manifest.json"
_DIGITS = 5
_COLUMNS = ("map", "x", "y", "value", "low", "high")

MapPoints = dict[tuple[float, float], Interval]


@dataclass(frozen=True)
class Results:
    """What was computed for a card.

    Attributes:
        curves: world -> cell -> its runs.
        reasons: world -> cell -> why it has no runs.
        maps: name of the map -> place -> effect.
    """

    curves: dict[str, dict[str, list[Curve]]] = field(default_factory=dict)
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)
    maps: dict[str, MapPoints] = field(default_factory=dict)


def curve_line(world: str, cell: str, runs: Iterable[Curve]) -> dict[str, Any]:
    """A cell as a line of curves.jsonl.

    Args:
        world: "simulation" or "language_model".
        cell: its name.
        runs: of one length and grid.

    Returns:
        What JSON can write.
    """
    runs = list(runs)
    return {
        "world": world,
        "cell": cell,
        "update": [int(update) for update in runs[0].update],
        "rollouts": [float(rollouts) for rollouts in runs[0].rollouts],
        **{
            split: [np.round(run.pass_rate[split], _DIGITS).tolist() for run in runs]
            for split in SPLITS
            if split in runs[0].pass_rate
        },
    }


def write_results(folder: Path, lines: Iterable[Mapping[str, Any]], maps: Mapping[str, MapPoints]):
    """Write curves.jsonl and maps.csv.

    Args:
        folder: it exists.
        lines: of `curve_line`, or with a "reason" in place of runs.
        maps: points by name of the map.

    Raises:
        OSError: the disk refuses.
    """
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    write_atomically(folder / CURVES_FILE, text)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for name, points in maps.items():
        for (x, y), effect in sorted(points.items()):
            numbers = (f"{number:.6g}" for number in (effect.value, effect.low, effect.high))
            writer.writerow([name, f"{x!r}", f"{y!r}", *numbers])
    write_atomically(folder / MAPS_FILE, buffer.getvalue())


def read_results(card: Card, folder: Path) -> Results:
    """Read what `write_results` wrote.

    Args:
        card: whose results they are.
        folder: where they lie.

    Returns:
        The results.

    Raises:
        ValueError: there are none.
        OSError: they cannot be read.
    """
    require(
        (folder / CURVES_FILE).exists() and (folder / MAPS_FILE).exists(),
        "claims",
        "data",
        f"a folder with the results of {card.id}",
        f"{folder.name}, which has no {CURVES_FILE} and {MAPS_FILE}",
        f"Run it: banditlab claims {card.id} --run",
    )
    results = Results()
    for text in (folder / CURVES_FILE).read_text().splitlines():
        line = json.loads(text)
        if "reason" in line:
            results.reasons.setdefault(line["world"], {})[line["cell"]] = line["reason"]
            continue
        splits = [split for split in SPLITS if split in line]
        update, rollouts = np.array(line["update"]), np.array(line["rollouts"])
        results.curves.setdefault(line["world"], {})[line["cell"]] = [
            Curve(update, rollouts, {split: np.array(line[split][run]) for split in splits})
            for run in range(len(line[splits[0]]))
        ]
    with (folder / MAPS_FILE).open(newline="") as file:
        for row in csv.DictReader(file):
            effect = Interval(*(float(row[name]) for name in ("value", "low", "high")))
            results.maps.setdefault(row["map"], {})[float(row["x"]), float(row["y"])] = effect
    return results
