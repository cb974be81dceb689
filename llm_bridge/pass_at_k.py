"""Pass@k: the probability that at least one of k responses is right, and its interval.

Shapes: P prompts.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from banditlab.validation import require

LEVEL = 0.95
_NUM_RESAMPLES = 2000


@dataclass(frozen=True)
class PassAtK:
    """An estimate with its interval.

    Attributes:
        k: responses of which one must be right.
        estimate: mean over prompts.
        low: lower end of the 95 % interval.
        high: its upper end.
        method: how the interval was made: "bootstrap" over prompts, or "exact".
    """

    k: int
    estimate: float
    low: float
    high: float
    method: str


def pass_at_k(num_correct: np.ndarray, num_samples: np.ndarray, k: int) -> np.ndarray:
    """Unbiased estimate of 1 - (1 - p)^k for each prompt, from n samples of which c are right.

    It is the share of the subsets of k samples that hold a right one, 1 - C(n-c, k) / C(n, k).
    Putting c/n into 1 - (1 - p)^k instead is too low on average.

    Args:
        num_correct: c, shape [P], integers.
        num_samples: n, shape [P], integers, each at least k.
        k: size of the subsets.

    Returns:
        Estimates, shape [P], float64.

    Raises:
        ValueError: k is less than 1 or more than a prompt has samples.

    References:
        Chen et al. (2021), Evaluating Large Language Models Trained on Code, arXiv 2107.03374.

    Examples:
        >>> pass_at_k(np.array([1, 0]), np.array([4, 4]), 2)
        array([0.5, 0. ])
    """
    fewest = int(num_samples.min())
    require(
        1 <= k <= fewest,
        "pass_at_k",
        "k",
        f"from 1 to the {fewest} samples of a prompt",
        k,
        "Draw more samples of each prompt, or take a smaller k",
    )
    counts = zip(num_correct.tolist(), num_samples.tolist(), strict=True)
    # Integers divide without overflow, and exactly to the last bit.
    return np.array([1.0 - math.comb(n - c, k) / math.comb(n, k) for c, n in counts])


def binomial_interval(num_correct: int, num_samples: int) -> tuple[float, float]:
    """Exact 95 % interval of a probability (Clopper and Pearson).

    Args:
        num_correct: c.
        num_samples: n.

    Returns:
        Its two ends; they cover with at least 95 % whatever the probability.

    Examples:
        >>> [round(end, 4) for end in binomial_interval(0, 10)]
        [0.0, 0.3085]
    """
    tail = (1.0 - LEVEL) / 2
    wrong = num_samples - num_correct
    low = beta.ppf(tail, num_correct, wrong + 1) if num_correct else 0.0
    high = beta.ppf(1.0 - tail, num_correct + 1, wrong) if wrong else 1.0
    return float(low), float(high)


def estimate_pass_at_k(num_correct: np.ndarray, num_samples: np.ndarray, k: int) -> PassAtK:
    """Pass@k over prompts with a 95 % interval.

    With several prompts the interval is for the population that the prompts come from: the
    percentile bootstrap over prompts, whose draws are the same in every call. Where it would
    shrink to a point, all prompts at 0 or all at 1, it is the exact interval of as many
    yes-or-no draws as there are prompts, which covers any distribution on [0, 1]. With one
    prompt it is for that prompt: the exact binomial interval of p, carried to 1 - (1 - p)^k.

    Args:
        num_correct: right responses, shape [P], integers.
        num_samples: responses, shape [P], integers, each at least k.
        k: responses of which one must be right.

    Returns:
        The estimate.

    Raises:
        ValueError: as in `pass_at_k`.
    """
    share = pass_at_k(num_correct, num_samples, k)
    mean, num_prompts = float(share.mean()), len(share)
    if num_prompts == 1:
        low, high = binomial_interval(int(num_correct[0]), int(num_samples[0]))
        return PassAtK(k, mean, 1.0 - (1.0 - low) ** k, 1.0 - (1.0 - high) ** k, "exact")
    if mean in (0.0, 1.0):
        low, high = binomial_interval(round(mean * num_prompts), num_prompts)
        return PassAtK(k, mean, low, high, "exact")
    rng = np.random.default_rng(0)
    # Prompts with the same share are drawn together: how often each share comes in a resample.
    shares, counts = np.unique(share, return_counts=True)
    times = rng.multinomial(num_prompts, counts / num_prompts, _NUM_RESAMPLES)
    tail = (1.0 - LEVEL) / 2
    low, high = np.quantile(times @ shares / num_prompts, (tail, 1.0 - tail))
    return PassAtK(k, mean, float(low), float(high), "bootstrap")
