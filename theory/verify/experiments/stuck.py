"""Experiments on how long noise keeps policy gradient on a wrong arm (P33, P34)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from banditlab.arm_spaces import explicit_rewards
from banditlab.config import SimulationConfig
from banditlab.rules import UpdateRule
from banditlab.simulate import simulate
from banditlab.tails.runs import Arm, hill_exponent
from banditlab.tails.stuck import simulate_group_corner, simulate_stuck_times
from theory.verify.measurement import Measurement

_START = 20.0
"""Log-odds at the start of runs whose tail is measured, nats.

A run that has come down and might go up again adds a term t^-2alpha to the tail, whose weight
against t^-alpha falls with the odds at the start.
"""
_TAIL_BEGIN = 1e3
"""Times at which a tail begins, in units of a typical time."""
_HORIZON = 1e80
_JUMP_THRESHOLD = 20.0


@dataclass(frozen=True)
class Corner:
    """Two arms (or several silent wrong ones) and a step size.

    Attributes:
        correct: the best arm.
        wrong: each other arm.
        step_size: step size of SGD on the logits.
        num_wrong: number of the other arms.
    """

    correct: Arm
    wrong: Arm
    step_size: float
    num_wrong: int = 1

    @property
    def typical_time(self) -> float:
        """Rounds per unit of odds without noise, to a factor of 2."""
        gap = self.correct.observed_mean - self.wrong.observed_mean
        return 1.0 / (self.step_size * gap)

    def stuck_times(
        self, rng: np.random.Generator, *, log_odds: float, horizon: float, num_runs: int
    ) -> np.ndarray:
        """Rounds that raw-reward policy gradient stays on the wrong arms.

        Args:
            rng: source of randomness.
            log_odds: log-odds against the best arm at the start, nats.
            horizon: rounds after which a run is given up.
            num_runs: R.

        Returns:
            Rounds, inf where the horizon came first, shape [R].
        """
        return simulate_stuck_times(
            correct=self.correct,
            wrong=self.wrong,
            num_wrong=self.num_wrong,
            step_size=self.step_size,
            log_odds=log_odds,
            horizon=horizon,
            num_runs=num_runs,
            rng=rng,
            threshold=_JUMP_THRESHOLD,
        ).value


@dataclass(frozen=True)
class GroupCorner:
    """Two arms under a group baseline.

    Attributes:
        rule: the update rule.
        correct: the better arm.
        wrong: the other one.
        group_size: rollouts per update, G.
        step_size: step size of SGD on the logits.
    """

    rule: UpdateRule
    correct: Arm
    wrong: Arm
    group_size: int
    step_size: float

    @property
    def typical_time(self) -> float:
        """Groups per unit of odds, to a factor of a few."""
        return 1.0

    def stuck_times(
        self, rng: np.random.Generator, *, log_odds: float, horizon: float, num_runs: int
    ) -> np.ndarray:
        """Groups that the rule stays on the wrong arm.

        Args:
            rng: source of randomness.
            log_odds: log-odds against the better arm at the start, nats.
            horizon: groups after which a run is given up.
            num_runs: R.

        Returns:
            Groups, inf where the horizon came first, shape [R].
        """
        return simulate_group_corner(
            self.rule,
            correct=self.correct,
            wrong=self.wrong,
            group_size=self.group_size,
            step_size=self.step_size,
            log_odds=log_odds,
            horizon=horizon,
            num_runs=num_runs,
            rng=rng,
        ).value


def measure_stuck_exponents(
    rng: np.random.Generator,
    corners: Sequence[Corner | GroupCorner],
    num_runs: int,
) -> Measurement:
    """Tail exponents of stuck times, by the censored Hill estimator.

    Args:
        rng: source of randomness.
        corners: arms, rule and step size of each case.
        num_runs: runs of each case, R.

    Returns:
        One exponent per case, with its standard error.
    """
    estimates = []
    for corner in corners:
        times = corner.stuck_times(rng, log_odds=_START, horizon=_HORIZON, num_runs=num_runs)
        tail_begin = _TAIL_BEGIN * corner.typical_time * math.exp(_START)
        estimates.append(hill_exponent(times, tail_begin, _HORIZON))
    value, error = np.array(estimates).T
    return Measurement.estimates(value, error)


def measure_stuck_means(
    rng: np.random.Generator,
    corners: Sequence[Corner | GroupCorner],
    log_odds: float,
    num_runs: int,
) -> Measurement:
    """Mean stuck times over the odds at the start.

    Args:
        rng: source of randomness.
        corners: arms, rule and step size of each case.
        log_odds: log-odds against the best arm at the start, nats.
        num_runs: runs of each case, R.

    Returns:
        One mean per case, rounds (or groups) per unit of odds.
    """
    parts = []
    for corner in corners:
        times = corner.stuck_times(rng, log_odds=log_odds, horizon=_HORIZON, num_runs=num_runs)
        parts.append(Measurement.mean_of_runs(times * math.exp(-log_odds)))
    return Measurement.joined(*parts)


def measure_stuck_variances(
    rng: np.random.Generator,
    corners: Sequence[Corner | GroupCorner],
    log_odds: float,
    num_runs: int,
) -> Measurement:
    """Variances of stuck times over the squared odds at the start.

    Args:
        rng: source of randomness.
        corners: arms, rule and step size of each case.
        log_odds: log-odds against the best arm at the start, nats.
        num_runs: runs of each case, R.

    Returns:
        One variance per case, their errors from the fourth moments.
    """
    parts = []
    for corner in corners:
        times = corner.stuck_times(rng, log_odds=log_odds, horizon=_HORIZON, num_runs=num_runs)
        scaled = times * math.exp(-log_odds)
        squared = (scaled - scaled.mean()) ** 2 * num_runs / (num_runs - 1)
        parts.append(Measurement.mean_of_runs(squared))
    return Measurement.joined(*parts)


def measure_regret_growth(
    rng: np.random.Generator,
    corners: Sequence[Corner],
    num_runs: int,
    factor: float = 100.0,
) -> Measurement:
    """Log-log slopes of the expected time lost, from two windows of time next to each other.

    E[min(T, t)] grows by a power of t plus a constant, and the constant drops out of its
    increments: slope = log(increment over (factor t, factor^2 t) / that over (t, factor t)) /
    log(factor).

    Args:
        rng: source of randomness.
        corners: arms and step size of each case.
        num_runs: runs of each case, R.
        factor: end of a window over its begin.

    Returns:
        One slope per case, with its standard error by the delta method.
    """
    estimates = []
    for corner in corners:
        begin = _TAIL_BEGIN * corner.typical_time * math.exp(_START)
        edges = begin * factor ** np.arange(3.0)
        times = corner.stuck_times(rng, log_odds=_START, horizon=edges[-1], num_runs=num_runs)
        lost = np.diff(np.minimum(times[:, None], edges), axis=1)
        mean = lost.mean(axis=0)
        # Derivative of log(mean[1]/mean[0]) with respect to the runs.
        influence = lost[:, 1] / mean[1] - lost[:, 0] / mean[0]
        error = influence.std(ddof=1) / math.sqrt(num_runs)
        estimates.append((math.log(mean[1] / mean[0]), error))
    value, error = np.array(estimates).T / math.log(factor)
    return Measurement.estimates(value, error)


def measure_longest_escapes(
    rng: np.random.Generator,
    rule: UpdateRule,
    reward: tuple[float, float],
    *,
    step_size: float,
    log_odds: Sequence[float],
    num_rounds: int,
    num_runs: int,
) -> Measurement:
    """Longest time that any of many runs stays on the wrong one of two arms, round by round.

    Args:
        rng: source of randomness.
        rule: the update rule.
        reward: rewards of the better and of the other arm.
        step_size: step size of SGD on the logits.
        log_odds: log-odds against the better arm at the start of each case, nats.
        num_rounds: rounds simulated; runs that stay longer count with these.
        num_runs: runs of each case, R.

    Returns:
        One time per case, rounds.
    """
    middle = 0.5 * sum(reward)
    found = []
    for start in log_odds:
        problem = explicit_rewards(np.array(reward), np.array([0.0, start]))
        config = SimulationConfig(
            num_runs=num_runs,
            num_steps=num_rounds,
            step_size=step_size,
            group_size=1,
            record_every=1,
            seed=int(rng.integers(2**31)),
        )
        is_there = simulate(problem, rule, config).curves["pass_rate"] > middle
        first = np.where(is_there.any(axis=1), is_there.argmax(axis=1), num_rounds)
        found.append(first.max())
    return Measurement.exact(found)
