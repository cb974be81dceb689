"""Whether a training run can be what its configuration says, before anything heavy loads."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from banditlab.levels import LEVELS
from banditlab.reference import ReferenceTerm
from banditlab.rules import UpdateRule, advantage_and_state, initial_state, score_weight
from banditlab.validation import (
    require,
    require_finite_number,
    require_known,
    requirement_error,
)
from llm_bridge.averaging import AVERAGINGS
from llm_bridge.choices import DTYPES, require_filter_bounds
from llm_bridge.tasks import PROMPT_FORMATS

if TYPE_CHECKING:
    from llm_bridge.config import TrainConfig

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "linear", "cosine")

_COUNTS = {
    "num_prompts": "It is the number of prompts of an update",
    "group_size": "It is the number of rollouts of a prompt",
    "inner_epochs": "One inner epoch is a purely on-policy step",
    "minibatches": "It is the number of steps of an inner epoch",
    "num_updates": "It is the length of the run",
    "eval_every": "It counts updates; take num_updates to evaluate at the ends only",
    "eval_samples": "2048 samples give a standard error of about 0.01",
    "checkpoint_every": "It counts updates",
    "log_samples": "0 writes none",
    "max_new_tokens": "It limits a response, in tokens",
    "microbatch_tokens": "Leave it out to take what keeps the logits below 256 MiB",
    "max_prompt_tokens": "Leave it out to allow what the model has room for",
    "lora_rank": "Leave it out to train all weights",
    "take": "Leave it out to use all rows",
    "eval_take": "Leave it out to use all rows",
    "num_threads": "One thread is the fastest for small models",
    "replay_max_age": "It counts updates; a group of the update before has age 1",
    "replay_capacity": "Leave it out to keep all groups that are young enough",
    "warmup_updates": "0 begins with the whole learning rate",
    "replay_groups": "0 trains on fresh rollouts only",
}
_OPTIONAL_COUNTS = (
    "max_new_tokens",
    "max_prompt_tokens",
    "lora_rank",
    "microbatch_tokens",
    "take",
    "eval_take",
    "num_threads",
    "replay_capacity",
)
_MAY_BE_ZERO = ("warmup_updates", "replay_groups", "log_samples")

# Name -> lowest value, whether it is excluded, what comes after the highest, remedy.
_NUMBERS = {
    "learning_rate": (0.0, True, np.inf, "It scales the step"),
    "temperature": (0.0, True, np.inf, "1 is the model itself"),
    "adam_beta1": (0.0, False, 1.0, "0.9 is usual"),
    "adam_beta2": (0.0, False, 1.0, "0.999 is usual"),
    "adam_eps": (0.0, True, np.inf, "1e-8 is usual"),
    "weight_decay": (0.0, False, np.inf, "0 lets the weights be; 0.01 is usual"),
    "max_gradient_norm": (0.0, True, np.inf, "Leave it out to take gradients as they are"),
}


def reference_term(rule: UpdateRule, changes: Mapping[str, Any]) -> ReferenceTerm | None:
    """The rule's reference term with some fields changed.

    Args:
        rule: a rule with or without a reference term.
        changes: fields of `ReferenceTerm`; none at all takes the term away.

    Returns:
        The term, None where there is none any more.

    Raises:
        ValueError: a field is unknown or out of range, or missing where the rule has no term.
    """
    if not changes:
        return None
    known = [entry.name for entry in fields(ReferenceTerm)]
    for name in changes:
        require_known("TrainConfig", "reference", name, known, "field of a reference term")
    own = {"place": "loss"} if rule.reference is None else rule.reference.as_dict()
    values = {**own, **changes}
    for name, flag in (("estimator", "--kl k3"), ("coefficient", "--kl-coefficient 0.001")):
        if name not in values:
            raise requirement_error(
                "TrainConfig",
                "reference",
                f"given with `{name}` for {rule.name}, which has no reference term of its own",
                dict(changes),
                f"For example: {flag}",
            )
    return ReferenceTerm(**values)


def _require_counts(config: "TrainConfig") -> None:
    for name, remedy in _COUNTS.items():
        value = getattr(config, name)
        if name in _OPTIONAL_COUNTS and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            kind = type(value).__name__
            raise TypeError(f"TrainConfig: `{name}` must be an integer, got {kind}. {remedy}.")
        smallest = 0 if name in _MAY_BE_ZERO else 1
        require(value >= smallest, "TrainConfig", name, f"at least {smallest}", value, remedy)


def _require_rule(config: "TrainConfig") -> None:
    """The rule itself knows which hyperparameters and group sizes are possible."""
    rule = config.update_rule
    require(
        config.group_size >= rule.smallest_group,
        "TrainConfig",
        "group_size",
        f"at least {rule.smallest_group} for {rule.name}, which compares rollouts of a prompt",
        config.group_size,
        "Raise it, or use the rule raw_reward",
    )
    state = initial_state(rule, (config.num_prompts,))
    advantage_and_state(rule, np.zeros((config.num_prompts, config.num_drawn)), state)
    zero = np.zeros(1)
    score_weight(rule, zero, zero, zero, ref_log_prob=zero)
    given = (config.reference or {}).get("coefficient")
    require(
        given is None or given == rule.reference.coefficient,
        "TrainConfig",
        "reference",
        "of the coefficient that the hyperparameters give",
        f"{given} beside {config.hyper.get('coefficient')}",
        "Give the coefficient once",
    )
    require(
        config.reference_model is None or rule.reference is not None,
        "TrainConfig",
        "reference_model",
        f"left out for {rule.name}, which has no reference term",
        config.reference_model,
        "Add one, e.g. --kl k3 --kl-coefficient 0.001",
    )


def _require_data_and_evaluation(config: "TrainConfig") -> None:
    """What model, rows and evaluations can be."""
    require_filter_bounds(config.eval_top_k, config.eval_top_p)
    if config.dtype is not None:
        require_known("TrainConfig", "dtype", config.dtype, DTYPES, "choice of type")
    for k in config.pass_at:
        require(k >= 1, "TrainConfig", "pass_at", "numbers from 1", k, "Pass@1 is the pass rate")
    if config.row is not None:
        require(
            config.num_prompts == 1,
            "TrainConfig",
            "num_prompts",
            "1 where `row` names one prompt",
            config.num_prompts,
            "Take --prompts 1, or leave --row out",
        )


def require_valid(config: "TrainConfig") -> None:
    """Check everything that can be checked without model and data.

    Args:
        config: a configuration.

    Raises:
        TypeError: a number has another type.
        ValueError: a value is unknown or out of range, or two of them contradict.
    """
    _require_counts(config)
    _require_data_and_evaluation(config)
    _require_rule(config)
    require(
        config.minibatches <= config.num_prompts * config.group_size,
        "TrainConfig",
        "minibatches",
        f"at most the {config.num_prompts * config.group_size} rollouts of an update",
        config.minibatches,
        "A step needs a rollout",
    )
    require(
        config.replay_capacity is None or config.replay_groups > 0,
        "TrainConfig",
        "replay_capacity",
        "left out where no stale groups are trained on",
        config.replay_capacity,
        "Set replay_groups",
    )
    require(config.seed >= 0, "TrainConfig", "seed", "at least 0", config.seed, "Use 0, 1, 2, ...")
    for name, (low, is_low_open, high, remedy) in _NUMBERS.items():
        value = getattr(config, name)
        if name == "max_gradient_norm" and value is None:
            continue
        require_finite_number(
            "TrainConfig", name, value, low=low, high=high, is_low_open=is_low_open, remedy=remedy
        )
        require(value < high, "TrainConfig", name, f"below {high:g}", value, remedy)
    require_known("TrainConfig", "optimizer", config.optimizer, OPTIMIZERS, "optimizer")
    require_known("TrainConfig", "schedule", config.schedule, SCHEDULES, "schedule")
    require_known("TrainConfig", "level", config.level, LEVELS, "level")
    require_known("TrainConfig", "averaging", config.averaging, AVERAGINGS, "averaging")
    if config.prompt_format is not None:
        require_known(
            "TrainConfig", "prompt_format", config.prompt_format, PROMPT_FORMATS, "prompt format"
        )
