"""Arm spaces: contexts of exchangeable arms in classes, given by log-counts and log-masses.

A context (prompt) is a bandit whose arms (responses) fall into classes: within a class all arms
start with the same probability and have the same reward. Counts enter as logarithms, so 10^100000
arms are as easy as ten; the number of arms is never formed.

Shapes: P prompts (contexts), C arm classes, K arms.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp

from banditlab.kernels import ClassKernel, log_odds_kernel
from banditlab.validation import require, require_equal_shapes, require_finite_number

LOG_EXACT_COUNT = 52 * math.log(2.0)
"""Counts up to 2^52 are exact integers in float64."""

MAX_DENSE_ARMS = 10_000_000


@dataclass(frozen=True)
class BanditProblem:
    """P contexts, each with C classes of exchangeable arms.

    Attributes:
        log_count: log of the number of arms, nats, shape [P, C]; counts of 1 or more.
        log_mass: log of the initial probability of the class, nats, shape [P, C].
        reward: reward of every arm of the class, shape [P, C].
        kernel: how a step on one arm moves the others.
        num_train: the first `num_train` contexts are trained on, the others are held out.
    """

    log_count: np.ndarray
    log_mass: np.ndarray
    reward: np.ndarray
    kernel: ClassKernel = field(default_factory=ClassKernel)
    num_train: int = -1

    def __post_init__(self) -> None:
        for name in ("log_count", "log_mass", "reward"):
            value = np.array(getattr(self, name), dtype=np.float64)
            require(
                value.ndim == 2,
                "BanditProblem",
                name,
                "of shape [P, C]",
                f"shape {value.shape}",
                "Give one row per context and one column per class",
            )
            object.__setattr__(self, name, value)
        require_equal_shapes(
            "BanditProblem", log_count=self.log_count, log_mass=self.log_mass, reward=self.reward
        )
        require(
            bool((self.log_count >= -1e-9).all()) and bool(np.isfinite(self.log_count).all()),
            "BanditProblem",
            "log_count",
            "finite and at least 0 (a class of one arm)",
            self.log_count.min(),
            "Leave empty classes out",
        )
        # A count read back from its logarithm is an integer again as long as float64 can hold it.
        count = self.count()
        is_exact = np.isfinite(count)
        log_count = np.where(is_exact, np.log(np.where(is_exact, count, 1.0)), self.log_count)
        object.__setattr__(self, "log_count", log_count)
        total = logsumexp(self.log_mass, axis=1)
        require(
            bool((np.abs(total) < 1e-9).all()),
            "BanditProblem",
            "log_mass",
            "the logarithm of probabilities that sum to 1 in each context",
            f"a context with sum exp({float(total[np.argmax(np.abs(total))]):.3g})",
            "Subtract scipy.special.logsumexp(log_mass, axis=1, keepdims=True)",
        )
        require(
            bool(np.isfinite(self.reward).all()),
            "BanditProblem",
            "reward",
            "finite",
            "a NaN or an infinity",
            "Check the reward function",
        )
        if self.num_train == -1:
            object.__setattr__(self, "num_train", self.num_contexts)
        require(
            1 <= self.num_train <= self.num_contexts,
            "BanditProblem",
            "num_train",
            f"between 1 and the number of contexts, {self.num_contexts}",
            self.num_train,
            "At least one context is needed to train on",
        )
        self.kernel.require_fit(self.log_count)

    @property
    def num_contexts(self) -> int:
        """Number of prompts, P."""
        return self.log_count.shape[0]

    @property
    def num_classes(self) -> int:
        """Number of arm classes, C."""
        return self.log_count.shape[1]

    def count(self) -> np.ndarray:
        """Number of arms of each class, as far as float64 can count them.

        Returns:
            Exact integers up to 2^52 and infinity above, shape [P, C].
        """
        is_exact = self.log_count <= LOG_EXACT_COUNT
        count = np.rint(np.exp(np.where(is_exact, self.log_count, 0.0)))
        return np.where(is_exact, count, np.inf)

    def arm_class(self) -> np.ndarray:
        """Class of each arm in the dense numbering: class 0 first, then class 1, and so on.

        Returns:
            Integer classes, shape [P, K].

        Raises:
            ValueError: the contexts differ in their number of arms, or there are too many arms
                to number.
        """
        require(
            bool((np.logaddexp.reduce(self.log_count, axis=1) <= math.log(MAX_DENSE_ARMS)).all()),
            "arm_class",
            "log_count",
            f"small enough for at most {MAX_DENSE_ARMS} arms in all",
            f"log-counts up to {self.log_count.max():.4g}",
            "Use the lumped policy, which never numbers the arms",
        )
        count = self.count().astype(np.int64)
        num_arms = count.sum(axis=1)
        require(
            bool((num_arms == num_arms[0]).all()),
            "arm_class",
            "log_count",
            "such that all contexts have the same number of arms",
            f"{num_arms.min()} to {num_arms.max()} arms",
            "Use the lumped policy, which takes any counts",
        )
        classes = np.arange(self.num_classes)
        return np.stack([np.repeat(classes, row) for row in count])


def log_untouched_mass(
    problem: BanditProblem, contexts: np.ndarray, num_touched: np.ndarray
) -> np.ndarray:
    """Initial log-mass of the arms of each class that remain when some are counted apart.

    Args:
        problem: the arm space.
        contexts: index of each prompt, shape [R, B].
        num_touched: arms counted apart, shape [R, B, C].

    Returns:
        log(mass * (count - num_touched) / count), nats, -inf where none remain, [R, B, C].
    """
    count, log_count = problem.count()[contexts], problem.log_count[contexts]
    is_exact = np.isfinite(count)
    remaining = np.where(is_exact, count - num_touched, 1.0)
    with np.errstate(divide="ignore"):
        log_exact = np.log(remaining) - np.where(is_exact, log_count, 0.0)
    log_huge = np.log1p(-np.where(is_exact, 0.0, num_touched * np.exp(-log_count)))
    return problem.log_mass[contexts] + np.where(is_exact, log_exact, log_huge)


def rare_correct(
    log10_arms: float,
    success_prob: float,
    num_correct: int = 1,
    *,
    kernel: ClassKernel | None = None,
) -> BanditProblem:
    """One context: a few correct arms (reward 1) in a huge space of wrong ones (reward 0).

    Args:
        log10_arms: log10 of the number of wrong arms; 100000 is as cheap as 3.
        success_prob: initial probability of all correct arms together, in (0, 1).
        num_correct: number of correct arms, equally likely at the start.
        kernel: how a step on one arm moves the others; tabular by default.

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
        num_correct >= 1,
        "rare_correct",
        "num_correct",
        "at least 1",
        num_correct,
        "Without a correct arm no reward is ever seen",
    )
    return BanditProblem(
        log_count=np.array([[math.log(num_correct), log10_arms * math.log(10.0)]]),
        log_mass=np.array([[math.log(success_prob), math.log1p(-success_prob)]]),
        reward=np.array([[1.0, 0.0]]),
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
        ValueError: a pass rate is outside (0, 1) or the kernel is negative.
    """
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
        log_count=np.full((pass_rate.size, 2), log10_arms * math.log(10.0)),
        log_mass=np.log(np.stack([pass_rate, 1.0 - pass_rate], axis=1)),
        reward=np.tile([1.0, 0.0], (pass_rate.size, 1)),
        kernel=ClassKernel(self_part=0.0, across_contexts=log_odds_kernel(shared_kernel)),
        num_train=np.asarray(train_pass_rates).size,
    )
