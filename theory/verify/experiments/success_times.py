"""Experiments on the rounds at which successes come, round by round and from event to event (P25).

Round by round every failure is drawn and stepped on, so that whether failures matter is measured
and not assumed.
"""

import numpy as np

from banditlab.config import SimulationConfig
from banditlab.events.simulation import EventSimulation
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import Memory, step
from banditlab.rules import UpdateRule
from theory.verify.measurement import Measurement

_MOST_ROUNDS = 100_000
_HORIZON = 1e300


def first_success_rounds(
    rng: np.random.Generator,
    rule: UpdateRule,
    problem: BanditProblem,
    *,
    step_size: float,
    num_rounds: int,
    num_runs: int,
    group_size: int = 1,
    inner_epochs: int = 1,
) -> np.ndarray:
    """Round of the first success, round by round, of a problem of one prompt.

    Args:
        rng: source of randomness.
        rule: the update rule.
        problem: the arm space, of one context.
        step_size: step size of SGD on the logits.
        num_rounds: most rounds.
        num_runs: independent runs, R.
        group_size: rollouts per round, G.
        inner_epochs: steps per round.

    Returns:
        Rounds from 1, or num_rounds + 1 where no success came by then, shape [R].
    """
    policy = LumpedSoftmax(problem, num_runs, SGD(step_size))
    memory = Memory.start(rule, num_runs, 1)
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    first = np.full(num_runs, num_rounds + 1)
    for index in range(1, num_rounds + 1):
        outcome = step(
            policy,
            rule,
            contexts,
            group_size=group_size,
            inner_epochs=inner_epochs,
            rng=rng,
            memory=memory,
        )
        has_success = outcome.reward.max(axis=(1, 2)) > 0.0
        first = np.where(has_success, np.minimum(first, index), first)
        if (first <= index).all():
            break
    return first


def measure_first_success_shares(
    rng: np.random.Generator,
    rule: UpdateRule,
    problem: BanditProblem,
    edges: np.ndarray,
    **how: float,
) -> Measurement:
    """Shares of runs whose first success falls between given rounds.

    Args:
        rng: source of randomness.
        rule: the update rule.
        problem: the arm space, of one context.
        edges: last round of each cell but the last, ascending, shape [n - 1].
        **how: keyword arguments of `first_success_rounds`, without num_rounds.

    Returns:
        Shares of the n cells.
    """
    first = first_success_rounds(rng, rule, problem, num_rounds=int(edges[-1]), **how)
    cell = np.searchsorted(edges, first)
    return Measurement.shares(np.bincount(cell, minlength=len(edges) + 1))


def measure_no_success(
    rng: np.random.Generator,
    rule: UpdateRule,
    problem: BanditProblem,
    num_rounds: int,
    **how: float,
) -> Measurement:
    """Share of runs without a success in the first rounds.

    Args:
        rng: source of randomness.
        rule: the update rule.
        problem: the arm space, of one context.
        num_rounds: rounds.
        **how: keyword arguments of `first_success_rounds`.

    Returns:
        The share, shape [1].
    """
    first = first_success_rounds(rng, rule, problem, num_rounds=num_rounds, **how)
    return Measurement.share((first > num_rounds).sum(), first.size)


def success_paths(
    rng: np.random.Generator,
    rule: UpdateRule,
    problem: BanditProblem,
    *,
    step_size: float,
    num_successes: int,
    num_runs: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Success probability before each success, and the round of the last, round by round.

    Args:
        rng: source of randomness.
        rule: the update rule.
        problem: the arm space, of one context; class 0 correct.
        step_size: step size of SGD on the logits.
        num_successes: successes waited for, n.
        num_runs: independent runs, R.

    Returns:
        Probability of success in the round of success 1, ..., n, shape [R, n], and the round of
        the n-th success, shape [R].

    Raises:
        FloatingPointError: a run did not get there.
    """
    policy = LumpedSoftmax(problem, num_runs, SGD(step_size))
    memory = Memory.start(rule, num_runs, 1)
    contexts, runs = np.zeros((num_runs, 1), dtype=np.int64), np.arange(num_runs)
    count, last = np.zeros((2, num_runs), dtype=np.int64)
    probs = np.zeros((num_runs, num_successes))
    for index in range(1, _MOST_ROUNDS):
        success_prob = policy.class_mass()[:, 0, 0]
        outcome = step(policy, rule, contexts, group_size=1, rng=rng, memory=memory)
        is_counted = (outcome.reward[:, 0, 0] > 0.0) & (count < num_successes)
        probs[runs[is_counted], count[is_counted]] = success_prob[is_counted]
        count += is_counted
        last = np.where(is_counted, index, last)
        if (count == num_successes).all():
            return probs, last
    raise FloatingPointError(
        f"success_paths: {_MOST_ROUNDS} rounds did not suffice. Raise the success probability."
    )


def success_times(
    rng: np.random.Generator,
    rule: UpdateRule,
    problem: BanditProblem,
    *,
    step_size: float,
    num_successes: int,
    num_runs: int,
) -> np.ndarray:
    """Round of the n-th success of single rollouts, from event to event.

    Args:
        rng: source of randomness.
        rule: a rule that makes no change in a round of failures.
        problem: the arm space, of one context.
        step_size: step size of SGD on the logits.
        num_successes: n.
        num_runs: independent runs, R.

    Returns:
        Rounds, shape [R].
    """
    config = SimulationConfig(
        num_runs=num_runs,
        num_steps=_HORIZON,
        group_size=1,
        step_size=step_size,
        seed=int(rng.integers(2**31)),
    )
    simulation = EventSimulation(problem, rule, config)
    for _ in range(num_successes):
        simulation.advance()
    return simulation.clock


def measure_success_time_moments(
    rng: np.random.Generator, rule: UpdateRule, problem: BanditProblem, **how: float
) -> Measurement:
    """Mean and variance of the round of the n-th success.

    Args:
        rng: source of randomness.
        rule: as for `success_times`.
        problem: the arm space, of one context.
        **how: keyword arguments of `success_times`.

    Returns:
        Mean, rounds, and variance, rounds squared, shape [2].
    """
    times = success_times(rng, rule, problem, **how)
    squared = (times - times.mean()) ** 2 * len(times) / (len(times) - 1)
    return Measurement.mean_of_runs(np.stack([times, squared], axis=1))
