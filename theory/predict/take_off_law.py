"""The whole law of the take-off time of a rare correct arm, beyond its mean (P26).

If one success multiplies the odds of a rare arm by f, the waits for its successive successes are
independent exponentials of rates 1, f, f^2, ... in units of 1/p0 rollouts, and the time until
p = 1/2 is W = sum_k E_k f^-k. With q = 1/f and (q)_n = (1 - q)(1 - q^2)...(1 - q^n), partial
fractions of its Laplace transform prod_k 1/(1 + s q^k) give the law in closed form.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import as_time, require

SMALLEST_LOG_FACTOR = 0.15
"""Below this log f the alternating sum loses more than seven of its sixteen digits."""

_LOG_TINY = -90.0
_LOG_HUGE = 600.0


def _rates_and_coefficients(
    function: str, log_odds_factor: float, num_successes: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rates f^k and coefficients c_k of P(time > x) = sum_k c_k exp(-f^k x)."""
    require(
        SMALLEST_LOG_FACTOR <= log_odds_factor < np.inf,
        function,
        "log_odds_factor",
        f"a finite number of at least {SMALLEST_LOG_FACTOR}",
        log_odds_factor,
        "For smaller factors there are predicted_take_off_mean and predicted_take_off_variance",
    )
    require(
        num_successes >= 1 and (num_successes == np.inf or num_successes == int(num_successes)),
        function,
        "num_successes",
        "a whole number of at least 1, or infinity",
        num_successes,
        "Infinity stands for the take-off",
    )
    # Waits that are shorter than the first one by e^-90 are nothing beside it.
    num_waits = int(min(num_successes, np.ceil(-_LOG_TINY / log_odds_factor)))
    index = np.arange(num_waits)
    log_symbol = np.cumsum(np.log(-np.expm1(-log_odds_factor * index[1:])))
    log_symbol = np.concatenate([[0.0], log_symbol])
    log_size = -0.5 * log_odds_factor * index * (index + 1) - log_symbol - log_symbol[::-1]
    sign = np.where(index % 2 == 0, 1.0, -1.0)
    return np.exp(np.minimum(log_odds_factor * index, _LOG_HUGE)), sign * np.exp(log_size)


def predicted_take_off_survival(
    time: ArrayLike, log_odds_factor: float, num_successes: float = np.inf
) -> np.ndarray:
    """Probability that a rare arm has not yet had n successes, or not yet taken off.

    P(time > x) = sum over k < n of c_k exp(-f^k x),
    c_k = (-1)^k q^(k (k + 1)/2) / ((q)_k (q)_(n - 1 - k)), x = p0 * rollouts.

    Assumes:
        As `theory.predict.take_off.predicted_log_odds_factor`; p0 to 0, the error being of order
        p0 * G; log f at least 0.15.

    Derivation:
        Waits k = 0, 1, ... are geometric of mean f^-k/p0, in the limit independent exponentials of
        rates f^k. The coefficient of a sum of exponentials is prod over j != k of f^j/(f^j - f^k):
        j < k gives (-1)^k q^(k (k + 1)/2)/(q)_k, j > k gives 1/(q)_(n - 1 - k). The waits after
        p = 1/2 add up to less than order p0, so n = infinity is the take-off.

    Args:
        time: p0 * rollouts, shape [*].
        log_odds_factor: log f, nats.
        num_successes: n; infinity for the take-off.

    Returns:
        The probability, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; sums of exponentials of distinct rates are called hypoexponential.

    Examples:
        >>> predicted_take_off_survival([0.0, 0.5, 2.5, 7.0], 0.5).round(4).tolist()
        [1.0, 0.9981, 0.4307, 0.0067]
    """
    function = "predicted_take_off_survival"
    rates, coefficients = _rates_and_coefficients(function, log_odds_factor, num_successes)
    time = as_time(function, "time", time)
    # Rounding of the alternating sum may leave the unit interval by a few units of 1e-10.
    return np.clip(np.exp(-rates * time[..., None]) @ coefficients, 0.0, 1.0)


def predicted_take_off_density(time: ArrayLike, log_odds_factor: float) -> np.ndarray:
    """Probability density of p0 * (rollouts until p = 1/2): sum_k c_k f^k exp(-f^k x).

    Assumes:
        As `predicted_take_off_survival`.

    Derivation:
        Minus the derivative of `predicted_take_off_survival` with respect to the time.

    Args:
        time: p0 * rollouts, shape [*].
        log_odds_factor: log f, nats.

    Returns:
        The density, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_take_off_density"
    rates, coefficients = _rates_and_coefficients(function, log_odds_factor, np.inf)
    time = as_time(function, "time", time)
    return np.exp(-rates * time[..., None]) @ (coefficients * rates)
