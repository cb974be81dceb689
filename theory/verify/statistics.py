"""Statistics that decide on claims: distances, p-values, and Holm's procedure.

Five of them, by what a claim states:

- difference: two exact numbers agree;
- z: a sampled mean, share or exponent agrees with a number;
- shares: sampled shares of cells agree with probabilities (Pearson's chi-squared);
- bound: an exact number never exceeds a bound;
- expected_bound: a sampled mean does not exceed a bound.

Shapes: n quantities.
"""

import math

import numpy as np
from scipy.special import ndtri_exp
from scipy.stats import binom, chi2, f, t

from theory.verify.measurement import Measurement

EXACT_STATISTICS = ("difference", "bound")
SAMPLED_STATISTICS = ("z", "shares", "expected_bound")
STATISTICS = (*EXACT_STATISTICS, *SAMPLED_STATISTICS)

UNIT = {
    "difference": "diff",
    "z": "|z|",
    "shares": "|z| of chi2",
    "bound": "excess",
    "expected_bound": "z",
}
"""What the distance of each statistic is called in tables."""


def distances(statistic: str, predicted: np.ndarray, measured: Measurement) -> np.ndarray:
    """Distance of each predicted quantity from the measured one, in units of the statistic.

    Args:
        statistic: one of `STATISTICS`.
        predicted: predicted quantities, shape [n].
        measured: the measurement, of n quantities.

    Returns:
        difference: absolute differences. z: the same in standard errors. shares: the standard
        normal quantile of the chi-squared statistic's p-value, for all cells together. bound and
        expected_bound: relative excess over the bound, and excess in standard errors, negative
        where the bound holds. Shape [n].
    """
    excess = measured.value - predicted
    if statistic == "difference":
        return np.abs(excess)
    if statistic == "bound":
        return excess / np.abs(predicted)
    if statistic == "shares":
        log_p = _log_p_of_shares(predicted, measured)
        return np.full(len(predicted), np.nan if np.isnan(log_p) else normal_quantile(log_p))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = excess / standard_error(predicted, measured)
    return score if statistic == "expected_bound" else np.abs(score)


def standard_error(predicted: np.ndarray, measured: Measurement) -> np.ndarray:
    """Standard error of each quantity if the prediction is true: for shares of hits its own.

    Args:
        predicted: predicted quantities, shape [n].
        measured: the measurement, of n quantities.

    Returns:
        Standard errors, shape [n].
    """
    if measured.num_trials is None:
        return measured.standard_error
    share = np.clip(predicted, 0.0, 1.0)
    return np.sqrt(share * (1.0 - share) / measured.num_trials)


def furthest(statistic: str, predicted: np.ndarray, measured: Measurement) -> int:
    """Index of the quantity that lies furthest from its prediction, one that is no number first.

    Args:
        statistic: one of `STATISTICS`.
        predicted: predicted quantities, shape [n].
        measured: the measurement, of n quantities.

    Returns:
        The index.
    """
    if statistic == "shares":
        safe = np.where(predicted > 0.0, predicted, 1e-300)
        distance = np.abs(measured.value - predicted) / np.sqrt(safe)
    else:
        distance = distances(statistic, predicted, measured)
    return int(np.argmax(np.where(np.isnan(distance), np.inf, distance)))


def normal_quantile(log_p: float) -> float:
    """Size of a standard normal number with a given two-sided p-value.

    Args:
        log_p: log of the p-value.

    Returns:
        |z|, at least 0.
    """
    if not log_p > -np.inf:
        return np.inf
    # Beyond 38 standard deviations the p-value itself is no longer a number.
    return float(max(0.0, -ndtri_exp(log_p - math.log(2.0))))


def _chi_squared(predicted: np.ndarray, share: np.ndarray, num_samples: int) -> float:
    if np.isnan(predicted).any() or abs(float(predicted.sum()) - 1.0) > 1e-6:
        return np.nan
    is_possible = predicted > 0.0
    if (share[~is_possible] > 0.0).any():
        return np.inf
    safe = np.where(is_possible, predicted, 1.0)
    return float(num_samples * np.where(is_possible, (share - predicted) ** 2 / safe, 0.0).sum())


def _log_p_of_shares(predicted: np.ndarray, measured: Measurement) -> float:
    excess = _chi_squared(predicted, measured.value, measured.num_samples)
    degrees = len(predicted) - 1
    log_p = float(chi2.logsf(excess, degrees))
    if log_p > -np.inf or not math.isfinite(excess):
        return log_p
    # The leading term of the tail where the library's has underflowed.
    half = excess / 2.0
    return (degrees / 2.0 - 1.0) * math.log(half) - half - math.lgamma(degrees / 2.0)


def p_value(statistic: str, predicted: np.ndarray, measured: Measurement) -> float | None:
    """Probability of a distance as large as this one or larger if the statement is true.

    Independent quantities: the smallest p-value of Student's t, or of the exact binomial law for
    shares of hits, by Sidak's correction for their number. Correlated ones: Hotelling's T-squared.
    Shares of cells: Pearson's chi-squared. A bound on an expectation: one-sided, an upper bound of
    the p-value.

    Args:
        statistic: one of `STATISTICS`.
        predicted: predicted quantities, shape [n].
        measured: the measurement.

    Returns:
        The p-value; None for exact statistics. A measurement or prediction that is not a number,
        or shares that do not sum to 1, give 0.
    """
    if statistic in EXACT_STATISTICS:
        return None
    score = distances(statistic, predicted, measured)
    if np.isnan(score).any():
        return 0.0
    if statistic == "shares":
        return float(np.exp(_log_p_of_shares(predicted, measured)))
    if statistic == "expected_bound":
        return _sidak(t.sf(score, measured.degrees))
    if measured.num_trials is not None:
        return _sidak(_binomial_p_values(predicted, measured))
    if measured.correlation is None:
        return _sidak(2.0 * t.sf(score, measured.degrees))
    return _hotelling(predicted, measured)


def _sidak(p_values: np.ndarray) -> float:
    return float(-np.expm1(len(p_values) * np.log1p(-min(float(p_values.min()), 1.0 - 1e-16))))


def _binomial_p_values(predicted: np.ndarray, measured: Measurement) -> np.ndarray:
    """Twice the smaller tail, the observed number of hits counted into both."""
    hits = np.rint(measured.value * measured.num_trials)
    share = np.clip(predicted, 0.0, 1.0)
    below = binom.cdf(hits, measured.num_trials, share)
    above = binom.sf(hits - 1, measured.num_trials, share)
    return np.minimum(1.0, 2.0 * np.minimum(below, above))


def _hotelling(predicted: np.ndarray, measured: Measurement) -> float:
    score = (measured.value - predicted) / measured.standard_error
    squared = float(score @ np.linalg.solve(measured.correlation, score))
    size, num_runs = len(score), measured.degrees + 1.0
    scaled = squared * (num_runs - size) / (size * (num_runs - 1.0))
    return float(f.sf(scaled, size, num_runs - size))


def holm(p_values: np.ndarray, level: float) -> np.ndarray:
    """Which of a family of true statements are rejected, none of them with probability 1 - level.

    Args:
        p_values: one per statement, shape [n].
        level: largest probability that any true statement is rejected.

    Returns:
        Booleans, shape [n].

    References:
        Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values, kind="stable")
    allowed = level / (len(p_values) - np.arange(len(p_values)))
    is_low = np.logical_and.accumulate(p_values[order] < allowed)
    rejected = np.zeros(len(p_values), dtype=bool)
    rejected[order] = is_low
    return rejected
