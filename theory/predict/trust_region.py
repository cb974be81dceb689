"""The exact step of a chi-squared trust region, and the learning curve it gives (P17).

One round maximises the expected advantage subject to E_old[(ratio - 1)^2] <= bound, exactly and
over all policies: what a variance penalty with the right multiplier converges to in its inner loop.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import (
    LARGEST_LOG_ODDS,
    as_log_odds,
    as_time,
    require,
    require_positive,
)

_BOUND_REMEDY = "It is the largest variance of the ratio; 0.01 is usual"


def _moments(
    function: str, advantage: ArrayLike, prob: ArrayLike
) -> tuple[np.ndarray, np.ndarray, float, float]:
    advantage = np.asarray(advantage, dtype=np.float64)
    prob = np.asarray(prob, dtype=np.float64)
    require(
        prob.ndim == 1 and prob.shape == advantage.shape,
        function,
        "prob",
        f"of the shape of `advantage`, {advantage.shape}, with one axis",
        prob.shape,
        "Give one probability per arm",
    )
    require(
        bool((prob > 0.0).all()) and abs(float(prob.sum()) - 1.0) < 1e-9,
        function,
        "prob",
        "positive and of sum 1",
        f"sum {prob.sum():g}, smallest {prob.min():g}",
        "Leave out arms of probability 0",
    )
    mean = float(prob @ advantage)
    deviation = float(np.sqrt(prob @ (advantage - mean) ** 2))
    require(
        deviation > 0.0,
        function,
        "advantage",
        "different between arms",
        f"{advantage[0]:g} for every arm",
        "Equal advantages leave nothing to choose",
    )
    return advantage, prob, mean, deviation


def predicted_optimal_ratio(advantage: ArrayLike, prob: ArrayLike, bound: float) -> np.ndarray:
    """Ratio of the optimal to the old policy: 1 + sqrt(bound) (A - mean A) / sd(A).

    Assumes:
        The policy can be any distribution over the arms, and no ratio comes out negative; for
        0/1 rewards that is bound <= (1 - p)/p.

    Derivation:
        Maximise sum prob ratio A - multiplier (sum prob (ratio - 1)^2 - bound) under sum prob
        ratio = 1: the ratio is affine in A, its slope is set by the bound.

    Args:
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, shape [K].
        bound: largest E_old[(ratio - 1)^2].

    Returns:
        The ratio, shape [K].

    Raises:
        ValueError: an argument is out of range, or the bound too wide for this formula.

    References:
        Derived here; the constraint is that of arXiv 2601.03320.
    """
    function = "predicted_optimal_ratio"
    require_positive(function, "bound", bound, _BOUND_REMEDY)
    advantage, prob, mean, deviation = _moments(function, advantage, prob)
    ratio = 1.0 + np.sqrt(bound) * (advantage - mean) / deviation
    widest = (deviation / (mean - advantage.min())) ** 2
    require(
        bool((ratio >= 0.0).all()),
        function,
        "bound",
        f"at most {widest:g} here, the regime in which no ratio is negative",
        bound,
        "Beyond it the worst arms reach probability 0 and the formula does not hold",
    )
    return ratio


def predicted_gain(advantage: ArrayLike, prob: ArrayLike, bound: float) -> float:
    """Gain of expected advantage of the optimal step: sqrt(bound) * sd(A), exactly.

    Assumes:
        As `predicted_optimal_ratio`.

    Derivation:
        Insert the optimal ratio: sum prob (ratio - 1) A = sqrt(bound) Var(A) / sd(A).

    Args:
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, shape [K].
        bound: largest E_old[(ratio - 1)^2].

    Returns:
        The gain, in units of the advantage.

    Raises:
        ValueError: an argument is out of range, or the bound too wide for this formula.

    References:
        Derived here.
    """
    predicted_optimal_ratio(advantage, prob, bound)
    deviation = _moments("predicted_gain", advantage, prob)[3]
    return float(np.sqrt(bound)) * deviation


def predicted_multiplier(advantage: ArrayLike, prob: ArrayLike, bound: float) -> float:
    """Multiplier at which the penalised objective has the same optimum: sd(A) / (2 sqrt(bound)).

    Assumes:
        As `predicted_optimal_ratio`.

    Derivation:
        Without constraint, E_old[ratio A] - multiplier E_old[(ratio - 1)^2] has its optimum at
        ratio = 1 + (A - mean A)/(2 multiplier); compare the slopes in A.

    Args:
        advantage: advantage of each arm, shape [K].
        prob: old probability of each arm, shape [K].
        bound: largest E_old[(ratio - 1)^2].

    Returns:
        The multiplier, in units of the advantage.

    Raises:
        ValueError: an argument is out of range, or the bound too wide for this formula.

    References:
        Derived here.
    """
    predicted_optimal_ratio(advantage, prob, bound)
    deviation = _moments("predicted_multiplier", advantage, prob)[3]
    return deviation / (2.0 * float(np.sqrt(bound)))


def predicted_step_log_odds(log_odds: ArrayLike, bound: float) -> np.ndarray:
    """Log-odds after one exact step with 0/1 rewards: p' = p + sqrt(bound p (1 - p)).

    Assumes:
        Rewards 0 or 1 and bound <= (1 - p)/p; at equality p' = 1 and the log-odds are infinite.

    Derivation:
        The gain of `predicted_gain` with sd = sqrt(p (1 - p)). In odds: p' = p (1 + sqrt(bound /
        odds)) and 1 - p' = (1 - p)(1 - sqrt(bound odds)), which keeps its digits at any p.

    Args:
        log_odds: log(p/(1 - p)), nats, shape [*].
        bound: largest E_old[(ratio - 1)^2].

    Returns:
        Log-odds after the step, nats, shape [*].

    Raises:
        ValueError: an argument is out of range, or the bound too wide for this formula.

    References:
        Derived here.
    """
    function = "predicted_step_log_odds"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require_positive(function, "bound", bound, _BOUND_REMEDY)
    loss = np.sqrt(bound) * np.exp(log_odds / 2.0)
    require(
        bool((loss <= 1.0).all()),
        function,
        "bound",
        f"at most (1 - p)/p = {np.exp(-log_odds.max()):g}, the regime of the formula",
        bound,
        "With a wider bound the step reaches p = 1 and the constraint no longer binds",
    )
    with np.errstate(divide="ignore"):
        return log_odds + np.log1p(np.sqrt(bound) * np.exp(-log_odds / 2.0)) - np.log1p(-loss)


def _angle(log_odds: np.ndarray, updates: np.ndarray, bound: float) -> np.ndarray:
    return np.arctan(np.exp(log_odds / 2.0)) + np.sqrt(bound) * updates / 2.0


def predicted_flow_log_odds(log_odds: ArrayLike, updates: ArrayLike, bound: float) -> np.ndarray:
    """Log-odds along the flow of trust-region steps: p = sin^2(arcsin(sqrt(p0)) + sqrt(bound) n/2).

    Assumes:
        Rewards 0 or 1, small bound: a run of discrete steps differs from the flow by
        `predicted_flow_error`, of order sqrt(bound). Not for the start from a pass rate below the
        bound, where the first steps grow doubly exponentially.

    Derivation:
        dp/dn = sqrt(bound p (1 - p)) and d arcsin(sqrt(p)) = dp / (2 sqrt(p (1 - p))). The flow
        reaches p = 1 after the finite number of updates (pi - 2 arcsin(sqrt(p0)))/sqrt(bound).

    Args:
        log_odds: initial log-odds, nats, shape [*].
        updates: number of updates n, broadcast against `log_odds`.
        bound: largest E_old[(ratio - 1)^2].

    Returns:
        Log-odds, nats; infinite from the update at which p = 1 is reached.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_flow_log_odds"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    updates = as_time(function, "updates", updates)
    require_positive(function, "bound", bound, _BOUND_REMEDY)
    angle = _angle(log_odds, updates, bound)
    is_short = angle < np.pi / 2.0
    return np.where(is_short, 2.0 * np.log(np.tan(np.where(is_short, angle, 1.0))), np.inf)


