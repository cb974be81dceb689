"""What a claim is: a prediction, an experiment, a statistic, and mutants that it must reject."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require

BUDGETS = ("quick", "full")
STATISTICS = ("difference", "z")


@dataclass(frozen=True)
class Measurement:
    """What an experiment measured.

    Attributes:
        value: measured quantities, shape [*].
        standard_error: their standard errors, shape [*]; 0 where nothing is random.
    """

    value: np.ndarray
    standard_error: np.ndarray

    @classmethod
    def exact(cls, value: ArrayLike) -> "Measurement":
        """Return a measurement without randomness.

        Args:
            value: measured quantities, shape [*].

        Returns:
            The measurement, of standard error 0.
        """
        value = np.atleast_1d(np.asarray(value, dtype=np.float64))
        return cls(value, np.zeros_like(value))

    @classmethod
    def mean_of_runs(cls, value: ArrayLike) -> "Measurement":
        """Return the mean over independent runs with its standard error.

        Args:
            value: one row per run, shape [R, *].

        Returns:
            The measurement, shape [*] (at least one axis).
        """
        value = np.asarray(value, dtype=np.float64)
        error = value.std(axis=0, ddof=1) / np.sqrt(len(value))
        return cls(np.atleast_1d(value.mean(axis=0)), np.atleast_1d(error))


@dataclass(frozen=True)
class Mutant:
    """A wrong prediction that the statistic of the claim must reject.

    Attributes:
        what: what is wrong with it.
        predicted: the wrong numbers, of the shape of the right ones.
    """

    what: str
    predicted: Callable[[], ArrayLike]


@dataclass(frozen=True)
class Claim:
    """A statement of the theory that can fail.

    Attributes:
        id: name, the entry of the catalogue first, e.g. "P26-grpo".
        what: the compared quantity, a few words.
        statement: the statement, in ASCII formulas.
        tags: words to select by.
        source: where the statement comes from.
        theory: the prediction functions, whose docstrings hold regime and derivation.
        predicted: the predicted numbers, shape [*]; called for each verification.
        experiment: (rng, size) -> measurement of shape [*], on banditlab.
        mutants: wrong predictions, each to be rejected.
        statistic: "difference", the largest difference of prediction and measurement, or "z", the
            largest difference in standard errors.
        tolerance: the statement holds below it.
        mutant_tolerance: a mutant is rejected beyond it.
        false_alarm_rate: probability that a true statement is found to fail.
        size: budget -> size handed to the experiment (runs, or updates where nothing is random).
        seconds: budget -> seconds on one core, measured once, for the estimate up front.
        expected: the verdict to be expected, "holds" or "fails".
    """

    id: str
    what: str
    statement: str
    tags: tuple[str, ...]
    source: str
    theory: tuple[Callable[..., Any], ...]
    predicted: Callable[[], ArrayLike]
    experiment: Callable[[np.random.Generator, int], Measurement]
    mutants: tuple[Mutant, ...]
    statistic: Literal["difference", "z"]
    tolerance: float
    mutant_tolerance: float
    false_alarm_rate: float
    size: Mapping[str, int]
    seconds: Mapping[str, float] = field(default_factory=dict)
    expected: Literal["holds", "fails"] = "holds"

    def __post_init__(self) -> None:
        for name in ("size", "seconds"):
            given = dict(getattr(self, name))
            require(
                set(given) == set(BUDGETS),
                "Claim",
                name,
                f"given for the budgets {', '.join(BUDGETS)}",
                sorted(given),
                "Give one number per budget",
            )
            object.__setattr__(self, name, MappingProxyType(given))
        require(
            bool(self.mutants),
            "Claim",
            "mutants",
            "at least one wrong prediction",
            "none",
            "A check that rejects nothing shows nothing",
        )
        require(
            self.statistic in STATISTICS,
            "Claim",
            "statistic",
            f"one of {', '.join(STATISTICS)}",
            repr(self.statistic),
            "Compare exact numbers by difference and sampled ones by z",
        )
        require(
            0.0 < self.tolerance < self.mutant_tolerance,
            "Claim",
            "tolerance",
            "above 0 and below `mutant_tolerance`",
            self.tolerance,
            "Leave a gap between holding and rejecting",
        )

    @property
    def entry(self) -> str:
        """Entry of the catalogue, e.g. "P26" of "P26-grpo"."""
        return self.id.split("-")[0]

    def distances(self, predicted: ArrayLike, measurement: Measurement) -> np.ndarray:
        """Distance of a prediction from a measurement, in units of the statistic.

        Args:
            predicted: predicted numbers, shape [*].
            measurement: what was measured, shape [*].

        Returns:
            Distances, at least 0, shape [*].

        Raises:
            ValueError: the shapes differ.
        """
        predicted = np.atleast_1d(np.asarray(predicted, dtype=np.float64))
        require(
            predicted.shape == measurement.value.shape,
            "Claim.distances",
            "predicted",
            f"of the shape measured, {measurement.value.shape}",
            predicted.shape,
            f"Predict what the experiment of {self.id} measures",
        )
        distance = np.abs(measurement.value - predicted)
        return distance if self.statistic == "difference" else distance / measurement.standard_error
