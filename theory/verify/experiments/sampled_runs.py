"""Experiments by sampling on banditlab's simulator: coupled prompts (P16), rare arms (P26)."""

import numpy as np
from scipy.special import expit, logit

from banditlab.arm_spaces import from_pass_rates, rare_correct
from banditlab.config import SimulationConfig
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import get_rule
from banditlab.simulate import simulate
from theory.verify.measurement import Measurement

_ENDLESS_LOG10_ARMS = 100_000.0
_MOST_SUCCESSES = 10_000


def measure_coupled_prompts(
    rng: np.random.Generator,
    rule: str,
    *,
    train_log_odds: np.ndarray,
    heldout_log_odds: np.ndarray | None,
    num_updates: int,
    step_size: float,
    shared_kernel: float,
    group_size: int,
    num_runs: int,
) -> Measurement:
    """Mean pass rate after training a batch of prompts coupled by one kernel number.

    Args:
        rng: source of randomness.
        rule: name of the rule.
        train_log_odds: initial log-odds of the prompts trained on, nats, shape [P].
        heldout_log_odds: those of the prompts measured on, nats; None for the ones trained on.
        num_updates: updates before the measurement.
        step_size: step size of SGD.
        shared_kernel: shift of log-odds per unit of step_size * class gradient, nats.
        group_size: rollouts per prompt, G.
        num_runs: independent runs, R.

    Returns:
        Mean pass rate over prompts and runs, shape [1].
    """
    heldout = None if heldout_log_odds is None else expit(heldout_log_odds)
    problem = from_pass_rates(expit(train_log_odds), heldout, shared_kernel=shared_kernel)
    config = SimulationConfig(
        num_runs=num_runs,
        num_steps=num_updates,
        group_size=group_size,
        step_size=step_size,
        record_every=num_updates,
        seed=int(rng.integers(2**31)),
    )
    curves = simulate(problem, get_rule(rule), config).curves
    curve = curves["pass_rate" if heldout is None else "heldout_pass_rate"]
    return Measurement.mean_of_runs(curve[:, -1])


def _successes_of_a_group_with_one(
    pass_rate: np.ndarray, group_size: int, rng: np.random.Generator
) -> np.ndarray:
    """Binomial number of successes, given that there is at least one, by inverse CDF."""
    count = np.arange(1, group_size + 1)
    log_odds = logit(pass_rate)[:, None]
    log_choices = np.cumsum(np.log((group_size - count + 1) / count))
    log_weight = log_choices + count * log_odds
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    cumulative = weight.cumsum(axis=1)
    uniform = rng.random(len(pass_rate)) * cumulative[:, -1]
    return 1 + (cumulative <= uniform[:, None]).sum(axis=1)


def take_off_rollouts(
    rng: np.random.Generator,
    rule: str,
    *,
    success_prob: float,
    step_size: float,
    group_size: int,
    num_runs: int,
) -> np.ndarray:
    """Rollouts until a rare correct arm reaches p = 1/2, in units of 1/p0, from event to event.

    A group without a success changes nothing under these rules, so the wait for the next group
    with one is drawn at once, geometric of parameter 1 - (1 - p)^G, and its number of successes
    from the binomial given at least one. Every update is banditlab's own, on given arms; wrong
    arms are fresh each time, since among 10^100000 none comes twice.

    Args:
        rng: source of randomness.
        rule: a rule that makes no change when a whole group fails.
        success_prob: initial probability of the correct arm.
        step_size: step size of SGD on the logits.
        group_size: rollouts per update, G.
        num_runs: independent runs, R.

    Returns:
        success_prob * rollouts, shape [R].

    Raises:
        FloatingPointError: a run did not take off.
    """
    problem = rare_correct(_ENDLESS_LOG10_ARMS, success_prob)
    policy = LumpedSoftmax(problem, num_runs, SGD(step_size), takes_arms=True)
    update_rule = get_rule(rule)
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    num_groups = np.zeros(num_runs)
    is_waiting = np.ones(num_runs, dtype=bool)
    position = np.arange(group_size)
    # The same wrong arms stand for fresh ones in every round: what a step adds to arms of
    # probability 10^-100000 is lost on the sum over all arms either way.
    wrong = 1 + position
    for _ in range(_MOST_SUCCESSES):
        pass_rate = policy.class_mass()[:, 0, 0]
        is_waiting &= pass_rate < 0.5
        if not is_waiting.any():
            return success_prob * group_size * num_groups
        # Runs that have arrived go on, uncounted, so that all of them keep one shape.
        safe_rate = np.minimum(pass_rate, 0.5)
        has_success = -np.expm1(group_size * np.log1p(-safe_rate))
        wait = rng.geometric(has_success)
        num_groups += np.where(is_waiting, wait, 0)
        successes = _successes_of_a_group_with_one(safe_rate, group_size, rng)
        arms = np.where(position < successes[:, None], 0, wrong)[:, None, :]
        step(
            policy,
            update_rule,
            contexts,
            group_size=group_size,
            arms=arms,
        )
    raise FloatingPointError(
        f"take_off_rollouts: stopped after {_MOST_SUCCESSES} successes without reaching p = 1/2. "
        "Raise the step size."
    )


def measure_take_off_mean(rng: np.random.Generator, rule: str, **how: float) -> Measurement:
    """Mean of p0 * (rollouts until p = 1/2).

    Args:
        rng: source of randomness.
        rule: name of the rule.
        **how: keyword arguments of `take_off_rollouts`.

    Returns:
        The mean over runs, shape [1].
    """
    return Measurement.mean_of_runs(take_off_rollouts(rng, rule, **how))


def measure_take_off_variance(rng: np.random.Generator, rule: str, **how: float) -> Measurement:
    """Variance of p0 * (rollouts until p = 1/2), its error from the fourth moment.

    Args:
        rng: source of randomness.
        rule: name of the rule.
        **how: keyword arguments of `take_off_rollouts`.

    Returns:
        The variance over runs, shape [1].
    """
    rollouts = take_off_rollouts(rng, rule, **how)
    squared = (rollouts - rollouts.mean()) ** 2 * len(rollouts) / (len(rollouts) - 1)
    return Measurement.mean_of_runs(squared)
