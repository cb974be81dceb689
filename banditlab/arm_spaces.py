"""Constructors of bandit problems: rare correct arms, explicit rewards, Zipf, measured pass rates.

Shapes: P prompts (contexts), C arm classes, K arms.
"""

import csv
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from banditlab.kernels import ClassKernel, log_odds_kernel
from banditlab.problems import LOG_EXACT_COUNT, BanditProblem
from banditlab.reward_laws import Deterministic, RewardLaw
from banditlab.validation import (
    require,
    require_equal_shapes,
    require_finite_number,
    requirement_error,
)

_LOG_TEN = math.log(10.0)


def _log_whole_count(log_count: float) -> float:
    """Logarithm of the nearest whole number of arms."""
    return (
        math.log(max(1, round(math.exp(log_count)))) if log_count < LOG_EXACT_COUNT else log_count
    )


def _log_correct_and_wrong(low: float, high: float, correct_share: float) -> np.ndarray:
    """Log-counts of the correct and of the wrong arms with ranks above e^low and up to e^high."""
    if high < LOG_EXACT_COUNT:
        rank = np.rint(np.exp([low, high]))
        # Rounded from the first rank on, so that bins too small for a correct arm add up to one.
        correct = np.diff(np.floor(correct_share * rank + 0.5))
        with np.errstate(divide="ignore"):
            return np.log(np.concatenate([correct, np.diff(rank) - correct]))
    log_size = high + math.log(-math.expm1(low - high))
    return log_size + np.log([correct_share, 1.0 - correct_share])


def rare_correct(
    log10_arms: float,
    success_prob: float,
    num_correct: int = 1,
    *,
    kernel: ClassKernel | None = None,
    reward_law: RewardLaw | None = None,
) -> BanditProblem:
    """One context: a few correct arms (reward 1) in a huge space of wrong ones (reward 0).

    Args:
        log10_arms: log10 of the number of wrong arms; 100000 is as cheap as 3.
        success_prob: initial probability of all correct arms together, in (0, 1).
        num_correct: number of correct arms, equally likely at the start.
        kernel: how a step on one arm moves the others; tabular by default.
        reward_law: what a pull pays; the truth by default.

    Returns:
        The problem, class 0 correct and class 1 wrong.

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> rare_correct(100_000, 0.05).log_count.round(1).tolist()
        [[0.0, 230258.5]]
    """
    require_finite_number(
        "rare_correct",
        "log10_arms",
        log10_arms,
        low=0.0,
        remedy="Give the number of wrong arms as a power of ten, e.g. 100000",
    )
    require(
        0.0 < success_prob < 1.0,
        "rare_correct",
        "success_prob",
        "in (0, 1)",
        success_prob,
        "At 0 or 1 nothing is left to learn",
    )
    require(
        1 <= num_correct < math.inf and num_correct == int(num_correct),
        "rare_correct",
        "num_correct",
        "a whole number of at least 1",
        num_correct,
        "Without a correct arm no reward is ever seen",
    )
    return BanditProblem(
        log_count=np.array([[math.log(num_correct), _log_whole_count(log10_arms * _LOG_TEN)]]),
        log_mass=np.array([[math.log(success_prob), math.log1p(-success_prob)]]),
        reward=np.array([[1.0, 0.0]]),
        kernel=kernel or ClassKernel(),
        reward_law=reward_law or Deterministic(),
    )


def explicit_rewards(
    reward: np.ndarray, logits: np.ndarray | None = None, *, reward_law: RewardLaw | None = None
) -> BanditProblem:
    """One context with one class per arm: the textbook bandit.

    Args:
        reward: mean reward of each arm, shape [K].
        logits: initial logits, nats, shape [K]; equal by default.
        reward_law: what a pull pays around its mean, e.g. `Gaussian(sd=1.0)`.

    Returns:
        The problem with C = K classes of one arm.

    Raises:
        ValueError: there are fewer than two arms, or the shapes differ.

    Examples:
        >>> explicit_rewards(np.array([1.0, 0.9, 0.1])).log_mass.round(3).tolist()
        [[-1.099, -1.099, -1.099]]
    """
    reward = np.asarray(reward, dtype=np.float64)
    require(
        reward.ndim == 1 and reward.size >= 2,
        "explicit_rewards",
        "reward",
        "a vector of at least two arms",
        f"shape {reward.shape}",
        "A bandit of one arm has nothing to learn",
    )
    logits = np.zeros_like(reward) if logits is None else np.asarray(logits, dtype=np.float64)
    require_equal_shapes("explicit_rewards", reward=reward, logits=logits)
    return BanditProblem(
        log_count=np.zeros((1, reward.size)),
        log_mass=log_softmax(logits)[None],
        reward=reward[None],
        reward_law=reward_law or Deterministic(),
    )


