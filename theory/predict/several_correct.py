"""Several rare correct arms: when the first of them takes off, and which one it is (P28, P29).

While all of them are rare they do not notice each other: each has its own independent take-off
time, W_i over its initial probability. The first one ends the race. Expectations over the law of
W are taken by quadrature of its closed form.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.optimize import brentq

from theory.predict import take_off_law
from theory.predict.conditions import as_time, require

_LOG_NEGLIGIBLE = -40.0
_QUADRATURE = {"limit": 500, "epsabs": 1e-10, "epsrel": 1e-10}


def _quantile(log_odds_factor: float, log_prob: float) -> float:
    """Time that W exceeds with a given log-probability."""

    def excess(time: float) -> float:
        survival = take_off_law.predicted_take_off_survival(time, log_odds_factor)
        return float(np.log(max(survival, np.finfo(float).tiny))) - log_prob

    return float(brentq(excess, 0.0, 2.0 * abs(_LOG_NEGLIGIBLE)))


def _require_count(function: str, num_correct: int) -> None:
    require(
        isinstance(num_correct, (int, np.integer)) and num_correct >= 1,
        function,
        "num_correct",
        "an integer of at least 1",
        num_correct,
        "Count the correct arms",
    )


def predicted_first_take_off_survival(
    time: ArrayLike, num_correct: int, log_odds_factor: float
) -> np.ndarray:
    """Probability that none of g equally likely correct arms has taken off: P(W > x/g)^g.

    Assumes:
        As `theory.predict.take_off_law.predicted_take_off_survival`, for each of the g arms of
        initial probability p0/g; no kernel couples the arms.

    Derivation:
        A success of one arm moves the others' logits by -step_size * p/g, nothing while p is
        small, so the arms race independently, each in units of g/p0 rollouts.

    Args:
        time: p0 * rollouts, with p0 the probability of all correct arms together, shape [*].
        num_correct: g.
        log_odds_factor: log f, nats.

    Returns:
        The probability, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_first_take_off_survival"
    _require_count(function, num_correct)
    share = as_time(function, "time", time) / num_correct
    return take_off_law.predicted_take_off_survival(share, log_odds_factor) ** num_correct


def predicted_first_take_off_mean(num_correct: int, log_odds_factor: float) -> float:
    """Mean of p0 * (rollouts until one of g equally likely correct arms takes off): g E[min W_i].

    f/(f - 1) for g = 1, and more for larger g: splitting the correct mass makes learning slower.

    Assumes:
        As `predicted_first_take_off_survival`.

    Derivation:
        The mean of a positive number is the integral of its survival: g * int P(W > y)^g dy.

    Args:
        num_correct: g.
        log_odds_factor: log f, nats.

    Returns:
        The mean, dimensionless.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> [round(predicted_first_take_off_mean(g, 1.0), 3) for g in (1, 10, 300)]
        [1.582, 4.705, 47.253]
    """
    function = "predicted_first_take_off_mean"
    _require_count(function, num_correct)
    median, end = (
        _quantile(log_odds_factor, log_prob / num_correct)
        for log_prob in (-np.log(2.0), _LOG_NEGLIGIBLE)
    )

    def survival(time: float) -> float:
        return float(
            predicted_first_take_off_survival(num_correct * time, num_correct, log_odds_factor)
        )

    return num_correct * quad(survival, 0.0, end, points=[median], **_QUADRATURE)[0]


def _mean_over_take_off(value: Callable[[float], float], log_odds_factor: float) -> float:
    """E[value(W)] by quadrature over the density of W."""
    median, end = (_quantile(log_odds_factor, log_p) for log_p in (-np.log(2.0), _LOG_NEGLIGIBLE))

    def integrand(time: float) -> float:
        density = take_off_law.predicted_take_off_density(time, log_odds_factor)
        return float(density) * value(time)

    return quad(integrand, 0.0, end, points=[median], **_QUADRATURE)[0]


def predicted_win_probability(prior_ratio: float, log_odds_factor: float) -> float:
    """Probability that the likelier of two rare correct arms takes off first: P(W/R < W').

    Assumes:
        As `predicted_first_take_off_survival`, for two arms whose initial probabilities have the
        ratio R.

    Derivation:
        The arms race independently, W/R against W' of the same law (Rubin's construction of a
        reinforced urn), so the probability is 1 - E[P(W > R W')]. R/(1 + R) for f to infinity,
        where the first success decides; 1 for f to 1, where W no longer varies.

    Args:
        prior_ratio: R, at least 1.
        log_odds_factor: log f, nats.

    Returns:
        The probability.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> [round(predicted_win_probability(2.0, step), 4) for step in (0.2, 1.0, 8.0)]
        [0.941, 0.7657, 0.6668]
    """
    _require_ratio("predicted_win_probability", prior_ratio)

    def loses(time: float) -> float:
        return float(take_off_law.predicted_take_off_survival(prior_ratio * time, log_odds_factor))

    return 1.0 - _mean_over_take_off(loses, log_odds_factor)


def predicted_loser_successes(
    prior_ratio: float, log_odds_factor: float, most_successes: int
) -> np.ndarray:
    """Probabilities of the successes that the loser of a race of two arms had by its end.

    P(fewer than n) = E[P(S_n > W/R) + P(S_n > W R)], S_n the time of the n-th success of one arm
    in units of its own 1/p0, W independent of it.

    Assumes:
        As `predicted_win_probability`.

    Derivation:
        If the likelier arm takes off at W on its own clock, the other's clock shows W/R, and it
        has fewer than n successes if S_n lies beyond; the other way round it shows W R. For n to
        infinity S_n is the loser's own take-off, and the two terms are the chances of winning.

    Args:
        prior_ratio: R, at least 1.
        log_odds_factor: log f, nats.
        most_successes: N.

    Returns:
        Probabilities of 0, 1, ..., N - 1 and of N or more successes, shape [N + 1].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_loser_successes"
    _require_ratio(function, prior_ratio)
    require(
        isinstance(most_successes, (int, np.integer)) and most_successes >= 1,
        function,
        "most_successes",
        "an integer of at least 1",
        most_successes,
        "It is the last cell, of so many or more",
    )

    def fewer_than(num_successes: int) -> float:
        def has_fewer(time: float) -> float:
            clock = np.array([time / prior_ratio, time * prior_ratio])
            return float(
                take_off_law.predicted_take_off_survival(
                    clock, log_odds_factor, num_successes
                ).sum()
            )

        return _mean_over_take_off(has_fewer, log_odds_factor)

    below = [fewer_than(num) for num in range(1, most_successes + 1)]
    return np.diff([0.0, *below, 1.0])


def _require_ratio(function: str, prior_ratio: float) -> None:
    require(
        1.0 <= prior_ratio < np.inf,
        function,
        "prior_ratio",
        "a finite number of at least 1",
        prior_ratio,
        "Divide the larger initial probability by the smaller one",
    )
