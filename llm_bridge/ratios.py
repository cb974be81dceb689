"""The ratios that a gradient step met, and what the log says of them.

Shapes: P prompts, G group (rollouts per prompt), n units of the level (tokens or responses).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from banditlab.levels import Level, pool
from banditlab.validation import require
from llm_bridge.rollout import Rollout


@dataclass(frozen=True)
class SurrogateStats:
    """Ratios that a gradient step met, per unit of the level (token or response).

    Attributes:
        ratio_mean: mean ratio; 1 in expectation.
        ratio_variance: mean of (ratio - 1)^2, about the known mean 1.
        ratio_max: largest ratio.
        kl_estimate: mean of ratio - 1 - log ratio, nats a unit; its expectation is the KL of the
            present policy from the one that sampled, KL(old || present).
        clip_low_fraction: share of units with an advantage, a ratio below 1, and weight 0.
        clip_high_fraction: share of units with an advantage, a ratio above 1, and weight 0.
        max_abs_log_ratio: largest |log_prob - old_log_prob| of a unit, nats.
        log_prob_mismatch: the same of a token of a fresh rollout; before the first step after
            sampling it is what rounding makes of one and the same number in the sampling and the
            training pass.
        num_units: units that the means are over.
    """

    ratio_mean: float
    ratio_variance: float
    ratio_max: float
    kl_estimate: float
    clip_low_fraction: float
    clip_high_fraction: float
    max_abs_log_ratio: float
    log_prob_mismatch: float
    num_units: int = 0

    @classmethod
    def at_sampling_policy(cls) -> "SurrogateStats":
        """Statistics of a policy that has not moved since it sampled: every ratio is 1."""
        return cls(1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    @classmethod
    def merged(cls, parts: Sequence["SurrogateStats"]) -> "SurrogateStats":
        """Statistics of several steps together.

        Args:
            parts: of one step each.

        Returns:
            Means over all units, and the largest of the largest.
        """
        count = sum(part.num_units for part in parts)

        def mean(name: str) -> float:
            return sum(getattr(part, name) * part.num_units for part in parts) / count

        return cls(
            ratio_mean=mean("ratio_mean"),
            ratio_variance=mean("ratio_variance"),
            ratio_max=max(part.ratio_max for part in parts),
            kl_estimate=mean("kl_estimate"),
            clip_low_fraction=mean("clip_low_fraction"),
            clip_high_fraction=mean("clip_high_fraction"),
            max_abs_log_ratio=max(part.max_abs_log_ratio for part in parts),
            log_prob_mismatch=max(part.log_prob_mismatch for part in parts),
            num_units=count,
        )


@dataclass
class RatioTally:
    """Sums from which the statistics follow, microbatch by microbatch."""

    count: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)

    def add(
        self, log_ratio: Tensor, weight: Tensor, advantage: Tensor, fresh_token: Tensor
    ) -> None:
        """Count some units.

        Args:
            log_ratio: log_prob - old_log_prob of each unit, nats, shape [n].
            weight: score weight of each unit, shape [n].
            advantage: advantage of each unit, shape [n].
            fresh_token: log_prob - old_log_prob of each token of a fresh rollout, any shape.
        """
        ratio = log_ratio.double().exp()
        is_zeroed = (weight == 0) & (advantage != 0)
        self.count += len(ratio)
        for name, value in (
            ("ratio", ratio),
            ("variance", (ratio - 1.0) ** 2),
            ("kl", torch.expm1(log_ratio.double()) - log_ratio.double()),
            ("low", is_zeroed & (ratio < 1)),
            ("high", is_zeroed & (ratio > 1)),
        ):
            self.sums[name] = self.sums.get(name, 0.0) + float(value.sum())
        largest = (("ratio", ratio), ("unit", log_ratio.abs()), ("token", fresh_token.abs()))
        for name, value in largest:
            here = float(value.max()) if value.numel() else 0.0
            self.largest[name] = max(self.largest.get(name, 0.0), here)

    @classmethod
    def merged(cls, parts: Sequence["RatioTally"]) -> "RatioTally":
        """What several tallies have counted together.

        Args:
            parts: tallies, some of which may have counted nothing.

        Returns:
            A tally of all their units.
        """
        whole = cls()
        for part in parts:
            whole.count += part.count
            for name, value in part.sums.items():
                whole.sums[name] = whole.sums.get(name, 0.0) + value
            for name, value in part.largest.items():
                whole.largest[name] = max(whole.largest.get(name, 0.0), value)
        return whole

    def result(self) -> SurrogateStats:
        """Statistics of all units counted."""
        return SurrogateStats(
            ratio_mean=self.sums["ratio"] / self.count,
            ratio_variance=self.sums["variance"] / self.count,
            ratio_max=self.largest["ratio"],
            kl_estimate=self.sums["kl"] / self.count,
            clip_low_fraction=self.sums["low"] / self.count,
            clip_high_fraction=self.sums["high"] / self.count,
            max_abs_log_ratio=self.largest["unit"],
            log_prob_mismatch=self.largest["token"],
            num_units=self.count,
        )


def log_ratio_of_units(
    log_prob: Tensor, old_log_prob: Tensor, mask: Tensor, level: Level
) -> Tensor:
    """Log-ratio of each unit, in float64.

    Args:
        log_prob: log-probability of each token under the present policy, nats, shape [*, T].
        old_log_prob: those under the policy that sampled, nats, shape [*, T].
        mask: True for sampled tokens, shape [*, T].
        level: unit of the ratio.

    Returns:
        Log-ratios in nats; of sampled tokens alone, shape [units], at level "token", else [*].
    """
    log_ratio = pool(log_prob.double() - old_log_prob.double(), mask, level)
    return log_ratio[mask] if level == "token" else log_ratio


def ratio_variance(log_prob: Tensor, rollout: Rollout, level: Level) -> float:
    """Mean of (ratio - 1)^2 over the units of a rollout, about the known mean ratio 1.

    Args:
        log_prob: log-probability of each token under the present policy, nats, shape [P, G, T].
        rollout: the responses, and their log-probabilities under the policies that drew them.
        level: unit of the ratio.

    Returns:
        The mean.

    Raises:
        FloatingPointError: a ratio is too large for its square to be a number.
    """
    log_ratio = log_ratio_of_units(log_prob, rollout.old_log_prob, rollout.mask, level)
    variance = float((torch.expm1(log_ratio) ** 2).mean())
    if not variance < float("inf"):
        raise FloatingPointError(
            f"a ratio is too large to be squared (log-ratio {float(log_ratio.max()):g} nats); "
            "lower the learning rate or the number of inner epochs"
        )
    return variance


def require_advantage(function: str, rollout: Rollout, advantage: Tensor) -> None:
    """Demand one advantage for each rollout.

    Args:
        function: public function that was called.
        rollout: P prompts of G responses.
        advantage: what must be of shape [P, G].

    Raises:
        ValueError: the shape is another one.
    """
    shape = tuple(rollout.mask.shape[:2])
    require(
        tuple(advantage.shape) == shape,
        function,
        "advantage",
        f"of shape [P, G] = {shape}",
        tuple(advantage.shape),
        "Give one advantage for each rollout",
    )
