"""KL-regularised GRPO as a recursion on the pass rate: exact tilts of the reference policy (P47).

If each round maximises E[A] - coefficient KL(policy || reference) exactly, A standardized by the
pass rate of the round before, then the next log-odds are those of the reference plus the distance
of the two advantages over the coefficient. Where this leads is in
`theory.predict.reference_rounds`.

Here `smoothing` is added to the variance of the reward. The `eps` of a rule is added to the
standard deviation instead, as a separate argument.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from theory.predict.conditions import as_log_odds, require, require_positive

_COEFFICIENT_REMEDY = "At 0 nothing ties the policy to the reference"


def require_settings(function: str, coefficient: float, smoothing: float = 0.0) -> None:
    """Demand a coefficient above 0 and a smoothing of at least 0.

    Args:
        function: public function that was called.
        coefficient: price of one nat, in units of advantage.
        smoothing: added to the variance of the reward.

    Raises:
        ValueError: one of them is out of range.
    """
    require_positive(function, "coefficient", coefficient, _COEFFICIENT_REMEDY)
    require(smoothing >= 0.0, function, "smoothing", "at least 0", smoothing, "It is a variance")


def predicted_advantage_gap(log_odds: ArrayLike, *, smoothing: float = 0.0) -> np.ndarray:
    """Advantage of a success less that of a failure: 1/sqrt(p (1 - p) + smoothing).

    Assumes:
        Rewards 0 or 1, mean and variance those of the policy (an infinite group).

    Derivation:
        (1 - p) - (0 - p) = 1, over the deviation. Without smoothing it is 2 cosh(z/2).

    Args:
        log_odds: log-odds of success, z, nats, shape [*].
        smoothing: added to the variance of the reward.

    Returns:
        The gap, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    z = as_log_odds("predicted_advantage_gap", "log_odds", log_odds)
    return 1.0 / np.sqrt(expit(z) * expit(-z) + smoothing)


def predicted_tilted_log_odds(
    log_odds: ArrayLike, ref_log_odds: ArrayLike, *, coefficient: float, smoothing: float = 0.0
) -> np.ndarray:
    """Log-odds after one exact round: z_ref + 1/(coefficient sqrt(p (1 - p) + smoothing)).

    With ref_log_odds = log_odds it is the round of mirror descent, whose reference is the policy
    before it.

    Assumes:
        The round maximises E[A] - coefficient KL(policy || reference) exactly, A standardized by
        the policy before the round; no clip.

    Derivation:
        The maximiser is proportional to reference * exp(A/coefficient).

    Args:
        log_odds: log-odds before the round, nats, shape [*].
        ref_log_odds: log-odds of the reference, nats, broadcast against `log_odds`.
        coefficient: price of one nat, in units of advantage.
        smoothing: added to the variance of the reward.

    Returns:
        Log-odds, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Mroueh, arXiv 2503.06639 (as the catalogue cites it); derived here.

    Examples:
        >>> predicted_tilted_log_odds(0.0, -1.0, coefficient=2.0).item()
        0.0
    """
    function = "predicted_tilted_log_odds"
    require_settings(function, coefficient, smoothing)
    reference = as_log_odds(function, "ref_log_odds", ref_log_odds)
    return reference + predicted_advantage_gap(log_odds, smoothing=smoothing) / coefficient


def predicted_group_tilt(
    num_correct: int, group_size: int, *, coefficient: float, ddof: int = 1, eps: float = 1e-6
) -> float:
    """Change of the log-odds by one exact round on a group: 1/(coefficient (std + eps)).

    Assumes:
        A group in which every arm of the reference policy has its exact share; the objective as
        in `predicted_tilted_log_odds`, with the estimate of the KL ratio-corrected, so that on
        these samples it is the KL.

    Derivation:
        As `predicted_tilted_log_odds`, with std^2 = (k/G)(1 - k/G) G/(G - ddof).

    Args:
        num_correct: successes of the group, k.
        group_size: rollouts, G.
        coefficient: price of one nat, in units of advantage.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        The change, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_group_tilt"
    require_settings(function, coefficient)
    require(
        0 < num_correct < group_size,
        function,
        "num_correct",
        "between 1 and group_size - 1",
        num_correct,
        "A unanimous group has advantage 0",
    )
    share = num_correct / group_size
    std = float(np.sqrt(share * (1.0 - share) * group_size / (group_size - ddof)))
    return 1.0 / (coefficient * (std + eps))
