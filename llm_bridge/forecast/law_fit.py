"""Which law the measured kernels follow, decided on the base model's numbers alone.

Shapes: n points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from banditlab.shared_shift.law import KernelLaw
from banditlab.validation import require, require_equal_shapes

_MOST_MISFIT = 2.0
_FEWEST_SCORES = 3


@dataclass(frozen=True)
class FittedLaw:
    """A law of the kernel and how well a straight line fits the points.

    Attributes:
        law: the law.
        ceiling_misfit: distance of the points from a straight line in the pass rate, in standard
            errors; None with fewer than three points.
    """

    law: KernelLaw
    ceiling_misfit: float | None


def _weighted_line(x: np.ndarray, y: np.ndarray, error: np.ndarray) -> tuple[float, float, float]:
    """Intercept and slope of a weighted least-squares line, and its sum of squared residuals."""
    (intercept, slope), residuals, *_ = np.linalg.lstsq(
        np.stack([1.0 / error, x / error], axis=1), y / error, rcond=None
    )
    return float(intercept), float(slope), float(residuals[0]) if residuals.size else 0.0


def fit_score_exponent(pass_rate: np.ndarray, score_square: Sequence[float | None]) -> float:
    """How the mean squared score falls with the pass rate: the exponent of a power law.

    Args:
        pass_rate: mean pass rate over the prompts trained on, shape [n].
        score_square: mean squared norm of grad log_prob at each; None where it was not measured.

    Returns:
        The exponent by least squares in the logarithms, above 0 where scores fall; 0 with fewer
        than three points.

    Examples:
        >>> fit_score_exponent(np.array([0.2, 0.4, 0.8]), [400.0, 200.0, 100.0]).__round__(6)
        1.0
    """
    known = [place for place, square in enumerate(score_square) if square]
    if len(known) < _FEWEST_SCORES:
        return 0.0
    square = np.log([score_square[place] for place in known])
    slope, _ = np.polyfit(np.log(pass_rate[known]), square, 1)
    return -float(slope)


def fit_law(pass_rate: np.ndarray, kernel: np.ndarray, kernel_se: np.ndarray) -> FittedLaw:
    """Fit the law of the kernel to what was measured at the base model and after virtual steps.

    The ceiling law, a straight line in the pass rate, holds for prompts that are not trained on
    themselves. Where the points lie further than two standard errors from every line, as they do
    for a prompt trained on alone, the power law takes its place. A kernel that does not fall
    gives the constant law.

    Args:
        pass_rate: mean pass rate over the prompts trained on, shape [n], the base model first.
        kernel: measured kernels, above 0, shape [n].
        kernel_se: their standard errors, above 0, shape [n].

    Returns:
        The law; its kernel at the base pass rate is the fitted one.

    Raises:
        ValueError: the shapes differ, or a kernel or an error is not above 0.

    Examples:
        >>> rates, kernels = np.array([0.3, 0.4, 0.5]), np.array([15.0, 12.0, 9.0])
        >>> fit_law(rates, kernels, np.full(3, 0.3)).law.ceiling.__round__(6)
        0.8
    """
    require_equal_shapes("fit_law", pass_rate=pass_rate, kernel=kernel, kernel_se=kernel_se)
    require(
        bool((kernel > 0.0).all() and (kernel_se > 0.0).all()),
        "fit_law",
        "kernel, kernel_se",
        "above 0",
        f"kernels from {kernel.min():g}, errors from {kernel_se.min():g}",
        "Measure with more responses, or take shorter virtual steps",
    )
    base = float(pass_rate[0])
    if len(pass_rate) == 1:
        return FittedLaw(KernelLaw(float(kernel[0])), None)
    intercept, slope, misfit = _weighted_line(pass_rate, kernel, kernel_se)
    distance = math.sqrt(misfit) if len(pass_rate) > 2 else None
    if distance is not None and distance > _MOST_MISFIT:
        level, exponent, _ = _weighted_line(np.log(pass_rate), np.log(kernel), kernel_se / kernel)
        at_base = math.exp(level + exponent * math.log(base))
        return FittedLaw(KernelLaw(at_base, "power", base, exponent=-exponent), distance)
    at_base = intercept + slope * base
    if slope >= 0.0:
        return FittedLaw(KernelLaw(float(np.average(kernel, weights=kernel_se**-2.0))), distance)
    return FittedLaw(KernelLaw(at_base, "ceiling", base, ceiling=-intercept / slope), distance)
