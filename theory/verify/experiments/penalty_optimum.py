"""Experiments on where banditlab's ratio-variance penalty holds the policy (P37, P38).

Shapes: K arms, G group.
"""

from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import Memory, Rollouts, roll_out, step
from banditlab.rules import UpdateRule, score_weight
from theory.verify.measurement import Measurement

_MOST_ASCENT_STEPS = 6_000
_CONVERGED = 1e-15
_LOG_DEAD = 300.0
"""An arm stops falling here, before its probability is no longer a number."""
_LOG_REST_ARMS = 100_000.0 * np.log(10.0)


def ascended_ratio(
    rule: UpdateRule, advantage: np.ndarray, prob: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Ratio at which a rule leaves the policy alone, found by ascent on given samples.

    The gradient on the logits is sum share weight (e_arm - policy), with banditlab's weight; the
    steps are natural ones (gradient over policy), which stop at the same place and let an arm die
    geometrically instead of as one over the number of steps.

    Args:
        rule: a penalised rule.
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, of sum 1, shape [K].
        share: share of the samples that are of that arm, 0 allowed, shape [K].

    Returns:
        The ratio, shape [K].

    Raises:
        FloatingPointError: the ascent did not converge.
    """
    old_log_prob = np.log(prob)
    log_prob = old_log_prob
    stiffness = 2.0 * rule.weight_hyper["multiplier"] * (share / prob).max()
    for _ in range(_MOST_ASCENT_STEPS):
        pull = share * score_weight(rule, log_prob, old_log_prob, advantage)
        ratio = np.exp(log_prob - old_log_prob)
        gradient = pull - prob * ratio * pull.sum()
        if np.abs(gradient).max() < _CONVERGED * max(1.0, stiffness):
            return ratio
        log_prob = log_prob + gradient / (prob * ratio) / (stiffness * ratio.max())
        log_prob = np.maximum(log_prob, old_log_prob - _LOG_DEAD)
        log_prob = log_prob - logsumexp(log_prob)
    raise FloatingPointError(
        f"ascended_ratio: no convergence in {_MOST_ASCENT_STEPS} steps. Raise the multiplier, or "
        "take it further from where an arm dies."
    )


def measure_population_ratios(
    rule: UpdateRule, advantage: np.ndarray, prob: np.ndarray, multipliers: np.ndarray
) -> Measurement:
    """Ratios at the optimum over all arms, for several multipliers.

    Args:
        rule: a penalised rule.
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, shape [K].
        multipliers: multipliers, shape [M].

    Returns:
        Ratios, shape [M, K].
    """
    return Measurement.exact(
        [
            ascended_ratio(rule.with_hyper(multiplier=float(multiplier)), advantage, prob, prob)
            for multiplier in multipliers
        ]
    )


def measure_least_multiplier(
    rule: UpdateRule, advantage: np.ndarray, prob: np.ndarray, multipliers: tuple[float, float]
) -> Measurement:
    """Multiplier at which the worst arm reaches ratio 0, from two at which it lives.

    The ratio is a line in 1/multiplier, which is followed to 0.

    Args:
        rule: a penalised rule.
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, shape [K].
        multipliers: two at which all arms live.

    Returns:
        The multiplier, shape [1].
    """
    worst = int(np.argmin(advantage))
    near, far = (
        ascended_ratio(rule.with_hyper(multiplier=multiplier), advantage, prob, prob)[worst]
        for multiplier in multipliers
    )
    near_price, far_price = (1.0 / multiplier for multiplier in multipliers)
    slope = (near - far) / (near_price - far_price)
    return Measurement.exact(1.0 / (near_price - near / slope))


def _policy_and_rollouts(
    rule: UpdateRule, prob: np.ndarray, arms: np.ndarray, advantage: np.ndarray, step_size: float
) -> tuple[LumpedSoftmax, Rollouts]:
    """A policy of given arms among 10^100000 others, and rollouts of these arms."""
    num_arms = len(prob)
    problem = BanditProblem(
        log_count=np.append(np.zeros(num_arms), _LOG_REST_ARMS)[None],
        log_mass=np.log(np.append(prob, 1.0 - prob.sum()))[None],
        reward=np.zeros((1, num_arms + 1)),
    )
    policy = LumpedSoftmax(problem, 1, SGD(step_size), takes_arms=True)
    rollouts = roll_out(
        policy,
        rule,
        np.zeros((1, 1), dtype=np.int64),
        group_size=len(arms),
        rng=None,
        memory=Memory(),
        arms=arms[None, None],
    )
    return policy, replace(rollouts, advantage=advantage[None, None])


def measure_sampled_ratios(
    rule: UpdateRule,
    prob: np.ndarray,
    arms: np.ndarray,
    advantage: np.ndarray,
    *,
    step_size: float,
    inner_epochs: int,
) -> Measurement:
    """Ratios of drawn arms after many inner epochs, the others being 10^100000 arms.

    Args:
        rule: the rule; its advantage is not used.
        prob: old probability of each arm that may be drawn, of sum below 1, shape [K].
        arms: the arms drawn, all K among them, shape [G].
        advantage: advantage of each rollout, shape [G].
        step_size: step size of SGD.
        inner_epochs: steps on these samples.

    Returns:
        Ratios, shape [K].
    """
    policy, fresh = _policy_and_rollouts(rule, prob, arms, advantage, step_size)
    outcome = step(
        policy,
        rule,
        np.zeros((1, 1), dtype=np.int64),
        group_size=len(arms),
        inner_epochs=inner_epochs,
        fresh=fresh,
    )
    first = [int(np.flatnonzero(arms == arm)[0]) for arm in range(len(prob))]
    return Measurement.exact(np.exp(outcome.log_ratio[0, 0, first]))


def measure_budgeted_ratios(
    rule: UpdateRule,
    prob: np.ndarray,
    arms: np.ndarray,
    advantage: np.ndarray,
    *,
    step_size: float,
    inner_epochs: int,
    num_rounds: int,
) -> Measurement:
    """Multiplier and ratios after rounds of dual ascent on the same samples of the same policy.

    Args:
        rule: a rule with a dual.
        prob: old probability of each arm that may be drawn, of sum below 1, shape [K].
        arms: the arms drawn, all K among them, shape [G].
        advantage: advantage of each rollout, shape [G].
        step_size: step size of SGD.
        inner_epochs: steps of a round.
        num_rounds: rounds, each from the old policy.

    Returns:
        The multiplier, then the ratios, shape [1 + K].
    """
    memory = Memory.start(rule, 1, 1)
    for _ in range(num_rounds):
        policy, fresh = _policy_and_rollouts(rule, prob, arms, advantage, step_size)
        outcome = step(
            policy,
            rule,
            np.zeros((1, 1), dtype=np.int64),
            group_size=len(arms),
            inner_epochs=inner_epochs,
            memory=memory,
            fresh=fresh,
        )
    first = [int(np.flatnonzero(arms == arm)[0]) for arm in range(len(prob))]
    return Measurement.exact(np.append(memory.multiplier, np.exp(outcome.log_ratio[0, 0, first])))
