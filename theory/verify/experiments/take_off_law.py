"""Experiments from success to success: when rare correct arms take off, and which (P26, P28, P29).

`banditlab.events` skips the rounds of failures, exactly in law, so that arms of probability 1e-9
and less cost as little as likely ones.
"""

import numpy as np

from banditlab.arm_spaces import rare_correct
from banditlab.config import SimulationConfig
from banditlab.events.run import take_off_rounds
from banditlab.events.simulation import EventSimulation
from banditlab.problems import BanditProblem
from banditlab.rules import UpdateRule
from theory.verify.measurement import Measurement

ENDLESS_LOG10_ARMS = 100_000.0
_HORIZON = 1e300


def rare_prompts(
    success_prob: float, *, num_prompts: int = 1, num_correct: int = 1
) -> BanditProblem:
    """Prompts with equally likely correct arms among 10^100000 wrong ones.

    Args:
        success_prob: initial probability of all correct arms of a prompt together.
        num_prompts: prompts, P, all in the batch.
        num_correct: correct arms of each prompt.

    Returns:
        The problem.
    """
    one = rare_correct(ENDLESS_LOG10_ARMS, success_prob, num_correct)
    shape = (num_prompts, 1)
    return BanditProblem(
        np.tile(one.log_count, shape), np.tile(one.log_mass, shape), np.tile(one.reward, shape)
    )


def take_off_times(
    rng: np.random.Generator,
    rule: UpdateRule,
    *,
    success_prob: float,
    step_size: float,
    num_runs: int,
    group_size: int = 1,
    inner_epochs: int = 1,
    num_prompts: int = 1,
    num_correct: int = 1,
) -> np.ndarray:
    """Rollouts of each prompt until one prompt succeeds with probability 1/2, in units of 1/p0.

    Args:
        rng: source of randomness.
        rule: a rule that makes no change in a round of failures.
        success_prob: initial probability of all correct arms of a prompt together, p0.
        step_size: step size of SGD on the logits.
        num_runs: independent runs, R.
        group_size: rollouts per prompt and round, G.
        inner_epochs: steps per round.
        num_prompts: prompts of the batch.
        num_correct: correct arms of each prompt.

    Returns:
        success_prob * rollouts, shape [R].
    """
    config = SimulationConfig(
        num_runs=num_runs,
        num_steps=_HORIZON,
        group_size=group_size,
        step_size=step_size,
        inner_epochs=inner_epochs,
        seed=int(rng.integers(2**31)),
    )
    problem = rare_prompts(success_prob, num_prompts=num_prompts, num_correct=num_correct)
    return success_prob * group_size * take_off_rounds(problem, rule, config)


def measure_take_off_mean(rng: np.random.Generator, rule: UpdateRule, **how: float) -> Measurement:
    """Mean of p0 * (rollouts until p = 1/2).

    Args:
        rng: source of randomness.
        rule: as for `take_off_times`.
        **how: keyword arguments of `take_off_times`.

    Returns:
        The mean over runs, shape [1].
    """
    return Measurement.mean_of_runs(take_off_times(rng, rule, **how))


def measure_take_off_shares(
    rng: np.random.Generator, rule: UpdateRule, edges: np.ndarray, **how: float
) -> Measurement:
    """Shares of runs whose p0 * (rollouts until p = 1/2) falls between given edges.

    Args:
        rng: source of randomness.
        rule: as for `take_off_times`.
        edges: inner edges of the cells, ascending, shape [n - 1].
        **how: keyword arguments of `take_off_times`.

    Returns:
        Shares of the n cells, the first from 0 and the last to infinity.
    """
    cell = np.searchsorted(edges, take_off_times(rng, rule, **how))
    return Measurement.shares(np.bincount(cell, minlength=len(edges) + 1))


def race_two_arms(
    rng: np.random.Generator,
    rule: UpdateRule,
    *,
    success_probs: tuple[float, float],
    step_size: float,
    num_runs: int,
    group_size: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Let two correct arms race to p = 1/2 in an endless arm space.

    Args:
        rng: source of randomness.
        rule: a rule that makes no change in a round of failures.
        success_probs: initial probability of each arm.
        step_size: step size of SGD on the logits.
        num_runs: independent runs, R.
        group_size: rollouts per round, G.

    Returns:
        Whether the first arm won, shape [R], and by how much the loser's log-odds against the
        wrong arms rose, nats, shape [R].
    """
    one = rare_correct(ENDLESS_LOG10_ARMS, sum(success_probs))
    log_mass = np.log(np.array([[*success_probs, 1.0 - sum(success_probs)]]))
    problem = BanditProblem(
        np.array([[0.0, 0.0, one.log_count[0, 1]]]), log_mass, np.array([[1.0, 1.0, 0.0]])
    )
    config = SimulationConfig(
        num_runs=num_runs,
        num_steps=_HORIZON,
        group_size=group_size,
        step_size=step_size,
        seed=int(rng.integers(2**31)),
    )
    simulation = EventSimulation(problem, rule, config)
    while simulation.is_running().any():
        simulation.advance()
        simulation.stop(simulation.success_prob()[:, 0] >= 0.5)
    mass = simulation.policy.class_mass()[:, 0]
    is_won = mass[:, 0] > mass[:, 1]
    log_odds = np.log(mass[:, :2] / mass[:, 2:]) - (log_mass[0, :2] - log_mass[0, 2])
    return is_won, np.where(is_won, log_odds[:, 1], log_odds[:, 0])
