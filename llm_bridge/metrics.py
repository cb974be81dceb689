"""The record of a training run: metrics.jsonl, one JSON object a line.

Lines of kind "update" describe one update, lines of kind "evaluation" the policy after so many
updates (0 is the base policy).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from banditlab.reference import kl_estimate
from llm_bridge.evaluate import Evaluation
from llm_bridge.json_lines import read_json_lines
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
        Fields of a metrics line, each told in docs/train.md. `entropy_estimate` is the mean over
        responses of -log pi, in nats a response; `share_without_signal` counts groups whose
        advantages are all 0.
    """
    num_responses = reward.size
    length = rollout.mask.sum(dim=-1)
    return {
        "reward_mean": float(reward.mean()),
        "rollout_pass_rate": float((reward >= 1.0).mean()),
        "advantage_abs_mean": float(np.abs(advantage).mean()),
        "share_without_signal": float((advantage == 0).all(axis=-1).mean()),
        # Where the mask is False the log-prob is 0.
        "entropy_estimate": -float(rollout.old_log_prob.double().sum()) / num_responses,
        "mean_length": int(length.sum()) / num_responses,
        "min_length": int(length.min()),
        "max_length": int(length.max()),
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
    "kl_estimate",
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


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Lines of a run's metrics.jsonl.

    Args:
        folder: the run folder.

    Returns:
        One dictionary a line, in order; a half-written last line is left out.
    """
    return read_json_lines(folder / METRICS_FILE)
