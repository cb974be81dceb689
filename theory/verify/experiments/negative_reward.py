"""Experiments on reward -1 for failures: single rollouts on every arm, kernels, inner epochs.

Shapes: K arms, C classes, R runs.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_expit, log_softmax, logsumexp

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.expectation import expected_update
from banditlab.kernels import ClassKernel
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import UpdateRule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

ENDLESS_LOG10_ARMS = 100_000.0


def measure_expected_update(
    rule: UpdateRule, logits: np.ndarray, reward: np.ndarray
) -> Measurement:
    """Expected change of the logits of one rollout per unit step.

    Args:
        rule: a rule without memory.
        logits: logits, nats, shape [K].
        reward: 0 or 1, shape [K].

    Returns:
        Changes, shape [K].
    """
    return Measurement.exact(expected_update(rule, logits, reward, 1))


def logits_after_each_arm(
    rule: UpdateRule,
    log_prob: np.ndarray,
    reward: np.ndarray,
    step_size: float,
    kernel: ClassKernel | None = None,
) -> np.ndarray:
    """Logits after one rollout on each arm in turn.

    Args:
        rule: the rule.
        log_prob: log-probabilities before it, nats, shape [K].
        reward: 0 or 1, shape [K].
        step_size: step size of SGD.
        kernel: how a step on one arm moves the others; the arms stand for classes.

    Returns:
        Logits, one row per drawn arm, shape [K, K].
    """
    problem = explicit_rewards(reward, log_prob)
    if kernel is not None:
        problem = BanditProblem(problem.log_count, problem.log_mass, problem.reward, kernel=kernel)
    num_arms = len(reward)
    policy = DenseSoftmax(problem, num_arms, SGD(step_size))
    contexts = np.zeros((num_arms, 1), dtype=np.int64)
    step(policy, rule, contexts, group_size=1, arms=np.arange(num_arms)[:, None, None])
    return policy.logits[:, 0]


def signal_to_noise(rule: UpdateRule, log_prob: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Squared mean over second moment of one rollout's gradient: of its class part, and of all.

    Args:
        rule: the rule.
        log_prob: log-probabilities, nats, shape [K].
        reward: 0 or 1, shape [K].

    Returns:
        The two ratios, shape [2].
    """
    prob = np.exp(log_prob)
    gradient = logits_after_each_arm(rule, log_prob, reward, 1.0) - log_prob
    classes = gradient @ reward
    mean = prob @ gradient
    return np.array(
        [
            (prob @ classes) ** 2 / (prob @ classes**2),
            mean @ mean / (prob @ (gradient**2).sum(axis=1)),
        ]
    )


def log_odds_of_first(logits: np.ndarray) -> np.ndarray:
    """Log-odds of the first arm.

    Args:
        logits: nats, shape [*, K].

    Returns:
        Nats, shape [*].
    """
    return logits[..., 0] - logsumexp(logits[..., 1:], axis=-1)