def zipf(
    log10_arms: float,
    exponent: float,
    *,
    correct_share: float,
    num_bins: int = 24,
    kernel: ClassKernel | None = None,
) -> BanditProblem:
    """One context whose base policy is Zipf-like: the arm of rank n has mass ~ n^-exponent.

    Ranks are cut into bins of equal width in log(rank), up to whole ranks; within a bin arms are
    equally likely. In each bin the same share of arms is correct, rounded to whole arms, so that
    correct arms are frequent and rare ones alike.

    Args:
        log10_arms: log10 of the number of arms.
        exponent: exponent of the power law, at least 0.
        correct_share: share of arms that are correct, in (0, 1).
        num_bins: bins of rank.
        kernel: how a step on one arm moves the others; its classes are those of the result.

    Returns:
        The problem, one class per bin and truth (correct first where a bin has both).

    Raises:
        ValueError: an argument is out of range, or so few arms are correct that none is.

    Examples:
        >>> problem = zipf(50, 1.0, correct_share=0.01)
        >>> pass_rate = np.exp(problem.log_mass[0]) @ problem.reward[0]
        >>> problem.num_classes, round(pass_rate.item(), 3)
        (48, 0.01)
    """
    for name, value, low in (("log10_arms", log10_arms, 1.0), ("exponent", exponent, 0.0)):
        require_finite_number("zipf", name, value, low=low, remedy="Try 50 and 1.0")
    require(
        0.0 < correct_share < 1.0,
        "zipf",
        "correct_share",
        "in (0, 1)",
        correct_share,
        "At 0 or 1 nothing is left to learn",
    )
    require(num_bins >= 1, "zipf", "num_bins", "at least 1", num_bins, "24 is usual")
    log_edge = np.linspace(0.0, log10_arms * _LOG_TEN, num_bins + 1)[1:]
    log_last = sorted({_log_whole_count(edge) for edge in log_edge})
    log_count, log_mass, reward = [], [], []
    for low, high in pairwise([-math.inf, *log_last]):
        middle = 0.5 * (np.logaddexp(low, 0.0) + high)
        log_arms_by_truth = _log_correct_and_wrong(low, high, correct_share)
        for log_arms, value in zip(log_arms_by_truth, (1.0, 0.0), strict=True):
            if log_arms < math.log(0.5):
                continue
            log_count.append(_log_whole_count(log_arms))
            log_mass.append(log_count[-1] - exponent * middle)
            reward.append(value)
    require(
        1.0 in reward,
        "zipf",
        "correct_share",
        "large enough for at least one correct arm",
        correct_share,
        "Raise it, or log10_arms",
    )
    return BanditProblem(
        log_count=np.array([log_count]),
        log_mass=log_softmax(np.array([log_mass]), axis=1),
        reward=np.array([reward]),
        kernel=kernel or ClassKernel(),
    )


def from_pass_rates(
    train_pass_rates: np.ndarray,
    heldout_pass_rates: np.ndarray | None = None,
    *,
    shared_kernel: float,
    log10_arms: float = 1000.0,
) -> BanditProblem:
    """One context per prompt with its pass rate, all coupled by one shared number.

    A step on a response of any prompt moves every prompt's log-odds by step_size * shared_kernel
    * coefficient * ([correct] - pass_rate of its prompt). Correct and wrong responses are too
    many for the same one to be drawn twice.

    Args:
        train_pass_rates: pass rate of each prompt trained on, in (0, 1), shape [P_train].
        heldout_pass_rates: pass rate of each held-out prompt, in (0, 1), shape [P_heldout].
        shared_kernel: shift of log-odds per unit of step_size * coefficient, nats.
        log10_arms: log10 of the number of correct and of wrong responses of each prompt.

    Returns:
        The problem with C = 2 classes, correct first.

    Raises:
        ValueError: a pass rate is outside (0, 1), or the kernel or the log-count is negative.
    """
    require_finite_number("from_pass_rates", "log10_arms", log10_arms, low=0.0, remedy="Try 1000")
    heldout = np.empty(0) if heldout_pass_rates is None else np.asarray(heldout_pass_rates)
    pass_rate = np.concatenate([np.asarray(train_pass_rates, dtype=np.float64), heldout])
    require(
        bool(((pass_rate > 0.0) & (pass_rate < 1.0)).all()),
        "from_pass_rates",
        "train_pass_rates, heldout_pass_rates",
        "in (0, 1)",
        f"values from {pass_rate.min(initial=np.inf):g} to {pass_rate.max(initial=-np.inf):g}",
        "Smooth measured rates, e.g. (num_correct + a) / (num_samples + a + b)",
    )
    return BanditProblem(
        log_count=np.full((pass_rate.size, 2), _log_whole_count(log10_arms * _LOG_TEN)),
        log_mass=np.log(np.stack([pass_rate, 1.0 - pass_rate], axis=1)),
        reward=np.tile([1.0, 0.0], (pass_rate.size, 1)),
        kernel=ClassKernel(self_part=0.0, across_contexts=log_odds_kernel(shared_kernel)),
        num_train=np.asarray(train_pass_rates).size,
    )


def read_pass_rates(path: Path, column: str) -> np.ndarray:
    """Read one column of pass rates from a CSV file with a header.

    Args:
        path: the file; one row per prompt.
        column: name of the column.

    Returns:
        Pass rates as they stand, shape [P].

    Raises:
        ValueError: the column is missing, the file has no rows, or a value is no number.
        OSError: the file cannot be read.
    """
    # Spreadsheets put a byte order mark before the first column's name.
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        require(
            column in names,
            "read_pass_rates",
            "column",
            f"one of {', '.join(names) or 'the columns, of which there are none'}",
            repr(column),
            "The file needs a header line",
        )
        rates = []
        for row in reader:
            try:
                rates.append(float(row[column]))
            except (TypeError, ValueError) as error:
                raise requirement_error(
                    "read_pass_rates",
                    column,
                    "a number in every row",
                    f"{row[column]!r} in line {reader.line_num}",
                    "Leave rows without a measurement out",
                ) from error
    require(bool(rates), "read_pass_rates", "path", "a file with rows", path.name, "Fill it")
    return np.array(rates)
