"""Interleaved timing: every round runs each competitor once, so that noise hits all alike.

Shapes: N rounds, M competitors.
"""

import math
import os
import time
from collections.abc import Callable, Mapping

import numpy as np

Block = Callable[[], float]
"""Runs a block of work and returns its cost in seconds per unit."""

_SEED = 0
_NUM_RESAMPLES = 400


def pin() -> int | None:
    """Keep this process on one core; call it before NumPy is imported to bind its threads too.

    Returns:
        Number of the core, or None where the system cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call; on an idle machine one thread takes as long by the clock.

    Neighbours that take the core away stretch the time by the clock, not this one.

    Args:
        work: what to call.

    Returns:
        Seconds.
    """
    start = time.process_time()
    work()
    return time.process_time() - start


def steady_block(advance: Callable[[], object], *, units: float, block_seconds: float) -> Block:
    """Block of as many equal steps as fill a time; it warms the steps up and counts them first.

    Args:
        advance: one step.
        units: units of work in one step, e.g. runs.
        block_seconds: aim for the time of a block, seconds.

    Returns:
        The block.
    """
    advance()
    num_steps = max(1, math.ceil(block_seconds / max(1e-7, seconds(advance))))

    def run() -> float:
        return seconds(lambda: [advance() for _ in range(num_steps)]) / (num_steps * units)

    return run


def episode_block(
    build: Callable[[], Callable[[], object]], *, num_steps: int, units: float
) -> Block:
    """Block of the first steps of something new; building it is not timed.

    Args:
        build: makes a fresh `advance`.
        num_steps: steps from its start.
        units: units of work in one step.

    Returns:
        The block.
    """

    def run() -> float:
        advance = build()
        return seconds(lambda: [advance() for _ in range(num_steps)]) / (num_steps * units)

    return run


def interleave(blocks: Mapping[str, Block], num_rounds: int) -> dict[str, np.ndarray]:
    """Time all competitors, each once in every round, in a new random order each round.

    Args:
        blocks: name -> block.
        num_rounds: N.

    Returns:
        Name -> seconds per unit, shape [N].
    """
    names, rng = list(blocks), np.random.default_rng(_SEED)
    cost = {name: np.empty(num_rounds) for name in names}
    for index in range(num_rounds):
        for which in rng.permutation(len(names)):
            cost[names[which]][index] = blocks[names[which]]()
    return cost


def quartiles(value: np.ndarray) -> tuple[float, float, float]:
    """Median, lower and upper quartile.

    Args:
        value: one number per round, shape [N].

    Returns:
        The three numbers.
    """
    low, median, high = np.quantile(value, (0.25, 0.5, 0.75))
    return float(median), float(low), float(high)


def largest_over_smallest(cost: np.ndarray) -> tuple[float, float, float]:
    """Largest over smallest typical cost of competitors, and its bootstrap quartiles.

    Each round is divided by its own mean first, so that a slow round counts no more than another.

    Args:
        cost: seconds per unit, shape [N, M].

    Returns:
        The ratio of medians over rounds, its lower and its upper quartile.
    """
    relative = cost / cost.mean(axis=1, keepdims=True)

    def ratio(rounds: np.ndarray) -> float:
        median = np.median(rounds, axis=0)
        return float(median.max() / median.min())

    rng = np.random.default_rng(_SEED)
    resampled = rng.integers(len(cost), size=(_NUM_RESAMPLES, len(cost)))
    low, high = np.quantile([ratio(relative[index]) for index in resampled], (0.25, 0.75))
    return ratio(relative), float(low), float(high)
