"""Experiments without sampling: banditlab's exact expected update, iterated (P15, P16)."""

from collections.abc import Callable

import numpy as np
from scipy.special import log_expit, logsumexp, softmax

from banditlab.expectation import expected_update
from banditlab.rules import get_rule
from theory.verify.measurement import Measurement

NUM_CORRECT = 3
NUM_WRONG = 7
REWARD = np.repeat([1.0, 0.0], [NUM_CORRECT, NUM_WRONG])

Direction = Callable[[np.ndarray], np.ndarray]


def two_class_logits(log_odds: float) -> np.ndarray:
    """Logits of 3 correct and 7 wrong arms, equal within a class.

    Args:
        log_odds: log-odds of success, nats.

    Returns:
        Logits, nats, shape [K].
    """
    correct = log_expit(log_odds) - np.log(NUM_CORRECT)
    wrong = log_expit(-log_odds) - np.log(NUM_WRONG)
    return np.repeat([correct, wrong], [NUM_CORRECT, NUM_WRONG])


def log_odds_of(logits: np.ndarray) -> float:
    """Log-odds of success of logits over the arms of `REWARD`.

    Args:
        logits: logits, nats, shape [K].

    Returns:
        Log-odds, nats.
    """
    return float(logsumexp(logits[REWARD == 1.0]) - logsumexp(logits[REWARD == 0.0]))


def rule_direction(rule: str, group_size: int) -> Direction:
    """Expected update of a rule as a function of the logits.

    Args:
        rule: name of the rule.
        group_size: rollouts per update, G.

    Returns:
        Function of logits [K] -> change per unit step [K].
    """
    return lambda logits: expected_update(get_rule(rule), logits, REWARD, group_size)


def population_standardized_direction(logits: np.ndarray) -> np.ndarray:
    """Expected update of GRPO with an infinite group: that of raw reward over sd(reward).

    Args:
        logits: logits, nats, shape [K].

    Returns:
        Change per unit step, shape [K].
    """
    mean = float(softmax(logits) @ REWARD)
    deviation = np.sqrt(mean * (1.0 - mean))
    return expected_update(get_rule("raw_reward"), logits, REWARD, 1) / deviation


def natural_direction(logits: np.ndarray) -> np.ndarray:
    """Expected update of raw reward with the Fisher matrix taken out: divided by the policy.

    Args:
        logits: logits, nats, shape [K].

    Returns:
        Change per unit step, shape [K].
    """
    return expected_update(get_rule("raw_reward"), logits, REWARD, 1) / softmax(logits)


def _log_odds_at(
    direction: Direction, log_odds: float, times: np.ndarray, updates_per_time: int
) -> np.ndarray:
    """Log-odds at equally spaced times, by plain steps."""
    logits = two_class_logits(log_odds)
    step_size = times[0] / updates_per_time
    found = np.empty(len(times))
    for index in range(len(times)):
        for _ in range(updates_per_time):
            logits = logits + step_size * direction(logits)
        found[index] = log_odds_of(logits)
    return found


def measure_flow(
    direction: Direction, log_odds: float, times: np.ndarray, updates_per_time: int
) -> Measurement:
    """Log-odds along the flow: step size h, h/2, h/4, extrapolated to 0 twice (Richardson).

    Args:
        direction: function of logits [K] -> change per unit step [K].
        log_odds: initial log-odds, nats.
        times: equally spaced times from the first spacing on, shape [S].
        updates_per_time: updates per spacing at step size h.

    Returns:
        Log-odds at the times, nats, shape [S].
    """
    coarse, middle, fine = (
        _log_odds_at(direction, log_odds, times, updates_per_time * factor) for factor in (1, 2, 4)
    )
    first, second = 2.0 * middle - coarse, 2.0 * fine - middle
    return Measurement.exact((4.0 * second - first) / 3.0)


def measure_class_gradient(
    rule: str, log_odds: np.ndarray, group_sizes: tuple[int, ...]
) -> Measurement:
    """Expected change of the log-odds per unit step, over the tabular kernel, one update.

    The change of the log-odds to first order is the mean change of the correct logits less that
    of the wrong ones.

    Args:
        rule: name of the rule.
        log_odds: log-odds of success, nats, shape [S].
        group_sizes: numbers of rollouts per update.

    Returns:
        Class gradients, shape [len(group_sizes), S].
    """
    kernel = 1.0 / NUM_CORRECT + 1.0 / NUM_WRONG
    value = np.empty((len(group_sizes), len(log_odds)))
    for row, group_size in enumerate(group_sizes):
        for column, start in enumerate(log_odds):
            change = rule_direction(rule, group_size)(two_class_logits(float(start)))
            moved = change[REWARD == 1.0].mean() - change[REWARD == 0.0].mean()
            value[row, column] = moved / kernel
    return Measurement.exact(value)
