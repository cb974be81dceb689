"""Regret per unit of log-time of single-sample policy gradient, over times up to 1e10 and more.

Round by round as long as the largest arm has odds below `threshold` against all others, beyond
that by the asymptotic jump of `banditlab.tails.jumps`, which neglects terms of relative order
1/threshold. The result says so.

Shapes: R runs, n of them still under way, K arms.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from banditlab.tails.jumps import corner_jump
from banditlab.tails.runs import Arm, TailRuns, label_runs, require_tail_settings
from banditlab.validation import require, require_finite_number


def simulate_regret_constant(
    *,
    arms: Sequence[Arm],
    step_size: float,
    begin: float,
    horizon: float,
    num_runs: int,
    rng: np.random.Generator,
    threshold: float = 100.0,
) -> TailRuns:
    """Regret per unit of log-time of single-sample raw-reward policy gradient (theory P32).

    value = (regret between rounds `begin` and `horizon`) / log(horizon / begin), from the uniform
    policy; regret is the sum over pulls of (best mean reward - mean reward of the arm pulled).

    Jumps are asymptotic; how little the threshold matters is for the caller to see by changing it.

    Args:
        arms: the K arms.
        step_size: step size of SGD on the logits.
        begin: round from which on regret counts, at least 1.
        horizon: round until which it counts.
        num_runs: R.
        rng: source of randomness.
        threshold: odds of the largest arm against all others from which on jumps are taken.

    Returns:
        Regret per unit of log-time, in units of reward.

    Raises:
        TypeError: a setting is not a number.
        ValueError: a setting is out of range.
    """
    function = "simulate_regret_constant"
    require_tail_settings(function, step_size, horizon, num_runs, threshold)
    require_finite_number(function, "begin", begin, low=1.0, remedy="Give a round, e.g. 1e3")
    require(begin < horizon, function, "begin", f"below horizon, {horizon}", begin, "Give rounds")
    require(len(arms) >= 2, function, "arms", "at least two", len(arms), "One has no regret")
    mean = np.array([arm.observed_mean for arm in arms])
    gap, columns = mean.max() - mean, np.arange(len(arms))
    regret, num_jumps = np.zeros(num_runs), np.zeros(num_runs, dtype=np.int64)
    run, clock, logits = np.arange(num_runs), np.zeros(num_runs), np.zeros((num_runs, len(arms)))
    while run.size:
        policy, best = softmax(logits, axis=1), logits.argmax(axis=1)
        is_minority = columns != best[:, None]
        odds = np.where(is_minority, np.exp(logits - logits.max(axis=1, keepdims=True)), 0.0)
        is_far = (odds.sum(axis=1) * threshold < 1.0) & (mean[best] >= 0.0)
        weight, wait = policy.copy(), np.ones(run.size)
        jumped, wait[is_far] = corner_jump(
            odds[is_far],
            step_size * mean[best[is_far]],
            rng.standard_exponential(int(is_far.sum())),
        )
        weight[is_far] = jumped
        logits[is_far] = np.log(np.where(is_minority[is_far], jumped, 1.0))
        policy[is_far] = softmax(logits[is_far], axis=1)
        num_jumps[run] += is_far
        # All rounds of a jump but its last pull the majority arm, also past the horizon.
        first, clock = np.maximum(clock, begin), clock + wait
        waited = np.maximum(np.minimum(clock - 1.0, horizon) - first, 0.0)
        regret[run] += np.where(is_far, gap[best] * waited, 0.0)
        cumulative = weight.cumsum(axis=1)
        target = (rng.random(run.size) * cumulative[:, -1])[:, None]
        arm = (target >= cumulative[:, :-1]).sum(axis=1)
        uniform, reward = rng.random(run.size), np.zeros(run.size)
        for index in np.unique(arm):
            reward = np.where(arm == index, arms[index].pay(uniform), reward)
        logits += step_size * reward[:, None] * ((columns == arm[:, None]) - policy)
        is_left = clock <= horizon
        regret[run] += np.where(is_left & (clock > begin), gap[arm], 0.0)
        run, clock, logits = run[is_left], clock[is_left], logits[is_left]
    return label_runs(regret / math.log(horizon / begin), num_jumps, threshold)
