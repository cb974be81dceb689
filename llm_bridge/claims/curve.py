"""The curve of one run, of the simulator or of a language model alike, and numbers read off it.

Shapes: S points of a curve.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SPLITS = {"train": "pass rate, train", "heldout": "pass rate, held out"}
"""Curves by name, with their labels."""


@dataclass(frozen=True)
class Curve:
    """Evaluations of one run.

    Attributes:
        update: updates done, ascending, shape [S].
        rollouts: rollouts drawn until then, those for statistics only included, shape [S].
        pass_rate: split -> share of right responses, shape [S]; "heldout" only where there are
            held-out prompts.
    """

    update: np.ndarray
    rollouts: np.ndarray
    pass_rate: dict[str, np.ndarray]

    def split(self, name: str) -> np.ndarray:
        """Pass rates of one split.

        Args:
            name: "train" or "heldout".

        Returns:
            Shape [S].

        Raises:
            KeyError: the run has no such prompts.
        """
        return self.pass_rate[name]


@dataclass(frozen=True)
class Statistic:
    """A number read off the curve of one run.

    Attributes:
        name: what it is, with its unit.
        of_run: computes it; infinite where a level is never reached.
    """

    name: str
    of_run: Callable[[Curve], float]


def final(split: str) -> Statistic:
    """Last pass rate of a run.

    Args:
        split: "train" or "heldout".

    Returns:
        The statistic.
    """
    return Statistic(f"final {SPLITS[split]}", lambda curve: float(curve.split(split)[-1]))


def gain(split: str) -> Statistic:
    """Last pass rate less the first.

    Args:
        split: "train" or "heldout".

    Returns:
        The statistic.
    """
    return Statistic(
        f"gain in {SPLITS[split]}",
        lambda curve: float(curve.split(split)[-1] - curve.split(split)[0]),
    )


def pass_rate_at(
    split: str, *, update: float | None = None, rollouts: float | None = None
) -> Statistic:
    """Pass rate after so many updates or so many rollouts, by linear interpolation.

    Args:
        split: "train" or "heldout".
        update: updates done.
        rollouts: rollouts drawn; give one of the two.

    Returns:
        The statistic; beyond the end of a run its last value.
    """
    where = f"update {update:g}" if update is not None else f"{rollouts:g} rollouts"

    def of_run(curve: Curve) -> float:
        axis, place = (curve.update, update) if update is not None else (curve.rollouts, rollouts)
        return float(np.interp(place, axis, curve.split(split)))

    return Statistic(f"{SPLITS[split]}, at {where}", of_run)


def mean_level(split: str) -> Statistic:
    """Mean pass rate over a run, by the trapezoidal rule: higher for what learns faster.

    Args:
        split: "train" or "heldout".

    Returns:
        The statistic.
    """

    def of_run(curve: Curve) -> float:
        length = curve.update[-1] - curve.update[0]
        return float(np.trapezoid(curve.split(split), curve.update) / length)

    return Statistic(f"mean over the run of {SPLITS[split]}", of_run)


def largest_drop(split: str) -> Statistic:
    """Largest fall below the running maximum.

    Args:
        split: "train" or "heldout".

    Returns:
        The statistic.
    """

    def of_run(curve: Curve) -> float:
        values = curve.split(split)
        return float((np.maximum.accumulate(values) - values).max())

    return Statistic(f"largest drop from the running maximum, {SPLITS[split]}", of_run)


def _first_passage(axis: np.ndarray, values: np.ndarray, level: float) -> float:
    """Place at which a curve first reaches a level, by linear interpolation."""
    reached = values >= level
    if not reached.any():
        return math.inf
    after = int(np.argmax(reached))
    if after == 0:
        return float(axis[0])
    share = (level - values[after - 1]) / (values[after] - values[after - 1])
    return float(axis[after - 1] + share * (axis[after] - axis[after - 1]))


def rollouts_to(split: str, level: float) -> Statistic:
    """Rollouts until a pass rate is first reached.

    Args:
        split: "train" or "heldout".
        level: the pass rate.

    Returns:
        The statistic.
    """
    return Statistic(
        f"rollouts to {level:g} {SPLITS[split]}",
        lambda curve: _first_passage(curve.rollouts, curve.split(split), level),
    )


def updates_to(split: str, level: float) -> Statistic:
    """Updates until a pass rate is first reached.

    Args:
        split: "train" or "heldout".
        level: the pass rate.

    Returns:
        The statistic.
    """
    return Statistic(
        f"updates to {level:g} {SPLITS[split]}",
        lambda curve: _first_passage(curve.update, curve.split(split), level),
    )


def total_fall(split: str) -> Statistic:
    """Sum of all falls from one evaluation to the next; 0 for a curve that never falls.

    Args:
        split: "train" or "heldout".

    Returns:
        The statistic.
    """
    return Statistic(
        f"sum of falls between evaluations, {SPLITS[split]}",
        lambda curve: float(np.maximum(-np.diff(curve.split(split)), 0.0).sum()),
    )


def ends_below_start(split: str) -> Statistic:
    """Whether a run ends below its first pass rate; the mean over runs is their share.

    Args:
        split: "train" or "heldout".

    Returns:
        The statistic, 0 or 1.
    """
    return Statistic(
        f"share of runs that end below their start, {SPLITS[split]}",
        lambda curve: float(curve.split(split)[-1] < curve.split(split)[0]),
    )
