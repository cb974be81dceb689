"""Power: the smallest error of a prediction that a sampled claim finds, and planting it.

With the level at which a statement is rejected goes the same probability of missing an error: an
error of the smallest found size is missed with half the level (on either side), however few the
runs are.

Shapes: n quantities.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, f, ncf, nct, ncx2, norm, t

from theory.verify.measurement import Measurement
from theory.verify.statistics import EXACT_STATISTICS, standard_error

_MANY = 1e4
"""Degrees of freedom from which on standard errors count as known."""


@lru_cache(maxsize=4096)
def _found_shift(level: float, degrees: float) -> float:
    """Shift in standard errors that Student's t misses with half the level."""
    if degrees > _MANY:
        return 2.0 * float(norm.isf(level / 2.0))
    edge = float(t.isf(level / 2.0, degrees))

    def excess(shift: float) -> float:
        return float(nct.cdf(edge, degrees, shift)) - level / 2.0

    # In small steps: far beyond the root the library's law is no number any more.
    high = edge
    while excess(high) > 0.0:
        high *= 1.1
    return float(brentq(excess, high / 1.1, high))


@lru_cache(maxsize=4096)
def _found_noncentrality(level: float, size: int, degrees: float) -> float:
    """Noncentrality that chi-squared or Hotelling's test misses with half the level."""
    if degrees > _MANY:
        edge, cdf = float(chi2.isf(level, size)), lambda extra: ncx2.cdf(edge, size, extra)
    else:
        edge = float(f.isf(level, size, degrees))

        def cdf(extra: float) -> float:
            return ncf.cdf(edge, size, degrees, extra)

    high = 10.0
    while cdf(high) > level / 2.0:
        high *= 2.0
    return float(brentq(lambda extra: cdf(extra) - level / 2.0, high / 1e3, high))


def smallest_found_error(
    statistic: str, predicted: np.ndarray, measured: Measurement, level: float
) -> tuple[float, int] | None:
    """Minimum detectable error: relative error of one quantity that the claim all but surely finds.

    Args:
        statistic: one of `STATISTICS`.
        predicted: predicted quantities, shape [n].
        measured: the measurement.
        level: p-value below which the statement is rejected.

    Returns:
        The error relative to the prediction, and the quantity: the one known least well; for
        shares of cells the likeliest cell, the other cells making room; for a bound on an
        expectation the share by which this measurement shows that it cannot be lowered. None for
        exact statistics.
    """
    if statistic in EXACT_STATISTICS:
        return None
    if statistic == "shares":
        return _smallest_found_tilt(predicted, measured.num_samples, level), int(predicted.argmax())
    each = -math.expm1(math.log1p(-level) / len(predicted))
    if statistic == "expected_bound":
        reach = t.isf(each, measured.degrees) * measured.standard_error
        room = 1.0 - (measured.value - reach) / predicted
        return float(room.max()), int(room.argmax())
    if measured.correlation is None:
        shift = np.full(len(predicted), _found_shift(each, measured.degrees))
    else:
        size = len(predicted)
        extra = _found_noncentrality(level, size, measured.degrees + 1.0 - size)
        shift = np.sqrt(extra / np.diag(np.linalg.inv(measured.correlation)))
    with np.errstate(divide="ignore"):
        error = shift * standard_error(predicted, measured) / np.abs(predicted)
    return float(error.max()), int(error.argmax())


def planted(
    statistic: str, predicted: np.ndarray, error: float, index: int
) -> tuple[np.ndarray, ...]:
    """Predictions with one wrong quantity.

    Args:
        statistic: one of `STATISTICS`.
        predicted: predicted quantities, shape [n].
        error: relative error.
        index: the quantity.

    Returns:
        The prediction with the quantity too large and too small; for shares of cells too large
        alone, the other cells making room.
    """
    if statistic == "shares":
        return (tilted(predicted, error),)
    found = []
    for sign in (1.0, -1.0):
        wrong = predicted.copy()
        wrong[index] *= 1.0 + sign * error
        found.append(wrong)
    return tuple(found)


def _smallest_found_tilt(predicted: np.ndarray, num_samples: int, level: float) -> float:
    needed = _found_noncentrality(level, len(predicted) - 1, np.inf)

    def excess(error: float) -> float:
        expected = tilted(predicted, error)
        return num_samples * float(((expected - predicted) ** 2 / expected).sum()) - needed

    largest = 0.999 * (1.0 / float(predicted.max()) - 1.0)
    return float(brentq(excess, 0.0, largest)) if excess(largest) > 0.0 else np.inf


def tilted(shares: np.ndarray, error: float) -> np.ndarray:
    """Shares with a relative error in the likeliest cell, the other cells making room.

    Args:
        shares: probabilities of cells, shape [n].
        error: relative error.

    Returns:
        Probabilities, shape [n].
    """
    top = int(np.argmax(shares))
    moved = shares * (1.0 - shares[top] * (1.0 + error)) / (1.0 - shares[top])
    moved[top] = shares[top] * (1.0 + error)
    return moved
