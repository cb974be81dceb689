"""What equal rewards do to the balance between correct arms (P30).

Once every arm pays the same nothing is left to be learned, and rules part: a centred advantage is
0 and the policy stays; raw reward goes on raising whatever was sampled. Its logits are then a
martingale that never settles, and of two arms the minority one becomes rare like 1/rounds.

Two arms, odds X = exp(|z|) of the larger one: all but 1/X of the rounds draw the larger arm and
add 2 * step_size to X; the others multiply X by exp(-2 * step_size).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from theory.predict.conditions import as_log_odds, require, require_positive

_MOST_EXPONENT = 20.0
_NUM_TERMS = 160


def predicted_logits_of_equal_arms(logits: ArrayLike) -> np.ndarray:
    """Logits after any number of updates on arms of one and the same reward: those at the start.

    Under raw_reward in the mean over runs; under a centred advantage (group_mean, leave_one_out,
    grpo, clip, or the exact value as baseline) in each run.

    Assumes:
        All arms pay the same; tabular softmax under SGD; for raw_reward one inner epoch.

    Derivation:
        The expected step on arm a is step_size * pi_a (r_a - V) = 0, so the logits are a
        martingale. A centred advantage of equal rewards is 0 itself.

    Args:
        logits: initial logits, nats, shape [K].

    Returns:
        The logits, nats, shape [K].

    Raises:
        ValueError: a logit is not finite.

    References:
        Derived here. That raw reward never settles: Robertson et al., REINFORCE Converges to
        Optimal Policies with Any Learning Rate, as the catalogue quotes it.
    """
    logits = np.array(as_log_odds("predicted_logits_of_equal_arms", "logits", logits))
    require(
        logits.ndim == 1 and logits.size >= 2,
        "predicted_logits_of_equal_arms",
        "logits",
        "a vector of at least two arms",
        f"shape {logits.shape}",
        "Pass the logits of one policy",
    )
    return logits


def predicted_odds_moments(num_moments: int, step_size: float) -> np.ndarray:
    """Moments of X/t for two equal arms under raw reward: prod (2 eta k - 1 + e^(-2 eta k))/n!.

    Assumes:
        Two arms of reward 1, one rollout a round, rounds t to infinity at a fixed step size; the
        error is of order log(t)^2/t.

    Derivation:
        At large X, d E[X^n]/dt = E[2 eta n X^(n-1) + X^(n-1) (e^(-2 eta n) - 1)] =
        (2 eta n - 1 + e^(-2 eta n)) E[X^(n-1)]; iterate from E[X^0] = 1. They grow like
        (2 eta)^n, since X/t <= 2 eta in the limit, so they determine the law. For eta to 0 they are
        n! (2 eta^2)^n, the moments of an exponential of mean 2 eta^2.

    Args:
        num_moments: highest order.
        step_size: step size of SGD on the logits, eta.

    Returns:
        Moments of order 1 to num_moments, shape [num_moments].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_odds_moments(3, 1.5).round(4).tolist()
        [2.0498, 5.127, 13.6722]
    """
    function = "predicted_odds_moments"
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    require(num_moments >= 1, function, "num_moments", "at least 1", num_moments, "Ask for one")
    order = np.arange(1, num_moments + 1)
    double = 2.0 * step_size * order
    return np.cumprod((double + np.expm1(-double)) / order)


def predicted_odds_transform(rate: ArrayLike, step_size: float) -> np.ndarray:
    """Laplace transform of the odds: E[exp(-rate * X/t)].

    Assumes:
        As `predicted_odds_moments`; rate * 2 * step_size at most 20, where the alternating series
        still has seven digits.

    Derivation:
        sum over n of (-rate)^n E[(X/t)^n]/n!, which converges for every rate since X/t is bounded.

    Args:
        rate: argument of the transform, at least 0, shape [*].
        step_size: step size of SGD on the logits, eta.

    Returns:
        The transform, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_odds_transform"
    rate = np.asarray(rate, dtype=np.float64)
    exponent = 2.0 * step_size * rate
    require(
        bool((exponent >= 0.0).all() and (exponent <= _MOST_EXPONENT).all()),
        function,
        "rate",
        f"such that 2 * step_size * rate lies in [0, {_MOST_EXPONENT:g}]",
        rate.tolist(),
        "Beyond that the transform is next to nothing",
    )
    order = np.arange(1, _NUM_TERMS + 1)
    # In units of the largest possible X/t, so that no factor overflows.
    moments = predicted_odds_moments(_NUM_TERMS, step_size) / (2.0 * step_size) ** order
    with np.errstate(divide="ignore"):
        size = np.exp(order * np.log(exponent[..., None]) - gammaln(order + 1.0))
    return 1.0 + (np.where(order % 2 == 0, 1.0, -1.0) * size) @ moments
