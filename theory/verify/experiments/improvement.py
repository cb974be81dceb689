"""What one step of any size gains, on banditlab: exact steps and steps on a single sample (P21)."""

import numpy as np
from scipy.special import expit, softmax

from banditlab.arm_spaces import explicit_rewards
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import get_rule
from banditlab.softmax import DenseSoftmax
from theory.verify.experiments.adversary import Search, largest_ratio
from theory.verify.experiments.many_arms import Direction, exact_gradient
from theory.verify.measurement import Measurement


def random_instances(
    rng: np.random.Generator, num: int
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Random bandits with a policy and a step size between .1 and 1e5.

    Args:
        rng: source of randomness.
        num: how many.

    Returns:
        Logits, rewards and step size of each.
    """
    found = []
    for _ in range(num):
        num_arms = int(rng.integers(2, 12))
        logits = rng.normal(scale=3.0, size=num_arms)
        found.append((logits, rng.normal(size=num_arms), float(10.0 ** rng.uniform(-1.0, 5.0))))
    return found


def measure_improvements(
    instances: list[tuple[np.ndarray, np.ndarray, float]], direction: Direction = exact_gradient
) -> Measurement:
    """Gain of expected reward in one exact step, for each instance.

    Args:
        instances: logits, rewards and step sizes.
        direction: change of the logits per unit step.

    Returns:
        V' - V, shape [num].
    """
    gains = []
    for logits, reward, step_size in instances:
        prob = softmax(logits)
        moved = softmax(logits + step_size * direction(logits, reward))
        gains.append((moved - prob) @ (reward - prob @ reward))
    return Measurement.exact(gains)


def _exact_outcome(logits: np.ndarray, reward: np.ndarray, step_size: float) -> np.ndarray:
    return softmax(logits + step_size * exact_gradient(logits, reward))[None]


def _sampled_outcomes(logits: np.ndarray, reward: np.ndarray, step_size: float) -> np.ndarray:
    """Policies after a step on a single sample, one for each arm that it may be: [K, K]."""
    num_arms = len(logits)
    policy = DenseSoftmax(explicit_rewards(reward, logits), num_arms, SGD(step_size))
    arms, contexts = np.arange(num_arms)[:, None, None], np.zeros((num_arms, 1), dtype=np.int64)
    step(policy, get_rule("raw_reward"), contexts, group_size=1, arms=arms)
    return np.exp(policy.log_probs()[:, 0])


def _waste(point: np.ndarray, num_arms: int, *, is_sampled: bool) -> float:
    """1 - gain/(moved * range), 0 where the step does not move; decodes an instance of `Search`."""
    logits, reward = 3.0 * point[:num_arms], expit(point[num_arms:-1])
    step_size = 10.0 ** (2.0 + 3.0 * np.tanh(point[-1]))
    prob, width = softmax(logits), np.ptp(reward)
    outcome = (_sampled_outcomes if is_sampled else _exact_outcome)(logits, reward, step_size)
    weight = prob if is_sampled else np.ones(1)
    moved = 0.5 * float(weight @ np.abs(outcome - prob).sum(axis=1))
    if moved < 1e-3 or width < 1e-3:
        return 0.0
    gain = float(weight @ ((outcome - prob) @ (reward - prob @ reward)))
    return 1.0 - gain / (moved * width)


def measure_largest_waste(
    rng: np.random.Generator, num_random: int, *, num_arms: int = 5, is_sampled: bool = False
) -> Measurement:
    """Largest 1 - gain/(moved * range) found over policies, rewards and step sizes .1 to 1e5.

    Random instances first, then local search from the worst of them. Instances that move less than
    a thousandth of the mass, or whose rewards differ by less, are left out: there the ratio is
    rounding.

    Args:
        rng: source of randomness.
        num_random: random instances; the search looks at 4 times as many more.
        num_arms: K.
        is_sampled: whether the step is one on a single sample, averaged over samples.

    Returns:
        The largest ratio, shape [1].
    """
    num_climbers = max(1, num_random // 16)
    search = Search(num_random, num_climbers, num_rounds=4 * num_random // num_climbers)
    largest = largest_ratio(
        rng,
        lambda points: np.array([_waste(one, num_arms, is_sampled=is_sampled) for one in points]),
        2 * num_arms + 1,
        search,
        scale=1.0,
    )
    return Measurement.exact(largest)
