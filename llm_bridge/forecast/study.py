"""What a forecast is made for: cells, each one configuration of a training run.

A study file is TOML: `[study]` with what all cells share, and one `[[cells]]` table a cell.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from banditlab.validation import require, require_known, requirement_error
from llm_bridge.config import TrainConfig


@dataclass(frozen=True)
class StudyCell:
    """One configuration.

    Attributes:
        name: what it is called in tables and pictures.
        rule: name of the update rule.
        learning_rate: learning rate.
        num_prompts: prompts of an update.
        group_size: rollouts of a prompt.
        inner_epochs: steps on the rollouts of an update.
        optimizer: "sgd" or "adamw".
        num_updates: length of a run.
        eval_every: updates between evaluations.
        row: the only prompt, trained on alone and predicted itself; None for all prompts.
        group: cells of one group are compared with one another; by default the size and the
            optimizer.
    """

    name: str
    rule: str
    learning_rate: float
    num_prompts: int = 32
    group_size: int = 8
    inner_epochs: int = 1
    optimizer: str = "sgd"
    num_updates: int = 60
    eval_every: int = 10
    row: int | None = None
    group: str | None = None

    @property
    def comparison(self) -> str:
        """The group of cells that it is compared with."""
        if self.group is not None:
            return self.group
        return f"{self.num_prompts}x{self.group_size} {self.optimizer}"

    def train_config(self, study: "Study", seed: int) -> TrainConfig:
        """Training run of the cell.

        Args:
            study: what all cells share.
            seed: its seed.

        Returns:
            The configuration.
        """
        return TrainConfig(
            **study.model_settings(),
            rule=self.rule,
            learning_rate=self.learning_rate,
            num_prompts=self.num_prompts,
            group_size=self.group_size,
            inner_epochs=self.inner_epochs,
            optimizer=self.optimizer,
            num_updates=self.num_updates,
            eval_every=self.eval_every,
            checkpoint_every=self.num_updates,
            row=self.row,
            seed=seed,
            eval_samples=study.eval_samples,
            num_threads=study.num_threads,
        )


@dataclass(frozen=True)
class Study:
    """Cells and what they share.

    Attributes:
        cells: the configurations.
        model: "embedded", a folder, or a hub name.
        dataset: "embedded", a file or folder, or a hub name.
        eval_dataset: dataset of the held-out prompts; by default the one trained on.
        max_new_tokens: limit of a response, tokens.
        eval_samples: responses of an evaluation of a run, at the least.
        num_seeds: training runs of a cell.
        seed: seed of the first run.
        num_threads: threads of torch in a run.
    """

    cells: tuple[StudyCell, ...]
    model: str = "embedded"
    dataset: str = "embedded"
    eval_dataset: str | None = None
    max_new_tokens: int | None = None
    eval_samples: int = 2048
    num_seeds: int = 5
    seed: int = 0
    num_threads: int = 1

    def __post_init__(self) -> None:
        require(len(self.cells) > 0, "Study", "cells", "not empty", self.cells, "Add [[cells]]")
        names = [cell.name for cell in self.cells]
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, "Study", "cells", "of different names", twice, "Rename one of them")
        for name in names:
            # Files and folders are called after it.
            require(
                Path(name).name == name, "Study", "cells", "named without a path", name, "Rename it"
            )
        require(
            self.num_seeds >= 1, "Study", "num_seeds", "at least 1", self.num_seeds, "A run has one"
        )
        for cell in self.cells:
            # A cell that no run can have is found here, before anything is measured.
            cell.train_config(self, self.seed).resolved()

    def model_settings(self) -> dict[str, Any]:
        """Model and data, as `TrainConfig` takes them."""
        names = ("model", "dataset", "eval_dataset", "max_new_tokens")
        return {name: getattr(self, name) for name in names}

    def rows(self) -> list[int | None]:
        """What has to be calibrated: None for all prompts, and each prompt trained on alone."""
        return sorted({cell.row for cell in self.cells}, key=lambda row: -1 if row is None else row)

    def of_row(self, row: int | None) -> list[StudyCell]:
        """Cells of one calibration.

        Args:
            row: the only prompt, or None.

        Returns:
            The cells, in their order.
        """
        return [cell for cell in self.cells if cell.row == row]

    def only(self, names: list[str]) -> "Study":
        """The study with some of its cells.

        Args:
            names: names of cells.

        Returns:
            The study.

        Raises:
            ValueError: there is no such cell.
        """
        known = {cell.name: cell for cell in self.cells}
        for name in names:
            require_known("Study", "cells", name, known, "cell")
        return replace(self, cells=tuple(known[name] for name in names))

    def as_dict(self) -> dict[str, Any]:
        """The study as JSON can write it."""
        return asdict(self)


def _checked(kind: type, table: Any, where: str) -> dict[str, Any]:
    require(isinstance(table, Mapping), "read_study", where, "a table", table, "Write KEY = VALUE")
    known = {field.name for field in fields(kind)} - {"cells"}
    for key in table:
        require_known("read_study", where, key, known, "key")
    return dict(table)


def read_study(path: Path) -> Study:
    """Read a study file.

    Args:
        path: a TOML file with [study] and [[cells]].

    Returns:
        The study.

    Raises:
        ValueError: the file is not well-formed, a key is unknown or missing, or a cell cannot be.
        OSError: it cannot be read.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise requirement_error(
            "read_study", "path", "well-formed TOML", f"{path.name} ({error})", "Correct that line"
        ) from error
    for key in tables:
        require_known("read_study", "path", key, ("study", "cells"), "table")
    shared = _checked(Study, tables.get("study", {}), "study")
    cells = []
    for number, table in enumerate(tables.get("cells", []), start=1):
        cell = _checked(StudyCell, table, f"cells[{number}]")
        for name in ("name", "rule", "learning_rate"):
            require(
                name in cell,
                "read_study",
                f"cells[{number}].{name}",
                "given",
                "nothing",
                f"Set {name} = ...",
            )
        cells.append(StudyCell(**cell))
    return Study(cells=tuple(cells), **shared)
