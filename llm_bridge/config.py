"""What a training run is: its resolved configuration, checked before anything heavy loads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from banditlab.levels import LEVELS
from banditlab.references import file_digest, file_place
from banditlab.rules import UpdateRule, get_rule, group_advantage, score_weight
from banditlab.validation import require, require_finite_number, require_known
from llm_bridge.choices import DTYPES, default_dtype, require_filter_bounds
from llm_bridge.tasks import DEFAULT_TASK, EMBEDDED, PROMPT_FORMATS

OPTIMIZERS = ("sgd", "adamw")
DEFAULT_MAX_NEW_TOKENS = 256

_COUNTS = {
    "num_prompts": "It is the number of prompts of an update",
    "group_size": "It is the number of rollouts of a prompt",
    "inner_epochs": "One inner epoch is a purely on-policy step",
    "num_updates": "It is the length of the run",
    "eval_every": "It counts updates; take num_updates to evaluate at the ends only",
    "eval_samples": "2048 samples give a standard error of about 0.01",
    "checkpoint_every": "It counts updates",
    "max_new_tokens": "It limits a response, in tokens",
    "max_prompt_tokens": "Leave it out to allow what the model has room for",
    "take": "Leave it out to use all rows",
    "eval_take": "Leave it out to use all rows",
    "lora_rank": "Leave it out to train all weights",
    "num_threads": "One thread is the fastest for small models",
}
_OPTIONAL_COUNTS = (
    "max_new_tokens",
    "max_prompt_tokens",
    "take",
    "eval_take",
    "lora_rank",
    "num_threads",
)


def _require_runnable(rule: UpdateRule) -> None:
    """Refuse what the training loop cannot do yet, before anything is loaded."""
    for is_missing, need, remedy in (
        (
            rule.initial_state is not None,
            "no memory of earlier rewards",
            "Use a group or batch baseline, e.g. leave_one_out or batch_mean",
        ),
        (
            rule.extra_rollouts > 0,
            "no extra rollouts",
            "Use grpo with a larger group_size, which also trains on them",
        ),
        (
            rule.reference is not None,
            "no reference term",
            "Use the rule without it, e.g. grpo or leave_one_out",
        ),
        (
            rule.dual is not None,
            "a multiplier that does not move",
            "Use variance_penalty with hyper multiplier=...",
        ),
    ):
        require(
            not is_missing,
            "TrainConfig",
            "rule",
            f"one with {need} on a language model; the simulator runs it",
            repr(rule),
            remedy,
        )


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of a training run.

    Attributes:
        model: "embedded", a folder, or a hub name.
        dataset: "embedded", a file or folder, or a hub name.
        split: split trained on; by default the dataset's only one, or "train".
        eval_dataset: dataset of the held-out prompts; by default the one trained on.
        eval_split: its split; by default "heldout", "test" or "validation", whichever there is.
        rule: name of the update rule, or package.module:object or path/to/file.py:object.
        hyper: hyperparameters of the rule that differ from its defaults.
        num_prompts: prompts of an update.
        group_size: rollouts of a prompt.
        inner_epochs: gradient steps on the rollouts of an update.
        learning_rate: step of the optimizer, on a loss summed over tokens and averaged over
            rollouts.
        optimizer: "sgd" (without momentum) or "adamw" (without weight decay).
        num_updates: length of the run.
        seed: seed of prompts, samples and evaluations.
        eval_every: updates between evaluations; the first and the last update always have one.
        eval_samples: responses of one evaluation, over all its prompts, at the least.
        max_new_tokens: limit of a response, tokens; by default that of the embedded model, or 256.
        temperature: of the sampling distribution, in training and evaluation.
        level: unit of the ratio: "token", "sequence" or "sequence_geometric".
        take: train on the first rows only.
        eval_take: evaluate on the first held-out rows only.
        checkpoint_every: updates between checkpoints.
        num_threads: threads of torch; by default as the environment says. A resumed run keeps
            the number it began with.
        question_column: column of the questions, of both datasets; by default the task's own.
        answer_column: column of the answers, of both datasets; by default the task's own.
        prompt_format: "embedded" or "instruction"; by default "embedded" where the model or the
            dataset is the embedded one.
        device: torch device.
        rule_sha256: first digits of the SHA-256 of a rule's file; taken by itself, and where it
            is given, the file must be that one.
        task: definition of questions and answers: "gsm8k", "math", "verl", or
            path/to/file.py:object.
        grader: "math_verify", "mark" or "boxed".
        reward: reward function in place of the grader, path/to/file.py:function.
        shuffle_seed: shuffles the rows of both datasets before any are taken; by default they
            keep their order.
        row: train on this row alone, counted from 0.
        max_prompt_tokens: longest prompt allowed, tokens; by default what the model has room for.
        eval_greedy: evaluate the most likely response of each prompt too.
        eval_top_k: evaluations sample from so many likeliest tokens only.
        eval_top_p: evaluations sample from the fewest likeliest tokens of this probability only.
        pass_at: the k of Pass@k in evaluations.
        dtype: "float32", "float64", "bfloat16" or "autocast"; by default float32 on a CPU, else
            autocast.
        attn_implementation: what computes attention; by default as Transformers chooses.
        trust_remote_code: run code that comes with the model.
        gradient_checkpointing: compute each layer twice to save memory.
        lora_rank: train LoRA adapters of this rank alone; None trains all weights.
        lora_alpha: their output is scaled by lora_alpha / lora_rank; by default by 2.
        lora_targets: names of the layers they go to; by default all linear ones.
        task_sha256: as `rule_sha256`, of the task's file.
        reward_sha256: as `rule_sha256`, of the reward function's file.
    """

    model: str = EMBEDDED
    dataset: str = EMBEDDED
    split: str | None = None
    eval_dataset: str | None = None
    eval_split: str | None = None
    rule: str = "group_mean"
    hyper: Mapping[str, float] = field(default_factory=dict)
    num_prompts: int = 32
    group_size: int = 8
    inner_epochs: int = 1
    learning_rate: float = 0.01
    optimizer: str = "sgd"
    num_updates: int = 100
    seed: int = 0
    eval_every: int = 10
    eval_samples: int = 2048
    max_new_tokens: int | None = None
    temperature: float = 1.0
    level: str = "sequence"
    take: int | None = None
    eval_take: int | None = None
    checkpoint_every: int = 10
    num_threads: int | None = None
    question_column: str | None = None
    answer_column: str | None = None
    prompt_format: str | None = None
    device: str = "cpu"
    rule_sha256: str | None = None
    task: str = DEFAULT_TASK
    grader: str = "math_verify"
    reward: str | None = None
    shuffle_seed: int | None = None
    row: int | None = None
    max_prompt_tokens: int | None = None
    eval_greedy: bool = False
    eval_top_k: int | None = None
    eval_top_p: float | None = None
    pass_at: tuple[int, ...] = (1,)
    dtype: str | None = None
    attn_implementation: str | None = None
    trust_remote_code: bool = False
    gradient_checkpointing: bool = False
    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_targets: tuple[str, ...] = ()
    task_sha256: str | None = None
    reward_sha256: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hyper", dict(self.hyper))
        rule = self.update_rule
        _require_runnable(rule)
        object.__setattr__(self, "rule", rule.name)
        self._pin_file("rule")
        for name in ("task", "reward"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, file_place(getattr(self, name)))
                self._pin_file(name)
        for name, remedy in _COUNTS.items():
            value = getattr(self, name)
            if name in _OPTIONAL_COUNTS and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                kind = type(value).__name__
                raise TypeError(f"TrainConfig: `{name}` must be an integer, got {kind}. {remedy}.")
            require(value >= 1, "TrainConfig", name, "at least 1", value, remedy)
        require(
            self.group_size >= rule.smallest_group,
            "TrainConfig",
            "group_size",
            f"at least {rule.smallest_group} for {rule.name}, which compares rollouts of a prompt",
            self.group_size,
            "Raise it, or use the rule raw_reward",
        )
        # The rule itself knows which hyperparameters are possible.
        group_advantage(rule, np.zeros((self.num_prompts, self.group_size)))
        score_weight(rule, np.zeros(1), np.zeros(1), np.zeros(1))
        require(self.seed >= 0, "TrainConfig", "seed", "at least 0", self.seed, "Use 0, 1, 2, ...")
        for name in ("learning_rate", "temperature"):
            require_finite_number(
                "TrainConfig",
                name,
                getattr(self, name),
                low=0.0,
                is_low_open=True,
                remedy="It scales the step" if name == "learning_rate" else "1 is the model itself",
            )
        require_known("TrainConfig", "optimizer", self.optimizer, OPTIMIZERS, "optimizer")
        require_known("TrainConfig", "level", self.level, LEVELS, "level")
        if self.prompt_format is not None:
            require_known(
                "TrainConfig", "prompt_format", self.prompt_format, PROMPT_FORMATS, "prompt format"
            )

        require_filter_bounds(self.eval_top_k, self.eval_top_p)
        if self.dtype is not None:
            require_known("TrainConfig", "dtype", self.dtype, DTYPES, "choice of type")
        for name in ("pass_at", "lora_targets"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for k in self.pass_at:
            require(
                k >= 1, "TrainConfig", "pass_at", "numbers from 1", k, "Pass@1 is the pass rate"
            )
        if self.row is not None:
            require(
                self.num_prompts == 1,
                "TrainConfig",
                "num_prompts",
                "1 where `row` names one prompt",
                self.num_prompts,
                "Take --prompts 1, or leave --row out",
            )

    def _pin_file(self, name: str) -> None:
        """Keep the digest of a reference's file, so that a resumed run sees a change."""
        reference = getattr(self, name)
        given, digest = getattr(self, f"{name}_sha256"), file_digest(reference)
        require(
            given in (None, digest),
            "TrainConfig",
            f"{name}_sha256",
            f"that of the {name}'s file, {digest}",
            given,
            f"{reference} has changed since; leave it out to take the file as it is now",
        )
        object.__setattr__(self, f"{name}_sha256", digest)

    @property
    def update_rule(self) -> UpdateRule:
        """The rule with its hyperparameters."""
        return get_rule(self.rule, **self.hyper)

    def resolved(self) -> "TrainConfig":
        """Fill in what depends on the model and the dataset.

        Returns:
            A configuration without open limits of tokens and prompt format.
        """
        is_embedded = EMBEDDED in (self.model, self.dataset)
        limit = self.max_new_tokens
        if limit is None and is_embedded:
            from llm_bridge.embedded.corpus import MAX_NEW_TOKENS

            limit = MAX_NEW_TOKENS
        values = {
            "max_new_tokens": limit or DEFAULT_MAX_NEW_TOKENS,
            "prompt_format": self.prompt_format or (EMBEDDED if is_embedded else "instruction"),
            "hyper": self.update_rule.hyper,
            "dtype": self.dtype or default_dtype(self.device),
        }
        return TrainConfig(**{**self.as_dict(), **values})

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON can write it."""
        values = asdict(self)
        # Only what comes from a file has a digest.
        return {
            name: value
            for name, value in values.items()
            if value is not None or not name.endswith("_sha256")
        }
