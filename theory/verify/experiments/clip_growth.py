"""Experiments on what one round of inner epochs does to an isolated success (P26, P27).

A group of one success and failures is given; under raw reward the failures have no weight. Every
step is banditlab's own.
"""

import numpy as np

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.rounds import Memory, Round, step
from banditlab.rules import UpdateRule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

_ONE_CONTEXT = np.zeros((1, 1), dtype=np.int64)
_MOST_ROUNDS = 100_000


def _policy(success_prob: float, log10_wrong: float, step_size: float) -> LumpedSoftmax:
    problem = rare_correct(log10_wrong, success_prob)
    return LumpedSoftmax(problem, 1, SGD(step_size), takes_arms=True)


def _round(
    policy: LumpedSoftmax,
    rule: UpdateRule,
    num_samples: int,
    inner_epochs: int,
    *,
    num_successes: int = 1,
    memory: Memory | None = None,
) -> Round:
    # Different wrong arms, as draws from a huge arm space are; a small one has to repeat them.
    num_wrong = int(min(policy.problem.count()[0, 1], num_samples))
    position = np.arange(num_samples)
    arms = np.where(position < num_successes, 0, 1 + position % num_wrong)
    return step(
        policy,
        rule,
        _ONE_CONTEXT,
        group_size=num_samples,
        inner_epochs=inner_epochs,
        arms=arms[None, None],
        memory=memory,
    )


def measure_isolated_ratios(
    rule: UpdateRule,
    *,
    success_prob: float,
    log10_wrong: float,
    step_size: float,
    num_samples: int,
    num_epochs: int,
) -> Measurement:
    """Ratio of a lone success after 1, 2, ... inner epochs of its round.

    Args:
        rule: the update rule.
        success_prob: probability of the correct arm before the round.
        log10_wrong: log10 of the number of wrong arms.
        step_size: step size of SGD on the logits.
        num_samples: rollouts of the round, one of them the success.
        num_epochs: most inner epochs.

    Returns:
        The ratios, shape [num_epochs].
    """
    ratios = []
    for inner_epochs in range(1, num_epochs + 1):
        policy = _policy(success_prob, log10_wrong, step_size)
        outcome = _round(policy, rule, num_samples, inner_epochs)
        ratios.append(np.exp(outcome.log_ratio[0, 0, 0]))
    return Measurement.exact(ratios)


def rounds_with_success(
    rule: UpdateRule,
    *,
    success_prob: float,
    target_prob: float,
    step_size: float,
    num_samples: int,
    inner_epochs: int,
) -> int:
    """Rounds with one success that take a rare arm among endless wrong ones to a probability.

    Args:
        rule: the update rule.
        success_prob: probability of the correct arm at the start.
        target_prob: probability to be reached.
        step_size: step size of SGD on the logits.
        num_samples: rollouts of a round.
        inner_epochs: steps per round.

    Returns:
        The number of rounds.

    Raises:
        FloatingPointError: the arm did not get there.
    """
    policy = _policy(success_prob, 100_000.0, step_size)
    for num_rounds in range(_MOST_ROUNDS):
        if policy.class_mass()[0, 0, 0] >= target_prob:
            return num_rounds
        _round(policy, rule, num_samples, inner_epochs)
    raise FloatingPointError(
        f"rounds_with_success: {_MOST_ROUNDS} rounds did not suffice. Raise the step size."
    )


def measure_dual_budget(
    rule: UpdateRule, *, step_size: float, num_samples: int, inner_epochs: int, num_ascents: int
) -> Measurement:
    """Multiplier and ratio of a lone success where dual ascent is run to its end on one round.

    Each ascent repeats the round from the same rare policy, so that the multiplier is solved for
    that round as the constraint has it.

    Args:
        rule: a rule with a dual.
        step_size: step size of SGD on the logits.
        num_samples: rollouts of the round, one of them the success.
        inner_epochs: steps per round, enough to converge.
        num_ascents: dual steps.

    Returns:
        Multiplier and ratio, shape [2].
    """
    memory = Memory.start(rule, 1, 1)
    for _ in range(num_ascents):
        policy = _policy(1e-12, 100_000.0, step_size)
        outcome = _round(policy, rule, num_samples, inner_epochs, memory=memory)
    return Measurement.exact([memory.multiplier[0], np.exp(outcome.log_ratio[0, 0, 0])])


def measure_idle_dual(
    rule: UpdateRule, *, step_size: float, num_samples: int, inner_epochs: int, num_idle: int
) -> Measurement:
    """Multiplier after rounds of failures, and ratio of the lone success of the next round.

    Args:
        rule: a rule with a dual.
        step_size: step size of SGD on the logits.
        num_samples: rollouts of a round.
        inner_epochs: steps per round.
        num_idle: rounds of failures.

    Returns:
        Multiplier and ratio, shape [2].
    """
    memory = Memory.start(rule, 1, 1)
    policy = _policy(1e-12, 100_000.0, step_size)
    for _ in range(num_idle):
        _round(policy, rule, num_samples, inner_epochs, num_successes=0, memory=memory)
    multiplier = float(memory.multiplier[0])
    outcome = _round(policy, rule, num_samples, inner_epochs, memory=memory)
    return Measurement.exact([multiplier, np.exp(outcome.log_ratio[0, 0, 0])])


def measure_coupled_ratio(
    rule: UpdateRule,
    *,
    prob: np.ndarray,
    reward: np.ndarray,
    arms: np.ndarray,
    step_size: float,
    inner_epochs: int,
) -> Measurement:
    """Largest ratio of a sampled arm of positive advantage after a round of several samples.

    Args:
        rule: the update rule.
        prob: probability of each arm before the round, shape [K].
        reward: reward of each arm, shape [K].
        arms: arms of the round, shape [N].
        step_size: step size of SGD on the logits.
        inner_epochs: steps per round.

    Returns:
        The largest ratio, shape [1].
    """
    policy = DenseSoftmax(explicit_rewards(reward, np.log(prob)), 1, SGD(step_size))
    outcome = step(
        policy,
        rule,
        _ONE_CONTEXT,
        group_size=len(arms),
        inner_epochs=inner_epochs,
        arms=np.asarray(arms)[None, None],
    )
    is_praised = outcome.advantage > 0.0
    return Measurement.exact(np.exp(outcome.log_ratio[is_praised].max()))
