"""The record of a training run: metrics.jsonl, one JSON object a line.

Lines of kind "update" describe one update, lines of kind "evaluation" the policy after so many
updates (0 is the base policy).
"""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from banditlab.records import write_atomically
from banditlab.reference import kl_estimate
from banditlab.validation import requirement_error
from llm_bridge.evaluate import Evaluation
from llm_bridge.pass_at_k import estimate_pass_at_k
from llm_bridge.ratios import SurrogateStats
from llm_bridge.rollout import Rollout

METRICS_FILE = "metrics.jsonl"
TIMING_PREFIX = "seconds_"
TIMING_FIELDS = ("tokens_per_second",)


def is_timing(name: str) -> bool:
    """Whether a field tells how fast the run was, not what it did.

    Args:
        name: field of a line.

    Returns:
        True for fields that differ from one run of the same seed to the next.
    """
    return name.startswith(TIMING_PREFIX) or name in TIMING_FIELDS


def describe_rollout(rollout: Rollout, reward: np.ndarray, advantage: np.ndarray) -> dict[str, Any]:
    """What the rollouts of an update say, before any gradient step.

    Args:
        rollout: P prompts of G + E responses, extra ones for statistics included.
        reward: reward as graded, shape [P, G + E].
        advantage: of the responses trained on, shape [P, G].

    Returns:
        Fields of a metrics line. `entropy_estimate` is the mean over responses of -log pi, in
        nats a response; `share_without_signal` counts groups whose advantages are all 0.
    """
    num_responses = reward.size
    return {
        "reward_mean": float(reward.mean()),
        "advantage_abs_mean": float(np.abs(advantage).mean()),
        "share_without_signal": float((advantage == 0).all(axis=-1).mean()),
        # Where the mask is False the log-prob is 0.
        "entropy_estimate": -float(rollout.old_log_prob.double().sum()) / num_responses,
        "mean_length": int(rollout.mask.sum()) / num_responses,
        "truncated_share": float(rollout.is_truncated.double().mean()),
    }


def describe_divergence(rollout: Rollout, ref_log_prob: Tensor) -> dict[str, Any]:
    """How far the policy that sampled is from the reference, by two estimates of the KL.

    Args:
        rollout: P prompts of responses; those that the reference did not read come last.
        ref_log_prob: log-probability of each token under the reference, nats, shape [P, G, T].

    Returns:
        Fields of a metrics line: means over responses of k1 and k3 of
        `banditlab.reference.kl_estimate`, nats a response. Both have KL(policy || reference) as
        their expectation.
    """
    old_log_prob = rollout.old_log_prob[:, : ref_log_prob.shape[1]].double().sum(dim=-1)
    ref_log_prob = ref_log_prob.double().sum(dim=-1)
    return {
        f"reference_{name}": float(kl_estimate(old_log_prob, ref_log_prob, name).mean())
        for name in ("k1", "k3")
    }


def describe_ratio(stats: SurrogateStats) -> dict[str, Any]:
    """What the ratios were in the forward pass of an inner epoch.

    Args:
        stats: of the last inner epoch, whose forward passes come before its optimizer steps.

    Returns:
        Fields of a metrics line, one for each field of the statistics.
    """
    values = {name: getattr(stats, name) for name in _STATS_FIELDS}
    return {f"last_forward_{name}": float(value) for name, value in values.items()}


_STATS_FIELDS = (
    "ratio_mean",
    "ratio_variance",
    "ratio_max",
    "clip_low_fraction",
    "clip_high_fraction",
    "max_abs_log_ratio",
)


def describe_evaluation(
    evaluation: Evaluation, prefix: str, pass_at: Sequence[int] = ()
) -> dict[str, Any]:
    """Fields of an evaluation line.

    Args:
        evaluation: the counts.
        prefix: "heldout" or "train", with "_greedy" behind it for greedy responses.
        pass_at: the k of Pass@k, each with its 95 % interval.

    Returns:
        Fields of a metrics line.
    """
    fields = {
        "pass_rate": evaluation.pass_rate,
        "standard_error": evaluation.standard_error,
        "num_correct": int(evaluation.num_correct.sum()),
        "num_samples": int(evaluation.num_samples.sum()),
        "num_prompts": len(evaluation.num_samples),
        "mean_length": evaluation.mean_length,
        "truncated_share": evaluation.truncated_share,
        "num_grade_timeouts": evaluation.num_timeouts,
    }
    for k in pass_at:
        found = estimate_pass_at_k(evaluation.num_correct, evaluation.num_samples, k)
        fields |= {
            f"pass_at_{k}": found.estimate,
            f"pass_at_{k}_low": found.low,
            f"pass_at_{k}_high": found.high,
        }
    return {f"{prefix}_{name}": value for name, value in fields.items()}


class MetricsFile:
    """Appends lines to metrics.jsonl; a checkpoint remembers how long the file was.

    Attributes:
        path: the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / METRICS_FILE

    def truncate(self, num_bytes: int) -> None:
        """Cut the file back to what a checkpoint vouches for.

        Args:
            num_bytes: length at the checkpoint; 0 begins anew.

        Raises:
            ValueError: the file is shorter than that.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        if len(content) < num_bytes:
            raise requirement_error(
                "train",
                "out",
                f"a run folder whose {METRICS_FILE} has at least {num_bytes} bytes",
                f"{self.path} with {len(content)}",
                "The file was changed by hand; remove the folder and start again",
            )
        write_atomically(self.path, content[:num_bytes])

    def append(self, line: dict[str, Any]) -> None:
        """Append one line.

        Args:
            line: fields; all numbers finite.

        Raises:
            FloatingPointError: a number is not finite.
        """
        broken = [
            name
            for name, value in line.items()
            if isinstance(value, float) and not math.isfinite(value)
        ]
        if broken:
            raise FloatingPointError(f"{', '.join(broken)} is not finite")
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def sync(self) -> int:
        """Bring the file to the disk.

        Returns:
            Its length in bytes.
        """
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Lines of a run's metrics.jsonl.

    Args:
        folder: the run folder.

    Returns:
        One dictionary a line, in order; a half-written last line is left out.
    """
    text = (folder / METRICS_FILE).read_text()
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]
