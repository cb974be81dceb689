"""Experiments on arms of one and the same reward, where nothing is left to be learned (P30)."""

from itertools import product

import numpy as np
from scipy.special import expit, log_expit

from banditlab.arm_spaces import explicit_rewards
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement


def measure_mean_logits(
    rule: UpdateRule,
    logits: np.ndarray,
    *,
    step_size: float,
    num_rounds: int,
    is_uniform: bool = False,
) -> Measurement:
    """Exact mean of the logits over all sequences of single rollouts, on arms of reward 1.

    Every sequence of arms is a run, weighted with its probability.

    Args:
        rule: the update rule.
        logits: initial logits, nats, shape [K].
        step_size: step size of SGD on the logits.
        num_rounds: rounds.
        is_uniform: whether the sequences are weighted alike instead.

    Returns:
        Mean logits, shape [K].
    """
    sequences = np.array(list(product(range(logits.size), repeat=num_rounds)))
    num_runs = len(sequences)
    policy = DenseSoftmax(explicit_rewards(np.ones(logits.size), logits), num_runs, SGD(step_size))
    offset = logits - policy.logits[0, 0]
    contexts, runs = np.zeros((num_runs, 1), dtype=np.int64), np.arange(num_runs)
    log_weight = np.zeros(num_runs)
    for arms in sequences.T:
        log_weight += policy.log_probs()[runs, 0, arms]
        step(policy, rule, contexts, group_size=1, arms=arms[:, None, None])
    weight = np.full(num_runs, 1.0 / num_runs) if is_uniform else np.exp(log_weight)
    return Measurement.exact(weight @ (policy.logits[:, 0] + offset))


def measure_final_logits(
    rng: np.random.Generator,
    rule: UpdateRule,
    logits: np.ndarray,
    *,
    step_size: float,
    group_size: int,
    inner_epochs: int,
    num_rounds: int,
    num_runs: int,
) -> Measurement:
    """Logits of every run after sampled rounds, on arms of reward 1.

    Args:
        rng: source of randomness.
        rule: the update rule.
        logits: initial logits, nats, shape [K].
        step_size: step size of SGD on the logits.
        group_size: rollouts per round.
        inner_epochs: steps per round.
        num_rounds: rounds.
        num_runs: runs, R.

    Returns:
        Logits of each run, shape [R * K].
    """
    policy = DenseSoftmax(explicit_rewards(np.ones(logits.size), logits), num_runs, SGD(step_size))
    offset = logits - policy.logits[0, 0]
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    for _ in range(num_rounds):
        step(policy, rule, contexts, group_size=group_size, inner_epochs=inner_epochs, rng=rng)
    return Measurement.exact(policy.logits[:, 0] + offset)


def two_arm_transitions(log_odds: np.ndarray, step_size: float, rule: UpdateRule) -> np.ndarray:
    """Log-odds of two arms of reward 1 after one rollout of either, from many log-odds at once.

    Each log-odds is a context of one batch, whose mean gradient is undone by the step size.

    Args:
        log_odds: log-odds of the first arm, nats, shape [n].
        step_size: step size of SGD on the logits.
        rule: the update rule.

    Returns:
        Log-odds after a rollout of the first and of the second arm, nats, shape [2, n].
    """
    num = log_odds.size
    log_prob = np.stack([log_expit(log_odds), log_expit(-log_odds)], axis=1)
    problem = BanditProblem(np.zeros((num, 2)), log_prob, np.ones((num, 2)))
    after = []
    for arm in (0, 1):
        policy = DenseSoftmax(problem, 1, SGD(step_size * num))
        step(policy, rule, np.arange(num)[None], group_size=1, arms=np.full((1, num, 1), arm))
        after.append(policy.logits[0, :, 0] - policy.logits[0, :, 1])
    return np.array(after)


def _interpolation(node: np.ndarray, weight: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Barycentric interpolation: values at the nodes -> values at other points, [n, nodes]."""
    distance = at[:, None] - node
    is_node = distance == 0.0
    share = weight / np.where(is_node, 1.0, distance)
    share = np.where(is_node.any(axis=1, keepdims=True), is_node, share)
    return share / share.sum(axis=1, keepdims=True)


def odds_transform(
    rates: np.ndarray,
    *,
    step_size: float,
    log2_rounds: int,
    rule: UpdateRule | None = None,
    num_nodes: int = 600,
    margin: float = 6.0,
) -> np.ndarray:
    """E[exp(-rate * X/t)] after t = 2^log2_rounds rounds, X the odds of the larger of two arms.

    No sampling: the expectation of a function after one round is a linear map of the function,
    tabulated on Chebyshev nodes of the log-odds from banditlab's own step, and squared again and
    again. Functions are even in the log-odds, so half of the nodes suffice.

    Args:
        rates: arguments of the transform, shape [n].
        step_size: step size of SGD on the logits.
        log2_rounds: log2 of the rounds, t.
        rule: the update rule; raw_reward by default.
        num_nodes: even number of nodes.
        margin: how far the nodes reach beyond the log-odds log(2 * step_size * t), nats.

    Returns:
        The transform from equal arms, shape [n].
    """
    half = num_nodes // 2
    end = np.log(2.0 * step_size) + log2_rounds * np.log(2.0) + margin
    angle = np.pi * (np.arange(num_nodes) + 0.5) / num_nodes
    node = end * np.cos(angle)
    weight = np.where(np.arange(num_nodes) % 2 == 0, 1.0, -1.0) * np.sin(angle)
    after = two_arm_transitions(node, step_size, rule or get_rule("raw_reward"))
    # Beyond the last node the function is 0 to all digits, so that it does not matter where.
    first, second = (_interpolation(node, weight, np.clip(to, -end, end)) for to in after)
    one_round = expit(node)[:, None] * first + expit(-node)[:, None] * second
    transition = one_round[:half, :half] + one_round[:half, half:][:, ::-1]
    for _ in range(log2_rounds):
        transition = transition @ transition
    odds = np.exp(node[:half] - log2_rounds * np.log(2.0))
    mean = transition @ np.exp(-np.multiply.outer(odds, rates))
    return _interpolation(node, weight, np.zeros(1))[0] @ np.concatenate([mean, mean[::-1]])


def measure_odds_transform(
    rates: np.ndarray, step_sizes: np.ndarray, *, log2_rounds: int, rule: UpdateRule | None = None
) -> Measurement:
    """`odds_transform` at rates in units of 1/(2 step_size^2), for several step sizes.

    Args:
        rates: arguments of the transform times 2 step_size^2, shape [n].
        step_sizes: step sizes of SGD on the logits, shape [S].
        log2_rounds: log2 of the rounds.
        rule: the update rule; raw_reward by default.

    Returns:
        The transforms, shape [S * n].
    """
    return Measurement.exact(
        [
            odds_transform(
                rates / (2.0 * step_size**2),
                step_size=step_size,
                log2_rounds=log2_rounds,
                rule=rule,
            )
            for step_size in step_sizes
        ]
    )
