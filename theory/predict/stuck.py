"""How long noise keeps single-sample policy gradient on a wrong arm, raw rewards (P33).

With odds X against the best arm, a pull of it comes with probability 1/(1 + X) and multiplies X by
exp(-step_size K/(K - 1) R); in between, pulls of the majority raise X by 2 step_size * (its mean).
Both scale with X, so X is a positive self-similar Markov process: its logarithm is a random walk
on a clock that runs like X, and the time to come down has the tail of a power, given by the root
at which the walk's exponential moment is 1. The root does not depend on the step size, which
makes it the largest one of finite expected time.

The best arm's reward: values with probabilities, plus Gaussian noise where there is some.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from theory.predict.conditions import require, require_positive

_LARGEST_EXPONENT = 700.0


def _moment_excess(
    step_size: float,
    reward: np.ndarray,
    prob: np.ndarray,
    noise_sd: float,
    wrong_mean: float,
    num_wrong: int,
) -> float:
    """2 step mean_wrong + E exp(-step K/(K - 1) R) - 1: minus the drift of X, below 0 if down."""
    share = step_size * (num_wrong + 1) / num_wrong
    exponent = np.minimum(-share * reward + 0.5 * (share * noise_sd) ** 2, _LARGEST_EXPONENT)
    return float(2.0 * step_size * wrong_mean + prob @ np.expm1(exponent))


def _as_law(
    function: str,
    reward: ArrayLike,
    prob: ArrayLike,
    noise_sd: float,
    wrong_mean: float,
    num_wrong: int,
) -> tuple[np.ndarray, np.ndarray]:
    reward, prob = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (reward, prob))
    require(
        reward.shape == prob.shape and bool(np.isfinite(reward).all()),
        function,
        "reward",
        f"finite and of the shape of prob, {prob.shape}",
        reward.tolist(),
        "Give each value of the best arm's reward its probability",
    )
    require(
        bool((prob >= 0.0).all()) and abs(prob.sum() - 1.0) < 1e-12,
        function,
        "prob",
        "probabilities of sum 1",
        prob.tolist(),
        "Give each value of the best arm's reward its probability",
    )
    require(noise_sd >= 0.0, function, "noise_sd", "at least 0", noise_sd, "0 means no noise")
    require(
        num_wrong >= 1 and (num_wrong == 1 or wrong_mean == 0.0),
        function,
        "num_wrong",
        "1, or more where wrong arms always pay 0",
        num_wrong,
        "Wrong arms that pay drift apart, which this theory does not follow",
    )
    require(
        0.0 <= wrong_mean < float(prob @ reward),
        function,
        "wrong_mean",
        f"at least 0 and below the best arm's mean, {float(prob @ reward):g}",
        wrong_mean,
        "A punished arm is left at once, without a tail",
    )
    return reward, prob


def predicted_learning_rate_threshold(
    reward: ArrayLike,
    prob: ArrayLike,
    *,
    noise_sd: float = 0.0,
    wrong_mean: float = 0.0,
    num_wrong: int = 1,
) -> float:
    """Step size c above which the expected time on the wrong arm is infinite.

    c > 0 solves 2 c mean_wrong + E exp(-c R K/(K - 1)) = 1 (K = 2 where the wrong arm pays).

    Assumes:
        One rollout per round, reward as advantage. Two arms, or K - 1 wrong ones that always pay 0
        and are equally likely. The rewards of the wrong arm matter by their mean alone.

    Derivation:
        Per unit of the clock that ticks with each pull of the best arm, E[X^(c/step)] changes by
        the left side minus 1 times X^(c/step), to leading order in 1/X: a martingale at the root.
        By Cramer's argument P(log X ever rises by x) ~ exp(-x c/step), and staying until t needs
        X to have been of order t. Heuristic for the process, not a proof. Small gaps:
        c -> gap/E[R^2]; adding b to all rewards makes that gap/E[(R + b)^2].

    Args:
        reward: values of the best arm's reward, shape [n].
        prob: their probabilities, shape [n].
        noise_sd: standard deviation of Gaussian noise on top, in units of reward.
        wrong_mean: mean reward of the wrong arm.
        num_wrong: wrong arms, K - 1.

    Returns:
        The threshold, per unit of reward; infinity where no pull of the best arm can ever raise
        the odds against it.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here. For rewards +-1 of mean d against 0 it is (K - 1)/K log(1 + 2 d/(1 - d)), the
        exponent of the lower bound in Baudry et al. 2025, Theorem 2, as the catalogue cites it.

    Examples:
        >>> round(predicted_learning_rate_threshold(1.0, 1.0, wrong_mean=0.8), 4)
        0.2321
    """
    function = "predicted_learning_rate_threshold"
    reward, prob = _as_law(function, reward, prob, noise_sd, wrong_mean, num_wrong)
    law = (reward, prob, noise_sd, wrong_mean, num_wrong)
    can_rise = wrong_mean > 0.0 or noise_sd > 0.0 or bool((reward[prob > 0.0] < 0.0).any())
    if not can_rise:
        return math.inf
    # The excess is convex, 0 and falling at 0: it lies below 0 up to its root, above 0 beyond.
    high = (prob @ reward - wrong_mean) / (prob @ reward**2 + noise_sd**2)
    while _moment_excess(high, *law) < 0.0:
        high *= 2.0
    low = high
    while _moment_excess(low, *law) >= 0.0:
        low *= 0.5
    return float(brentq(_moment_excess, low, 2.0 * low, args=law, xtol=1e-15, rtol=1e-13))


def predicted_stuck_exponent(step_size: float, reward: ArrayLike, prob: ArrayLike, **law) -> float:
    """Tail exponent of the time on the wrong arm: P(T > t) ~ t^-alpha, alpha = threshold/step_size.

    Assumes:
        As `predicted_learning_rate_threshold`; t far above the odds X0 at the start, with which
        the tail's next term falls as X0/t. Runs that came down to X = 1 and might have gone up
        again add another one, t^-2alpha: it is negligible where X0^alpha is large.

    Derivation:
        See `predicted_learning_rate_threshold`: alpha = 1 where the step size is the threshold,
        the border of a finite mean.

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        reward: values of the best arm's reward, shape [n].
        prob: their probabilities, shape [n].
        **law: further arguments of `predicted_learning_rate_threshold`.

    Returns:
        alpha, dimensionless.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    require_positive("predicted_stuck_exponent", "step_size", step_size, "At 0 nothing moves")
    return predicted_learning_rate_threshold(reward, prob, **law) / step_size


