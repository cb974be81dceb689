"""A baseline of earlier rewards leaves the gradient alone; one with the present reward shrinks it.

The running mean b of a prompt's rewards moves by b += w (mean of the round - b), where w = max(
forgetting, 1/t) in round t: a plain mean at first, exponential from round 1/forgetting on (P10).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit

from theory.predict.conditions import as_log_odds, require


def newest_weight(num_rounds: int, *, forgetting: float) -> np.ndarray:
    """Weight of the newest round in the running mean: max(forgetting, 1/t).

    Args:
        num_rounds: rounds, S.
        forgetting: least weight of the newest round, in [0, 1].

    Returns:
        The weight in rounds 1 to S, shape [S].

    Raises:
        ValueError: an argument is out of range.
    """
    require(num_rounds >= 1, "newest_weight", "num_rounds", "at least 1", num_rounds, "Use 1")
    require(
        0.0 <= forgetting <= 1.0,
        "newest_weight",
        "forgetting",
        "in [0, 1]",
        forgetting,
        "Use 0 for the mean of all rewards",
    )
    return np.maximum(forgetting, 1.0 / np.arange(1, num_rounds + 1))


def predicted_kept_share(
    num_rounds: int, *, group_size: int, forgetting: float, is_included: bool
) -> np.ndarray:
    """Share of the gradient that a running-mean baseline leaves: 1, or 1 - w_t/G.

    Assumes:
        Independent rollouts of the current policy (ratio 1); the baseline is the running mean
        before the round, or, where it is `is_included`, the one after it.

    Derivation:
        Earlier rewards are independent of the present arms, and E[b s] = b E[s] = 0. The updated
        baseline is (1 - w) b + (w/G) sum_j R_j, whose part (w/G) R_i belongs to the sample itself
        and takes w/G of E[R s]. For G = 1 and a fixed w that is the factor 1 - w; in round 1,
        where w = 1, the baseline is the group mean and the factor (G - 1)/G.

    Args:
        num_rounds: rounds, S.
        group_size: rollouts per round, G.
        forgetting: least weight of the newest round, in [0, 1].
        is_included: whether the present rewards are in the baseline.

    Returns:
        The share in rounds 1 to S, shape [S].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> how = {"group_size": 1, "forgetting": 0.25, "is_included": True}
        >>> predicted_kept_share(6, **how).round(3).tolist()
        [0.0, 0.5, 0.667, 0.75, 0.75, 0.75]
    """
    require(
        group_size >= 1,
        "predicted_kept_share",
        "group_size",
        "at least 1",
        group_size,
        "Rollouts are counted per round",
    )
    weight = newest_weight(num_rounds, forgetting=forgetting)
    return 1.0 - weight / group_size if is_included else np.ones_like(weight)


def predicted_baseline_gradient(log_odds: ArrayLike, num_rounds: int, **how: float) -> np.ndarray:
    """Mean class gradient of each round over a running-mean baseline: p q times the kept share.

    Assumes:
        Rewards 0 or 1; otherwise as `predicted_kept_share`.

    Derivation:
        The class gradient of the raw reward is E[r ([correct] - p)] = p q.

    Args:
        log_odds: log(p/(1 - p)), nats, shape [*].
        num_rounds: rounds, S.
        **how: keyword arguments of `predicted_kept_share`.

    Returns:
        Class gradients, in units of reward, shape [*, S].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    log_odds = as_log_odds("predicted_baseline_gradient", "log_odds", log_odds)
    spread = np.exp(log_expit(log_odds) + log_expit(-log_odds))
    return spread[..., None] * predicted_kept_share(num_rounds, **how)
