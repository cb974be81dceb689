"""Experiments on prompts that are discovered, each at its first success (P42)."""

import numpy as np
from scipy.special import log_expit

from banditlab.kernels import ClassKernel, log_odds_kernel
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import UpdateRule
from theory.verify.measurement import Measurement

_LOG_ENDLESS = 230_258.5
_BATCH = 2000


def prompts_with_rare_arms(log_odds: np.ndarray, shared_kernel: float = 0.0) -> BanditProblem:
    """Prompts of one correct arm each among endless wrong ones.

    Args:
        log_odds: log-odds of success of each prompt, nats, shape [N].
        shared_kernel: shift of every prompt's log-odds per unit of step and class gradient, nats.

    Returns:
        The problem.
    """
    num = log_odds.size
    return BanditProblem(
        np.tile([0.0, _LOG_ENDLESS], (num, 1)),
        np.stack([log_expit(log_odds), log_expit(-log_odds)], axis=1),
        np.tile([1.0, 0.0], (num, 1)),
        kernel=ClassKernel(across_contexts=log_odds_kernel(shared_kernel))
        if shared_kernel
        else ClassKernel(),
    )


def discovery_rounds(
    rng: np.random.Generator,
    rule: UpdateRule,
    problem: BanditProblem,
    *,
    step_size: float,
    num_rounds: int,
    num_runs: int = 1,
    group_size: int = 1,
) -> np.ndarray:
    """Round of the first success of each prompt, all prompts in every batch.

    The step on a batch is the mean over its prompts; `step_size` is that of each prompt.

    Args:
        rng: source of randomness.
        rule: the update rule.
        problem: the prompts, N contexts.
        step_size: step size of each prompt.
        num_rounds: most rounds.
        num_runs: independent runs, R.
        group_size: rollouts per prompt and round, G.

    Returns:
        Rounds from 1, or num_rounds + 1 where no success came by then, shape [R, N].
    """
    num = problem.num_contexts
    policy = LumpedSoftmax(problem, num_runs, SGD(step_size * num))
    contexts = np.broadcast_to(np.arange(num), (num_runs, num))
    first = np.full((num_runs, num), num_rounds + 1)
    for index in range(1, num_rounds + 1):
        outcome = step(policy, rule, contexts, group_size=group_size, rng=rng)
        has_success = outcome.reward.max(axis=2) > 0.0
        first = np.where(has_success, np.minimum(first, index), first)
    return first


def measure_discovery_shares(
    rng: np.random.Generator,
    rule: UpdateRule,
    prior: tuple[float, float],
    visits: np.ndarray,
    *,
    num_prompts: int,
) -> Measurement:
    """Shares of prompts, of pass rates from a Beta prior, that are discovered between visits.

    Args:
        rng: source of randomness.
        rule: the update rule.
        prior: a and b of the Beta distribution of pass rates.
        visits: visits at which the cells end, ascending multiples of the first, shape [n - 1].
        num_prompts: prompts, N.

    Returns:
        Shares of the n cells, the last of them undiscovered.
    """
    group_size, num_rounds = int(visits[0]), int(visits[-1] // visits[0])
    counts = np.zeros(visits.size + 1, dtype=np.int64)
    for start in range(0, num_prompts, _BATCH):
        # A Beta variate with a small first parameter can be 0 in float64, in log-odds never.
        gamma = rng.standard_gamma(prior[0] + 1.0, _BATCH), rng.standard_gamma(prior[1], _BATCH)
        log_odds = np.log(gamma[0]) + np.log(rng.random(_BATCH)) / prior[0] - np.log(gamma[1])
        first = discovery_rounds(
            rng,
            rule,
            prompts_with_rare_arms(log_odds[: num_prompts - start]),
            step_size=1.0,
            num_rounds=num_rounds,
            group_size=group_size,
        )
        cell = np.searchsorted(visits, group_size * first.ravel())
        counts += np.bincount(cell, minlength=counts.size)
    return Measurement.shares(counts)
