"""The long run near the best arm: mistakes fall off as 1/t, with a constant free of the gaps (P32).

Single-sample policy gradient on raw rewards, whatever their noise. Near the best arm the odds X
of it against another arm grow by a constant amount per round on average, so X/t has a limit law
and log X = log t + O(1). The expected change of a logit is step_size * (expected regret), which
turns that growth into mistakes: every wrong arm costs as much as every other.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_positive


def _require_arms(function: str, num_arms: int) -> None:
    require(
        isinstance(num_arms, (int, np.integer)) and num_arms >= 2,
        function,
        "num_arms",
        "an integer of at least 2",
        num_arms,
        "One arm makes no mistakes",
    )


def predicted_regret_constant(step_size: float, num_arms: int) -> float:
    """Expected regret per unit of log-time in the long run: (K - 1)/(K step_size).

    Assumes:
        One rollout per round, reward as advantage; one best arm; a step size below the learning
        rate threshold (`stuck.predicted_learning_rate_threshold` for two arms), so that the time
        on wrong arms has a mean. The limit is reached like t^(-2/K) where gaps differ, since the
        shares of wrong arms settle like t^(-1/K) only and count to second order. A second best
        arm close to the best one, with worse ones beside it, delays it much longer where noise
        favours it early: pulls of the worse arms drive the odds of the best one down like
        t^(-(K - 2)/(K - 1)), and its rate of pulls gains on 1/t like t^(1/(K - 1)) only.

    Derivation:
        E[change of the best logit] = step_size * E[prob_best * (mean_best - V)], whose sum over
        rounds is step_size * regret, as prob_best -> 1. All odds against the best arm grow like
        t, so that the best logit is log(t) above each of the others, and since logits sum to a
        constant it is (K - 1)/K log(t) above its start. Settling: with shares
        z_a = step_size * gap_a * prob_a * t, dz_a/dlog t = z_a (1 - z_a - sum z), whose Jacobian at
        z = 1/K has the eigenvalues -1 and, K - 2 times, -1/K.

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        num_arms: arms, K.

    Returns:
        Regret per e-fold of time, in units of reward.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; the constant of the leading term log(1 + 4 step_size gap T)/(2 step_size) of
        Baudry et al. 2025 for two arms (as the catalogue cites it).

    Examples:
        >>> predicted_regret_constant(0.2, 2), predicted_regret_constant(0.2, 10)
        (2.5, 4.5)
    """
    function = "predicted_regret_constant"
    require_positive(function, "step_size", step_size, "At 0 nothing is learned")
    _require_arms(function, num_arms)
    return (num_arms - 1) / (num_arms * step_size)


def predicted_mistake_rate(step_size: float, gap: ArrayLike, num_arms: int = 2) -> np.ndarray:
    """Long-run limit of t * E[probability of a wrong arm]: 1/(K step_size gap).

    Assumes:
        As `predicted_regret_constant`.

    Derivation:
        The logit of wrong arm a falls by step_size * E[prob_a * (V - mean_a)] a round, in all by
        step_size * gap * (pulls of a), and ends log(t)/K below its start.

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        gap: mean reward of the best arm less that of the wrong one, shape [*].
        num_arms: arms, K.

    Returns:
        Pulls of the wrong arm per e-fold of time, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_mistake_rate"
    require_positive(function, "step_size", step_size, "At 0 nothing is learned")
    _require_arms(function, num_arms)
    gap = np.asarray(gap, dtype=np.float64)
    is_met = bool((np.isfinite(gap) & (gap > 0.0)).all())
    require(is_met, function, "gap", "above 0", gap.tolist(), "Equally good arms are no mistakes")
    return 1.0 / (num_arms * step_size * gap)
