"""Experiments on groups that have a signal: baseline and advantages in mixed groups (P9).

Shapes: R groups, G rollouts of a group.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from banditlab.optimizers import SGD
from banditlab.rounds import Memory, Rollouts, roll_out
from banditlab.rules import UpdateRule
from banditlab.softmax import DenseSoftmax
from theory.verify.experiments.group_moments import two_arms
from theory.verify.measurement import Measurement

_LOG_ODDS_RANGE = (-4.0, 8.0)


def _groups(
    rule: UpdateRule, log_odds: float, group_size: int, num_groups: int, **how
) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and advantages of groups, each of shape [R, G]."""
    policy = DenseSoftmax(two_arms(log_odds), num_groups, SGD(1.0))
    rollouts: Rollouts = roll_out(
        policy,
        rule,
        np.zeros((num_groups, 1), dtype=np.int64),
        group_size=group_size,
        memory=Memory.start(rule, num_groups, 1),
        **{"rng": None, **how},
    )
    return rollouts.reward[:, 0], rollouts.advantage[:, 0]


def _is_mixed(advantage: np.ndarray) -> np.ndarray:
    return (advantage != 0.0).any(axis=1)


def _enumerated(
    rule: UpdateRule, log_odds: float, group_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rewards, advantages and probabilities of all groups; those without a signal get 0."""
    arms = np.array(list(product((0, 1), repeat=group_size)))
    reward, advantage = _groups(rule, log_odds, group_size, len(arms), arms=arms[:, None])
    prob = np.exp(two_arms(log_odds).log_mass[0][arms].sum(axis=1))
    return reward, advantage, np.where(_is_mixed(advantage), prob, 0.0)


def mixed_advantage(rule: UpdateRule, log_odds: float, group_size: int, reward: float) -> float:
    """Mean advantage of samples of one reward in mixed groups, all groups summed.

    Args:
        rule: the update rule.
        log_odds: log-odds of success, nats.
        group_size: rollouts per group, G.
        reward: 1 for successes, 0 for failures.

    Returns:
        E[A | reward, the group is mixed].
    """
    paid, advantage, prob = _enumerated(rule, log_odds, group_size)
    is_one = paid == reward
    return float(prob @ np.where(is_one, advantage, 0.0).sum(axis=1) / (prob @ is_one.sum(axis=1)))


def measure_mixed_advantages(
    rules: Sequence[UpdateRule], log_odds: np.ndarray, group_sizes: Sequence[int]
) -> Measurement:
    """Mean advantage of a success, then of a failure, in mixed groups.

    Args:
        rules: the rules.
        log_odds: log-odds of success, nats, shape [S].
        group_sizes: rollouts per group.

    Returns:
        Advantages, shape [len(rules), len(group_sizes), 2, S].
    """
    return Measurement.exact(
        [
            mixed_advantage(rule, float(each), size, reward)
            for rule in rules
            for size in group_sizes
            for reward in (1.0, 0.0)
            for each in log_odds
        ]
    )


def measure_baseline_bias(
    rule: UpdateRule, log_odds: np.ndarray, group_sizes: Sequence[int]
) -> Measurement:
    """Mean baseline of mixed groups less the pass rate.

    Args:
        rule: a rule whose advantage is the reward less a baseline.
        log_odds: log-odds of success, nats, shape [S].
        group_sizes: rollouts per group.

    Returns:
        Biases, in units of reward, shape [len(group_sizes), S].
    """
    found = []
    for size in group_sizes:
        for each in log_odds:
            reward, advantage, prob = _enumerated(rule, float(each), size)
            baseline = (reward - advantage).mean(axis=1)
            found.append(prob @ baseline / prob.sum() - expit(each))
    return Measurement.exact(found)


def measure_exact_pass_rates(rule: UpdateRule, group_sizes: Sequence[int]) -> Measurement:
    """Pass rate at which the mean advantage of a success in mixed groups is the true one, 1 - p.

    Args:
        rule: the update rule.
        group_sizes: rollouts per group.

    Returns:
        Pass rates, shape [len(group_sizes)].
    """

    def excess(log_odds: float, size: int) -> float:
        return mixed_advantage(rule, log_odds, size, 1.0) - expit(-log_odds)

    return Measurement.exact(
        [expit(brentq(excess, *_LOG_ODDS_RANGE, (size,), xtol=1e-13)) for size in group_sizes]
    )


def measure_drawn_groups(
    rng: np.random.Generator,
    rule: UpdateRule,
    log_odds: Sequence[float],
    group_size: int,
    num_groups: int,
) -> Measurement:
    """Advantage of the first rollout of drawn mixed groups, by its reward.

    Args:
        rng: source of randomness.
        rule: the update rule.
        log_odds: log-odds of success, nats, shape [S].
        group_size: rollouts per group, G.
        num_groups: groups drawn, mixed or not, R.

    Returns:
        Mean advantage of a success and of a failure, shape [S, 2].
    """
    parts = []
    for each in log_odds:
        reward, advantage = _groups(rule, float(each), group_size, num_groups, rng=rng)
        is_mixed = _is_mixed(advantage)
        for paid in (1.0, 0.0):
            chosen = is_mixed & (reward[:, 0] == paid)
            parts.append(Measurement.mean_of_runs(advantage[chosen, 0]))
    return Measurement.joined(*parts)


def measure_drawn_baselines(
    rng: np.random.Generator,
    rule: UpdateRule,
    log_odds: Sequence[float],
    group_size: int,
    num_groups: int,
) -> Measurement:
    """Mean baseline of drawn mixed groups.

    Args:
        rng: source of randomness.
        rule: a rule whose advantage is the reward less a baseline.
        log_odds: log-odds of success, nats, shape [S].
        group_size: rollouts per group, G.
        num_groups: groups drawn, mixed or not, R.

    Returns:
        Mean baselines, in units of reward, shape [S].
    """
    parts = []
    for each in log_odds:
        reward, advantage = _groups(rule, float(each), group_size, num_groups, rng=rng)
        baseline = (reward - advantage).mean(axis=1)
        parts.append(Measurement.mean_of_runs(baseline[_is_mixed(advantage)]))
    return Measurement.joined(*parts)
