"""Run a card: every cell of both worlds, and every point of its maps.

What is finished in the folder is kept, cell by cell and point by point; a run that was stopped goes
on where it was. A folder holds models/ for all cards, and for each card training/, simulation/ and
map-NAME.jsonl, besides the results themselves.
"""

import inspect
import json
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from banditlab.experiments.experiment import Experiment
from banditlab.experiments.run import run_experiment
from banditlab.files import write_atomically
from banditlab.records import provenance, read_json, write_json
from llm_bridge.claims.base_models import base_model_path, build_base_model
from llm_bridge.claims.card import Card, FlipMap, SimulatedCell, TrainedCell
from llm_bridge.claims.curve import SPLITS, Curve
from llm_bridge.claims.effect import Interval
from llm_bridge.claims.results import (
    CURVES_FILE,
    MANIFEST_FILE,
    MapPoints,
    curve_line,
    read_results,
    write_results,
)
from llm_bridge.claims.sweep import curves_of_record
from llm_bridge.config import TrainConfig

_MOST_POINTS = 25
_STOPPED_FILE = "stopped.json"
LINES = {"simulation": "simulated", "language_model": "trained"}
"""Worlds with cells, and the field of `Card` that holds them."""


def runs_of(cell: TrainedCell, models: Path) -> Iterator[tuple[str, TrainConfig]]:
    """Training runs of a cell.

    Args:
        cell: the cell.
        models: folder of base models.

    Yields:
        Name of the run's folder, and its configuration.
    """
    model = base_model_path(cell.base_model, models)
    for seed in range(cell.first_seed, cell.first_seed + cell.num_seeds):
        settings = {"model": model, **cell.settings, "seed": seed}
        yield f"{cell.name}-seed{seed}", TrainConfig(**settings)


def _train(card: Card, folder: Path, models: Path, num_workers: int) -> list[dict[str, Any]]:
    from llm_bridge.compare.workers import train_all

    names = sorted({cell.base_model for cell in card.trained})
    Parallel(n_jobs=num_workers)(delayed(build_base_model)(name, models) for name in names)
    runs = {
        folder / "training" / name: config
        for cell in card.trained
        for name, config in runs_of(cell, models)
    }
    train_all(runs, num_threads=1, num_workers=num_workers)
    return [
        curve_line(
            "language_model",
            cell.name,
            [
                read_training_run(folder / "training" / name, config)
                for name, config in runs_of(cell, models)
            ],
        )
        for cell in card.trained
    ]


def read_training_run(folder: Path, config: TrainConfig) -> Curve:
    """Evaluations of a training run as a curve.

    Args:
        folder: its run folder.
        config: its configuration.

    Returns:
        The curve; a run that blew up keeps pass rate 0 from there on: its model is not one.
    """
    from llm_bridge.metrics import read_metrics

    lines = {line["update"]: line for line in read_metrics(folder) if line["kind"] == "evaluation"}
    planned = [*range(0, config.num_updates, config.eval_every), config.num_updates]
    splits = [split for split in SPLITS if f"{split}_pass_rate" in lines[0]]
    return Curve(
        update=np.array(planned),
        rollouts=np.array(planned) * config.num_prompts * config.num_drawn,
        pass_rate={
            split: np.array(
                [lines[u][f"{split}_pass_rate"] if u in lines else 0.0 for u in planned]
            )
            for split in splits
        },
    )


def _simulate_one(cell: SimulatedCell, folder: Path) -> dict[str, Any]:
    """One simulated cell as a line; a simulation that blew up says so."""
    experiment = Experiment.from_mapping(cell.experiment, source=cell.name)
    stopped = folder / _STOPPED_FILE
    if stopped.exists():
        return read_json(stopped)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        record, _ = run_experiment(experiment, folder)
    except FloatingPointError as error:
        line = {"world": "simulation", "cell": cell.name, "reason": str(error)}
        write_json(stopped, line)
        return line
    curves = curves_of_record(record, experiment)
    kept = np.unique(np.linspace(0, len(record.step) - 1, _MOST_POINTS).round().astype(int))
    thinned = [
        Curve(
            curve.update[kept],
            curve.rollouts[kept],
            {split: values[kept] for split, values in curve.pass_rate.items()},
        )
        for curve in curves
    ]
    return curve_line("simulation", cell.name, thinned)


