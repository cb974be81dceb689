"""Experiments on rounds held to a reference policy by banditlab's reference terms (P47).

Shapes: S settings; two classes, success first.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, log_expit, logsumexp

from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule, score_weight
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

_MOST_ASCENT_STEPS = 400
_CONVERGED = 1e-14
_STEP = 0.8


def after_round(
    rule: UpdateRule, log_odds: float, ref_log_odds: float, advantage: np.ndarray
) -> float:
    """Log-odds after ascent to the end of one round, over both classes and without sampling.

    The steps are natural ones, gradient over policy, somewhat shorter than the one that would be
    exact.

    Args:
        rule: a rule with a reference term in the loss.
        log_odds: log-odds of the policy that draws the samples, nats.
        ref_log_odds: log-odds of the reference, nats.
        advantage: advantage of a success and of a failure, shape [2].

    Returns:
        Log-odds, nats.

    Raises:
        FloatingPointError: the ascent did not converge.
    """
    old_log_prob = log_expit(np.array([log_odds, -log_odds]))
    ref_log_prob = log_expit(np.array([ref_log_odds, -ref_log_odds]))
    log_prob = old_log_prob
    for _ in range(_MOST_ASCENT_STEPS):
        weight = score_weight(rule, log_prob, old_log_prob, advantage, ref_log_prob=ref_log_prob)
        # Old probability times weight over new probability, as weight over ratio.
        pull = weight * np.exp(old_log_prob - log_prob)
        change = _STEP * (pull - np.exp(log_prob) @ pull) / rule.reference.coefficient
        log_prob = log_prob + change
        log_prob = log_prob - logsumexp(log_prob)
        if np.abs(change[0] - change[1]) < _CONVERGED * (1.0 + np.abs(log_prob).max()):
            return float(log_prob[0] - log_prob[1])
    raise FloatingPointError(
        f"after_round: no convergence in {_MOST_ASCENT_STEPS} steps. Raise the coefficient."
    )


def standardized_round(
    log_odds: float,
    ref_log_odds: float,
    *,
    coefficient: float,
    smoothing: float = 0.0,
) -> float:
    """Log-odds after a round whose advantage is standardized by the policy before it.

    The estimate of the KL in the loss is k3 times the ratio, whose gradient on old samples is that
    of the KL.

    Args:
        log_odds: log-odds before the round, nats.
        ref_log_odds: log-odds of the reference, nats.
        coefficient: price of one nat.
        smoothing: added to the variance of the reward.

    Returns:
        Log-odds, nats.
    """
    p, q = expit(log_odds), expit(-log_odds)
    advantage = np.array([q, -p]) / math.sqrt(p * q + smoothing)
    rule = get_rule("grpo_k3_corrected", coefficient=coefficient)
    return after_round(rule, log_odds, ref_log_odds, advantage)


def measure_rounds(
    ref_log_odds: float, num_rounds: int, *, is_mirror: bool = False, **how: float
) -> Measurement:
    """Log-odds after each of several rounds from the reference on.

    Args:
        ref_log_odds: log-odds of the reference, nats.
        num_rounds: rounds.
        is_mirror: whether the reference moves along with the policy.
        **how: settings of `standardized_round`.

    Returns:
        Log-odds, nats, shape [num_rounds].
    """
    path = [ref_log_odds]
    for _ in range(num_rounds):
        reference = path[-1] if is_mirror else ref_log_odds
        path.append(standardized_round(path[-1], reference, **how))
    return Measurement.exact(path[1:])


def measure_fixed_points(
    ref_log_odds: np.ndarray, coefficient: float, turn: float, highest: float
) -> Measurement:
    """Log-odds that a round leaves as they are, below and above a given turning point.

    Args:
        ref_log_odds: log-odds of the reference, nats, shape [S].
        coefficient: price of one nat.
        turn: log-odds between the two fixed points, nats.
        highest: log-odds above both, nats.

    Returns:
        Log-odds of the lower and the upper one, and how much a small deviation grows per round at
        each, shape [S, 4].
    """
    found = []
    for reference in ref_log_odds:

        def moved(log_odds: float, reference: float = float(reference)) -> float:
            return standardized_round(log_odds, reference, coefficient=coefficient)

        points = [
            brentq(lambda z, moved=moved: moved(z) - z, *bracket, xtol=1e-13, rtol=1e-13)
            for bracket in ((float(reference), turn), (turn, highest))
        ]
        found.append([*points, *(_slope(moved, point) for point in points)])
    return Measurement.exact(found)


def _slope(function: Callable[[float], float], at: float, shift: float = 1e-3) -> float:
    near, far = (
        (function(at + size) - function(at - size)) / (2.0 * size) for size in (shift / 2.0, shift)
    )
    return (4.0 * near - far) / 3.0


def measure_highest_reference(coefficients: np.ndarray) -> Measurement:
    """Log-odds of the reference at which the last fixed point goes.

    The reference shifts the log-odds of every round by its own, so that it is the negative of the
    least change of a round whose reference has log-odds 0.

    Args:
        coefficients: prices of one nat, shape [S].

    Returns:
        Log-odds, nats, shape [S].
    """
    found = []
    for coefficient in coefficients:
        least = minimize_scalar(
            lambda z, coefficient=float(coefficient): (
                standardized_round(z, 0.0, coefficient=coefficient) - z
            ),
            bounds=(-1.0, 8.0),
            method="bounded",
            options={"xatol": 1e-9},
        )
        found.append(-least.fun)
    return Measurement.exact(found)


def measure_last_rounds(
    ref_log_odds: np.ndarray, coefficient: float, num_rounds: int
) -> Measurement:
    """Log-odds after the last two of many rounds, the lower one first.

    Args:
        ref_log_odds: log-odds of the reference, nats, shape [S].
        coefficient: price of one nat.
        num_rounds: rounds.

    Returns:
        Log-odds, nats, shape [S, 2].
    """
    found = []
    for reference in ref_log_odds:
        path = measure_rounds(float(reference), num_rounds, coefficient=coefficient).value
        found.append(sorted(path[-2:]))
    return Measurement.exact(found)


def measure_group_tilt(
    rule: UpdateRule,
    *,
    num_correct: int,
    group_size: int,
    step_size: float,
    inner_epochs: int,
) -> Measurement:
    """Change of the log-odds in one round on a group in which each arm has its exact share.

    Args:
        rule: the rule.
        num_correct: correct rollouts of the group.
        group_size: rollouts, G.
        step_size: step size of SGD.
        inner_epochs: steps of the round.

    Returns:
        The change, nats, shape [1].
    """
    share = num_correct / group_size
    problem = BanditProblem(
        np.zeros((1, 2)), np.log([[share, 1.0 - share]]), np.array([[1.0, 0.0]])
    )
    policy = DenseSoftmax(problem, 1, SGD(step_size))
    arms = np.repeat([0, 1], [num_correct, group_size - num_correct])[None, None]
    step(
        policy,
        rule,
        np.zeros((1, 1), dtype=np.int64),
        group_size=group_size,
        inner_epochs=inner_epochs,
        arms=arms,
    )
    log_prob = policy.log_probs()[0, 0]
    return Measurement.exact(log_prob[0] - log_prob[1] - math.log(share / (1.0 - share)))
