"""Experiments on committing to one arm: forced draws, and natural policy gradient (P35, P36).

Shapes: R runs, K arms.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from banditlab.arm_spaces import explicit_rewards
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import UpdateRule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

NaturalGain = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""What a draw adds to its own logit per unit step: (prob of the arm, its reward, value) -> [R]."""


def _start(
    reward: Sequence[float], logits: Sequence[float], num_runs: int, step_size: float
) -> DenseSoftmax:
    problem = explicit_rewards(np.array(reward), np.array(logits))
    return DenseSoftmax(problem, num_runs, SGD(step_size))


def measure_forced_draws(
    rule: UpdateRule,
    cases: Sequence[tuple[int, float]],
    *,
    step_size: float,
    odds: float,
    num_rounds: int,
) -> Measurement:
    """How a policy closes on an arm that is drawn every round, from large odds on.

    Args:
        rule: the update rule.
        cases: number of arms, and reward of the drawn one, of each case.
        step_size: step size of SGD on the logits.
        odds: odds of the drawn arm against all others at the start.
        num_rounds: rounds.

    Returns:
        For each case rounds per growth of 1/(1 - prob), and then for each case minus the slope of
        the log-probability of those draws against log(1/(1 - prob)).
    """
    rates, slopes = [], []
    contexts = np.zeros((1, 1), dtype=np.int64)
    for num_arms, reward in cases:
        logits = [math.log(odds * (num_arms - 1)), *[0.0] * (num_arms - 1)]
        policy = _start([reward, *[0.0] * (num_arms - 1)], logits, 1, step_size)
        log_draws, others = 0.0, np.empty(num_rounds + 1)
        for index in range(num_rounds + 1):
            log_prob = policy.log_probs()[0, 0]
            # From the other arms, since 1 - prob would cancel.
            others[index] = np.exp(log_prob[1:]).sum()
            if index < num_rounds:
                log_draws += math.log1p(-others[index])
                step(policy, rule, contexts, group_size=1, arms=np.zeros((1, 1, 1), dtype=int))
        rates.append(num_rounds / (1.0 / others[-1] - 1.0 / others[0]))
        slopes.append(log_draws / math.log(others[-1] / others[0]))
    return Measurement.exact([*rates, *slopes])


def importance_weighted(prob: np.ndarray, reward: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Natural gain of a draw with an unbiased estimate of its reward.

    Args:
        prob: probability of the drawn arm, shape [R].
        reward: its reward, shape [R].
        value: expected reward of the policy, shape [R].

    Returns:
        reward/prob, shape [R].
    """
    return reward / prob


def unweighted(prob: np.ndarray, reward: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Natural gain of a draw without importance weight.

    Args:
        prob: probability of the drawn arm, shape [R].
        reward: its reward, shape [R].
        value: expected reward of the policy, shape [R].

    Returns:
        The reward, shape [R].
    """
    return reward


def value_baselined(prob: np.ndarray, reward: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Natural gain of a draw with importance weight and the exact value as baseline.

    Args:
        prob: probability of the drawn arm, shape [R].
        reward: its reward, shape [R].
        value: expected reward of the policy, shape [R].

    Returns:
        (reward - value)/prob, shape [R].
    """
    return (reward - value) / prob


def softmax_gradient(prob: np.ndarray, reward: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Gain of softmax policy gradient at two arms, as a move of the drawn logit alone.

    Args:
        prob: probability of the drawn arm, shape [R].
        reward: its reward, shape [R].
        value: expected reward of the policy, shape [R].

    Returns:
        2 reward (1 - prob), shape [R].
    """
    return 2.0 * reward * (1.0 - prob)


def _natural_step(policy: DenseSoftmax, arm: np.ndarray, gain: NaturalGain) -> None:
    """Move the drawn logits alone: scores of all arms whose coefficients sum to 0 undo pi."""
    num_runs, _, num_arms = policy.logits.shape
    reward = policy.problem.reward[0]
    prob = np.exp(policy.log_probs()[np.arange(num_runs), 0, arm])
    added = gain(prob, reward[arm], policy.expected_reward()[:, 0])
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    every = policy.place(contexts, np.broadcast_to(np.arange(num_arms), (num_runs, 1, num_arms)))
    is_drawn = (np.arange(num_arms) == arm[:, None]).astype(float)
    policy.accumulate(every, (added[:, None] * (is_drawn - 1.0 / num_arms))[:, None])
    policy.move()


def measure_forever(
    gains: Sequence[NaturalGain],
    reward: Sequence[float],
    step_sizes: Sequence[float],
    num_rounds: int,
) -> Measurement:
    """Log-probability that nothing but one arm is drawn, along the path on which it is.

    Args:
        gains: what a draw adds to its own logit.
        reward: rewards of the two arms.
        step_sizes: step sizes.
        num_rounds: rounds; later ones must be certain.

    Returns:
        For each gain, step size and arm, nats.
    """
    found = []
    arm = np.arange(len(reward))
    for gain in gains:
        for step_size in step_sizes:
            # One run per arm, each of which draws its own.
            policy = _start(reward, [0.0] * len(reward), len(reward), step_size)
            total = np.zeros(len(reward))
            for _ in range(num_rounds):
                total += policy.log_probs()[arm, 0, arm]
                _natural_step(policy, arm, gain)
            found.append(total)
    return Measurement.exact(np.array(found))


def measure_commitments(
    rng: np.random.Generator,
    gain: NaturalGain,
    reward: tuple[float, float],
    *,
    step_size: float,
    num_rounds: int,
    num_runs: int,
) -> Measurement:
    """Shares of runs of two arms that draw only the first, only the second, and both.

    Args:
        rng: source of randomness.
        gain: what a draw adds to its own logit.
        reward: rewards of the two arms.
        step_size: step size on the logits.
        num_rounds: rounds; later ones must be as good as certain.
        num_runs: R.

    Returns:
        Three shares.
    """
    policy = _start(reward, [0.0, 0.0], num_runs, step_size)
    is_only = np.ones((2, num_runs), dtype=bool)
    for _ in range(num_rounds):
        is_second = rng.random(num_runs) >= np.exp(policy.log_probs()[:, 0, 0])
        is_only &= np.stack([~is_second, is_second])
        _natural_step(policy, is_second.astype(np.int64), gain)
    counts = is_only.sum(axis=1)
    return Measurement.shares([*counts, num_runs - counts.sum()])


def measure_moves(
    gain: NaturalGain, reward: tuple[float, float], log_odds: np.ndarray, step_size: float
) -> Measurement:
    """Rise of the log-odds of the first of two arms at a draw of either.

    Args:
        gain: what a draw adds to its own logit.
        reward: rewards of the two arms.
        log_odds: log-odds of the first arm, nats, shape [S].
        step_size: step size on the logits.

    Returns:
        Rises at draws of the first arm, shape [S], then at draws of the second.
    """
    rises = []
    for arm in (0, 1):
        policy = _start(reward, [0.0, 0.0], len(log_odds), step_size)
        policy.logits[:, 0] = np.stack([log_odds, np.zeros_like(log_odds)], axis=1)
        _natural_step(policy, np.full(len(log_odds), arm), gain)
        rises.append(policy.logits[:, 0, 0] - policy.logits[:, 0, 1] - log_odds)
    return Measurement.exact(np.array(rises))
