"""Experiments on Adam: given or drawn successes of one arm, and what they do to its log-odds (P51).

Every round is banditlab's own, on the lumped policy.

Shapes: R runs, N rounds, G group.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from banditlab.arm_spaces import rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import Optimizer
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule
from theory.verify.measurement import Measurement

ENDLESS_LOG10_ARMS = 100_000.0
_MOST_SUCCESSES = 1_000


def one_context(num_runs: int) -> np.ndarray:
    """Batch of the only prompt.

    Args:
        num_runs: R.

    Returns:
        Zeros, shape [R, 1].
    """
    return np.zeros((num_runs, 1), dtype=np.int64)


def _log_odds(policy: LumpedSoftmax) -> np.ndarray:
    mass = policy.class_mass()[:, 0]
    return np.log(mass[:, 0]) - np.log(mass[:, 1])


def _given_arms(is_success: np.ndarray, group_size: int, num_wrong: float) -> np.ndarray:
    """Groups of failures, or of one success and failures: arms [R, 1, G]."""
    wrong = 1 + np.arange(group_size) % int(min(num_wrong, group_size))
    arms = np.tile(wrong, (len(is_success), 1))
    arms[:, 0] = np.where(is_success, 0, arms[:, 0])
    return arms[:, None]


def play(
    optimizer: Optimizer,
    is_success: np.ndarray,
    *,
    rule: UpdateRule | None = None,
    success_prob: float = 1e-300,
    log10_wrong: float = ENDLESS_LOG10_ARMS,
    group_size: int = 1,
) -> np.ndarray:
    """Rise of the log-odds over rounds in which success is given, not drawn.

    Args:
        optimizer: how gradients move the logits.
        is_success: whether the round's group has its one success, shape [R, N].
        rule: the update rule, raw reward by default.
        success_prob: probability of the correct arm at the start.
        log10_wrong: log10 of the number of wrong arms.
        group_size: rollouts of a round.

    Returns:
        Log-odds less those at the start after each round, nats, shape [R, N].
    """
    num_runs, num_rounds = is_success.shape
    problem = rare_correct(log10_wrong, success_prob)
    policy = LumpedSoftmax(problem, num_runs, optimizer, takes_arms=True)
    rule, start = rule or get_rule("raw_reward"), _log_odds(policy)
    rise = np.empty((num_runs, num_rounds))
    for index in range(num_rounds):
        arms = _given_arms(is_success[:, index], group_size, problem.count()[0, 1])
        step(policy, rule, one_context(num_runs), group_size=group_size, arms=arms)
        rise[:, index] = _log_odds(policy) - start
    return rise


def lone_success(first_round: int, num_rounds: int) -> np.ndarray:
    """Rounds of one run whose only success comes late.

    Args:
        first_round: round of the success, from 1.
        num_rounds: rounds from that one on.

    Returns:
        Whether each round has a success, shape [1, first_round - 1 + num_rounds].
    """
    return (np.arange(1, first_round + num_rounds) == first_round)[None]


def measure_repeated(optimizer: Optimizer, gaps: Sequence[int], num_rounds: int) -> Measurement:
    """Rise of the log-odds from one success to the next, where one comes every so many rounds.

    Args:
        optimizer: how gradients move the logits.
        gaps: rounds from one success to the next.
        num_rounds: rounds before the period that is measured.

    Returns:
        Rise over the period, nats, one per gap.
    """
    gap = np.array(gaps)
    count = np.arange(1, num_rounds + gap.max() + 1)
    rise = play(optimizer, count % gap[:, None] == 0)
    return Measurement.exact(
        rise[np.arange(len(gap)), num_rounds + gap - 1] - rise[:, num_rounds - 1]
    )


def measure_take_off(
    optimizer: Optimizer,
    rule: UpdateRule,
    *,
    success_prob: float,
    group_size: int,
    num_resting: int,
) -> float:
    """Mean of p0 * (rollouts to p = 1/2), with the mean wait for each success, not a drawn one.

    A wait for a success at probability p takes 1/p rollouts on average. Of its failures only
    `num_resting` rounds are played, after which the optimizer has forgotten the last success.

    Args:
        optimizer: how gradients move the logits.
        rule: an update rule that groups of failures do not move.
        success_prob: probability of the correct arm at the start, p0.
        group_size: rollouts of a round.
        num_resting: rounds of failures before each success and at the end.

    Returns:
        The mean, dimensionless.

    Raises:
        FloatingPointError: p = 1/2 was not reached.
    """
    problem = rare_correct(ENDLESS_LOG10_ARMS, success_prob)
    policy = LumpedSoftmax(problem, 1, optimizer, takes_arms=True)
    total = 0.0
    for _ in range(_MOST_SUCCESSES):
        for _ in range(num_resting):
            _given_round(policy, rule, False, group_size)
        prob = float(policy.class_mass()[0, 0, 0])
        if prob >= 0.5:
            return total
        total += success_prob / prob
        _given_round(policy, rule, True, group_size)
    raise FloatingPointError(
        f"measure_take_off: {_MOST_SUCCESSES} successes did not suffice. Raise the step size."
    )


def _given_round(
    policy: LumpedSoftmax, rule: UpdateRule, is_success: bool, group_size: int
) -> None:
    arms = _given_arms(np.array([is_success]), group_size, np.inf)
    step(policy, rule, one_context(1), group_size=group_size, arms=arms)


def measure_mean_over_patterns(
    optimizer: Optimizer, success_rate: Sequence[float], num_rounds: int
) -> Measurement:
    """Mean rise of the log-odds over all patterns of successes, each with its probability.

    Args:
        optimizer: how gradients move the logits.
        success_rate: probabilities of a success in a round, n of them.
        num_rounds: rounds, N; there are 2^N patterns.

    Returns:
        Mean rise after each round, nats, shape [n, N].
    """
    is_success = np.array(list(product([False, True], repeat=num_rounds)))
    rise, num_successes = play(optimizer, is_success), is_success.sum(axis=1)
    mean = []
    for rate in success_rate:
        chance = rate**num_successes * (1.0 - rate) ** (num_rounds - num_successes)
        mean.append(chance @ rise)
    return Measurement.exact(mean)


def measure_mean_rise(
    rng: np.random.Generator,
    optimizer: Optimizer,
    success_rate: Sequence[float],
    num_rounds: int,
    num_runs: int,
) -> Measurement:
    """Mean rise of the log-odds over rounds of one drawn rollout, at several pass rates.

    Args:
        rng: source of randomness.
        optimizer: how gradients move the logits, so little that the pass rate rests.
        success_rate: probabilities of the correct arm.
        num_rounds: rounds.
        num_runs: runs at each of them.

    Returns:
        Mean rise after all rounds, nats, one per pass rate.
    """
    parts = []
    for rate in success_rate:
        policy = LumpedSoftmax(rare_correct(ENDLESS_LOG10_ARMS, rate), num_runs, optimizer)
        start = _log_odds(policy)
        for _ in range(num_rounds):
            step(policy, get_rule("raw_reward"), one_context(num_runs), group_size=1, rng=rng)
        parts.append(Measurement.mean_of_runs(_log_odds(policy) - start))
    return Measurement.joined(*parts)


def measure_growing_gradients(optimizer: Optimizer, growth: float, num_rounds: int) -> Measurement:
    """Changes of a logit by gradients that grow geometrically, put on it directly.

    Args:
        optimizer: how gradients move the logits.
        growth: factor from one round to the next.
        num_rounds: rounds, N.

    Returns:
        Changes of the log-odds in nats, one per round.
    """
    problem = rare_correct(ENDLESS_LOG10_ARMS, 1e-300)
    policy = LumpedSoftmax(problem, 1, optimizer, takes_arms=True)
    log_odds = [_log_odds(policy)[0]]
    for index in range(num_rounds):
        draw = policy.place(one_context(1), np.zeros((1, 1, 1), dtype=np.int64))
        policy.accumulate(draw, np.full((1, 1, 1), growth**index))
        policy.move()
        policy.release(draw)
        log_odds.append(_log_odds(policy)[0])
    return Measurement.exact(np.diff(log_odds))
