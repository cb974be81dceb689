"""What the lumped policy says: class mass, true reward, entropy, collision probability; exact.

Shapes: M = R * P rows (runs times prompts), C arm classes.
"""

import numpy as np

from banditlab.lumped.slots import padded_sum
from banditlab.lumped.state import ALL, LumpedState, Rows


def class_mass(state: LumpedState, rows: Rows = ALL) -> np.ndarray:
    """Probability of each class, slots included.

    Args:
        state: the policy.
        rows: which rows.

    Returns:
        Shape [rows, C].
    """
    state.freshen(rows)
    mass = state.class_weight[rows] + state.slots.class_sums(rows, state.problem.num_classes)
    return mass / state.weight_sum[rows][:, None]


def expected_reward(state: LumpedState) -> np.ndarray:
    """True mean reward; of arms never pulled the mean of their class.

    Args:
        state: the policy.

    Returns:
        Shape [M].
    """
    mean = np.where(np.isnan(state.kept_reward), state.reward, state.kept_reward)
    reward = (class_mass(state) * mean).sum(axis=-1)
    if state.slots.reward is not None and state.slots.capacity:
        arm_class = np.maximum(state.slots.arm_class, 0).astype(np.int64)
        excess = state.slots.reward - np.take_along_axis(state.reward, arm_class, axis=1)
        kept = np.where(np.isnan(excess), 0.0, state.slots.weight * excess)
        reward += padded_sum(kept) / state.weight_sum
    return reward


def entropy(state: LumpedState) -> np.ndarray:
    """Entropy of the policy.

    Args:
        state: the policy.

    Returns:
        Nats, shape [M].
    """
    state.freshen(ALL)
    common = state.common(ALL)
    log_prob = state.log_prob_per_arm + state.own - state.log_normalizer[:, None]
    if common is not None:
        log_prob += common
    total = -(state.class_weight * log_prob).sum(axis=-1)
    if state.slots.capacity:
        # The weight of a slot in use is exp(log_prob) times the weights' sum.
        weight = state.slots.weight / state.weight_sum[:, None]
        is_used = weight > 0.0
        log_weight = np.log(np.where(is_used, weight, 1.0))
        total -= padded_sum(weight * log_weight) * state.weight_sum
    return total / state.weight_sum


def collision(state: LumpedState) -> np.ndarray:
    """Probability that two rollouts are the same arm: the sum of squared probabilities.

    Args:
        state: the policy.

    Returns:
        Shape [M].
    """
    state.freshen(ALL)
    # Divided before they are squared: a square of a weight may overflow.
    prob = state.class_weight / state.weight_sum[:, None]
    total = (prob**2 * state.inverse_count).sum(axis=-1)
    if state.slots.capacity:
        total = total + padded_sum((state.slots.weight / state.weight_sum[:, None]) ** 2)
    return total
