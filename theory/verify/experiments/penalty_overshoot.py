"""Experiments on an inner loop beyond its stability: one success, many epochs (P40)."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from banditlab.advantages import raw
from banditlab.arm_spaces import rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import UpdateRule
from theory.verify.measurement import Measurement

_SUCCESS_PROB = 1e-15


def log_ratios(rule: UpdateRule, step_size: float) -> Iterator[float]:
    """Log-ratio of a lone success of reward 1, after each further inner epoch, without end.

    The arm is one among 10^100000 others and has probability 1e-15, so that it is isolated.

    Args:
        rule: the rule; its advantage is the raw reward.
        step_size: step size of SGD.

    Yields:
        Log-ratios, nats.
    """
    rule = replace(rule, advantage=raw)
    problem = rare_correct(100_000.0, _SUCCESS_PROB)
    policy = LumpedSoftmax(problem, 1, SGD(step_size), takes_arms=True)
    how = {"contexts": np.zeros((1, 1), dtype=np.int64), "group_size": 1, "keeps_rollouts": True}
    outcome = step(policy, rule, arms=np.zeros((1, 1, 1), dtype=np.int64), **how)
    fresh = outcome.rollouts
    while True:
        yield outcome.log_ratio.item()
        # Trained on again as stale rollouts, which keep the ratio to the policy that drew them.
        outcome = step(
            policy, rule, fresh=fresh, stale=(replace(fresh),), trains_fresh=False, **how
        )


def measure_cycles(rule: UpdateRule, step_sizes: np.ndarray, num_epochs: int) -> Measurement:
    """Last two ratios of many inner epochs, the lower one first.

    Args:
        rule: a penalised rule.
        step_sizes: step sizes, shape [S].
        num_epochs: inner epochs.

    Returns:
        Ratios, shape [S, 2].
    """
    found = []
    for step_size in step_sizes:
        path = log_ratios(rule, float(step_size))
        last = [next(path) for _ in range(num_epochs)][-2:]
        found.append(sorted(np.exp(last)))
    return Measurement.exact(found)


def measure_second_log_ratios(rule: UpdateRule, step_sizes: np.ndarray) -> Measurement:
    """Log-ratio after two inner epochs.

    Args:
        rule: a penalised rule.
        step_sizes: step sizes, shape [S].

    Returns:
        Log-ratios, nats, shape [S].
    """
    found = []
    for step_size in step_sizes:
        path = log_ratios(rule, float(step_size))
        next(path)
        found.append(next(path))
    return Measurement.exact(found)


def measure_return_epochs(
    rule: UpdateRule, step_sizes: np.ndarray, most_epochs: int
) -> Measurement:
    """Inner epochs from the second one until the ratio is above 1 again.

    Args:
        rule: a penalised rule.
        step_sizes: step sizes that throw the ratio down in the second epoch, shape [S].
        most_epochs: where to stop; the count of a ratio that has not come back.

    Returns:
        Numbers of epochs, shape [S].
    """
    found = []
    for step_size in step_sizes:
        path = log_ratios(rule, float(step_size))
        next(path)
        next(path)
        count = 1
        while next(path) < 0.0 and count < most_epochs:
            count += 1
        found.append(count)
    return Measurement.exact(found)


def measure_deepest_falls(
    rng: np.random.Generator, rule: UpdateRule, num_step_sizes: int, num_epochs: int
) -> Measurement:
    """Largest old over new probability of a success, over random step sizes and inner epochs.

    Args:
        rng: source of the step sizes, from 0.01 to 100.
        rule: the rule.
        num_step_sizes: step sizes tried.
        num_epochs: inner epochs with each.

    Returns:
        The largest of 1/ratio, that of the start included, shape [1].
    """
    lowest = 0.0
    for step_size in 10.0 ** rng.uniform(-2.0, 2.0, num_step_sizes):
        path = log_ratios(rule, float(step_size))
        lowest = min(lowest, *(next(path) for _ in range(num_epochs)))
    return Measurement.exact(np.exp(min(-lowest, 700.0)))
