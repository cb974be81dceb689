"""A search for instances that violate a bound, and banditlab's exact gradients on many at once.

An instance is a point in a real space that a decoder turns into a policy and rewards; the search
draws many at random and climbs from the best of them.

Shapes: N instances, K arms, D coordinates of an instance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.softmax import DenseSoftmax, Draw

Ratio = Callable[[np.ndarray], np.ndarray]
"""Ratio to a bound of each of many instances: [N, D] -> [N]."""

_READING_STEP = 2.0**40


class ExactGradients:
    """Policies of N bandits of K arms that move along exact gradients of banditlab.

    Every arm is placed once in each context, with its probability times its reward as
    coefficient: the sum over rollouts is then the expectation.

    Attributes:
        policy: banditlab's dense policy, one context per bandit.
    """

    def __init__(self, logits: np.ndarray, step_size: float = _READING_STEP) -> None:
        """Take the bandits up.

        Args:
            logits: logits at the start, nats, shape [N, K].
            step_size: step size of the updates. The default suits reading gradients off the
                change of the logits: it is so large that their rounding plays no part.
        """
        num, num_arms = logits.shape
        # What an arm pays is left to `set_pending`, so that policies of any rewards share this.
        equal = np.full((num, num_arms), -np.log(num_arms))
        problem = BanditProblem(np.zeros((num, num_arms)), equal, np.zeros((num, num_arms)))
        self.policy = DenseSoftmax(problem, 1, SGD(step_size))
        self._step_size = step_size
        contexts = np.arange(num)[None]
        arms = np.broadcast_to(np.arange(num_arms), (1, num, num_arms))
        self._every_arm: Draw = self.policy.place(contexts, arms)
        self.logits = logits

    @property
    def logits(self) -> np.ndarray:
        """Logits, nats, shape [N, K]."""
        return self.policy.logits[0]

    @logits.setter
    def logits(self, logits: np.ndarray) -> None:
        self.policy.logits[0] = logits

    def prob(self) -> np.ndarray:
        """Probability of each arm.

        Returns:
            Shape [N, K].
        """
        return np.exp(self.policy.log_probs()[0])

    def update(self, reward: np.ndarray) -> None:
        """Move along the exact gradient of the expected reward.

        Args:
            reward: mean reward of each arm, shape [N, K].
        """
        self.policy.accumulate(self._every_arm, (self.prob() * reward)[None])
        self.policy.move()

    def _change(self, coefficient: np.ndarray) -> np.ndarray:
        before = self.logits.copy()
        self.policy.accumulate(self._every_arm, coefficient[None])
        self.policy.move()
        change = (self.logits - before) / self._step_size
        self.logits = before
        return change

    def gradient(self, reward: np.ndarray) -> np.ndarray:
        """Exact gradient of the expected reward, the policies left as they are.

        Args:
            reward: mean reward of each arm, shape [N, K].

        Returns:
            Shape [N, K].
        """
        return self._change(self.prob() * reward)

    def score(self, arm: int) -> np.ndarray:
        """Score of one arm: the gradient of its log-probability.

        Args:
            arm: number of the arm.

        Returns:
            Shape [N, K].
        """
        coefficient = np.zeros(self.logits.shape)
        coefficient[:, arm] = 1.0
        return self._change(coefficient)


@dataclass(frozen=True)
class Search:
    """How long to search.

    Attributes:
        num_random: random instances.
        num_climbers: the best of them, from which the search climbs.
        num_rounds: rounds of climbing, one new instance per climber each.
    """

    num_random: int
    num_climbers: int = 32
    num_rounds: int = 300

    @property
    def num_instances(self) -> int:
        """Instances looked at."""
        return self.num_random + self.num_climbers * self.num_rounds


def largest_ratio(
    rng: np.random.Generator, ratio: Ratio, num_coordinates: int, search: Search, scale: float = 2.0
) -> float:
    """Search for the largest ratio over random instances, improved by local search.

    A climber changes about half of its coordinates at once, by Gaussian steps that grow after a
    success and shrink after a failure.

    Args:
        rng: source of randomness.
        ratio: ratio of each instance.
        num_coordinates: D.
        search: how long to search.
        scale: standard deviation of the coordinates of random instances.

    Returns:
        The largest ratio found.
    """
    point = scale * rng.standard_normal((search.num_random, num_coordinates))
    value = ratio(point)
    best = np.argsort(value)[-search.num_climbers :]
    point, value = point[best], value[best]
    reach = np.ones(len(best))
    for _ in range(search.num_rounds):
        step = reach[:, None] * rng.standard_normal(point.shape)
        tried = point + np.where(rng.random(point.shape) < 0.5, step, 0.0)
        found = ratio(tried)
        is_better = found > value
        point = np.where(is_better[:, None], tried, point)
        value = np.where(is_better, found, value)
        reach = np.where(is_better, np.minimum(1.5 * reach, 3.0), np.maximum(0.9 * reach, 1e-7))
    return float(value.max())
