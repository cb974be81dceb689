"""What is compared: cells (rule, inner epochs), learning rates, seeds and sizes."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from banditlab.validation import require, require_finite_number, require_known
from llm_bridge.config import TrainConfig


@dataclass(frozen=True)
class Cell:
    """One configuration of a comparison.

    Attributes:
        name: what it is called in tables and pictures.
        rule: name of the update rule.
        inner_epochs: gradient steps on the rollouts of an update.
    """

    name: str
    rule: str
    inner_epochs: int


CELLS = {
    cell.name: cell
    for cell in (
        Cell("raw_reward", "raw_reward", 1),
        Cell("group_mean", "group_mean", 1),
        Cell("no_clip", "group_mean", 4),
        Cell("clip", "clip", 4),
        Cell("variance_penalty", "variance_penalty", 4),
        Cell("leave_one_out", "leave_one_out", 1),
        Cell("grpo", "grpo", 1),
    )
}
"""All cells by name; no_clip, clip and variance_penalty differ in the weight alone."""

DEFAULT_CELLS = ("raw_reward", "group_mean", "no_clip", "clip", "variance_penalty")


@dataclass(frozen=True)
class ComparePlan:
    """A comparison: every cell at every learning rate with every seed.

    Attributes:
        model: "embedded", a folder, or a hub name.
        dataset: "embedded", a file or folder, or a hub name.
        split: split trained on; by default "train".
        eval_dataset: dataset of the held-out prompts; by default the one trained on.
        eval_split: its split; by default the held-out or test split of the dataset.
        take: use the first rows of each split only.
        cells: names of cells.
        learning_rates: learning rates, the same for all cells.
        num_seeds: runs per cell and learning rate.
        num_prompts: prompts of an update.
        group_size: rollouts of a prompt.
        num_updates: length of a run.
        eval_every: updates between evaluations.
        num_eval_samples: responses of an evaluation, at the least, for each of train and held-out.
        num_base_samples: responses per prompt to measure the base model.
        num_simulated_runs: runs of the bandit per cell and learning rate.
        max_new_tokens: limit of a response; by default that of the embedded model, or 256.
        seed: first seed; run i has seed + i.
        num_threads: threads of torch in each worker; part of what makes a run repeatable.
    """

    model: str = "embedded"
    dataset: str = "embedded"
    split: str | None = None
    eval_dataset: str | None = None
    eval_split: str | None = None
    take: int | None = None
    cells: tuple[str, ...] = DEFAULT_CELLS
    learning_rates: tuple[float, ...] = (0.01, 0.1)
    num_seeds: int = 3
    num_prompts: int = 32
    group_size: int = 8
    num_updates: int = 24
    eval_every: int = 6
    num_eval_samples: int = 2048
    num_base_samples: int = 16
    num_simulated_runs: int = 200
    max_new_tokens: int | None = None
    seed: int = 0
    num_threads: int = 1

    def __post_init__(self) -> None:
        require(len(self.cells) > 0, "ComparePlan", "cells", "not empty", self.cells, "Name a cell")
        for cell in self.cells:
            require_known("ComparePlan", "cells", cell, CELLS, "cell")
        require(
            len(self.learning_rates) > 0,
            "ComparePlan",
            "learning_rates",
            "not empty",
            self.learning_rates,
            "Give one, e.g. 0.01",
        )
        for rate in self.learning_rates:
            require_finite_number(
                "ComparePlan",
                "learning_rates",
                rate,
                low=0.0,
                is_low_open=True,
                remedy="It scales the step; try 0.01",
            )
        for name, smallest in (
            ("num_seeds", 2),
            ("num_base_samples", 2),
            ("num_simulated_runs", 2),
        ):
            require(
                getattr(self, name) >= smallest,
                "ComparePlan",
                name,
                f"at least {smallest}",
                getattr(self, name),
                "A spread needs two or more",
            )
        # Each run's own configuration checks the rest, before anything is written.
        names = [name for name, _ in self.runs()]
        require(
            len(set(names)) == len(names),
            "ComparePlan",
            "cells, learning_rates",
            "distinct",
            f"{self.cells} at {self.learning_rates}",
            "Name each cell and each learning rate (to six digits) once",
        )

    def run_config(self, cell: Cell, learning_rate: float, seed: int) -> TrainConfig:
        """Training run of one cell.

        Args:
            cell: the configuration.
            learning_rate: its learning rate.
            seed: its seed.

        Returns:
            The configuration of the run.
        """
        return TrainConfig(
            model=self.model,
            dataset=self.dataset,
            split=self.split,
            eval_dataset=self.eval_dataset,
            eval_split=self.eval_split,
            take=self.take,
            eval_take=self.take,
            rule=cell.rule,
            num_prompts=self.num_prompts,
            group_size=self.group_size,
            inner_epochs=cell.inner_epochs,
            learning_rate=learning_rate,
            num_updates=self.num_updates,
            eval_every=self.eval_every,
            eval_samples=self.num_eval_samples,
            checkpoint_every=self.eval_every,
            max_new_tokens=self.max_new_tokens,
            seed=seed,
            num_threads=self.num_threads,
        )

    def panels(self) -> Iterator[tuple[Cell, float]]:
        """Cells with their learning rates, in the order of tables and pictures.

        Yields:
            (cell, learning_rate).
        """
        for learning_rate in self.learning_rates:
            for name in self.cells:
                yield CELLS[name], learning_rate

    def runs(self) -> Iterator[tuple[str, TrainConfig]]:
        """All training runs, the first seeds of all cells first.

        Yields:
            Name of the run's folder, and its configuration.
        """
        for seed in range(self.seed, self.seed + self.num_seeds):
            for cell, learning_rate in self.panels():
                name = f"{cell.name}-lr{learning_rate:g}-seed{seed}"
                yield name, self.run_config(cell, learning_rate, seed)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON can write it."""
        return asdict(self)
