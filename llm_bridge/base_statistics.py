"""A base model's numbers and their estimators: pass rates from counts, a kernel from gradients.

Numbers in, numbers out, without torch; `calibrate` draws the samples.

Shapes: P prompts, N blocks of prompts, D parameters.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from banditlab.validation import require


@dataclass(frozen=True)
class BaseMeasurement:
    """Numbers of the base model that the simulator and theory are given.

    Attributes:
        train_pass_rates: smoothed pass rate of each prompt trained on, [P_train].
        heldout_pass_rates: smoothed pass rate of each held-out prompt, [P_heldout].
        num_samples: responses drawn for each prompt.
        shared_kernel: k, shift of log-odds (nats) per unit of learning_rate * coefficient.
        shared_kernel_se: its standard error, from the spread over blocks of prompts; None with a
            single block.
        gradient_cosine: cosine of the two gradients, corrected for their sampling noise; None
            where that noise hides their length.
        score_norm: mean squared norm of grad log_prob of a response: the response's kernel with
            itself.
        score_gram_top: largest eigenvalue of the mean outer product of those gradients over the
            responses of one update; it decides when inner steps on the penalty are stable.
    """

    train_pass_rates: list[float]
    heldout_pass_rates: list[float]
    num_samples: int
    shared_kernel: float
    shared_kernel_se: float | None
    gradient_cosine: float | None
    score_norm: float
    score_gram_top: float

    def as_dict(self) -> dict[str, Any]:
        """The measurement as JSON can write it."""
        return asdict(self)


def smoothed_pass_rates(num_correct: np.ndarray, num_samples: int) -> np.ndarray:
    """Posterior mean of each prompt's pass rate under a Beta prior fitted to all of them.

    (num_correct + a) / (num_samples + a + b), with a and b from the mean and the variance of the
    counts (method of moments). Keeps rates inside (0, 1), where log-odds exist.

    Args:
        num_correct: right responses of each prompt, shape [P].
        num_samples: responses drawn for each prompt.

    Returns:
        Rates in (0, 1), shape [P].

    Raises:
        ValueError: no prompt, or every prompt, was ever answered rightly.
    """
    share = num_correct / num_samples
    mean = float(share.mean())
    require(
        0.0 < mean < 1.0,
        "smoothed_pass_rates",
        "num_correct",
        "neither all 0 nor all num_samples",
        f"a mean pass rate of {mean:g}",
        "The base model must sometimes be right and sometimes wrong; take other prompts or draw "
        "more samples",
    )
    noise = mean * (1.0 - mean) / num_samples
    spread = (float(share.var(ddof=1)) - noise) / (1.0 - 1.0 / num_samples) if share.size > 1 else 0
    largest = mean * (1.0 - mean)
    # A spread within the noise means one rate for all: a prior worth many samples.
    concentration = largest / spread - 1.0 if 1e-4 * largest < spread < largest else 1e4
    return (num_correct + concentration * mean) / (num_samples + concentration)


def shared_kernel_from_blocks(
    train_gradients: np.ndarray,
    heldout_gradients: np.ndarray,
    train_slope: float,
    heldout_slope: float,
) -> tuple[float, float | None, float | None]:
    """Shared kernel from gradients of the mean pass rate, block by block.

    Args:
        train_gradients: gradient of each block of prompts trained on, shape [N_train, D].
        heldout_gradients: of each block of held-out prompts, shape [N_heldout, D].
        train_slope: mean of pass_rate * (1 - pass_rate) over the prompts trained on.
        heldout_slope: the same over held-out prompts.

    Returns:
        Kernel, its standard error as far as the gradients cause it (None with a single block),
        and the cosine of the two gradients (1 if they agree up to noise; None where noise hides
        their length).
    """
    products = heldout_gradients @ train_gradients.T
    scale = 1.0 / (train_slope * heldout_slope)
    error = None
    if min(products.shape) > 1:
        error = scale * math.sqrt(_variance_of_mean(products))
    norms = [_squared_norm(gradients) for gradients in (train_gradients, heldout_gradients)]
    cosine = float(products.mean() / math.sqrt(norms[0] * norms[1])) if min(norms) > 0 else None
    return float(products.mean() * scale), error, cosine


def own_kernel_from_blocks(gradients: np.ndarray, slope: float) -> tuple[float, float]:
    """Kernel of prompts with themselves, from independent estimates of one gradient.

    Args:
        gradients: estimates of the gradient of the mean pass rate, shape [N, D], N of 3 or more.
        slope: mean of pass_rate * (1 - pass_rate).

    Returns:
        |grad P|^2 / slope^2 without the noise of the estimates, and its standard error by the
        jackknife over blocks, up to sqrt(2) times too large where noise hides the gradient.
    """
    count = len(gradients)
    gram = gradients.astype(np.float64) @ gradients.T.astype(np.float64)
    off_diagonal = gram - np.diag(np.diag(gram))
    total = off_diagonal.sum()
    without = (total - 2.0 * off_diagonal.sum(axis=1)) / ((count - 1) * (count - 2))
    error = math.sqrt((count - 1) * without.var())
    return float(total / (count * (count - 1)) / slope**2), float(error / slope**2)


def _variance_of_mean(table: np.ndarray) -> float:
    """Variance of the mean of a table whose rows and columns are independent draws."""
    num_rows, num_columns = table.shape
    row_mean, column_mean = table.mean(axis=1), table.mean(axis=0)
    residual = table - row_mean[:, None] - column_mean + table.mean()
    interaction = (residual**2).sum() / ((num_rows - 1) * (num_columns - 1))
    by_rows = row_mean.var(ddof=1) / num_rows
    by_columns = column_mean.var(ddof=1) / num_columns
    # Each of the two holds the interaction once, and it counts once.
    variance = by_rows + by_columns - interaction / (num_rows * num_columns)
    return float(max(variance, 0.0))


def _squared_norm(gradients: np.ndarray) -> float:
    """Unbiased squared norm of the mean gradient, from products of different blocks; 0 for one."""
    count = len(gradients)
    if count < 2:
        return 0.0
    gram = gradients @ gradients.T
    return float((gram.sum() - np.trace(gram)) / (count * (count - 1)))
