"""Experiments on the way to a rare success when failures have reward -1.

Shapes: R runs.
"""

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline
from scipy.special import expit, log_expit

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.config import SimulationConfig
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import Memory, roll_out, step
from banditlab.rules import UpdateRule
from banditlab.simulate import simulate
from banditlab.softmax import DenseSoftmax
from theory.verify.experiments.negative_reward import (
    ENDLESS_LOG10_ARMS,
    logits_after_each_arm,
)
from theory.verify.measurement import Measurement

_MOST_ROUNDS = 1_000_000


def measure_no_success(
    rule: UpdateRule, success_prob: float, num_rollouts: int, step_size: float
) -> Measurement:
    """Probability of no success in the first n rollouts among endless wrong arms.

    Args:
        rule: the rule.
        success_prob: initial probability of the correct arm.
        num_rollouts: rollouts.
        step_size: step size of SGD.

    Returns:
        Probabilities after 1 to num_rollouts rollouts, shape [num_rollouts].
    """
    problem = rare_correct(ENDLESS_LOG10_ARMS, success_prob)
    policy = LumpedSoftmax(problem, 1, SGD(step_size), takes_arms=True)
    contexts = np.zeros((1, 1), dtype=np.int64)
    # One number stands for a fresh wrong arm in every round: no arm is kept after it.
    wrong = np.ones((1, 1, 1), dtype=np.int64)
    failure = []
    for _ in range(num_rollouts):
        failure.append(1.0 - policy.class_mass()[0, 0, 0])
        step(policy, rule, contexts, group_size=1, arms=wrong)
    return Measurement.exact(np.cumprod(failure))


def measure_take_off(
    rng: np.random.Generator,
    rule: UpdateRule,
    *,
    success_prob: float,
    step_size: float,
    num_runs: int,
) -> Measurement:
    """Mean of p0 * (rollouts until p = 1/2) among endless wrong arms, one rollout an update.

    Args:
        rng: source of randomness.
        rule: the rule.
        success_prob: initial probability of the correct arm, p0.
        step_size: step size of SGD.
        num_runs: independent runs, R.

    Returns:
        The mean, shape [1].

    Raises:
        FloatingPointError: a run did not take off.
    """
    policy = LumpedSoftmax(rare_correct(ENDLESS_LOG10_ARMS, success_prob), num_runs, SGD(step_size))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    num_rollouts = np.zeros(num_runs)
    is_waiting = np.ones(num_runs, dtype=bool)
    for _ in range(_MOST_ROUNDS):
        is_waiting &= policy.class_mass()[:, 0, 0] < 0.5
        if not is_waiting.any():
            return Measurement.mean_of_runs(success_prob * num_rollouts)
        num_rollouts += is_waiting
        step(policy, rule, contexts, group_size=1, rng=rng)
    raise FloatingPointError("measure_take_off: a run did not take off. Raise the step size.")


def _between_two_wrong(log_odds: float) -> BanditProblem:
    """One correct arm and two equally likely wrong ones."""
    wrong = log_expit(-log_odds) - np.log(2.0)
    return explicit_rewards(
        np.array([1.0, 0.0, 0.0]), np.array([log_expit(log_odds), wrong, wrong])
    )


def measure_still_waiting(
    rng: np.random.Generator,
    rule: UpdateRule,
    *,
    log_odds: float,
    num_rollouts: int,
    step_size: float,
    num_runs: int,
) -> Measurement:
    """Probability of no success in n rollouts, between two equally likely wrong arms.

    Runs in which every rollout fails, weighted by the probability of that: the mean of the product
    of all 1 - p.

    Args:
        rng: source of randomness.
        rule: the rule.
        log_odds: initial log-odds of success, nats.
        num_rollouts: rollouts.
        step_size: step size of SGD.
        num_runs: independent runs, R.

    Returns:
        The probability, shape [1].
    """
    policy = LumpedSoftmax(_between_two_wrong(log_odds), num_runs, SGD(step_size))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    memory = Memory.start(rule, num_runs, 1)
    waiting = np.ones(num_runs)
    is_success = np.zeros((num_runs, 1, 1), dtype=np.int64)
    for _ in range(num_rollouts):
        waiting *= policy.class_mass()[:, 0, 1:].sum(axis=1)
        draw = policy.sample(contexts, rng.random((num_runs, 1, 1, 2)), is_success)
        how = {"group_size": 1, "rng": None, "memory": memory}
        fresh = roll_out(policy, rule, contexts, draw=draw, **how)
        step(policy, rule, contexts, fresh=fresh, **how)
    return Measurement.mean_of_runs(waiting)


