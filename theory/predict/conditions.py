"""Conditions on the inputs of predictions.

Written here and not taken from the simulator: predictions share no code with what they predict.
"""

import math
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

LARGEST_LOG_ODDS = 700.0
"""Beyond e^700 the odds, and with them every learning time, overflow float64."""


def require(
    is_met: bool, function: str, argument: str, condition: str, got: Any, remedy: str
) -> None:
    """Raise the error that names the argument, its condition and the remedy, unless it is met.

    Args:
        is_met: whether the condition holds.
        function: public function that was called.
        argument: name of the offending argument.
        condition: what the argument must be.
        got: the value received.
        remedy: what to do, without the full stop.

    Raises:
        ValueError: the condition does not hold.
    """
    if not is_met:
        raise ValueError(f"{function}: `{argument}` must be {condition}, got {got}. {remedy}.")


def require_known(function: str, argument: str, name: str, known: Iterable[str], kind: str) -> None:
    """Demand that a name is among the known ones, and answer a miss with the nearest.

    Args:
        function: public function that was called.
        argument: name of the offending argument.
        name: the name asked for.
        known: the names that exist.
        kind: what the names are names of.

    Raises:
        ValueError: the name is unknown.
    """
    names = list(known)
    nearest = get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
    require(
        name in names,
        function,
        argument,
        f"a known {kind}",
        repr(name),
        f"{hint}There are: {', '.join(names)}",
    )


def require_positive(function: str, argument: str, value: float, remedy: str) -> None:
    """Demand a finite number above 0.

    Args:
        function: public function that was called.
        argument: name of the offending argument.
        value: the value received.
        remedy: what to do.

    Raises:
        ValueError: the value is not finite or not above 0.
    """
    is_met = math.isfinite(value) and value > 0.0
    require(is_met, function, argument, "a finite number above 0", value, remedy)


def as_log_odds(function: str, argument: str, value: ArrayLike) -> np.ndarray:
    """Read log-odds, log(p/(1 - p)), in nats.

    Args:
        function: public function that was called.
        argument: name of the argument.
        value: log-odds, any shape.

    Returns:
        The log-odds in float64, same shape.

    Raises:
        ValueError: a value is not finite or larger than 700 nats in size.
    """
    log_odds = np.asarray(value, dtype=np.float64)
    is_met = bool(np.isfinite(log_odds).all() and (np.abs(log_odds) <= LARGEST_LOG_ODDS).all())
    require(
        is_met and log_odds.size > 0,
        function,
        argument,
        f"log-odds, log(p/(1 - p)), in [-{LARGEST_LOG_ODDS:g}, {LARGEST_LOG_ODDS:g}]",
        f"{log_odds.size} values from {log_odds.min(initial=np.inf):g} to "
        f"{log_odds.max(initial=-np.inf):g}",
        "Pass scipy.special.logit(pass_rate) of rates strictly between 0 and 1",
    )
    return log_odds


def as_time(function: str, argument: str, value: ArrayLike) -> np.ndarray:
    """Read times: finite and at least 0.

    Args:
        function: public function that was called.
        argument: name of the argument.
        value: times, any shape.

    Returns:
        The times in float64, same shape.

    Raises:
        ValueError: a value is negative or not finite.
    """
    time = np.asarray(value, dtype=np.float64)
    require(
        bool(np.isfinite(time).all() and (time >= 0.0).all()),
        function,
        argument,
        "finite and at least 0",
        time.tolist(),
        "Time starts at the base policy",
    )
    return time