def predicted_flow_error(log_odds: ArrayLike, updates: ArrayLike, bound: float) -> np.ndarray:
    """Pass rate of discrete steps less that of the flow, to first order in sqrt(bound).

    error = -(sqrt(bound)/4) sin(2 angle) log(sin(2 angle) / sin(2 angle0)).

    Assumes:
        As `predicted_flow_log_odds`, before p = 1 is reached. From p0 = 0.2 the error is at most
        0.0558 sqrt(bound) on the way to p = 1/2 and 0.0736 sqrt(bound) after it.

    Derivation:
        With p = sin^2(angle) and h = sqrt(bound) one step turns the angle by
        h/2 - (h^2/4) cot(2 angle) + O(h^3); sum the second term along the flow and multiply by
        dp/dangle = sin(2 angle).

    Args:
        log_odds: initial log-odds, nats, shape [*].
        updates: number of updates n, broadcast against `log_odds`.
        bound: largest E_old[(ratio - 1)^2].

    Returns:
        The error of the pass rate; 0 from the update at which the flow has reached p = 1.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_flow_error"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    updates = as_time(function, "updates", updates)
    require_positive(function, "bound", bound, _BOUND_REMEDY)
    require(
        bool((np.abs(log_odds) < LARGEST_LOG_ODDS / 2.0).all()),
        function,
        "log_odds",
        f"smaller than {LARGEST_LOG_ODDS / 2.0:g} in size",
        log_odds.tolist(),
        "Such a start is outside the flow's regime",
    )
    angle = _angle(log_odds, updates, bound)
    is_short = angle < np.pi / 2.0
    # sin(2 arctan x) = 2x/(1 + x^2) = 1/cosh(log x)
    slope = np.where(is_short, np.sin(2.0 * np.where(is_short, angle, 1.0)), 1.0)
    error = -np.sqrt(bound) / 4.0 * slope * np.log(slope * np.cosh(log_odds / 2.0))
    return np.where(is_short, error, 0.0)