def measure_discovery(rule: UpdateRule, log_odds: float, step_size: float) -> Measurement:
    """p0^2 times the mean number of rollouts until the first success, between two wrong arms.

    The mean u solves u = 1 + sum over both failures of probability * u(after). It is found by
    collocation on a grid of states, whose failures are banditlab's steps: u over its size 1 + 2
    cosh(x/2) e^-y + e^-2y in cubic splines of the gap x of the wrong logits and of the logit y of
    the correct arm over their mean; beyond the grid u follows that size.

    Args:
        rule: the rule.
        log_odds: initial log-odds of success, nats.
        step_size: step size of SGD.

    Returns:
        The scaled mean, shape [1].
    """
    start = log_odds + np.log(2.0)
    # In p0^-2 rollouts the gap grows to about 2 log(1/p0).
    furthest = 12.0 - 2.0 * start
    grids = (
        furthest * np.linspace(0.0, 1.0, 50) ** 1.5,
        np.linspace(start, max(start, 0.0) + 14.0, 30),
    )
    knots = [make_interp_spline(nodes, np.zeros_like(nodes)).t for nodes in grids]

    def basis(logits: np.ndarray) -> np.ndarray:
        gap = np.abs(logits[:, 1] - logits[:, 2])
        strength = logits[:, 0] - logits[:, 1:].mean(axis=1)
        parts = [
            BSpline.design_matrix(np.clip(at, grid[0], grid[-1]), grid, 3).toarray()
            for at, grid in zip((gap, strength), knots, strict=True)
        ]
        size = 1.0 + 2.0 * np.cosh(gap / 2.0) * np.exp(-strength) + np.exp(-2.0 * strength)
        return np.einsum("na,nb->nab", *parts).reshape(len(gap), -1) * size[:, None]

    gap, strength = (grid.ravel() for grid in np.meshgrid(*grids, indexing="ij"))
    logits = np.stack([strength, gap / 2.0, -gap / 2.0], axis=1)
    policy = DenseSoftmax(_between_two_wrong(log_odds), len(logits), SGD(step_size))
    equations = basis(logits)
    contexts = np.zeros((len(logits), 1), dtype=np.int64)
    for wrong in (1, 2):
        policy.logits[:, 0] = logits
        prob = np.exp(policy.log_probs()[:, 0, wrong])
        step(policy, rule, contexts, group_size=1, arms=np.full((len(logits), 1, 1), wrong))
        equations -= prob[:, None] * basis(policy.logits[:, 0])
    # Rows of very different sizes, since u is.
    scale = 1.0 / np.abs(equations).max(axis=1)
    coefficients = np.linalg.solve(equations * scale[:, None], scale)
    rollouts = basis(np.array([[start, 0.0, 0.0]]))[0] @ coefficients
    return Measurement.exact(expit(log_odds) ** 2 * rollouts)


def measure_growth_of_wrong_odds(
    rule: UpdateRule, step_size: float, powers: tuple[int, ...], odds: float = 1e7
) -> Measurement:
    """E[x'^n - x^n] / x^(n - 1) for one rollout on two wrong arms of large odds x.

    Args:
        rule: the rule.
        step_size: step size of SGD.
        powers: the moments, n.
        odds: the odds of the likelier arm before it.

    Returns:
        Growth by power, shape [len(powers)].
    """
    log_prob = np.array([log_expit(np.log(odds)), log_expit(-np.log(odds))])
    after = logits_after_each_arm(rule, log_prob, np.zeros(2), step_size)
    gap = after[:, 0] - after[:, 1] - np.log(odds)
    return Measurement.exact(
        [odds * (np.exp(log_prob) @ np.expm1(power * gap)) for power in powers]
    )


def measure_rare_decay(
    rng: np.random.Generator,
    rule: UpdateRule,
    num_rollouts: list[int],
    *,
    step_size: float,
    num_runs: int,
) -> Measurement:
    """Mean success probability of an arm too rare to be seen, over its initial one.

    Args:
        rng: source of randomness.
        rule: the rule.
        num_rollouts: numbers of rollouts, multiples of the first, ascending, shape [S].
        step_size: step size of SGD.
        num_runs: independent runs, R.

    Returns:
        Ratios, shape [S].
    """
    rare = -600.0
    problem = explicit_rewards(np.array([1.0, 0.0, 0.0]), np.array([rare, 0.0, 0.0]))
    config = SimulationConfig(
        num_runs=num_runs,
        num_steps=num_rollouts[-1],
        group_size=1,
        step_size=step_size,
        record_every=num_rollouts[0],
        seed=int(rng.integers(2**31)),
    )
    pass_rate = simulate(problem, rule, config).curves["pass_rate"]
    at = [count // num_rollouts[0] for count in num_rollouts]
    return Measurement.mean_of_runs(pass_rate[:, at] / pass_rate[:, :1])
