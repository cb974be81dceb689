"""What the experiments of `banditlab.tails.stuck` take and give: arms, runs, and a tail exponent.

Shapes: R runs.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from banditlab.reward_laws import Deterministic, RewardLaw
from banditlab.validation import require, require_finite_number

EXACT = "exact in law"


@dataclass(frozen=True)
class Arm:
    """An arm of a bandit.

    Attributes:
        mean_reward: mean of what it pays.
        law: what a pull pays around that mean.
    """

    mean_reward: float
    law: RewardLaw = field(default_factory=Deterministic)

    def __post_init__(self) -> None:
        require_finite_number("Arm", "mean_reward", self.mean_reward, remedy="0 to 1 is usual")
        self.law.require_fit(np.array([self.mean_reward]))
        require(
            not self.law.is_per_arm,
            "Arm",
            "law",
            "a law drawn per pull",
            self.law,
            "A single arm that keeps its reward is deterministic",
        )

    @property
    def observed_mean(self) -> float:
        """Expected observed reward."""
        return float(self.law.observed_mean(np.array(float(self.mean_reward))))

    def pay(self, uniform: np.ndarray) -> np.ndarray:
        """Observed reward of pulls.

        Args:
            uniform: uniforms in [0, 1), any shape.

        Returns:
            Rewards, of that shape.
        """
        return self.law.draw(np.full(uniform.shape, float(self.mean_reward)), uniform)


class TailRuns(NamedTuple):
    """What a tail experiment measured.

    Attributes:
        value: of each run, as the function says, shape [R].
        num_jumps: asymptotic jumps that each run took, shape [R].
        approximation: "exact in law", or what the jumps neglect.
    """

    value: np.ndarray
    num_jumps: np.ndarray
    approximation: str


def label_runs(value: np.ndarray, num_jumps: np.ndarray, threshold: float) -> TailRuns:
    """Say of measured runs whether they are exact.

    Args:
        value: what was measured, shape [R].
        num_jumps: asymptotic jumps that each run took, shape [R].
        threshold: odds from which on they were taken.

    Returns:
        The runs.
    """
    if not num_jumps.any():
        return TailRuns(value, num_jumps, EXACT)
    approximation = (
        f"asymptotic jumps where the largest arm had odds above {threshold:g}, "
        f"neglecting terms of relative order 1/{threshold:g}"
    )
    return TailRuns(value, num_jumps, approximation)


def hill_exponent(times: np.ndarray, threshold: float, horizon: float) -> tuple[float, float]:
    """Tail exponent of censored times: the likeliest alpha of P(T > t) ~ t^-alpha beyond a time.

    alpha = n / sum(log(min(t, horizon) / threshold)) over times above the threshold, n of them
    below the horizon; its standard error is alpha / sqrt(n).

    Args:
        times: times, those at or above the horizon (also inf) censored, shape [R].
        threshold: time from which on the tail is taken for a power, above 0.
        horizon: time of censoring, above the threshold.

    Returns:
        The exponent and its standard error.

    Raises:
        ValueError: the times are out of order or fewer than two are uncensored.

    References:
        Hill 1975, with censoring as in the likelihood of exponential lifetimes; derived here.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> exponent, error = hill_exponent(rng.random(10_000) ** -2.0, 2.0, 1e6)
        >>> abs(exponent - 0.5) < 4 * error
        True
    """
    require(
        0.0 < threshold < horizon < math.inf,
        "hill_exponent",
        "threshold",
        f"above 0 and below the horizon, {horizon}",
        threshold,
        "Take it where the tail begins, e.g. 100 times the typical time",
    )
    beyond = times[times > threshold]
    num_seen = int((beyond < horizon).sum())
    require(
        num_seen >= 2,
        "hill_exponent",
        "times",
        "at least two between threshold and horizon",
        num_seen,
        "Lower the threshold or run more",
    )
    exponent = num_seen / np.log(np.minimum(beyond, horizon) / threshold).sum()
    return float(exponent), float(exponent / math.sqrt(num_seen))


def require_tail_settings(
    function: str, step_size: float, horizon: float, num_runs: int, threshold: float | None
) -> None:
    """Check what all tail experiments take.

    Args:
        function: public function that was called.
        step_size: above 0.
        horizon: rounds, above 1.
        num_runs: R, at least 1.
        threshold: odds from which on jumps are taken, above 1; None without jumps.

    Raises:
        TypeError: a setting is not a number.
        ValueError: a setting is out of range.
    """
    settings = [
        ("step_size", step_size, 0.0, "Try 1"),
        ("horizon", horizon, 1.0, "Give rounds, e.g. 1e9"),
    ]
    if threshold is not None:
        settings.append(("threshold", threshold, 1.0, "Jumps need large odds; 100 is usual"))
    for name, value, low, remedy in settings:
        require_finite_number(function, name, value, low=low, is_low_open=True, remedy=remedy)
    require(num_runs >= 1, function, "num_runs", "at least 1", num_runs, "Raise it")


def require_start(function: str, log_odds: float) -> None:
    """Check the log-odds at which the runs start.

    Args:
        function: public function that was called.
        log_odds: log-odds against the correct arm, nats.

    Raises:
        TypeError: they are not a number.
        ValueError: they are out of range.
    """
    require_finite_number(
        function,
        "log_odds",
        log_odds,
        low=0.0,
        high=600.0,
        is_low_open=True,
        remedy="They are against the correct arm at the start, nats; 5 is usual",
    )
