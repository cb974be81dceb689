"""Experiments on the bounded ratio-variance penalty: weights, and a lone success (P40)."""

import numpy as np

from banditlab.rules import UpdateRule, score_weight
from theory.verify.experiments.penalty_overshoot import log_ratios
from theory.verify.measurement import Measurement


def measure_largest_weights(
    rule: UpdateRule, advantage: np.ndarray, largest_log_ratio: float
) -> Measurement:
    """Largest size of a rule's weight over ratios far below and far above 1.

    Args:
        rule: the rule.
        advantage: advantages, shape [S].
        largest_log_ratio: end of the range, nats.

    Returns:
        The largest |weight| for each advantage, in units of reward, shape [S].
    """
    log_ratio = np.linspace(-largest_log_ratio, largest_log_ratio, 4001)
    zero = np.zeros_like(log_ratio)
    return Measurement.exact(
        [
            np.abs(score_weight(rule, log_ratio, zero, np.full_like(zero, value))).max()
            for value in advantage
        ]
    )


def measure_factors(
    rule: UpdateRule, step_sizes: np.ndarray, fixed_ratio: float, num_epochs: np.ndarray
) -> Measurement:
    """Factor by which one more inner epoch changes the deviation of log ratio from its fixed value.

    Args:
        rule: a penalised rule.
        step_sizes: step sizes at which the ratio settles, shape [S].
        fixed_ratio: where it settles.
        num_epochs: inner epochs before the factor is read, so few that a deviation is left, [S].

    Returns:
        Factors, shape [S].
    """
    factors = []
    for step_size, count in zip(step_sizes, num_epochs, strict=True):
        path = log_ratios(rule, float(step_size))
        before, after = np.array([next(path) for _ in range(count + 1)])[-2:] - np.log(fixed_ratio)
        factors.append(after / before)
    return Measurement.exact(factors)


def measure_falls(rule: UpdateRule, step_sizes: np.ndarray, num_epochs: int) -> Measurement:
    """Largest old over new probability of a lone success along many inner epochs.

    Args:
        rule: the rule.
        step_sizes: step sizes, shape [S].
        num_epochs: inner epochs.

    Returns:
        The largest of 1/ratio at each step size, that of the start included, shape [S].
    """
    falls = []
    for step_size in step_sizes:
        path = log_ratios(rule, float(step_size))
        lowest = min(0.0, *(next(path) for _ in range(num_epochs)))
        falls.append(np.exp(min(-lowest, 700.0)))
    return Measurement.exact(falls)
