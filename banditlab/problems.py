"""Bandit problems: contexts of exchangeable arms in classes, by log-counts and log-masses.

A context (prompt) is a bandit whose arms (responses) fall into classes: within a class all arms
start with the same probability and have the same reward law. Counts enter as logarithms, so
10^100000 arms are as easy as ten; the number of arms is never formed. `banditlab.arm_spaces` has
the constructors.

Shapes: P prompts (contexts), C arm classes, K arms.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp

from banditlab.kernels import ClassKernel
from banditlab.reward_laws import Deterministic, RewardLaw
from banditlab.validation import require, require_equal_shapes

LOG_EXACT_COUNT = 52 * math.log(2.0)
"""Counts up to 2^52 are exact integers in float64."""

MAX_DENSE_ARMS = 10_000_000


@dataclass(frozen=True)
class BanditProblem:
    """P contexts, each with C classes of exchangeable arms.

    Attributes:
        log_count: log of the number of arms, nats, shape [P, C]; counts of 1 or more.
        log_mass: log of the initial probability of the class, nats, shape [P, C].
        reward: true mean reward of the class, shape [P, C].
        kernel: how a step on one arm moves the others.
        num_train: the first `num_train` contexts are trained on, the others are held out.
        reward_law: what a pull pays around that mean: one law, or one per class.
    """

    log_count: np.ndarray
    log_mass: np.ndarray
    reward: np.ndarray
    kernel: ClassKernel = field(default_factory=ClassKernel)
    num_train: int = -1
    reward_law: RewardLaw | tuple[RewardLaw, ...] = field(default_factory=Deterministic)

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
            self.log_count.size > 0,
            "BanditProblem",
            "log_count",
            "of at least one context and one class",
            f"shape {self.log_count.shape}",
            "Give one row per context and one column per class",
        )
        require(
            bool((self.log_count >= -1e-9).all()) and bool(np.isfinite(self.log_count).all()),
            "BanditProblem",
            "log_count",
            "finite and at least 0 (a class of one arm)",
            f"values from {self.log_count.min():g} to {self.log_count.max():g}",
            "Leave empty classes out",
        )
        # A count read back from its logarithm is an integer again as long as float64 can hold it.
        count = self.count()
        is_exact = np.isfinite(count)
        log_count = np.where(is_exact, np.log(np.where(is_exact, count, 1.0)), self.log_count)
        is_whole = np.abs(log_count - self.log_count) < 1e-9
        require(
            bool(is_whole.all()),
            "BanditProblem",
            "log_count",
            "the logarithm of a whole number of arms",
            f"a count of {math.exp(self.log_count[~is_whole][0]) if not is_whole.all() else 1:.6g}",
            "Round the counts first",
        )
        object.__setattr__(self, "log_count", log_count)
        require(
            bool(np.isfinite(self.log_mass).all()),
            "BanditProblem",
            "log_mass",
            "finite: every class has a probability in (0, 1]",
            "an infinity or a NaN",
            "Leave classes of probability 0 out",
        )
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
            1 <= self.num_train <= self.num_contexts and self.num_train == int(self.num_train),
            "BanditProblem",
            "num_train",
            f"a whole number between 1 and the number of contexts, {self.num_contexts}",
            self.num_train,
            "At least one context is needed to train on",
        )
        self.kernel.require_fit(self.log_count)
        laws = self.reward_law
        laws = tuple(laws) if isinstance(laws, tuple | list) else (laws,) * self.num_classes
        require(
            len(laws) == self.num_classes,
            "BanditProblem",
            "reward_law",
            f"one law, or one for each of the {self.num_classes} classes",
            f"{len(laws)} laws",
            "Repeat the law of classes that share it",
        )
        for law, mean in zip(laws, self.reward.T, strict=True):
            law.require_fit(mean)
        object.__setattr__(self, "reward_law", laws)

    @property
    def has_random_reward(self) -> bool:
        """Whether any class pays at random."""
        return any(law.is_random for law in self.reward_law)

    @property
    def has_fixed_arm_rewards(self) -> bool:
        """Whether an arm keeps a random reward of its own."""
        return any(law.is_per_arm for law in self.reward_law)

    def draw_reward(
        self, contexts: np.ndarray, arm_class: np.ndarray, uniform: np.ndarray
    ) -> np.ndarray:
        """Reward that pulls of arms of given classes pay.

        Args:
            contexts: index of each prompt, shape [R, B].
            arm_class: class of each pulled arm, shape [R, B, G].
            uniform: uniforms in [0, 1), shape [R, B, G].

        Returns:
            Observed rewards, shape [R, B, G].
        """
        mean = self.reward.take(contexts[..., None] * self.num_classes + arm_class)
        if not self.has_random_reward:
            return mean
        if len(set(self.reward_law)) == 1:
            return self.reward_law[0].draw(mean, uniform)
        paid = np.empty_like(mean)
        for index, law in enumerate(self.reward_law):
            paid = np.where(arm_class == index, law.draw(mean, uniform), paid)
        return paid

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
