"""Experiments on inequalities along paths of exact policy gradient (P48).

Shapes: N paths, K arms, S iterates.
"""

from collections.abc import Sequence

import numpy as np

from theory.verify.experiments.adversary import ExactGradients
from theory.verify.measurement import Measurement


def random_starts(
    rng: np.random.Generator, num_paths: int, num_arms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and rewards of random bandits: arm 0 is best, half have equal wrong arms.

    Args:
        rng: source of randomness.
        num_paths: N.
        num_arms: K.

    Returns:
        Logits, nats, and rewards in [0, 1], each of shape [N, K].
    """
    # The best arm from rare to nearly certain; near certainty the rate's bound is filled best.
    logits = rng.standard_normal((num_paths, num_arms)) * rng.choice([0.0, 1.0], (num_paths, 1))
    logits[:, 0] += np.log(num_arms) + rng.uniform(-4.0, 3.0, num_paths)
    reward = 0.9 * rng.random((num_paths, num_arms)) * rng.choice([0.0, 1.0], (num_paths, 1))
    reward[:, 0] = 1.0
    return logits, reward


def best_arm_paths(
    logits: np.ndarray, reward: np.ndarray, *, step_size: float, num_updates: int
) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the best arm, arm 0, and suboptimality along exact gradient paths.

    Args:
        logits: logits at the start, nats, shape [N, K].
        reward: mean reward of each arm, the first the largest, shape [N, K].
        step_size: step size, per unit of reward.
        num_updates: updates.

    Returns:
        prob of the best arm and V* - V at each iterate, the start first, each [N, S].
    """
    model = ExactGradients(logits, step_size)
    best, gap = np.empty((2, len(logits), num_updates + 1))
    for index in range(num_updates + 1):
        prob = model.prob()
        best[:, index] = prob[:, 0]
        # Summed over the wrong arms, so that nothing cancels once the best one is nearly certain.
        gap[:, index] = (prob[:, 1:] * (reward[:, :1] - reward[:, 1:])).sum(axis=1)
        if index < num_updates:
            model.update(reward)
    return best, gap


def measure_rates(
    rng: np.random.Generator,
    arm_counts: Sequence[int],
    *,
    step_size: float,
    num_paths: int,
    num_updates: int,
    is_uniform: bool = False,
) -> Measurement:
    """Largest n gap (min p)^2 after n updates, over paths and updates, for each number of arms.

    Args:
        rng: source of randomness.
        arm_counts: numbers of arms.
        step_size: step size, per unit of reward.
        num_paths: paths for each number of arms, N.
        num_updates: updates.
        is_uniform: whether paths start at equal logits; (min p)^2 is then 1/K^2.

    Returns:
        One supremum per number of arms, updates.
    """
    found = []
    for num_arms in arm_counts:
        logits, reward = random_starts(rng, num_paths, num_arms)
        logits = np.zeros_like(logits) if is_uniform else logits
        best, gap = best_arm_paths(logits, reward, step_size=step_size, num_updates=num_updates)
        least = np.minimum.accumulate(best, axis=1)[:, :-1]
        least = np.full_like(least, 1.0 / num_arms) if is_uniform else least
        updates = np.arange(1.0, num_updates + 1.0)
        found.append((updates * gap[:, 1:] * least**2).max())
    return Measurement.exact(found)


def measure_backward(
    rng: np.random.Generator,
    arm_counts: Sequence[int],
    *,
    step_size: float,
    num_paths: int,
    num_updates: int,
    is_uniform: bool = True,
) -> Measurement:
    """Largest p_t/p_(t + 1) of the best arm, over paths and updates, for each number of arms.

    Args:
        rng: source of randomness.
        arm_counts: numbers of arms.
        step_size: step size, per unit of reward.
        num_paths: paths for each number of arms, N.
        num_updates: updates.
        is_uniform: whether paths start at equal logits.

    Returns:
        One supremum per number of arms, dimensionless.
    """
    found = []
    for num_arms in arm_counts:
        logits, reward = random_starts(rng, num_paths, num_arms)
        logits = np.zeros_like(logits) if is_uniform else logits
        best, _ = best_arm_paths(logits, reward, step_size=step_size, num_updates=num_updates)
        found.append((best[:, :-1] / best[:, 1:]).max())
    return Measurement.exact(found)


def measure_inverse_gaps(
    rng: np.random.Generator,
    arm_counts: Sequence[int],
    *,
    step_size: float,
    num_paths: int,
    num_updates: int,
) -> Measurement:
    """Largest D^2/(t gap) over the later half of paths, D the reward lead of the best arm.

    Args:
        rng: source of randomness.
        arm_counts: numbers of arms.
        step_size: step size, per unit of reward.
        num_paths: paths for each number of arms, N.
        num_updates: updates.

    Returns:
        One supremum per number of arms, per update.
    """
    found = []
    for num_arms in arm_counts:
        logits, reward = random_starts(rng, num_paths, num_arms)
        # Starts near certainty are early for as long as it takes to forget them.
        logits[:, 0] = logits[:, 1:].max(axis=1)
        _, gap = best_arm_paths(logits, reward, step_size=step_size, num_updates=num_updates)
        lead = (reward[:, :1] - reward[:, 1:]).min(axis=1)
        late = slice(num_updates // 2, None)
        time = np.arange(1.0, num_updates + 2.0)[late]
        found.append((lead[:, None] ** 2 / (time * gap[:, late])).max())
    return Measurement.exact(found)
