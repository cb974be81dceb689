"""Exact mean rounds with inner epochs: banditlab's weights, summed over arms and groups (P16)."""

import numpy as np
from scipy.special import log_softmax
from scipy.stats import binom

from banditlab.rules import UpdateRule, group_advantage, score_weight
from theory.verify.experiments.expected_flow import REWARD, log_odds_of, two_class_logits
from theory.verify.measurement import Measurement


def _advantages(rule: UpdateRule, group_size: int) -> dict[float, np.ndarray]:
    """Advantage of a rollout of each reward, by the number of successes among the others."""
    others = np.arange(group_size - 1) < np.arange(group_size)[:, None]
    advantages = {}
    for reward in (1.0, 0.0):
        groups = np.column_stack([np.full(group_size, reward), others])
        advantages[reward] = group_advantage(rule, groups)[:, 0]
    return advantages


def mean_inner_step(
    rule: UpdateRule, logits: np.ndarray, old_logits: np.ndarray, group_size: int
) -> np.ndarray:
    """Mean change of the logits in one inner epoch, per unit step size.

    Args:
        rule: the update rule.
        logits: current logits, nats, shape [K].
        old_logits: those of the policy that drew the samples, nats, shape [K].
        group_size: rollouts per group, G.

    Returns:
        Change, shape [K].
    """
    log_prob, old_log_prob = log_softmax(logits), log_softmax(old_logits)
    old_prob = np.exp(old_log_prob)
    chance = binom.pmf(np.arange(group_size), group_size - 1, old_prob @ REWARD)
    advantage = _advantages(rule, group_size)
    weight = np.empty_like(logits)
    for arm, reward in enumerate(REWARD):
        here = np.full(group_size, log_prob[arm])
        drawn = np.full(group_size, old_log_prob[arm])
        weight[arm] = chance @ score_weight(rule, here, drawn, advantage[reward])
    pull = old_prob * weight
    return pull - np.exp(log_prob) * pull.sum()


def measure_mean_rounds(
    rule: UpdateRule,
    log_odds: float,
    *,
    step_size: float,
    group_size: int,
    inner_epochs: int,
    num_rounds: int,
) -> Measurement:
    """Log-odds of success after each of several mean rounds on 3 correct and 7 wrong arms.

    Args:
        rule: the update rule.
        log_odds: initial log-odds, nats.
        step_size: step size of SGD on the logits.
        group_size: rollouts per group, G.
        inner_epochs: steps per round.
        num_rounds: rounds, S.

    Returns:
        Log-odds, nats, shape [S].
    """
    logits, found = two_class_logits(log_odds), []
    for _ in range(num_rounds):
        old_logits = logits
        for _ in range(inner_epochs):
            logits = logits + step_size * mean_inner_step(rule, logits, old_logits, group_size)
        found.append(log_odds_of(logits))
    return Measurement.exact(found)
