"""Where a comparison keeps its runs, and the table made of them."""

from pathlib import Path

from banditlab.records import Record
from figures.tables import CurvePoint
from llm_bridge.base_statistics import BaseMeasurement
from llm_bridge.compare.plan import CELLS, Cell, ComparePlan
from llm_bridge.compare.predictions import simulation_points, theory_points


def run_folder(out: Path, name: str) -> Path:
    """Folder of one training run.

    Args:
        out: folder of the comparison.
        name: name of the run, from `ComparePlan.runs`.

    Returns:
        The folder.
    """
    return out / "runs" / name


def simulation_folder(out: Path, cell: Cell, learning_rate: float) -> Path:
    """Folder of one simulated cell.

    Args:
        out: folder of the comparison.
        cell: the configuration.
        learning_rate: its learning rate.

    Returns:
        The folder.
    """
    return out / "simulations" / f"{cell.name}-lr{learning_rate:g}"


def is_finished(folder: Path) -> bool:
    """Whether a training run reached its end or blew up for good.

    Args:
        folder: folder of the run.

    Returns:
        True if nothing is left to do.
    """
    return any((folder / name).exists() for name in ("summary.json", "stopped.json"))


def _model_points(plan: ComparePlan, out: Path) -> list[CurvePoint]:
    from llm_bridge.metrics import read_metrics

    names = {config: name for name, config in _named_cells(plan)}
    points = []
    for folder, config in plan.runs():
        cell = names[(config.rule, config.inner_epochs)]
        for line in read_metrics(run_folder(out, folder)):
            if line["kind"] != "evaluation":
                continue
            for split in ("train", "heldout"):
                if f"{split}_pass_rate" not in line:
                    continue
                points.append(
                    CurvePoint(
                        cell=cell,
                        learning_rate=config.learning_rate,
                        source="model",
                        split=split,
                        series=f"seed {config.seed}",
                        update=line["update"],
                        rollouts=line["update"] * plan.num_prompts * plan.group_size,
                        pass_rate=line[f"{split}_pass_rate"],
                    )
                )
    return points


def _named_cells(plan: ComparePlan) -> list[tuple[str, tuple[str, int]]]:
    return [(name, (CELLS[name].rule, CELLS[name].inner_epochs)) for name in plan.cells]


def gather(plan: ComparePlan, out: Path, base: BaseMeasurement) -> list[CurvePoint]:
    """Collect all curves of a finished comparison.

    Args:
        plan: what was run.
        out: run folder.
        base: numbers of the base model.

    Returns:
        Rows of the table, panel by panel.
    """
    model = _model_points(plan, out)
    points: list[CurvePoint] = []
    for cell, rate in plan.panels():
        record = Record.load(simulation_folder(out, cell, rate))
        points += [p for p in model if (p.cell, p.learning_rate) == (cell.name, rate)]
        points += simulation_points(plan, cell, rate, record)
        points += theory_points(plan, cell, rate, base)
    return points