def _first_among_equals(log_odds: float, num_wrong: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and rewards of one correct and several equally likely wrong arms."""
    wrong = np.full(num_wrong, log_expit(-log_odds) - np.log(num_wrong))
    return np.append(log_expit(log_odds), wrong), np.append(1.0, np.zeros(num_wrong))


def failure_step(rule: UpdateRule, log_odds: float, num_wrong: int, step_size: float) -> float:
    """Change of the log-odds of success by one failure on one of several equally likely wrong arms.

    Args:
        rule: the rule.
        log_odds: log-odds of success before it, nats.
        num_wrong: wrong arms.
        step_size: step size of SGD.

    Returns:
        The change, nats.
    """
    log_prob, reward = _first_among_equals(log_odds, num_wrong)
    after = logits_after_each_arm(rule, log_prob, reward, step_size)
    return float(log_odds_of_first(after)[-1] - log_odds)


def mean_step(
    rule: UpdateRule,
    log_odds: float,
    share: np.ndarray,
    step_size: float,
    kernel: ClassKernel | None = None,
) -> float:
    """Mean change of the log-odds of success by one rollout.

    Args:
        rule: the rule.
        log_odds: log-odds of success before it, nats.
        share: shares of the wrong arms or classes among failures, shape [K - 1].
        step_size: step size of SGD.
        kernel: how a step on one class moves the others.

    Returns:
        The mean change, nats.
    """
    log_prob = np.append(log_expit(log_odds), log_expit(-log_odds) + np.log(share))
    reward = np.append(1.0, np.zeros(len(share)))
    after = logits_after_each_arm(rule, log_prob, reward, step_size, kernel)
    return float(np.exp(log_prob) @ (log_odds_of_first(after) - log_odds))


def breakdown(mean_step_at: Callable[[float], float]) -> float:
    """Log-odds at which a mean step changes its sign.

    Args:
        mean_step_at: mean change of the log-odds by the log-odds.

    Returns:
        The log-odds, nats, between -30 and 0.
    """
    return float(brentq(mean_step_at, -30.0, 0.0, xtol=1e-13))


def failure_pulls(
    rule: UpdateRule, prob: np.ndarray, kernel: np.ndarray, step_size: float = 1e-3
) -> np.ndarray:
    """Change of log p of the first class per unit step, by a failure on each class.

    Args:
        rule: the rule; the reward of every class is 0.
        prob: probability of each class, shape [C].
        kernel: class kernel, shape [C, C].
        step_size: step size of SGD; the result is extrapolated to 0 from it, its half and quarter.

    Returns:
        Changes, nats per unit step, shape [C].
    """
    log_prob = np.log(prob)
    how = ClassKernel(0.0, within_context=kernel)
    coarse, middle, fine = (
        (
            log_softmax(logits_after_each_arm(rule, log_prob, 0.0 * prob, size, how), axis=1)[:, 0]
            - log_prob[0]
        )
        / size
        for size in (step_size, step_size / 2.0, step_size / 4.0)
    )
    return (4.0 * (2.0 * fine - middle) - (2.0 * middle - coarse)) / 3.0


def critical_overlap(
    rule: UpdateRule,
    success_prob: float,
    cluster_prob: float,
    correct_kernel: float,
    cluster_kernel: float,
) -> float:
    """Kernel between correct class and wrong cluster at which its failures leave p alone.

    Args:
        rule: the rule.
        success_prob: probability of the correct class.
        cluster_prob: probability of the cluster; the other answers have the rest.
        correct_kernel: kernel within the correct class.
        cluster_kernel: kernel within the cluster.

    Returns:
        The kernel between them.
    """
    prob = np.array([success_prob, cluster_prob, 1.0 - success_prob - cluster_prob])

    def pull(overlap: float) -> float:
        kernel = np.diag([correct_kernel, cluster_kernel, 0.0])
        kernel[0, 1] = kernel[1, 0] = overlap
        return failure_pulls(rule, prob, kernel)[1]

    return float(brentq(pull, 0.0, np.sqrt(correct_kernel * cluster_kernel), xtol=1e-12))


def measure_inner_log_ratios(rule: UpdateRule, num_epochs: int, step_size: float) -> Measurement:
    """Log-ratio of a failure among endless wrong arms after 1 to num_epochs inner epochs.

    Args:
        rule: the rule.
        num_epochs: inner epochs.
        step_size: step size of SGD.

    Returns:
        Log-ratios, nats, shape [num_epochs].
    """
    ratios = []
    for count in range(1, num_epochs + 1):
        problem = rare_correct(ENDLESS_LOG10_ARMS, 1e-12)
        policy = LumpedSoftmax(problem, 1, SGD(step_size), takes_arms=True)
        outcome = step(
            policy,
            rule,
            np.zeros((1, 1), dtype=np.int64),
            group_size=1,
            inner_epochs=count,
            arms=np.ones((1, 1, 1), dtype=np.int64),
        )
        ratios.append(outcome.log_ratio.item())
    return Measurement.exact(ratios)
