"""Experiments on inequalities for exact gradients: suprema by search, and along paths (P48, P49).

Shapes: N instances, K arms, D coordinates of an instance.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit

from theory.verify.experiments.adversary import ExactGradients, Ratio, Search, largest_ratio
from theory.verify.measurement import Measurement

_LEAST_GAP = 0.1


def _as_logits(point: np.ndarray, largest: float = 6.0) -> np.ndarray:
    return largest * np.tanh(point / largest)


def _gradients(logits: np.ndarray) -> Callable[[np.ndarray], ExactGradients]:
    """Exact gradients at logits, in one policy that is taken up again while N stays the same."""
    gradients = ExactGradients(logits)

    def at(logits: np.ndarray) -> ExactGradients:
        nonlocal gradients
        if gradients.logits.shape != logits.shape:
            gradients = ExactGradients(logits)
        gradients.logits = logits
        return gradients

    return at


def lojasiewicz_ratio(num_arms: int) -> Ratio:
    """Ratio p gap/|g| of instances: K logits, K rewards, the first of them 1.

    Args:
        num_arms: arms, K.

    Returns:
        The ratio, [N, 2 K] -> [N].
    """
    at = _gradients(np.zeros((1, num_arms)))

    def ratio(point: np.ndarray) -> np.ndarray:
        # Two arms attain the bound everywhere, where 1 - p may not cancel.
        model = at(_as_logits(point[:, :num_arms], largest=4.0))
        # The first arm is the best one by a margin: without a gap there is no gradient.
        reward = (1.0 - _LEAST_GAP) * expit(point[:, num_arms:])
        reward[:, 0] = 1.0
        prob = model.prob()
        gap = reward[:, 0] - (prob * reward).sum(axis=1)
        return prob[:, 0] * gap / np.linalg.norm(model.gradient(reward), axis=1)

    return ratio


def hessian(prob: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Hessian of the expected reward from its gradient: diag(g) - g prob' - prob g'.

    Args:
        prob: probability of each arm, shape [N, K].
        gradient: gradient of the expected reward, shape [N, K].

    Returns:
        Shape [N, K, K].
    """
    cross = gradient[:, :, None] * prob[:, None, :]
    return gradient[:, :, None] * np.eye(prob.shape[1]) - cross - cross.transpose(0, 2, 1)


def _spectral_norm(matrix: np.ndarray) -> np.ndarray:
    return np.abs(np.linalg.eigvalsh(matrix)).max(axis=1)


def smoothness_ratio(num_arms: int) -> Ratio:
    """Largest |eigenvalue| of the Hessian of instances: K logits, K rewards in [0, 1].

    Args:
        num_arms: arms, K.

    Returns:
        The ratio, [N, 2 K] -> [N].
    """
    at = _gradients(np.zeros((1, num_arms)))

    def ratio(point: np.ndarray) -> np.ndarray:
        model = at(_as_logits(point[:, :num_arms]))
        reward = expit(3.0 * point[:, num_arms:])
        return _spectral_norm(hessian(model.prob(), model.gradient(reward)))

    return ratio


def nonuniform_smoothness_ratio(num_arms: int) -> Ratio:
    """Largest |eigenvalue| of the Hessian over |g| of instances: K logits, K numbers for g.

    Args:
        num_arms: arms, K.

    Returns:
        The ratio, [N, 2 K] -> [N].
    """
    at = _gradients(np.zeros((1, num_arms)))

    def ratio(point: np.ndarray) -> np.ndarray:
        model = at(_as_logits(point[:, :num_arms]))
        prob = model.prob()
        # Rewards whose gradient is a given direction of sum 0, to their scale.
        direction = point[:, num_arms:] - point[:, num_arms:].mean(axis=1, keepdims=True)
        reward = direction / prob
        reward = reward / np.abs(reward).max(axis=1, keepdims=True)
        gradient = model.gradient(reward)
        norm = np.linalg.norm(gradient, axis=1)
        return _spectral_norm(hessian(prob, gradient)) / norm

    return ratio


def noise_growth_ratio(num_arms: int, *, has_published_form: bool) -> Ratio:
    """Ratio of E|sampled g|^2 to |g| of instances: K logits, K - 1 distances of rewards.

    Rewards lie between -R and R and are paid as +-R with the right mean, the noisiest law there.

    Args:
        num_arms: arms, K.
        has_published_form: whether the ratio is E|.|^2 D^2/(R^3 K^(3/2) |g|), or else
            E|.|^2 D/(R^2 |g|), D the least difference of two mean rewards.

    Returns:
        The ratio, [N, 2 K - 1] -> [N].
    """
    at = _gradients(np.zeros((1, num_arms)))

    def ratio(point: np.ndarray) -> np.ndarray:
        model = at(_as_logits(point[:, :num_arms]))
        distance = 1.0 + np.exp(np.clip(point[:, num_arms:], -8.0, 4.0) - 4.0)
        zeros = np.zeros((len(point), 1))
        reward = np.concatenate([zeros, distance.cumsum(axis=1)], axis=1)
        # The least difference of rewards in units of R = 1, the half of their range.
        half_range = 0.5 * reward[:, -1:]
        reward = reward / half_range - 1.0
        least = distance.min(axis=1) / half_range[:, 0]
        prob = model.prob()
        noise = sum(prob[:, arm] * (model.score(arm) ** 2).sum(axis=1) for arm in range(num_arms))
        value = noise * least / np.linalg.norm(model.gradient(reward), axis=1)
        return value * least / num_arms**1.5 if has_published_form else value

    return ratio


def measure_suprema(
    rng: np.random.Generator,
    ratio_of: Callable[[int], Ratio],
    arm_counts: Sequence[int],
    search: Search,
    coordinates_of: Callable[[int], int] = lambda num_arms: 2 * num_arms,
) -> Measurement:
    """Largest ratio found for each number of arms.

    Args:
        rng: source of randomness.
        ratio_of: the ratio, given the number of arms.
        arm_counts: numbers of arms.
        search: how long to search for each.
        coordinates_of: coordinates of an instance, given the number of arms.

    Returns:
        One supremum per number of arms.
    """
    return Measurement.exact(
        [
            largest_ratio(rng, ratio_of(num_arms), coordinates_of(num_arms), search)
            for num_arms in arm_counts
        ]
    )
