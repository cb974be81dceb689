"""A published bound on the regret of two-armed policy gradient (P50)."""

import math

from theory.predict.conditions import require, require_positive


def predicted_curvature(step_size: float) -> float:
    """Second-order coefficient of the bound: 2 sum_n (2 step_size)^n/(n + 2)!.

    Assumes:
        Rewards between -1 and 1.

    Derivation:
        exp(u) - 1 - u = u^2/2 * curvature at u = 2 step_size, the largest move of the log-odds;
        summed, curvature = 2 (exp(u) - 1 - u)/u^2.

    Args:
        step_size: step size of SGD on the logits, per unit of reward.

    Returns:
        The coefficient, at least 1.

    Raises:
        ValueError: the step size is not above 0.

    References:
        Baudry et al. 2025, Theorem 1, as the catalogue cites it.
    """
    require_positive("predicted_curvature", "step_size", step_size, "At 0 nothing is learned")
    move = 2.0 * step_size
    if move < 1e-3:
        # The first terms of the series, where the closed form cancels.
        return 1.0 + move / 3.0 + move**2 / 12.0 + move**3 / 60.0
    return 2.0 * (math.expm1(move) - move) / move**2


def predicted_regret_bound(step_size: float, gap: float, horizon: float) -> float:
    """Bound on the regret: log(1 + 4 step gap T)/(2 step) + gap/(2 step (gap - step curvature)).

    Assumes:
        Two arms with rewards between -1 and 1, one rollout per round, reward as advantage, equal
        logits at the start; step_size * curvature below the gap.

    Derivation:
        Theorem. Its first term is the logarithmic regret of the exact flow, its second what noise
        adds; the true leading term is log(T)/(2 step_size) (`long_run.predicted_regret_constant`).

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        gap: difference of the mean rewards.
        horizon: rounds, T.

    Returns:
        The bound, in units of reward.

    Raises:
        ValueError: an argument is out of range.

    References:
        Baudry et al. 2025, Theorem 1, as the catalogue cites it; the text was not read.

    Examples:
        >>> round(predicted_regret_bound(0.2, 1.0, 1000), 3)
        19.96
    """
    function = "predicted_regret_bound"
    require_positive(function, "step_size", step_size, "At 0 nothing is learned")
    require_positive(function, "horizon", horizon, "Give rounds")
    require(0.0 < gap <= 2.0, function, "gap", "in (0, 2]", gap, "Rewards are between -1 and 1")
    slack = gap - step_size * predicted_curvature(step_size)
    require(
        slack > 0.0,
        function,
        "step_size",
        f"so small that step_size * curvature is below the gap, {gap}",
        step_size,
        "The theorem covers no larger ones; lower it",
    )
    logarithm = math.log1p(4.0 * step_size * gap * horizon) / (2.0 * step_size)
    return logarithm + gap / (2.0 * step_size * slack)
