"""What was measured on a base model, as the simulator and the reader are given it.

Numbers in, numbers out, without torch; `measure` and its neighbours draw the samples.

Shapes: P prompts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.records import read_json, write_json
from banditlab.shared_shift.law import KernelLaw
from banditlab.validation import require, requirement_error
from llm_bridge.base_statistics import smoothed_pass_rates
from llm_bridge.forecast.law_fit import fit_score_exponent

CALIBRATION_FILE = "calibration.json"


@dataclass(frozen=True)
class KernelPoint:
    """The shared kernel at one place: the base model, or some virtual steps away from it.

    Attributes:
        train_pass_rate: mean over the prompts trained on.
        target_pass_rate: mean over the prompts whose pass rate is predicted.
        kernel: nats per unit of learning_rate * coefficient.
        kernel_se: its standard error.
        cosine: of the gradients of the two mean pass rates, noise removed; None where it hides
            them.
        entropy: mean of -log_prob of a response, nats, over the prompts trained on.
        mean_length: tokens of a response.
        right_score_square: mean squared norm of grad log_prob of a right response of the prompts
            trained on; None where there is none.
        wrong_score_square: the same of a wrong one.
    """

    train_pass_rate: float
    target_pass_rate: float
    kernel: float
    kernel_se: float
    cosine: float | None
    entropy: float
    mean_length: float
    right_score_square: float | None = None
    wrong_score_square: float | None = None


@dataclass(frozen=True)
class BatchStatistics:
    """The gradient of one update of a rule on the base model, and what AdamW makes of it.

    Attributes:
        rule: name of the rule.
        num_prompts: prompts of the update.
        group_size: rollouts of a prompt.
        signal_to_noise: squared norm of the mean gradient over the trace of its covariance.
        share_without_signal: share of prompts whose advantages are all 0.
        weight_square: mean square of the score weights at ratio 1.
        adam_kernels: shared kernel under AdamW's scaling by the root of E[gradient^2] of the base
            model, at each place of the probe.
        adam_law: law of that kernel, as of `Calibration.law`.
        adam_own_kernel: what its step on a response adds to the response's own log-prob.
        adam_share: share of the parameters that the gradients of several batches reach.
    """

    rule: str
    num_prompts: int
    group_size: int
    signal_to_noise: float
    share_without_signal: float
    weight_square: float
    adam_kernels: list[float]
    adam_law: dict[str, Any]
    adam_own_kernel: float
    adam_share: float


@dataclass(frozen=True)
class InnerLimit:
    """Where the inner epochs of a configuration run away under SGD, on updates of the base model.

    Attributes:
        rule: name of the rule.
        num_prompts: prompts of an update.
        group_size: rollouts of a prompt.
        inner_epochs: steps on them.
        rates: the least learning rate at which each update runs away; None where none does.
    """

    rule: str
    num_prompts: int
    group_size: int
    inner_epochs: int
    rates: list[float | None]

    def share(self, learning_rate: float) -> float:
        """Share of the updates that run away at a learning rate."""
        return float(np.mean([rate is not None and rate <= learning_rate for rate in self.rates]))

    def rate_of_share(self, share: float) -> float | None:
        """Learning rate from which more than a share of the updates run away, if there is one."""
        ascending = sorted(self.rates, key=lambda rate: np.inf if rate is None else rate)
        return ascending[min(int(share * len(ascending)), len(ascending) - 1)]


@dataclass(frozen=True)
class Calibration:
    """All that is known of a base model before any training.

    Attributes:
        settings: model, dataset and sizes, as the command was given them.
        train_correct: right responses to each prompt trained on, [P_train].
        target_correct: right responses to each prompt whose pass rate is predicted: held-out
            ones, or those trained on where one prompt is trained on alone.
        num_samples: responses to each prompt trained on.
        num_target_samples: responses to each target prompt.
        is_heldout: whether the target prompts are held out.
        points: the kernel at the base model, then after each virtual step.
        law: arguments of `banditlab.shared_shift.law.KernelLaw`.
        ceiling_misfit: distance of the points from a straight line, in standard errors.
        own_kernel: mean squared norm of grad log_prob of a response.
        batches: statistics of updates, by rule and size.
        responses: the classes of responses and the kernel between them.
        inner_limits: where inner epochs run away, by rule, size and number of epochs.
        cost: rollouts drawn, and seconds.
    """

    settings: dict[str, Any]
    train_correct: list[int]
    target_correct: list[int]
    num_samples: int
    num_target_samples: int
    is_heldout: bool
    points: list[KernelPoint]
    law: dict[str, Any]
    ceiling_misfit: float | None
    own_kernel: float
    batches: list[BatchStatistics]
    responses: dict[str, Any] = field(default_factory=dict)
    inner_limits: list[InnerLimit] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=dict)

    def train_pass_rates(self) -> np.ndarray:
        """Smoothed pass rate of each prompt trained on.

        Returns:
            Shape [P_train].
        """
        return _rates(self.train_correct, self.num_samples)

    def target_pass_rates(self) -> np.ndarray:
        """Smoothed pass rate of each target prompt.

        Returns:
            Shape [P_target].
        """
        return _rates(self.target_correct, self.num_target_samples)

    def kernel_law(self) -> KernelLaw:
        """The law of the shared kernel under SGD."""
        return KernelLaw(**self.law)

    def score_exponents(self) -> tuple[float, float]:
        """How the squared scores of right and of wrong responses fall with the pass rate.

        Returns:
            Both exponents; 0 where they were not measured.
        """
        rates = np.array([point.train_pass_rate for point in self.points])
        return (
            fit_score_exponent(rates, [point.right_score_square for point in self.points]),
            fit_score_exponent(rates, [point.wrong_score_square for point in self.points]),
        )

    def entropy_at(self, pass_rate: float) -> float | None:
        """Entropy of a response at a mean pass rate, on the line through the probe's points.

        Args:
            pass_rate: over the prompts trained on.

        Returns:
            Nats, at least 0; None with fewer than two points.
        """
        if len(self.points) < 2:
            return None
        rates = [point.train_pass_rate for point in self.points]
        slope, intercept = np.polyfit(rates, [point.entropy for point in self.points], 1)
        return max(float(intercept + slope * pass_rate), 0.0)

    def batch(self, rule: str, num_prompts: int, group_size: int) -> BatchStatistics:
        """Statistics of the updates of one configuration.

        Args:
            rule: name of the rule.
            num_prompts: prompts of an update.
            group_size: rollouts of a prompt.

        Returns:
            The statistics.

        Raises:
            ValueError: they were not measured.
        """
        wanted = (rule, num_prompts, group_size)
        for batch in self.batches:
            if (batch.rule, batch.num_prompts, batch.group_size) == wanted:
                return batch
        known = [f"{b.rule} {b.num_prompts}x{b.group_size}" for b in self.batches]
        raise requirement_error(
            "Calibration.batch",
            "rule, num_prompts, group_size",
            f"one of {', '.join(known) or 'those measured, of which there are none'}",
            f"{rule} {num_prompts}x{group_size}",
            "Calibrate with the study that is to be predicted: banditlab calibrate --study FILE",
        )

    def inner_limit(
        self, rule: str, num_prompts: int, group_size: int, inner_epochs: int
    ) -> InnerLimit | None:
        """Where the inner epochs of one configuration run away.

        Args:
            rule: name of the rule.
            num_prompts: prompts of an update.
            group_size: rollouts of a prompt.
            inner_epochs: steps on them.

        Returns:
            The limit; None where it was not measured.
        """
        wanted = (rule, num_prompts, group_size, inner_epochs)
        for limit in self.inner_limits:
            key = (limit.rule, limit.num_prompts, limit.group_size, limit.inner_epochs)
            if key == wanted:
                return limit
        return None

    def save(self, folder: Path) -> None:
        """Write calibration.json.

        Args:
            folder: exists.

        Raises:
            OSError: the disk refuses.
        """
        write_json(folder / CALIBRATION_FILE, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read a calibration.

        Args:
            path: the file, or the folder that holds it.

        Returns:
            The calibration.

        Raises:
            ValueError: the file is damaged, or no calibration.
            OSError: it cannot be read.
        """
        path = path / CALIBRATION_FILE if path.is_dir() else path
        found = read_json(path)
        require(
            isinstance(found, Mapping) and "points" in found,
            "Calibration.load",
            "path",
            "a calibration.json of banditlab calibrate",
            path.name,
            "Calibrate the base model first",
        )
        found["points"] = [KernelPoint(**point) for point in found["points"]]
        found["batches"] = [BatchStatistics(**batch) for batch in found["batches"]]
        found["inner_limits"] = [InnerLimit(**limit) for limit in found.get("inner_limits", [])]
        return cls(**found)


def _rates(num_correct: list[int], num_samples: int) -> np.ndarray:
    counts = np.array(num_correct)
    if len(counts) > 1:
        return smoothed_pass_rates(counts, num_samples)
    # One prompt has no others to be smoothed by; Jeffreys' prior keeps its log-odds finite.
    return (counts + 0.5) / (num_samples + 1.0)