def predicted_stuck_mean(
    step_size: float,
    reward: ArrayLike,
    prob: ArrayLike,
    *,
    noise_sd: float = 0.0,
    wrong_mean: float = 0.0,
    num_wrong: int = 1,
) -> float:
    """Expected time on the wrong arm over the odds at the start, E[T]/X0, for X0 to infinity.

    E[T]/X0 = 1/(1 - 2 step mean_wrong - E exp(-step R K/(K - 1))).

    Assumes:
        As `predicted_learning_rate_threshold`; a step size below that threshold. Corrections are
        of order log(X0)/X0.

    Derivation:
        The denominator is how much X falls per round on average, whatever X: 1/X pulls of the
        best arm, each taking off a share of X, less what the majority's rewards add. Optional
        stopping gives X0 = E[T] * that. It vanishes at the threshold.

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        reward: values of the best arm's reward, shape [n].
        prob: their probabilities, shape [n].
        noise_sd: standard deviation of Gaussian noise on top, in units of reward.
        wrong_mean: mean reward of the wrong arm.
        num_wrong: wrong arms, K - 1.

    Returns:
        Rounds per unit of X0.

    Raises:
        ValueError: an argument is out of range, or the mean is infinite.

    References:
        Derived here.
    """
    function = "predicted_stuck_mean"
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    reward, prob = _as_law(function, reward, prob, noise_sd, wrong_mean, num_wrong)
    excess = _moment_excess(step_size, reward, prob, noise_sd, wrong_mean, num_wrong)
    require(
        excess < 0.0,
        function,
        "step_size",
        "below the learning rate threshold",
        step_size,
        "Above it the expected time is infinite; ask for the exponent",
    )
    return -1.0 / excess


def predicted_regret_growth(step_size: float, reward: ArrayLike, prob: ArrayLike, **law) -> float:
    """Exponent of the expected time lost on the wrong arm up to t: t^(1 - alpha).

    Assumes:
        As `predicted_stuck_exponent`; a step size above the threshold, so that alpha < 1.

    Derivation:
        E[min(T, t)] is the integral of P(T > s) ~ s^-alpha up to t.

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        reward: values of the best arm's reward, shape [n].
        prob: their probabilities, shape [n].
        **law: further arguments of `predicted_learning_rate_threshold`.

    Returns:
        1 - alpha, dimensionless.

    Raises:
        ValueError: an argument is out of range, or alpha is 1 or more.

    References:
        Derived here.
    """
    alpha = predicted_stuck_exponent(step_size, reward, prob, **law)
    require(
        alpha < 1.0,
        "predicted_regret_growth",
        "step_size",
        "above the learning rate threshold",
        step_size,
        "Below it the expected time has a limit",
    )
    return 1.0 - alpha
