"""Experiments on the regret of single-sample policy gradient on raw rewards (P32, P50)."""

import math
from collections.abc import Sequence

import numpy as np

from banditlab.tails.regret import simulate_regret_constant
from banditlab.tails.runs import Arm
from theory.verify.measurement import Measurement

_JUMP_THRESHOLD = 20.0
"""Odds from which on jumps are taken; late rounds see far larger ones, where jumps are exact."""
_NO_JUMPS = 1e12


def measure_regret_constants(
    rng: np.random.Generator,
    bandits: Sequence[tuple[Sequence[Arm], float]],
    *,
    begin: float,
    horizon: float,
    num_runs: int,
) -> Measurement:
    """Mean regret per e-fold of time between two late rounds, one number per bandit.

    Args:
        rng: source of randomness.
        bandits: arms and step size of each.
        begin: round from which on regret counts.
        horizon: round until which it counts.
        num_runs: runs of each bandit, R.

    Returns:
        Means over runs, in units of reward.
    """
    parts = []
    for arms, step_size in bandits:
        runs = simulate_regret_constant(
            arms=arms,
            step_size=step_size,
            begin=begin,
            horizon=horizon,
            num_runs=num_runs,
            rng=rng,
            threshold=_JUMP_THRESHOLD,
        )
        parts.append(Measurement.mean_of_runs(runs.value))
    return Measurement.joined(*parts)


def measure_mistake_rates(
    rng: np.random.Generator,
    bandits: Sequence[tuple[Sequence[Arm], float]],
    *,
    begin: float,
    horizon: float,
    num_runs: int,
) -> Measurement:
    """Mean pulls of the wrong one of two arms per e-fold of time, one number per bandit.

    Args:
        rng: source of randomness.
        bandits: the two arms and the step size of each.
        begin: round from which on pulls count.
        horizon: round until which they count.
        num_runs: runs of each bandit, R.

    Returns:
        Means over runs, pulls.
    """
    regret = measure_regret_constants(rng, bandits, begin=begin, horizon=horizon, num_runs=num_runs)
    gap = np.array([abs(arms[0].observed_mean - arms[1].observed_mean) for arms, _ in bandits])
    return Measurement(regret.value / gap, regret.standard_error / gap, regret.degrees)


def measure_regrets(
    rng: np.random.Generator,
    bandits: Sequence[tuple[Sequence[Arm], float, int]],
    *,
    num_runs: int,
) -> Measurement:
    """Mean regret of two arms from equal logits, round by round, one number per bandit.

    Args:
        rng: source of randomness.
        bandits: the two arms, the step size and the horizon of each.
        num_runs: runs of each bandit, R.

    Returns:
        Means over runs, in units of reward.
    """
    parts = []
    for arms, step_size, horizon in bandits:
        runs = simulate_regret_constant(
            arms=arms,
            step_size=step_size,
            begin=1.0,
            horizon=horizon,
            num_runs=num_runs,
            rng=rng,
            threshold=_NO_JUMPS,
        )
        # Counted from the second round on; in the first one both arms are equally likely.
        first = 0.5 * abs(arms[0].observed_mean - arms[1].observed_mean)
        parts.append(Measurement.mean_of_runs(first + math.log(horizon) * runs.value))
    return Measurement.joined(*parts)
