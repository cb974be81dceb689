"""Exact steps of the variance penalty from pass rates of any size (P18)."""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from banditlab.advantages import raw
from banditlab.arm_spaces import rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import get_rule
from banditlab.weights import ratio_variance_weight
from theory.verify.measurement import Measurement


def _step(log_prob: float, bound: float) -> float:
    """Log pass rate after the step at which the weights balance and the variance is the bound."""
    advantage, old_log_prob = (
        np.array([1.0, 0.0]),
        np.array([log_prob, np.log1p(-np.exp(log_prob))]),
    )

    def after(log_ratio: float) -> np.ndarray:
        risen = log_prob + log_ratio
        return np.array([risen, np.log1p(-np.exp(risen))])

    def imbalance(log_ratio: float, multiplier: float) -> float:
        # At the optimum weight/ratio is the same for every arm: nothing is gained by a transfer.
        current = after(log_ratio)
        weight = ratio_variance_weight(current, old_log_prob, advantage, multiplier=multiplier)
        pull = weight * np.exp(old_log_prob - current)
        return pull[0] - pull[1]

    def optimum(log_multiplier: float) -> float:
        highest = -log_prob - 1e-9
        return brentq(imbalance, 0.0, highest, args=(np.exp(log_multiplier),), xtol=1e-12)

    def excess(log_multiplier: float) -> float:
        log_ratio = optimum(log_multiplier)
        # The correct arm's part of the variance, in logarithms, for ratios up to 1e50.
        return 2.0 * np.log(np.expm1(log_ratio)) + log_prob - np.log(bound)

    deviation = 0.5 * log_prob
    guess = deviation - np.log(2.0) - 0.5 * np.log(bound)
    return log_prob + optimum(brentq(excess, guess - 3.0, guess + 3.0, xtol=1e-12))


def measure_early_steps(log_prob: float, bound: float, num_updates: int) -> Measurement:
    """log10 of the pass rate after exact constrained steps.

    The wrong arms' part of the variance, p times the correct one's, is left out: the pass rate
    stays far below the bound.

    Args:
        log_prob: log of the initial pass rate, nats.
        bound: E_old[(ratio - 1)^2] of each step.
        num_updates: steps.

    Returns:
        log10 of the pass rates, shape [num_updates].
    """
    found = []
    for _ in range(num_updates):
        log_prob = _step(log_prob, bound)
        found.append(log_prob / np.log(10.0))
    return Measurement.exact(found)


def measure_sampled_steps(
    rng: np.random.Generator, log_prob: float, num_updates: int, group_size: int = 64
) -> Measurement:
    """log10 of the pass rate after rounds of the variance penalty on samples.

    Args:
        rng: source of randomness.
        log_prob: log of the initial pass rate, nats.
        num_updates: rounds.
        group_size: samples per round.

    Returns:
        log10 of the pass rates, shape [num_updates].
    """
    rule = replace(get_rule("variance_penalty"), advantage=raw)
    policy = LumpedSoftmax(rare_correct(100_000.0, float(np.exp(log_prob))), 1, SGD(1.0))
    found = []
    for _ in range(num_updates):
        contexts = np.zeros((1, 1), dtype=np.int64)
        step(policy, rule, contexts, group_size=group_size, inner_epochs=10, rng=rng)
        found.append(np.log10(policy.class_mass()[0, 0, 0]))
    return Measurement.exact(found)
