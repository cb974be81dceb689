"""Every update rule by name: `RULES`, a literal, and the look-up in it."""

from collections.abc import Mapping
from types import MappingProxyType

from banditlab.advantages import (
    batch_mean,
    batch_standardized,
    constant_baseline,
    group_mean,
    leave_one_out,
    raw,
    signed,
    standardized,
    standardized_or_raw,
)
from banditlab.dual import DualAscent
from banditlab.reference import ReferenceTerm
from banditlab.stateful_advantages import (
    reward_history,
    reward_history_state,
    running_mean,
    running_mean_state,
)
from banditlab.update_rule import UpdateRule
from banditlab.validation import require_known
from banditlab.weights import (
    cispo_weight,
    clipped_weight,
    dual_clipped_weight,
    policy_gradient_weight,
    ratio_variance_weight,
    topr_weight,
)

RULES: Mapping[str, UpdateRule] = MappingProxyType(
    {
        "raw_reward": UpdateRule(
            name="raw_reward",
            advantage=raw,
            weight=policy_gradient_weight,
            formula="ratio * reward",
            source="REINFORCE (Williams 1992); the minimalist baseline of arXiv 2601.22532",
        ),
        "negative_reward": UpdateRule(
            name="negative_reward",
            advantage=signed,
            weight=policy_gradient_weight,
            formula="ratio * (2 * reward - 1)",
            source="-1 for a wrong answer, as arXiv 2601.14599 tries (read in digest)",
        ),
        "constant_baseline": UpdateRule(
            name="constant_baseline",
            advantage=constant_baseline,
            weight=policy_gradient_weight,
            formula="ratio * (reward - baseline)",
            source="REINFORCE with baseline (Williams 1992)",
            advantage_hyper={"baseline": 0.5},
        ),
        "running_mean": UpdateRule(
            name="running_mean",
            advantage=running_mean,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean of the prompt's earlier rewards)",
            source="gradient bandit (Sutton and Barto); the first baseline is a hyperparameter",
            advantage_hyper={"forgetting": 0.0, "initial_baseline": 0.0},
            initial_state=running_mean_state,
        ),
        "group_mean": UpdateRule(
            name="group_mean",
            advantage=group_mean,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean(reward))",
            source="Dr. GRPO without its length term (arXiv 2503.20783)",
            smallest_draw=2,
        ),
        "leave_one_out": UpdateRule(
            name="leave_one_out",
            advantage=leave_one_out,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean(other rewards))",
            source="RLOO (arXiv 2402.14740)",
            smallest_draw=2,
        ),
        "grpo": UpdateRule(
            name="grpo",
            advantage=standardized,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean(reward)) / (std(reward, ddof) + eps)",
            source="GRPO (arXiv 2402.03300); ddof and eps as in the code of arXiv 2601.22532",
            advantage_hyper={"ddof": 1, "eps": 1e-6},
            smallest_draw=2,
        ),
        "grpo_or_raw": UpdateRule(
            name="grpo_or_raw",
            advantage=standardized_or_raw,
            weight=policy_gradient_weight,
            formula="as grpo, but ratio * reward for a group of one",
            source="released code of arXiv 2601.22532, whose baseline is one rollout per prompt",
            advantage_hyper={"ddof": 1, "eps": 1e-6},
        ),
        "batch_mean": UpdateRule(
            name="batch_mean",
            advantage=batch_mean,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean(reward of the batch))",
            source="a batch baseline; expected gradient (N - 1)/N of raw_reward, N = P * G",
        ),
        "batch_standardized": UpdateRule(
            name="batch_standardized",
            advantage=batch_standardized,
            weight=policy_gradient_weight,
            formula="ratio * (reward - batch mean) / (batch std(ddof) + eps)",
            source="REINFORCE++ (arXiv 2501.03262), whitened over rollouts instead of tokens",
            advantage_hyper={"ddof": 1, "eps": 1e-6},
        ),
        "reward_history": UpdateRule(
            name="reward_history",
            advantage=reward_history,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean) / (std + eps) of the prompt's last rewards",
            source="replay of arXiv 2601.22532 (code read in digest; how it starts is our reading)",
            advantage_hyper={"history": 8, "ddof": 1, "eps": 1e-6},
            initial_state=reward_history_state,
        ),
        "extra_rollouts": UpdateRule(
            name="extra_rollouts",
            advantage=standardized,
            weight=policy_gradient_weight,
            formula="as grpo, mean and std also over rollouts that are not trained on",
            source="one trained rollout and 7 extra ones, as in the code of arXiv 2601.22532",
            advantage_hyper={"ddof": 1, "eps": 1e-6},
            smallest_draw=2,
            extra_rollouts=7,
        ),
        "clip": UpdateRule(
            name="clip",
            advantage=group_mean,
            weight=clipped_weight,
            formula="min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A), A = group mean",
            source="PPO (arXiv 1707.06347)",
            weight_hyper={"clip_low": 0.2, "clip_high": 0.2},
            smallest_draw=2,
        ),
        "clip_higher": UpdateRule(
            name="clip_higher",
            advantage=group_mean,
            weight=clipped_weight,
            formula="as clip, with a wider clip_high",
            source="DAPO (arXiv 2503.14476), widths as TRL and torchrl quote them",
            weight_hyper={"clip_low": 0.2, "clip_high": 0.28},
            smallest_draw=2,
        ),
        "dual_clip": UpdateRule(
            name="dual_clip",
            advantage=group_mean,
            weight=dual_clipped_weight,
            formula="as clip, at least dual_clip * A where A < 0",
            source="dual-clip PPO (arXiv 1912.09729); dual_clip as in verl",
            weight_hyper={"clip_low": 0.2, "clip_high": 0.2, "dual_clip": 3.0},
            smallest_draw=2,
        ),
        "cispo": UpdateRule(
            name="cispo",
            advantage=group_mean,
            weight=cispo_weight,
            formula="constant(clip(ratio, 1 - clip_low, 1 + clip_high)) * A * log_prob",
            source="CISPO (arXiv 2506.13585); widths as in Trinity-RFT: no lower bound",
            weight_hyper={"clip_low": 1.0, "clip_high": 0.28},
            smallest_draw=2,
        ),
        "topr": UpdateRule(
            name="topr",
            advantage=signed,
            weight=topr_weight,
            formula="constant(1 if A >= 0 else min(ratio, 1)) * A * log_prob, A = 2 * reward - 1",
            source="TOPR (arXiv 2503.14286; body not read)",
        ),
        "variance_penalty": UpdateRule(
            name="variance_penalty",
            advantage=group_mean,
            weight=ratio_variance_weight,
            formula="ratio * A - multiplier * (ratio - 1)^2, A = group mean",
            source="R2VPO (arXiv 2601.03320, 2605.26784), fixed multiplier",
            weight_hyper={"multiplier": 0.5},
            smallest_draw=2,
        ),
        "variance_penalty_dual": UpdateRule(
            name="variance_penalty_dual",
            advantage=group_mean,
            weight=ratio_variance_weight,
            formula="as variance_penalty; multiplier += dual_step_size * (ratio variance - bound)",
            source="R2VPO (arXiv 2601.03320, 2605.26784); the dual step is derived, not read",
            smallest_draw=2,
            dual=DualAscent(bound=0.1, dual_step_size=1.0, initial=0.5),
        ),
        "grpo_k3": UpdateRule(
            name="grpo_k3",
            advantage=standardized_or_raw,
            weight=policy_gradient_weight,
            formula="as grpo_or_raw, less coefficient * k3",
            source="released code of arXiv 2601.22532: k3 in the loss, no ratio correction",
            advantage_hyper={"ddof": 1, "eps": 1e-6},
            reference=ReferenceTerm(coefficient=0.001, estimator="k3", place="loss"),
        ),
        "grpo_k3_corrected": UpdateRule(
            name="grpo_k3_corrected",
            advantage=standardized,
            weight=policy_gradient_weight,
            formula="as grpo, less coefficient * ratio * k3",
            source="TRL's use_bias_correction_kl, after DeepSeek-V3.2 (arXiv 2512.02556)",
            advantage_hyper={"ddof": 1, "eps": 1e-6},
            smallest_draw=2,
            reference=ReferenceTerm(0.001, estimator="k3", place="loss", is_ratio_corrected=True),
        ),
        "leave_one_out_k1": UpdateRule(
            name="leave_one_out_k1",
            advantage=leave_one_out,
            weight=policy_gradient_weight,
            formula="as leave_one_out, with reward - coefficient * k1 for the reward",
            source="RLOO as TRL's RLOOTrainer has it: k1 in the reward",
            smallest_draw=2,
            reference=ReferenceTerm(coefficient=0.05, estimator="k1", place="reward"),
        ),
    }
)


def get_rule(name: str, **hyper: float) -> UpdateRule:
    """Look a rule up by name, with other hyperparameters where given.

    Args:
        name: a key of `RULES`.
        **hyper: hyperparameters to replace.

    Returns:
        The rule.

    Raises:
        ValueError: the rule or the hyperparameter is unknown.
    """
    require_known("get_rule", "name", name, RULES, "rule")
    return RULES[name].with_hyper(**hyper)
