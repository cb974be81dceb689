"""Reward laws: what a pull of an arm pays, given the mean reward of its class.

A law turns a class's mean reward and one uniform number into the reward that is observed. The
*true* reward of a class, whose policy average is the pass rate, stays its mean; a noisy verifier
is the law whose observed mean differs from the true one.

Shapes: * any.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri

from banditlab.validation import require, require_finite_number


class RewardLaw(Protocol):
    """What a problem asks of the reward law of a class."""

    is_random: bool
    is_per_arm: bool

    def require_fit(self, mean: np.ndarray) -> None:
        """Refuse means that the law cannot have."""

    def draw(self, mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Observed reward."""

    def observed_mean(self, mean: np.ndarray) -> np.ndarray:
        """Expected observed reward."""


class _ObservedAsIs:
    """Laws whose observed mean is the true one."""

    is_random = True
    is_per_arm = False

    def observed_mean(self, mean: np.ndarray) -> np.ndarray:
        """Expected observed reward: the mean.

        Args:
            mean: mean reward, shape [*].

        Returns:
            The same, shape [*].
        """
        return mean


def _require_means(law: str, mean: np.ndarray, is_possible: np.ndarray, condition: str) -> None:
    require(
        bool(is_possible.all()),
        law,
        "reward",
        condition,
        f"values from {mean.min():g} to {mean.max():g}",
        "Give the mean reward of each class, or another law",
    )


@dataclass(frozen=True)
class Deterministic(_ObservedAsIs):
    """Every pull pays the mean reward of the class."""

    is_random = False

    def require_fit(self, mean: np.ndarray) -> None:
        """Take any means.

        Args:
            mean: mean reward, shape [*].
        """

    def draw(self, mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Observed reward: the mean.

        Args:
            mean: mean reward, shape [*].
            uniform: not used, shape [*].

        Returns:
            Rewards, shape [*].
        """
        return mean


@dataclass(frozen=True)
class Bernoulli(_ObservedAsIs):
    """A pull pays 1 with the class's mean as probability, else 0."""

    def require_fit(self, mean: np.ndarray) -> None:
        """Refuse means outside [0, 1].

        Args:
            mean: mean reward, shape [*].

        Raises:
            ValueError: one is outside.
        """
        _require_means("Bernoulli", mean, (mean >= 0.0) & (mean <= 1.0), "in [0, 1]")

    def draw(self, mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Observed reward: 1 where uniform < mean, else 0.

        Args:
            mean: probability of reward 1, shape [*].
            uniform: uniforms in [0, 1), shape [*].

        Returns:
            Rewards, shape [*].
        """
        return (uniform < mean).astype(np.float64)


@dataclass(frozen=True)
class Rademacher(_ObservedAsIs):
    """A pull pays +1 or -1 so that the mean is the class's mean."""

    def require_fit(self, mean: np.ndarray) -> None:
        """Refuse means outside [-1, 1].

        Args:
            mean: mean reward, shape [*].

        Raises:
            ValueError: one is outside.
        """
        _require_means("Rademacher", mean, np.abs(mean) <= 1.0, "in [-1, 1]")

    def draw(self, mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Observed reward: 1 where uniform < (1 + mean)/2, else -1.

        Args:
            mean: mean reward, shape [*].
            uniform: uniforms in [0, 1), shape [*].

        Returns:
            Rewards, shape [*].
        """
        return np.where(uniform < 0.5 * (1.0 + mean), 1.0, -1.0)


@dataclass(frozen=True)
class Gaussian(_ObservedAsIs):
    """A pull pays the mean plus Gaussian noise.

    Attributes:
        sd: standard deviation, in units of reward, above 0.
    """

    sd: float = 1.0

    def __post_init__(self) -> None:
        require_finite_number(
            "Gaussian", "sd", self.sd, low=0.0, is_low_open=True, remedy="1 is usual"
        )

    def require_fit(self, mean: np.ndarray) -> None:
        """Take any means.

        Args:
            mean: mean reward, shape [*].
        """

    def draw(self, mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Observed reward: mean + sd * (normal quantile of the uniform).

        Args:
            mean: mean reward, shape [*].
            uniform: uniforms in [0, 1), shape [*].

        Returns:
            Rewards, shape [*].
        """
        # The generator's smallest step is 2^-53; half of it keeps a drawn 0 finite.
        return mean + self.sd * ndtri(np.maximum(uniform, 2.0**-54))


@dataclass(frozen=True)
class FixedPerArm(_ObservedAsIs):
    """Each arm has one random reward, drawn from a law when it is first pulled, and keeps it.

    Attributes:
        law: law of the arms' rewards around the mean of their class.
    """

    law: RewardLaw
    is_per_arm = True

    def __post_init__(self) -> None:
        require(
            self.law.is_random and not self.law.is_per_arm,
            "FixedPerArm",
            "law",
            "a law drawn per pull, such as Gaussian() or Bernoulli()",
            self.law,
            "A deterministic reward is the same for all arms of a class already",
        )

    def require_fit(self, mean: np.ndarray) -> None:
        """Refuse means that the law refuses, and laws that observe another mean than the true one.

        Args:
            mean: mean reward, shape [*].

        Raises:
            ValueError: the law does not fit.
        """
        self.law.require_fit(mean)
        require(
            np.array_equal(self.law.observed_mean(mean), mean),
            "FixedPerArm",
            "law",
            "a law whose observed mean is the true one",
            self.law,
            "The reward that an arm keeps counts as its true one; take the law by itself",
        )

    def draw(self, mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Reward of an arm at its first pull.

        Args:
            mean: mean reward of the class, shape [*].
            uniform: uniforms in [0, 1), shape [*].

        Returns:
            Rewards, shape [*].
        """
        return self.law.draw(mean, uniform)


@dataclass(frozen=True)
class NoisyVerifier:
    """A verifier that errs: it pays 1 for a correct arm at one rate, for a wrong one at another.

    Class rewards are the truth, 1 (correct) or 0 (wrong), and the pass rate is that of the truth.

    Attributes:
        true_positive_rate: probability to pay 1 for a correct arm.
        false_positive_rate: probability to pay 1 for a wrong arm.
    """

    true_positive_rate: float
    false_positive_rate: float
    is_random = True
    is_per_arm = False

    def __post_init__(self) -> None:
        for name in ("true_positive_rate", "false_positive_rate"):
            require_finite_number(
                "NoisyVerifier",
                name,
                getattr(self, name),
                low=0.0,
                high=1.0,
                remedy="It is a probability; 1 and 0 make a perfect verifier",
            )

    def require_fit(self, mean: np.ndarray) -> None:
        """Refuse rewards other than 0 and 1.

        Args:
            mean: true reward, shape [*].

        Raises:
            ValueError: one is neither.
        """
        _require_means("NoisyVerifier", mean, (mean == 0.0) | (mean == 1.0), "0 or 1")

    def draw(self, mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Observed reward: 1 where the verifier accepts.

        Args:
            mean: true reward, 0 or 1, shape [*].
            uniform: uniforms in [0, 1), shape [*].

        Returns:
            Rewards, shape [*].
        """
        return (uniform < self.observed_mean(mean)).astype(np.float64)

    def observed_mean(self, mean: np.ndarray) -> np.ndarray:
        """Probability that the verifier accepts.

        Args:
            mean: true reward, 0 or 1, shape [*].

        Returns:
            false_positive_rate + (true_positive_rate - false_positive_rate) * mean, shape [*].
        """
        rate_gap = self.true_positive_rate - self.false_positive_rate
        return self.false_positive_rate + rate_gap * mean
