"""Experiments on how a step on one arm moves the others' log-probabilities (P44).

Shapes: K arms.
"""

import math
from dataclasses import replace

import numpy as np

from banditlab.kernels import ClassKernel
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

_LOG_RARE = math.log(1e-18)
_LOG_ENDLESS = 100_000.0 * math.log(10.0)
_CONTEXT = np.zeros((1, 1), dtype=np.int64)


def log_prob_change(problem: BanditProblem, arm: int, advantage: float, step_size: float):
    """Change of all log-probabilities by one rollout.

    Args:
        problem: one context of few arms.
        arm: the arm drawn.
        advantage: its advantage.
        step_size: step size of SGD.

    Returns:
        Changes, nats, shape [K].
    """
    rule = replace(
        get_rule("constant_baseline", baseline=0.0),
        advantage=lambda reward, baseline: np.full_like(reward, advantage),
    )
    policy = DenseSoftmax(problem, 1, SGD(step_size))
    before = policy.log_probs()[0, 0]
    step(policy, rule, _CONTEXT, group_size=1, arms=np.full((1, 1, 1), arm))
    return policy.log_probs()[0, 0] - before


def _extrapolated(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Limit of a quantity whose error is of second order, from step sizes h and h/2."""
    return (4.0 * fine - coarse) / 3.0


def measure_log_prob_rates(
    problem: BanditProblem, arm: int, advantage: float, step_size: float
) -> Measurement:
    """First-order change of all log-probabilities per unit step: steps up and down, extrapolated.

    Args:
        problem: one context of few arms.
        arm: the arm drawn.
        advantage: its advantage.
        step_size: larger one of the two step sizes.

    Returns:
        Changes, nats per unit step, shape [K].
    """

    def rate(size: float) -> np.ndarray:
        up, down = (log_prob_change(problem, arm, sign * advantage, size) for sign in (1.0, -1.0))
        return (up - down) / (2.0 * size)

    return Measurement.exact(_extrapolated(rate(step_size), rate(step_size / 2.0)))


def measure_log_prob_curvature(
    problem: BanditProblem, arm: int, advantage: float, step_size: float
) -> Measurement:
    """Second-order change of all log-probabilities per unit step squared, likewise.

    Args:
        problem: one context of few arms.
        arm: the arm drawn.
        advantage: its advantage.
        step_size: larger one of the two step sizes.

    Returns:
        Changes, nats per unit step squared, shape [K].
    """

    def curvature(size: float) -> np.ndarray:
        up, down = (log_prob_change(problem, arm, sign * advantage, size) for sign in (1.0, -1.0))
        return (up + down) / (2.0 * size**2)

    return Measurement.exact(_extrapolated(curvature(step_size), curvature(step_size / 2.0)))


def _cluster_problem(cluster_prob: float, kernel: float, *, is_cluster_first: bool):
    """A correct arm of probability 1e-18, a cluster much like it, and the rest."""
    like = kernel * np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    # Only arms of the class that comes before 10^100000 others can be numbered.
    order = [0, 1, 2] if is_cluster_first else [0, 2, 1]
    rest = 1.0 - cluster_prob - math.exp(_LOG_RARE)
    log_mass = np.array([_LOG_RARE, math.log(cluster_prob), math.log(rest)])
    return BanditProblem(
        log_count=np.array([[0.0, _LOG_ENDLESS, _LOG_ENDLESS]]),
        log_mass=log_mass[None, order],
        reward=np.array([[1.0, 0.0, 0.0]]),
        kernel=ClassKernel(1.0, within_context=like[np.ix_(order, order)]),
    )


def correct_log_probs(
    rule: UpdateRule,
    cluster_prob: float,
    *,
    kernel: float,
    step_size: float,
    num_failures: int,
    is_near_miss: bool = True,
) -> np.ndarray:
    """Change of log p of a never-drawn correct arm after each of several failures.

    Args:
        rule: the update rule.
        cluster_prob: probability of the cluster of endless wrong arms like the correct one.
        kernel: kernel within the cluster.
        step_size: step size of SGD.
        num_failures: failures, all in the cluster or all outside it.
        is_near_miss: whether they are in the cluster.

    Returns:
        Changes since the start, nats, shape [num_failures].
    """
    problem = _cluster_problem(cluster_prob, kernel, is_cluster_first=is_near_miss)
    policy = LumpedSoftmax(problem, 1, SGD(step_size), takes_arms=True)
    found = []
    for _ in range(num_failures):
        step(policy, rule, _CONTEXT, group_size=1, arms=np.ones((1, 1, 1), dtype=np.int64))
        found.append(math.log(policy.class_mass()[0, 0, 0]) - _LOG_RARE)
    return np.array(found)


def measure_mean_failure(
    rule: UpdateRule, cluster_probs: np.ndarray, *, kernel: float, step_size: float
) -> Measurement:
    """Mean change of log p of that arm over all failures, as the policy draws them.

    Args:
        rule: the update rule.
        cluster_probs: probabilities of the cluster, shape [S].
        kernel: kernel within the cluster.
        step_size: step size of SGD.

    Returns:
        Mean changes, nats, shape [S].
    """
    found = []
    for cluster_prob in cluster_probs:
        near, far = (
            correct_log_probs(
                rule,
                float(cluster_prob),
                kernel=kernel,
                step_size=step_size,
                num_failures=1,
                is_near_miss=is_near_miss,
            )[0]
            for is_near_miss in (True, False)
        )
        found.append(cluster_prob * near + (1.0 - cluster_prob) * far)
    return Measurement.exact(found)
