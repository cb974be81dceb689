"""Experiments on what failures do under a negative advantage (P31); every step is banditlab's."""

from collections.abc import Sequence

import numpy as np

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.rounds import Memory, step
from banditlab.rules import UpdateRule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

_ONE_CONTEXT = np.zeros((1, 1), dtype=np.int64)


def log_odds_along_failures(
    rule: UpdateRule,
    *,
    success_prob: float,
    log10_wrong: float,
    step_size: float,
    num_failures: int,
) -> np.ndarray:
    """Log-odds of the correct arm along failures of single rollouts, each of another wrong arm.

    Args:
        rule: the update rule.
        success_prob: initial probability of the correct arm.
        log10_wrong: log10 of the number of wrong arms, equally likely at the start.
        step_size: step size of SGD on the logits.
        num_failures: failures, n.

    Returns:
        Log-odds before the first, after 1, ..., after n failures, nats, shape [n + 1].
    """
    problem = rare_correct(log10_wrong, success_prob)
    policy = LumpedSoftmax(problem, 1, SGD(step_size), takes_arms=True)
    memory = Memory.start(rule, 1, 1)
    log_odds = []
    for arm in range(1, num_failures + 2):
        correct, wrong = policy.class_mass()[0, 0]
        log_odds.append(np.log(correct / wrong))
        if arm <= num_failures:
            arms = np.full((1, 1, 1), arm)
            step(policy, rule, _ONE_CONTEXT, group_size=1, arms=arms, memory=memory)
    return np.array(log_odds)


def measure_one_failure(
    rule: UpdateRule, pools: Sequence[tuple[float, float]], step_size: float
) -> Measurement:
    """Log-odds of the correct arm after one failure, in several arm spaces.

    Args:
        rule: the update rule.
        pools: initial success probability and log10 of the number of wrong arms of each.
        step_size: step size of SGD on the logits.

    Returns:
        Log-odds, nats, shape [number of pools].
    """
    return Measurement.exact(
        [
            log_odds_along_failures(
                rule,
                success_prob=success_prob,
                log10_wrong=log10_wrong,
                step_size=step_size,
                num_failures=1,
            )[-1]
            for success_prob, log10_wrong in pools
        ]
    )


def _dense_step(policy: DenseSoftmax, rule: UpdateRule, arm: int) -> None:
    step(policy, rule, _ONE_CONTEXT, group_size=1, arms=np.full((1, 1, 1), arm))


def _only_first_correct(prob: np.ndarray, step_size: float) -> DenseSoftmax:
    reward = np.zeros(prob.size)
    reward[0] = 1.0
    return DenseSoftmax(explicit_rewards(reward, np.log(prob)), 1, SGD(step_size))


def largest_odds_gain(
    rule: UpdateRule,
    prob: np.ndarray,
    *,
    step_size: float,
    num_failures: int,
    is_net_of_rise: bool = True,
) -> float:
    """Largest gain of the odds of the correct arm along failures of the likeliest wrong arm.

    Failing always on the likeliest wrong arm makes the wrong arms equal, which is where failures
    add most to the odds.

    Args:
        rule: the update rule.
        prob: initial probabilities, the correct arm first, shape [K].
        step_size: step size of SGD on the logits.
        num_failures: failures.
        is_net_of_rise: whether exp(rise (1 + 1/m)), with the rise of the correct logit itself, is
            divided out.

    Returns:
        The largest odds/odds_0 on the way.
    """
    policy = _only_first_correct(prob, step_size)
    start = policy.logits[0, 0].copy()
    log_gain = 0.0
    for _ in range(num_failures):
        _dense_step(policy, rule, 1 + int(policy.logits[0, 0, 1:].argmax()))
        logits = policy.logits[0, 0]
        rise = logits[0] - start[0]
        gain = rise + np.log(np.exp(start[1:]).sum() / np.exp(logits[1:]).sum())
        net = gain - rise * (1.0 + 1.0 / (prob.size - 1)) if is_net_of_rise else gain
        log_gain = max(log_gain, net)
    return float(np.exp(log_gain))


def measure_shares_after_failure(
    rule: UpdateRule, prob: np.ndarray, *, failed: int, step_size: float
) -> Measurement:
    """Shares of the arms that did not fail, among each other, after one failure.

    Args:
        rule: the update rule.
        prob: initial probabilities, the correct arm first, shape [K].
        failed: the arm that failed.
        step_size: step size of SGD on the logits.

    Returns:
        Shares of the other arms, shape [K - 1].
    """
    policy = _only_first_correct(prob, step_size)
    _dense_step(policy, rule, failed)
    rest = np.delete(np.exp(policy.log_probs()[0, 0]), failed)
    return Measurement.exact(rest / rest.sum())


def measure_log_ratio_change(
    rule: UpdateRule, prob: np.ndarray, *, failed: int, step_size: float
) -> Measurement:
    """Change of the log-ratios of the arms that did not fail to the first of them.

    Args:
        rule: the update rule.
        prob: initial probabilities, the correct arm first, shape [K].
        failed: the arm that failed.
        step_size: step size of SGD on the logits.

    Returns:
        Changes, nats, shape [K - 2].
    """
    after = np.log(
        measure_shares_after_failure(rule, prob, failed=failed, step_size=step_size).value
    )
    change = after - np.log(np.delete(prob, failed))
    return Measurement.exact(change[1:] - change[0])
