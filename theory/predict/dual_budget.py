"""The ratio-variance budget on a rare success, and the multiplier between successes (P26).

The dual prices ratio variance so that a round spends a given budget. On a lone success among n
samples that fixes its ratio, and with it the factor f of the take-off law
(`theory.predict.take_off`), provided that the multiplier is solved within that very round. One that
is carried from round to round is spent by then: rounds without a success lower it to 0.
"""

import numpy as np

from theory.predict.conditions import require, require_positive


def _require_count(function: str, argument: str, count: int, remedy: str) -> None:
    require(
        isinstance(count, (int, np.integer)) and count >= 1,
        function,
        argument,
        "an integer of at least 1",
        count,
        remedy,
    )


def predicted_budget_ratio(bound: float, num_samples: int) -> float:
    """Ratio of a lone success at the multiplier that spends the budget: 1 + sqrt(bound n).

    Assumes:
        One success among n samples whose other ratios are 1 (raw reward, huge arm space); inner
        epochs to convergence; the multiplier solved within the round, not carried over from
        earlier ones.

    Derivation:
        The mean of (ratio - 1)^2 over the samples is (ratio - 1)^2/n, and the dual raises the
        multiplier until it equals the bound.

    Args:
        bound: ratio variance allowed, E_old[(ratio - 1)^2].
        num_samples: rollouts of the round, n.

    Returns:
        The ratio.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; constraint as in arXiv 2601.03320.

    Examples:
        >>> round(predicted_budget_ratio(0.05, 32), 3)
        2.265
    """
    function = "predicted_budget_ratio"
    require_positive(function, "bound", bound, "It is the ratio variance allowed")
    _require_count(function, "num_samples", num_samples, "It is the size of the round")
    return 1.0 + float(np.sqrt(bound * num_samples))


def predicted_budget_multiplier(bound: float, num_samples: int) -> float:
    """Multiplier, in units of the advantage, that spends the budget on a lone success.

    multiplier = A/(2 sqrt(bound n)).

    Assumes:
        As `predicted_budget_ratio`.

    Derivation:
        Without centring the penalised optimum of a sampled arm is ratio = 1 + A/(2 multiplier)
        (P38); equate it with 1 + sqrt(bound n).

    Args:
        bound: ratio variance allowed, E_old[(ratio - 1)^2].
        num_samples: rollouts of the round, n.

    Returns:
        The multiplier over the advantage.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    return 0.5 / (predicted_budget_ratio(bound, num_samples) - 1.0)


def predicted_idle_multiplier(
    initial: float, num_rounds: int, *, bound: float, dual_step_size: float
) -> float:
    """Multiplier that is carried through rounds without a success.

    max(0, initial - dual_step_size * bound * num_rounds).

    Assumes:
        Dual ascent once a round, and rounds of failures under raw reward, whose ratios stay 1.

    Derivation:
        The ratio variance of such a round is 0, so each dual step lowers the multiplier by
        dual_step_size * bound. While an arm is rare there are 1/p0 such rounds between successes,
        and the multiplier has reached 0 long before the next one: that success meets no penalty.

    Args:
        initial: multiplier before the rounds, in units of reward.
        num_rounds: rounds of failures.
        bound: ratio variance allowed.
        dual_step_size: step of the dual ascent, in units of reward.

    Returns:
        The multiplier.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_idle_multiplier"
    require(initial >= 0.0, function, "initial", "at least 0", initial, "It is a price")
    _require_count(function, "num_rounds", num_rounds, "Count the rounds of failures")
    require_positive(function, "bound", bound, "It is the ratio variance allowed")
    require_positive(function, "dual_step_size", dual_step_size, "At 0 nothing adapts")
    return max(0.0, initial - dual_step_size * bound * num_rounds)
