"""Experiments on rollouts that serve statistics only: all outcomes of a group, and drawn groups.

Two arms, one correct and one wrong, so that the change of the correct arm's logit in a step of
size 1 is the class gradient.

Shapes: R runs.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.special import log_expit

from banditlab.arm_spaces import explicit_rewards
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement


def rule_with_extra(num_extra: int, **hyper: float) -> UpdateRule:
    """Return the registered rule with another number of extra rollouts.

    Args:
        num_extra: rollouts drawn for statistics only.
        **hyper: other hyperparameters of the rule.

    Returns:
        The rule; with 0 it is GRPO.
    """
    return get_rule("extra_rollouts", extra_rollouts=num_extra, **hyper)


def _class_gradients(
    rule: UpdateRule,
    log_odds: float,
    num_trained: int,
    *,
    num_runs: int,
    arms: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Class gradient of one round in each run, on given or drawn arms, [R]."""
    logits = np.array([log_odds, 0.0])
    policy = DenseSoftmax(explicit_rewards(np.array([1.0, 0.0]), logits), num_runs, SGD(1.0))
    before = policy.logits.copy()
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    step(policy, rule, contexts, group_size=num_trained, arms=arms, rng=rng)
    return (policy.logits - before)[:, 0, 0]


def trained_moments(
    rule: UpdateRule, log_odds: np.ndarray, num_trained: int, num_rewards: int
) -> np.ndarray:
    """Mean and variance of the class gradient, summed over all outcomes of a group.

    Args:
        rule: a rule without memory.
        log_odds: log-odds of success, nats, shape [S].
        num_trained: rollouts trained on.
        num_rewards: rollouts drawn.

    Returns:
        Mean and variance, shape [2, S].
    """
    arms = np.array(list(product((0, 1), repeat=num_rewards)))
    moments = []
    for start in log_odds:
        prob = np.exp(np.where(arms == 0, log_expit(start), log_expit(-start)).sum(axis=1))
        gradient = _class_gradients(
            rule, float(start), num_trained, num_runs=len(arms), arms=arms[:, None]
        )
        mean = prob @ gradient
        moments.append([mean, prob @ (gradient - mean) ** 2])
    return np.array(moments).T


def measure_trained_moments(
    log_odds: np.ndarray, num_rewards: int, nums_trained: Sequence[int], **hyper: float
) -> Measurement:
    """Mean and variance of the class gradient for several numbers of trained rollouts.

    Args:
        log_odds: log-odds of success, nats, shape [S].
        num_rewards: rollouts drawn in every group.
        nums_trained: how many of them are trained on.
        **hyper: other hyperparameters of the rule.

    Returns:
        Means and variances, shape [len(nums_trained), 2, S].
    """
    return Measurement.exact(
        [
            trained_moments(
                rule_with_extra(num_rewards - count, **hyper), log_odds, count, num_rewards
            )
            for count in nums_trained
        ]
    )


def measure_drawn_moments(
    rng: np.random.Generator, log_odds: float, *, num_trained: int, num_rewards: int, num_runs: int
) -> Measurement:
    """Mean and second moment of the class gradient over drawn groups.

    Args:
        rng: source of randomness.
        log_odds: log-odds of success, nats.
        num_trained: rollouts trained on.
        num_rewards: rollouts drawn.
        num_runs: groups, R.

    Returns:
        Mean and second moment, shape [2].
    """
    gradient = _class_gradients(
        rule_with_extra(num_rewards - num_trained, eps=0.0),
        log_odds,
        num_trained,
        num_runs=num_runs,
        rng=rng,
    )
    return Measurement.mean_of_runs(np.stack([gradient, gradient**2], axis=1))
