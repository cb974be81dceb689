"""Adam on rare successes: how far one success carries a logit, whatever its advantage (P51).

Adam divides the moving mean of gradients by the root of the moving mean of their squares, so the
size of a gradient cancels and its rhythm alone is left. A success after a long wait is the rarest
rhythm there is: it moves its logit by (1 - beta1)/sqrt(1 - beta2) steps at once and as far again
many times over while the mean dies away.

Throughout, change = step_size * mean/(1 - beta1^t) / (sqrt(mean_square/(1 - beta2^t)) + eps) in
round t, with mean and mean_square started at 0.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_positive


def require_betas(function: str, beta1: float, beta2: float, *, has_end: bool = False) -> None:
    """Demand decay rates that Adam takes, and where asked such that a lone gradient's push ends.

    Args:
        function: public function that was called.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        has_end: whether changes must fall while no gradient comes.

    Raises:
        ValueError: they are out of range.
    """
    for name, value in (("beta1", beta1), ("beta2", beta2)):
        is_met = 0.0 <= value < 1.0
        require(is_met, function, name, "in [0, 1)", value, "0.9 and 0.999 are usual")
    require(
        not has_end or beta1**2 < beta2,
        function,
        "beta1",
        "below sqrt(beta2)",
        beta1,
        "Else a lone success carries its logit on until eps stops it",
    )


def require_rounds(function: str, argument: str, value: ArrayLike) -> np.ndarray:
    """Demand whole numbers of rounds, at least 1.

    Args:
        function: public function that was called.
        argument: name of the argument.
        value: the numbers, shape [*].

    Returns:
        The numbers in float64, shape [*].

    Raises:
        ValueError: one is not.
    """
    rounds = np.asarray(value, dtype=np.float64)
    is_met = bool(np.isfinite(rounds).all() and (rounds >= 1.0).all() and (rounds % 1 == 0).all())
    require(is_met, function, argument, "whole numbers of at least 1", value, "Rounds count from 1")
    return rounds


def predicted_lone_changes(
    gradient: ArrayLike,
    first_round: int,
    num_rounds: int,
    *,
    step_size: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> np.ndarray:
    """Changes of a logit whose gradient is 0 in every round but one.

    change[k] = step_size (1 - beta1) beta1^k g/(1 - beta1^t) / (|g| sqrt((1 - beta2) beta2^k/(1 -
    beta2^t)) + eps) in round t = first_round + k, k = 0, 1, ...

    Assumes:
        Adam from the first round on, without decay; the gradient came in round first_round only.

    Derivation:
        Unrolling both means gives (1 - beta1) beta1^k g and (1 - beta2) beta2^k g^2. In round 1
        the corrections cancel both factors: change = step_size g/(|g| + eps), the sign of the
        gradient as long as |g| >> eps. After a long wait they are 1, and the same gradient is
        worth (1 - beta1)/sqrt(1 - beta2) times as much, 3.16 at 0.9 and 0.999.

    Args:
        gradient: the one gradient g, shape [*].
        first_round: the round in which it comes, from 1.
        num_rounds: rounds from that one on, K.
        step_size: step size of Adam.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        eps: added to the root.

    Returns:
        Changes in nats, shape [*, K].

    Raises:
        ValueError: an argument is out of range.

    References:
        The update: Kingma and Ba, arXiv 1412.6980 (section 2 read). The rest is derived here.

    Examples:
        >>> predicted_lone_changes([1e-3, 1.0], 1, 1, step_size=0.1).round(4).ravel().tolist()
        [0.1, 0.1]
        >>> predicted_lone_changes(1.0, 10**6, 2, step_size=0.1).round(4).tolist()
        [0.3162, 0.2847]
    """
    function = "predicted_lone_changes"
    require_betas(function, beta1, beta2)
    require_rounds(function, "first_round", first_round)
    require_rounds(function, "num_rounds", num_rounds)
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    require_positive(function, "eps", eps, "It keeps a division finite")
    gradient = np.asarray(gradient, dtype=np.float64)[..., None]
    later = np.arange(num_rounds, dtype=np.float64)
    count = first_round + later
    mean = (1.0 - beta1) * beta1**later * gradient / -np.expm1(count * _log(beta1))
    root = np.sqrt((1.0 - beta2) * beta2**later / -np.expm1(count * _log(beta2)))
    return step_size * mean / (np.abs(gradient) * root + eps)


def _log(beta: float) -> float:
    return math.log(beta) if beta else -math.inf


def predicted_lone_displacement(
    *, step_size: float, beta1: float = 0.9, beta2: float = 0.999
) -> float:
    """Displacement of a logit by one success among long waits; the log of its take-off factor.

    step_size (1 - beta1)/sqrt(1 - beta2) / (1 - beta1/sqrt(beta2)).

    Assumes:
        Waits before and after much longer than 1/(1 - beta2) rounds; gradient sqrt(1 - beta2) far
        above eps. Advantage, group size and pass rate then do not matter. An arm among so many
        wrong ones that these rest gains that much log-odds, one among few twice as much.

    Derivation:
        `predicted_lone_changes` without corrections falls by beta1/sqrt(beta2) a round: sum the
        geometric series. It converges iff beta1^2 < beta2. At 0.9 and 0.999 it is 31.8 steps.

    Args:
        step_size: step size of Adam.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.

    Returns:
        Nats.

    Raises:
        ValueError: an argument is out of range, or the sum diverges.

    References:
        Derived here.
    """
    function = "predicted_lone_displacement"
    require_betas(function, beta1, beta2, has_end=True)
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    rate = beta1 / math.sqrt(beta2)
    return step_size * (1.0 - beta1) / math.sqrt(1.0 - beta2) / (1.0 - rate)


def predicted_repeated_displacement(
    gap: ArrayLike, *, step_size: float, beta1: float = 0.9, beta2: float = 0.999
) -> np.ndarray:
    """Displacement of a logit per success when one comes every `gap` rounds.

    step_size (1 - beta1)/(1 - beta1^gap) sqrt((1 - beta2^gap)/(1 - beta2)) (1 - rate^gap)/(1 -
    rate) with rate = beta1/sqrt(beta2).

    Assumes:
        Many successes before; equal gradients, sqrt of their mean square far above eps.

    Derivation:
        Sum both means over past successes, geometric series in beta^gap, then the changes over
        one gap. Gap 1: step_size. Gaps between 1/(1 - beta1) and 1/(1 - beta2): about step_size
        sqrt(gap), so that at pass rate p = 1/gap a round moves step_size sqrt(p), the speed of
        GRPO with an infinite group. Longer gaps: `predicted_lone_displacement`, so that the
        amplification of rare successes ends near 1/sqrt(1 - beta2), as GRPO's ends at sqrt(G - 1).

    Args:
        gap: rounds from one success to the next, at least 1, shape [*].
        step_size: step size of Adam.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.

    Returns:
        Nats, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_repeated_displacement"
    require_betas(function, beta1, beta2, has_end=True)
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    gap = require_rounds(function, "gap", gap)
    rate = beta1 / math.sqrt(beta2)
    first = (1.0 - beta1) / (1.0 - beta1**gap) * np.sqrt((1.0 - beta2**gap) / (1.0 - beta2))
    return step_size * first * (1.0 - rate**gap) / (1.0 - rate)
