"""Experiments on the moments of one rollout's gradient: all rollouts enumerated, or drawn (P5, P6).

Every gradient is the change of banditlab's logits in one step of size 1.

Shapes: K arms, G group, R rounds, m rewards that an arm may pay.
"""

from collections.abc import Callable, Sequence

import numpy as np

from banditlab.arm_spaces import explicit_rewards
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.reward_laws import Bernoulli
from banditlab.rounds import step
from banditlab.rules import UpdateRule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement


def gradients(
    rule: UpdateRule,
    problem: BanditProblem,
    group_size: int,
    num_rounds: int,
    *,
    arms: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Change of the logits in one step of size 1, for each of several rounds.

    Args:
        rule: the update rule.
        problem: the arm space, of one context.
        group_size: rollouts per round, G.
        num_rounds: rounds, each from the initial policy, R.
        arms: arms of every round, shape [R, G]; drawn by default.
        rng: source of randomness, where there is any.

    Returns:
        Gradients, shape [R, K].
    """
    policy = DenseSoftmax(problem, num_rounds, SGD(1.0))
    start = policy.logits.copy()
    contexts = np.zeros((num_rounds, 1), dtype=np.int64)
    arms = None if arms is None else arms[:, None]
    step(policy, rule, contexts, group_size=group_size, arms=arms, rng=rng)
    return (policy.logits - start)[:, 0]


def enumerated_gradients(
    rule: UpdateRule, logits: np.ndarray, rewards: np.ndarray, reward_prob: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All gradients of a single rollout, with their probabilities.

    Args:
        rule: the update rule.
        logits: logits, nats, shape [K].
        rewards: rewards that each arm may pay, shape [m, K].
        reward_prob: their probabilities, shape [m, K].

    Returns:
        Gradients, shape [m * K, K], and probabilities, shape [m * K].
    """
    arms = np.arange(len(logits))[:, None]
    found = [
        gradients(rule, explicit_rewards(row, logits), 1, len(arms), arms=arms) for row in rewards
    ]
    prob = np.exp(explicit_rewards(rewards[0], logits).log_mass[0])
    return np.concatenate(found), (reward_prob * prob).ravel()


def measure_mean(rules: Sequence[UpdateRule], *noise: np.ndarray) -> Measurement:
    """Mean gradient of a single rollout, enumerated.

    Args:
        rules: the rules.
        *noise: logits, rewards and their probabilities, as for `enumerated_gradients`.

    Returns:
        Mean gradients, shape [len(rules), K].
    """
    each = (enumerated_gradients(rule, *noise) for rule in rules)
    return Measurement.exact([prob @ gradient for gradient, prob in each])


def measure_covariance(rules: Sequence[UpdateRule], *noise: np.ndarray) -> Measurement:
    """Covariance of the gradient of a single rollout, enumerated.

    Args:
        rules: the rules.
        *noise: logits, rewards and their probabilities, as for `enumerated_gradients`.

    Returns:
        Covariances, shape [len(rules), K, K].
    """
    found = []
    for rule in rules:
        gradient, prob = enumerated_gradients(rule, *noise)
        centred = gradient - prob @ gradient
        found.append(centred.T @ (prob[:, None] * centred))
    return Measurement.exact(found)


def measure_best_baseline(
    rule_over: Callable[[float], UpdateRule], cases: Sequence[tuple[np.ndarray, ...]]
) -> Measurement:
    """Constant baseline at which the trace of the covariance is least.

    The trace is a parabola in the baseline, so three of its values give the vertex exactly.

    Args:
        rule_over: function of a baseline -> rule.
        cases: logits, rewards and their probabilities of each bandit.

    Returns:
        Baselines, in units of reward, shape [len(cases)].
    """
    found = []
    for noise in cases:
        trace = []
        for baseline in (-1.0, 0.0, 1.0):
            gradient, prob = enumerated_gradients(rule_over(baseline), *noise)
            trace.append(prob @ (gradient**2).sum(axis=1) - ((prob @ gradient) ** 2).sum())
        low, middle, high = trace
        found.append(0.5 * (low - high) / (low + high - 2.0 * middle))
    return Measurement.exact(found)


def measure_sampled_moments(
    rng: np.random.Generator,
    rule: UpdateRule,
    logits: np.ndarray,
    mean_reward: np.ndarray,
    num_rounds: int,
) -> Measurement:
    """Mean gradient and mean squared length of single drawn rollouts, rewards 0 or 1 at random.

    Args:
        rng: source of randomness.
        rule: the update rule.
        logits: logits, nats, shape [K].
        mean_reward: probability of reward 1 of each arm, shape [K].
        num_rounds: rollouts, R.

    Returns:
        All components of the mean but the last, which the others give, and the mean square,
        shape [K].
    """
    problem = explicit_rewards(mean_reward, logits, reward_law=Bernoulli())
    gradient = gradients(rule, problem, 1, num_rounds, rng=rng)
    square = (gradient**2).sum(axis=1)
    return Measurement.mean_of_runs(np.column_stack([gradient[:, :-1], square]))
