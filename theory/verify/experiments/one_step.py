"""Experiments on the pass rate after one step of any size, one correct arm (P12).

Shapes: R runs, G group.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit
from scipy.stats import binom

from banditlab.arm_spaces import rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import UpdateRule
from theory.verify.measurement import Measurement

ENDLESS_LOG10_ARMS = 100_000.0


def pass_rates_after(
    rule: UpdateRule,
    log_odds: float,
    *,
    step_size: float,
    group_size: int,
    num_runs: int,
    log10_wrong: float = ENDLESS_LOG10_ARMS,
    arms: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Pass rate of each run after one step from the base policy.

    Args:
        rule: the update rule.
        log_odds: log-odds of the correct arm, nats.
        step_size: step size of SGD.
        group_size: rollouts per round, G.
        num_runs: independent runs, R.
        log10_wrong: log10 of the number of wrong arms.
        arms: arms of each run (0 is the correct one), shape [R, G]; drawn by default.
        rng: source of randomness, where arms are drawn.

    Returns:
        Pass rates, shape [R].
    """
    policy = LumpedSoftmax(
        rare_correct(log10_wrong, float(expit(log_odds))),
        num_runs,
        SGD(step_size),
        takes_arms=arms is not None,
    )
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    arms = None if arms is None else arms[:, None]
    step(policy, rule, contexts, group_size=group_size, arms=arms, rng=rng)
    return policy.class_mass()[:, 0, 0]


def mean_pass_rate_after(
    rule: UpdateRule, log_odds: float, *, group_size: int, **how: float
) -> float:
    """Mean pass rate after one step, summed over the number of correct rollouts.

    Args:
        rule: the update rule.
        log_odds: log-odds of the correct arm, nats.
        group_size: rollouts per round, G; no wrong arm is drawn twice.
        **how: further arguments of `pass_rates_after`.

    Returns:
        The mean.
    """
    count, position = np.arange(group_size + 1), np.arange(group_size)
    arms = np.where(position < count[:, None], 0, 1 + position)
    after = pass_rates_after(
        rule, log_odds, group_size=group_size, num_runs=group_size + 1, arms=arms, **how
    )
    return float(binom.pmf(count, group_size, expit(log_odds)) @ after)


def measure_mean_pass_rates(
    rules: Sequence[UpdateRule], log_odds: np.ndarray, step_sizes: Sequence[float], **how: float
) -> Measurement:
    """Mean pass rate after one step.

    Args:
        rules: the rules.
        log_odds: log-odds of the correct arm, nats, shape [S].
        step_sizes: step sizes of SGD.
        **how: further arguments of `mean_pass_rate_after`.

    Returns:
        Means, shape [len(rules), len(step_sizes), S].
    """
    return Measurement.exact(
        [
            mean_pass_rate_after(rule, float(each), step_size=size, **how)
            for rule in rules
            for size in step_sizes
            for each in log_odds
        ]
    )


def measure_drawn_pass_rates(
    rng: np.random.Generator,
    cases: Sequence[tuple[UpdateRule, float, float, int]],
    num_runs: int,
) -> Measurement:
    """Mean pass rate after one step on drawn rollouts.

    Args:
        rng: source of randomness.
        cases: rule, log-odds, step size and group size of each mean.
        num_runs: independent runs per case, R.

    Returns:
        Means, shape [len(cases)].
    """
    parts = []
    for rule, log_odds, step_size, group_size in cases:
        after = pass_rates_after(
            rule, log_odds, step_size=step_size, group_size=group_size, num_runs=num_runs, rng=rng
        )
        parts.append(Measurement.mean_of_runs(after))
    return Measurement.joined(*parts)
