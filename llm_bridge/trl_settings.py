"""What a rule and TRL's settings must be so that `RuleTrainer` computes what both say.

Nothing of TRL is imported here.
"""

from dataclasses import fields
from typing import Any

from banditlab.levels import LEVELS
from banditlab.rules import UpdateRule
from banditlab.validation import require, require_known
from llm_bridge.averaging import AVERAGINGS

_LOSS = "Give the rule its hyperparameters with get_rule or with_hyper"
_ADVANTAGE = "Choose a rule with the advantage wanted; `banditlab rules` lists them"
_FILTER = "Ratios are between whole distributions; samples must come from one too"
# Settings of GRPOConfig that say what something else here says, and how it is said instead.
_REPLACED = {
    **dict.fromkeys(
        (
            "loss_type",
            "epsilon",
            "epsilon_high",
            "delta",
            "off_policy_mask_threshold",
            "top_entropy_quantile",
            "entropy_coef",
            "use_adaptive_entropy",
        ),
        _LOSS,
    ),
    "importance_sampling_level": "Give level= to RuleTrainer",
    "scale_rewards": _ADVANTAGE,
    "multi_objective_aggregation": _ADVANTAGE,
    "beta": "Give the rule a reference term with with_reference",
    "mask_truncated_completions": "A response that is cut is a response, as in banditlab train",
    **dict.fromkeys(("top_p", "top_k", "min_p", "repetition_penalty"), _FILTER),
}


def _require_runnable(rule: UpdateRule, args: Any) -> None:
    """That TRL draws and steps as the rule needs it."""
    require(
        rule.extra_rollouts == 0,
        "RuleTrainer",
        "rule",
        "one that trains on all rollouts, as TRL does",
        f"{rule.name}, which draws {rule.extra_rollouts} for statistics only",
        "Take banditlab train, or a rule without extra rollouts",
    )
    require(
        args.num_generations >= rule.smallest_group,
        "RuleTrainer",
        "num_generations",
        f"at least {rule.smallest_group} for {rule.name}, which compares rollouts of a prompt",
        args.num_generations,
        "Raise it, or use the rule raw_reward",
    )
    num_passes = args.steps_per_generation * args.num_iterations
    require(
        rule.dual is None or num_passes % args.gradient_accumulation_steps == 0,
        "RuleTrainer",
        "gradient_accumulation_steps",
        f"a divisor of steps_per_generation * num_iterations = {num_passes} for {rule.name}, "
        "whose multiplier moves between the last step on a batch and the next batch",
        args.gradient_accumulation_steps,
        "Generate once for each optimizer step, or less often",
    )
    require(
        rule.initial_state is None or not args.remove_unused_columns,
        "RuleTrainer",
        "remove_unused_columns",
        f"False for {rule.name}, which remembers rewards by a column of row numbers",
        args.remove_unused_columns,
        "Leave it out",
    )


def require_supported(rule: UpdateRule, level: str, averaging: str, args: Any) -> None:
    """Check a rule and the trainer's arguments before anything loads.

    Args:
        rule: the update rule.
        level: unit of the ratio.
        averaging: how the loss averages.
        args: a GRPOConfig.

    Raises:
        ValueError: the rule cannot be run by TRL, a name is unknown, or a setting asks for what
            the rule, the level or the averaging says.
    """
    require_known("RuleTrainer", "level", level, LEVELS, "level")
    require_known("RuleTrainer", "averaging", averaging, AVERAGINGS, "averaging")
    defaults = {entry.name: entry.default for entry in fields(args)}
    for name, remedy in _REPLACED.items():
        require(
            getattr(args, name) == defaults[name],
            "RuleTrainer",
            name,
            f"left at TRL's default, {defaults[name]!r}",
            repr(getattr(args, name)),
            remedy,
        )
    _require_runnable(rule, args)
    require(
        averaging != "token_mean"
        or args.steps_per_generation % args.gradient_accumulation_steps == 0,
        "RuleTrainer",
        "gradient_accumulation_steps",
        f"a divisor of steps_per_generation = {args.steps_per_generation} for token_mean, which "
        "counts the tokens of a whole step before its first part",
        args.gradient_accumulation_steps,
        "Choose another averaging, or a step within one batch of rollouts",
    )