def _in_parallel(jobs: Sequence[Any], num_workers: int, label: str) -> Iterator[Any]:
    done = Parallel(n_jobs=num_workers, return_as="generator")(jobs)
    yield from tqdm(done, total=len(jobs), desc=label, disable=None)


def _simulate(card: Card, folder: Path, num_workers: int) -> list[dict[str, Any]]:
    jobs = [
        delayed(_simulate_one)(cell, folder / "simulation" / cell.name) for cell in card.simulated
    ]
    return list(_in_parallel(jobs, num_workers, f"{card.id} simulation"))


def _one_point(flip_map: FlipMap, x: float, y: float) -> tuple[float, float, Interval]:
    return x, y, flip_map.point(x, y)


def _digest(flip_map: FlipMap) -> str:
    """Of the module that computes the points: another one makes them anew."""
    return sha256(Path(inspect.getfile(flip_map.point)).read_bytes()).hexdigest()[:16]


def _map(flip_map: FlipMap, path: Path, num_workers: int) -> MapPoints:
    """Points of a map; those in the file are kept if the same code made them."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    digest = _digest(flip_map)
    found: MapPoints = {
        (line["x"], line["y"]): Interval(*line["effect"])
        for line in lines
        if line["digest"] == digest
    }
    wanted = [(x, y) for y in flip_map.y.values for x in flip_map.x.values]
    jobs = [delayed(_one_point)(flip_map, *place) for place in wanted if place not in found]
    for x, y, effect in _in_parallel(jobs, num_workers, f"map {flip_map.name}"):
        found[x, y] = effect
        rows = [
            {"x": a, "y": b, "effect": [one.value, one.low, one.high], "digest": digest}
            for (a, b), one in found.items()
        ]
        write_atomically(path, "".join(json.dumps(row) + "\n" for row in rows))
    return {place: found[place] for place in wanted}


def run_card(
    card: Card, out: Path, *, num_workers: int, worlds: Sequence[str] = tuple(LINES)
) -> Path:
    """Run what is not finished of a card, and write its results.

    Args:
        card: the card.
        out: folder of all cards.
        num_workers: processes at work side by side.
        worlds: "simulation" (with the maps), "language_model"; of one that is left out, the
            results of an earlier call stay.

    Returns:
        Folder of the card's results.

    Raises:
        ValueError: the folder holds runs of other configurations.
        OSError: the disk refuses.
    """
    start = time.perf_counter()
    folder = out / card.id
    folder.mkdir(parents=True, exist_ok=True)
    lines, maps = [], {}
    earlier = read_results(card, folder) if (folder / CURVES_FILE).exists() else None
    for world in LINES:
        if world in worlds:
            lines += (
                _simulate(card, folder, num_workers)
                if world == "simulation"
                else _train(card, folder, out / "models", num_workers)
            )
        elif earlier is not None:
            lines += [
                curve_line(world, cell, runs)
                for cell, runs in earlier.curves.get(world, {}).items()
            ]
            lines += [
                {"world": world, "cell": cell, "reason": reason}
                for cell, reason in earlier.reasons.get(world, {}).items()
            ]
    if "simulation" in worlds:
        for flip_map in card.maps:
            maps[flip_map.name] = _map(flip_map, folder / f"map-{flip_map.name}.jsonl", num_workers)
    elif earlier is not None:
        maps = earlier.maps
    write_results(folder, lines, maps)
    seconds = round(time.perf_counter() - start, 1)
    write_json(folder / MANIFEST_FILE, {**provenance(), "last_call_seconds": seconds})
    return folder
