"""What a claim is: a prediction, an experiment, a statistic, and mutants that it must reject."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require
from theory.verify.measurement import Measurement
from theory.verify.statistics import EXACT_STATISTICS, STATISTICS, distances

BUDGETS = ("quick", "full")
VERDICTS = ("holds", "rejected")
MUTANT_Z = 8.0
"""Standard errors beyond which a mutant of a sampled claim must lie."""

Experiment = Callable[[np.random.Generator, int], Measurement]


@dataclass(frozen=True)
class Mutant:
    """A wrong prediction, or a wrong rule under test, that the statistic must reject.

    Exactly one of the two callables is given.

    Attributes:
        what: what is wrong with it.
        predicted: the wrong numbers, of the shape of the right ones; compared with what the
            claim's experiment measured.
        experiment: the claim's experiment on a broken rule; compared with the right numbers.
    """

    what: str
    predicted: Callable[[], ArrayLike] | None = None
    experiment: Experiment | None = None

    def __post_init__(self) -> None:
        require(
            (self.predicted is None) != (self.experiment is None),
            "Mutant",
            "predicted",
            "given, or else `experiment`, and not both",
            "both" if self.predicted else "neither",
            "A mutant is a wrong number or a wrong rule",
        )


@dataclass(frozen=True)
class Axis:
    """Where the quantities of a claim stand in its picture.

    Attributes:
        label: quantity on the x axis, with its unit.
        at: its value for each measured quantity, or names of the quantities, shape [n].
        is_log: whether the axis is logarithmic.
    """

    label: str = "quantity"
    at: Sequence[float] | Sequence[str] | np.ndarray | None = None
    is_log: bool = False


@dataclass(frozen=True)
class Claim:
    """A statement of the theory that can fail.

    Attributes:
        id: name, the entry of the catalogue first, e.g. "P26-grpo".
        what: the compared quantity, a few words.
        statement: the statement, in ASCII formulas.
        tags: words to select by.
        source: where the statement comes from.
        theory: the prediction functions, whose docstrings hold regime and derivation. A wrong
            factor in any of them must change `predicted`.
        predicted: the predicted numbers, shape [n]; called for each verification.
        experiment: (rng, size) -> measurement of n quantities, on banditlab.
        mutants: wrong predictions or wrong rules, each to be rejected.
        statistic: see `theory.verify.statistics`.
        tolerance: of exact statistics: the statement holds where the distance is below it. Sampled
            statements hold unless Holm's procedure rejects them.
        mutant_tolerance: a mutant is rejected where the distance is beyond it.
        size: budget -> size handed to the experiment (runs, or updates where nothing is random).
        expected_verdict: "holds", or "rejected" for a published or catalogued statement that the
            simulation disproves.
        evidence: of a statement expected to be rejected: what is true instead, and how it is known.
        largest_error: largest minimum detectable error of the full budget; .05 for means and
            rates, .15 for tails.
        axis: where the quantities stand in the picture.
        unit: what the quantities are, for the y axis of the picture; `what` by default.
    """

    id: str
    what: str
    statement: str
    tags: tuple[str, ...]
    source: str
    theory: tuple[Callable[..., Any], ...]
    predicted: Callable[[], ArrayLike]
    experiment: Experiment
    mutants: tuple[Mutant, ...]
    statistic: Literal["difference", "z", "shares", "bound", "expected_bound"]
    tolerance: float = 0.0
    mutant_tolerance: float = MUTANT_Z
    size: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(BUDGETS, 1))
    expected_verdict: Literal["holds", "rejected"] = "holds"
    evidence: str = ""
    largest_error: float = 0.05
    axis: Axis = field(default_factory=Axis)
    unit: str = ""

    def __post_init__(self) -> None:
        self._require(
            set(self.size) == set(BUDGETS),
            "size",
            f"given for the budgets {', '.join(BUDGETS)}",
            sorted(self.size),
            "Give one number per budget",
        )
        object.__setattr__(self, "size", MappingProxyType(dict(self.size)))
        self._require(
            bool(self.mutants),
            "mutants",
            "at least one wrong prediction",
            "none",
            "A check that rejects nothing shows nothing",
        )
        self._require(
            self.statistic in STATISTICS,
            "statistic",
            f"one of {', '.join(STATISTICS)}",
            repr(self.statistic),
            "Compare exact numbers by difference and sampled ones by z",
        )
        self._require(
            self.expected_verdict in VERDICTS,
            "expected_verdict",
            f"one of {', '.join(VERDICTS)}",
            repr(self.expected_verdict),
            "A statement that the simulation disproves is kept as rejected",
        )
        self._require(
            (self.expected_verdict == "rejected") == bool(self.evidence),
            "evidence",
            "given exactly where the statement is expected to be rejected",
            repr(self.evidence),
            "Say what is true instead",
        )
        if self.is_exact:
            self._require(
                0.0 < self.tolerance < self.mutant_tolerance,
                "tolerance",
                "above 0 and below `mutant_tolerance`",
                self.tolerance,
                "Leave a gap between holding and rejecting",
            )
        else:
            self._require(
                self.tolerance == 0.0 and self.mutant_tolerance == MUTANT_Z,
                "tolerance",
                f"left out for a sampled statistic, as `mutant_tolerance`, {MUTANT_Z:g}",
                self.tolerance,
                "Its verdict comes from the p-value; take more samples instead",
            )

    @staticmethod
    def _require(is_met: bool, argument: str, condition: str, got: Any, remedy: str) -> None:
        require(is_met, "Claim", argument, condition, got, remedy)

    @property
    def entry(self) -> str:
        """Entry of the catalogue, e.g. "P26" of "P26-grpo"."""
        return self.id.split("-")[0]

    @property
    def is_exact(self) -> bool:
        """Whether nothing is random: the statistic compares exact numbers."""
        return self.statistic in EXACT_STATISTICS

    def distances(self, predicted: ArrayLike, measurement: Measurement) -> np.ndarray:
        """Distance of a prediction from a measurement, in units of the statistic.

        Args:
            predicted: predicted numbers, shape [n].
            measurement: what was measured, n quantities.

        Returns:
            Distances, shape [n].

        Raises:
            ValueError: the shapes differ.
        """
        predicted = np.asarray(predicted, dtype=np.float64).ravel()
        require(
            predicted.shape == measurement.value.shape,
            "Claim.distances",
            "predicted",
            f"of the shape measured, {measurement.value.shape}",
            predicted.shape,
            f"Predict what the experiment of {self.id} measures",
        )
        return distances(self.statistic, predicted, measurement)
