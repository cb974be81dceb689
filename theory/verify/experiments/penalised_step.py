"""Experiments on banditlab's ratio-variance weight: its optimum (P17) and inner loop (P40)."""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

from banditlab.advantages import raw
from banditlab.arm_spaces import rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import get_rule
from banditlab.softmax import DenseSoftmax
from theory.verify.experiments.penalty_optimum import ascended_ratio
from theory.verify.measurement import Measurement


def constrained_optimum(
    advantage: np.ndarray, prob: np.ndarray, bound: float
) -> tuple[np.ndarray, float]:
    """Ratio and multiplier at which the penalised optimum has ratio variance `bound`.

    Args:
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, shape [K].
        bound: E_old[(ratio - 1)^2] to be met.

    Returns:
        The ratio, shape [K], and the multiplier, found by bracketing.
    """
    spread = float(advantage.max() - advantage.min())

    def optimum(multiplier: float) -> np.ndarray:
        rule = get_rule("variance_penalty", multiplier=multiplier)
        return ascended_ratio(rule, advantage, prob, prob)

    def excess(log_multiplier: float) -> float:
        ratio = optimum(float(np.exp(log_multiplier)))
        return float(prob @ (ratio - 1.0) ** 2) / bound - 1.0

    high = np.log(spread / np.sqrt(bound))
    low = high
    while excess(low) < 0.0:
        low -= 0.5
    log_multiplier = brentq(excess, low, high, xtol=1e-14, rtol=1e-14)
    multiplier = float(np.exp(log_multiplier))
    return optimum(multiplier), multiplier


def measure_trust_region(advantage: np.ndarray, prob: np.ndarray, bound: float) -> Measurement:
    """Gain, multiplier and ratios of the constrained optimum.

    Args:
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, shape [K].
        bound: E_old[(ratio - 1)^2] to be met.

    Returns:
        Gain, multiplier, ratios, shape [2 + K].
    """
    ratio, multiplier = constrained_optimum(advantage, prob, bound)
    gain = float(prob @ ((ratio - 1.0) * advantage))
    return Measurement.exact(np.concatenate([[gain, multiplier], ratio]))


def _success_step(success_prob: float, bound: float) -> float:
    prob = np.array([success_prob, 1.0 - success_prob])
    ratio, _ = constrained_optimum(np.array([1.0, 0.0]), prob, bound)
    return success_prob * float(ratio[0])


def measure_success_steps(success_prob: np.ndarray, bound: float) -> Measurement:
    """Pass rate after one constrained step with 0/1 reward, from each of several pass rates.

    Args:
        success_prob: pass rates before the step, shape [S].
        bound: E_old[(ratio - 1)^2] to be met.

    Returns:
        Pass rates after the step, shape [S].
    """
    return Measurement.exact([_success_step(float(start), bound) for start in success_prob])


def measure_success_run(success_prob: float, bound: float, num_updates: int) -> Measurement:
    """Pass rates along a run of constrained steps, over sqrt(bound).

    Args:
        success_prob: pass rate at the start.
        bound: E_old[(ratio - 1)^2] to be met in each step.
        num_updates: steps.

    Returns:
        Pass rates after each step over sqrt(bound), shape [num_updates].
    """
    pass_rate = [success_prob]
    for _ in range(num_updates):
        pass_rate.append(_success_step(pass_rate[-1], bound))
    return Measurement.exact(np.array(pass_rate[1:]) / np.sqrt(bound))


def measure_isolated_contraction(
    step_sizes: np.ndarray, multiplier: float, num_steps: int
) -> Measurement:
    """Fixed ratio, and factor per inner step of the deviation from it, of one rare arm.

    The arm is a single success among 10^100000 wrong arms with raw reward 1; the ratio is read
    after num_steps and num_steps + 1 inner epochs, the fixed ratio at 1/4 of the first step size.

    Args:
        step_sizes: step sizes, the first one stable, shape [S].
        multiplier: price of one unit of ratio variance.
        num_steps: inner epochs before the deviation is read.

    Returns:
        The fixed ratio and the factors, shape [1 + S].
    """
    rule = replace(get_rule("variance_penalty", multiplier=multiplier), advantage=raw)

    def ratio_after(inner_epochs: int, step_size: float) -> float:
        optimizer = SGD(step_size)
        policy = LumpedSoftmax(rare_correct(100_000.0, 1e-12), 1, optimizer, takes_arms=True)
        outcome = step(
            policy,
            rule,
            np.zeros((1, 1), dtype=np.int64),
            group_size=1,
            inner_epochs=inner_epochs,
            arms=np.zeros((1, 1, 1), dtype=np.int64),
        )
        return float(np.exp(outcome.log_ratio.item()))

    fixed = ratio_after(400, float(step_sizes[0]))
    factors = []
    for step_size in step_sizes:
        before, after = (ratio_after(num_steps + more, float(step_size)) for more in (0, 1))
        factors.append((after - fixed) / (before - fixed))
    return Measurement.exact([fixed, *factors])


def batch_scores(num_arms: int, num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the first arms of a fixed policy, as a batch.

    Args:
        num_arms: K.
        num_samples: N, at most K.

    Returns:
        Log-probabilities of all arms, nats, shape [K], and scores, shape [N, K].
    """
    log_prob = np.log(softmax(np.linspace(0.0, 2.0, num_arms)))
    return log_prob, np.eye(num_arms)[:num_samples] - np.exp(log_prob)


def measure_batch_contraction(
    *, num_arms: int, num_samples: int, step_size: float, multiplier: float, num_steps: int
) -> Measurement:
    """Dominant factor per inner step of a batch's deviation from ratios near 1.

    One context of single-arm classes with a reward of 1e-9 on each sampled arm, so that the fixed
    ratios are near 1 and the loop starts next to them.

    Args:
        num_arms: K.
        num_samples: N.
        step_size: step size of SGD on the logits.
        multiplier: price of one unit of ratio variance.
        num_steps: inner epochs before the factor is read.

    Returns:
        The factor, shape [1].
    """
    log_prob, _ = batch_scores(num_arms, num_samples)
    reward = 1e-9 * np.cos(np.arange(num_arms))
    problem = BanditProblem(np.zeros((1, num_arms)), log_prob[None], reward[None])
    rule = replace(get_rule("variance_penalty", multiplier=multiplier), advantage=raw)
    deviations = []
    for more in (0, 1):
        outcome = step(
            DenseSoftmax(problem, 1, SGD(step_size)),
            rule,
            np.zeros((1, 1), dtype=np.int64),
            group_size=num_samples,
            inner_epochs=num_steps + more,
            arms=np.arange(num_samples)[None, None],
        )
        fixed = np.log1p(reward[:num_samples] / (2.0 * multiplier))
        deviations.append(outcome.log_ratio[0, 0] - fixed)
    before, after = deviations
    return Measurement.exact(after @ before / (before @ before))
