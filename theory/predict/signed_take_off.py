"""Take-off of a rare correct arm among endless wrong ones when failures have reward -1.

Each failure takes its step from an arm that is never seen again and gives the correct arm
step_size * p. That is little, and there are 1/p failures: between successes the odds grow like
x/(1 - step_size x t), to infinity in a finite time. So a negative reward speeds take-off up, for
small steps twofold, as long as no wrong answer is likely.
"""

import numpy as np
from scipy.special import expit

from theory.predict.conditions import as_log_odds, require, require_positive


def predicted_signed_take_off_mean(step_size: float) -> float:
    """Mean of p0 * (rollouts until p = 1/2): 1/(step_size + 1 - e^-step_size).

    Assumes:
        One correct arm, p0 to 0, endless wrong arms of vanishing probability; reward 1 or -1; one
        rollout an update.

    Derivation:
        In units of 1/p0 the odds y grow by dy/dt = step y^2 between successes, which come at rate
        y and multiply y by e^step. The mean time from y is h/y by scaling, and -1 = -step h + h
        (e^-step - 1).

    Args:
        step_size: step size of SGD on the logits.

    Returns:
        The mean, dimensionless; the raw reward's is 1/(1 - e^-step_size).

    Raises:
        ValueError: the step size is not above 0.

    References:
        Derived here.
    """
    require_positive("predicted_signed_take_off_mean", "step_size", step_size, "At 0 none comes")
    return float(1.0 / (step_size - np.expm1(-step_size)))


def predicted_signed_take_off_rollouts(
    log_odds: float, step_size: float, *, spacing: float = 5e-4
) -> float:
    """Mean number of rollouts until p = 1/2, at a finite p0.

    h(z) = 1 + p h(z + step q) + q h(z + step p) with q = 1 - p, and h = 0 from z = 0 on.

    Assumes:
        As `predicted_signed_take_off_mean`, without p0 to 0.

    Derivation:
        One rollout: a success raises the log-odds by step (1 - p), a failure by step p. Both raise
        them, so that h is found downwards from z = 0, by linear interpolation on a grid.

    Args:
        log_odds: initial log-odds, nats, below 0 and so large that step_size * p0 is above
            `spacing`.
        step_size: step size of SGD on the logits.
        spacing: distance of two grid points, nats.

    Returns:
        Rollouts.

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> rollouts = predicted_signed_take_off_rollouts(np.log(1e-3 / 0.999), 1.0)
        >>> round(1e-3 * rollouts, 3), round(predicted_signed_take_off_mean(1.0), 3)
        (0.62, 0.613)

    References:
        Derived here.
    """
    function = "predicted_signed_take_off_rollouts"
    start = float(as_log_odds(function, "log_odds", log_odds))
    require_positive(function, "step_size", step_size, "At 0 nothing is learned")
    require(
        start < 0.0 and step_size * expit(start) > spacing,
        function,
        "log_odds",
        "below 0, with step_size * p0 above the spacing",
        start,
        "Take a finer spacing, or `predicted_signed_take_off_mean` for p0 to 0",
    )
    # Distances below 0, where p = 1/2.
    where = np.append(np.arange(0.0, -start, spacing), -start)
    rollouts = np.zeros(len(where))
    for index in range(1, len(where)):
        success = expit(-where[index])
        after = where[index] - step_size * np.array([1.0 - success, success])
        waits = np.interp(after, where[:index], rollouts[:index])
        waits = np.where(after <= 0.0, 0.0, waits)
        rollouts[index] = 1.0 + success * waits[0] + (1.0 - success) * waits[1]
    return float(rollouts[-1])


def predicted_no_success(log_odds: float, num_rollouts: int, *, step_size: float) -> np.ndarray:
    """Probability of no success in the first n rollouts: prod_k (1 - p_k).

    With z_(k+1) = z_k + step p_k. For p0 to 0 it is (1 - step p0 n)^(1/step), against e^(-p0 n)
    with the raw reward: there is a success within 1/(step p0) rollouts, for certain.

    Assumes:
        As `predicted_signed_take_off_mean`, without p0 to 0.

    Derivation:
        Until the first success the path of the log-odds is the same in every run. In the limit the
        hazard is p0/(1 - step p0 n).

    Args:
        log_odds: initial log-odds, nats.
        num_rollouts: rollouts.
        step_size: step size of SGD on the logits.

    Returns:
        Probabilities after 1 to num_rollouts rollouts, shape [num_rollouts].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_no_success"
    now = float(as_log_odds(function, "log_odds", log_odds))
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    failure = np.empty(num_rollouts)
    for index in range(num_rollouts):
        failure[index] = expit(-now)
        now += step_size * (1.0 - failure[index])
    return np.cumprod(failure)
