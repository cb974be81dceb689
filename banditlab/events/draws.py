"""What is drawn for a round that is known to have a success: when it comes, and which rollout.

A hazard is -log(1 - probability): over independent rollouts hazards add up, and at probabilities
of 1e-300 as near 1 they keep their digits.

Shapes: R runs, N rollouts of a round, * any.
"""

import numpy as np


def hazard_of_success(success: np.ndarray, failure: np.ndarray) -> np.ndarray:
    """Hazard of success of one rollout: -log(1 - success), from whichever side is the smaller.

    Args:
        success: probability of success, shape [*].
        failure: its complement, computed apart, shape [*].

    Returns:
        The hazard, in [0, inf], shape [*].
    """
    is_rare = success < 0.5
    with np.errstate(divide="ignore"):
        return -np.where(is_rare, np.log1p(-np.where(is_rare, success, 0.0)), np.log(failure))


def geometric_wait(hazard: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Rounds until the next one with a success, that one counted: P(wait > n) = exp(-n * hazard).

    Args:
        hazard: -log of the probability that a round has none, in [0, inf], shape [*].
        uniform: uniforms in [0, 1), shape [*].

    Returns:
        Whole numbers from 1, inf where there never is one, shape [*].
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        wait = np.floor(-np.log1p(-uniform) / hazard) + 1.0
    return np.where(hazard > 0.0, wait, np.inf)


def first_success(cumulative_hazard: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Which rollout of a round is the first to succeed, given that one does.

    Args:
        cumulative_hazard: hazards of success of the rollouts, summed from the first, [R, N].
        uniform: uniforms in [0, 1), shape [R].

    Returns:
        Index of the rollout, shape [R].
    """
    total = cumulative_hazard[:, -1]
    level = -np.log1p(uniform * np.expm1(-total))
    index = (cumulative_hazard <= level[:, None]).sum(axis=1)
    # Rounding can carry the level to the total; it then belongs to the last that can succeed.
    return np.minimum(index, (cumulative_hazard >= total[:, None]).argmax(axis=1))


def outcomes_given_first(first: np.ndarray, num_rollouts: int) -> np.ndarray:
    """What is known of each rollout of a round when its first success is.

    Args:
        first: index of the first success, shape [R].
        num_rollouts: rollouts of a round, N.

    Returns:
        0 (failure) before it, 1 at it, -1 (not known) after it, shape [R, N].
    """
    index, at = np.arange(num_rollouts), first[:, None]
    return np.where(index < at, 0, np.where(index == at, 1, -1))
