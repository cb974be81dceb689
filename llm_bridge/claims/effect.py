"""Effects with their intervals over seeds, and the verdict that follows from them.

Shapes: N runs, M resamples.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from banditlab.validation import require
from llm_bridge.claims.curve import Curve, Statistic

NUM_RESAMPLES = 10_000
HOLDS, OPPOSITE, UNDECIDED = "holds", "opposite", "undecided"
REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
IN_PART, OUT_OF_REACH = "reproduced in part", "out of reach"
_MOST_BLOCK = 4_000_000

SUMMARIES = {
    "mean": lambda values: values.mean(axis=-1),
    "median": lambda values: np.median(values, axis=-1),
    "sd": lambda values: values.std(axis=-1, ddof=1),
}
"""What stands for all runs of a cell: resampled values [..., N] -> [...]."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """A number that a claim speaks of, in one world or in both.

    Attributes:
        name: what it is, in a few words.
        statistic: read off every run.
        cell: name of the cell.
        against: name of the cell that it is compared with; None for the cell's own number.
        summary: what stands for all runs of a cell, a key of `SUMMARIES`.
        compare: "difference" or "ratio" of the two cells' summaries.
        expected: the claim holds where the effect lies in here.
        worlds: worlds in which it is measured: "simulation", "language_model".
        decides: whether the verdict depends on it.
        paired: whether run i of one cell belongs to run i of the others, since both have its seed:
            then they are resampled together.
        others: names of further cells, where more than two are compared.
        combine: summaries of `cell` and `others`, [C, ...] -> the effect [...], in place of
            `compare`.
    """

    name: str
    statistic: Statistic
    cell: str
    against: str | None = None
    summary: str = "mean"
    compare: str = "difference"
    expected: tuple[float, float] = (0.0, math.inf)
    worlds: tuple[str, ...] = ("simulation", "language_model")
    decides: bool = True
    paired: bool = False
    others: tuple[str, ...] = ()
    combine: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """All cells that it is made of."""
        against = () if self.against is None else (self.against,)
        return (self.cell, *against, *self.others)


def resample(
    values: Sequence[float], summary: str, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Summary of the runs of a cell, and of so many resamples of them.

    The spread of a resample is smaller than that of the runs, as that of the runs is smaller than
    the true one: for "sd" the resamples are reflected about the summary in their logarithm.

    Args:
        values: one number a run, N of them.
        summary: a key of `SUMMARIES`.
        rng: of the resampling.

    Returns:
        The summary and those of the resamples, shape [M].
    """
    numbers, summarize = np.asarray(values, dtype=np.float64), SUMMARIES[summary]
    block = max(1, min(NUM_RESAMPLES, _MOST_BLOCK // len(numbers)))
    resampled = [
        summarize(numbers[rng.integers(len(numbers), size=(min(block, left), len(numbers)))])
        for left in range(NUM_RESAMPLES, 0, -block)
    ]
    value, found = float(summarize(numbers)), np.concatenate(resampled)
    if summary == "sd" and value > 0.0:
        with np.errstate(divide="ignore"):
            found = value**2 / found
    return value, found


def expanded_level(num_runs: int) -> float:
    """Lower quantile of the resamples that ends a 95 % interval over N runs.

    The percentile interval of few runs is too narrow: by the factor sqrt((N - 1)/N), since a
    resample's spread is that of a population, and by the normal quantile in place of Student's.
    Both are undone by reading further out (Hesterberg 2015, "What Teachers Should Know About the
    Bootstrap", the expanded percentile interval).

    Args:
        num_runs: N, at least 2.

    Returns:
        The level; the upper one is 1 less it.
    """
    width = math.sqrt(num_runs / (num_runs - 1)) * t.ppf(0.975, num_runs - 1)
    return float(norm.cdf(-width))


def measure(effect: Effect, runs: dict[str, list[Curve]], rng: np.random.Generator) -> Interval:
    """An effect with its 95 % bootstrap interval over runs.

    Args:
        effect: what to measure.
        runs: cell -> its runs.
        rng: of the resampling.

    Returns:
        The interval; where runs never reach a level it may be infinite.
    """
    values = [[effect.statistic.of_run(curve) for curve in runs[cell]] for cell in effect.cells]
    sizes = {len(numbers) for numbers in values}
    require(
        not effect.paired or len(sizes) == 1,
        "measure",
        "runs",
        "as many in every cell of a paired effect",
        sorted(sizes),
        "Give all cells the same seeds",
    )
    # The same numbers again for every cell of a pair draw the same runs.
    seed = int(rng.integers(2**32))
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [
            resample(numbers, effect.summary, np.random.default_rng(seed) if effect.paired else rng)
            for numbers in values
        ]
        value, resampled = (_combined(effect, np.stack(part)) for part in zip(*parts, strict=True))
    # Two runs that never reach a level say nothing about the order of the two.
    resampled = np.sort(resampled[~np.isnan(resampled)])
    if not len(resampled):
        return Interval(math.nan, -math.inf, math.inf)
    level = expanded_level(min(sizes))
    low, high = np.quantile(resampled, [level, 1.0 - level], method="closest_observation")
    return Interval(float(value), float(low), float(high))


def _combined(effect: Effect, summaries: np.ndarray) -> np.ndarray:
    """The effect from the summaries of its cells, [C, ...] -> [...]."""
    if effect.combine is not None:
        return effect.combine(summaries)
    if len(summaries) == 1:
        return summaries[0]
    first, second = summaries
    return first / second if effect.compare == "ratio" else first - second


def judge(interval: Interval, expected: tuple[float, float]) -> str:
    """What an interval says of a claim.

    Args:
        interval: of the effect.
        expected: where the claim wants it. With one end only, "more than" is meant: the end itself
            does not belong to it. With two, both do.

    Returns:
        `HOLDS`, `OPPOSITE`, or `UNDECIDED` where it reaches into both.

    Examples:
        >>> no_change = Interval(0.0, 0.0, 0.0)
        >>> judge(no_change, (0.0, math.inf)), judge(no_change, (-0.02, 0.02))
        ('opposite', 'holds')
    """
    if math.isnan(interval.value):
        return UNDECIDED
    low, high = expected
    # Open where the region has one end only; an infinite end is never reached from inside.
    is_open = math.isinf(low) or math.isinf(high)
    above = interval.low > low or (interval.low == low and not is_open) or math.isinf(low)
    below = interval.high < high or (interval.high == high and not is_open) or math.isinf(high)
    if above and below:
        return HOLDS
    is_left = interval.high < low or (interval.high == low and is_open)
    is_right = interval.low > high or (interval.low == high and is_open and not math.isinf(high))
    return OPPOSITE if is_left or is_right else UNDECIDED


def verdict(judged: Sequence[str]) -> str:
    """Verdict of a world from what its deciding effects say.

    Args:
        judged: results of `judge`.

    Returns:
        `REPRODUCED` where all hold; `NOT_REPRODUCED` where none holds and one is opposite;
        `IN_PART` where some hold; `OUT_OF_REACH` where all are undecided or there is none.
    """
    if judged and all(one == HOLDS for one in judged):
        return REPRODUCED
    if HOLDS in judged:
        return IN_PART
    return NOT_REPRODUCED if OPPOSITE in judged else OUT_OF_REACH
