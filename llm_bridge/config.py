"""What a training run is: its resolved configuration, checked before anything heavy loads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from banditlab.references import file_digest, file_place
from banditlab.rules import UpdateRule, get_rule
from banditlab.validation import require
from llm_bridge.choices import default_dtype
from llm_bridge.config_checks import reference_term, require_valid
from llm_bridge.tasks import DEFAULT_TASK, EMBEDDED, is_embedded

DEFAULT_MAX_NEW_TOKENS = 256


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of a training run.

    Attributes:
        model: "embedded", a folder, or a hub name.
        dataset: "embedded", "embedded:one-step", "embedded:two-steps", a file or folder, or a hub
            name.
        split: split trained on; by default the dataset's only one, or "train".
        eval_dataset: dataset of the held-out prompts; by default the one trained on.
        eval_split: its split; by default "heldout", "test" or "validation", whichever there is.
        rule: name of the update rule, or package.module:object or path/to/file.py:object.
        hyper: hyperparameters of the rule that differ from its defaults.
        num_prompts: prompts of an update.
        group_size: rollouts of a prompt.
        inner_epochs: passes over the rollouts of an update.
        learning_rate: step of the optimizer, on the loss as `averaging` says.
        optimizer: "sgd" (without momentum) or "adamw".
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
        log_samples: responses of each update, and of each task of an evaluation, that are written
            to samples.jsonl.
        num_threads: threads of torch; by default as the environment says. A resumed run keeps
            the number it began with.
        question_column: column of the questions, of both datasets; by default the task's own.
        answer_column: column of the answers, of both datasets; by default the task's own.
        prompt_format: "embedded" or "instruction"; by default "embedded" where the model or the
            dataset is the embedded one.
        device: torch device.
        averaging: how the loss averages, as `llm_bridge.averaging` says: "sequence_sum",
            "token_mean", "sequence_mean" or "constant_length".
        minibatches: optimizer steps of an inner epoch, over disjoint parts of the rollouts in
            random order, each with the ratios of its time.
        microbatch_tokens: most tokens, padding included, of one forward and backward pass; by
            default as many as keep the logits below 256 MiB. It changes memory, not the step.
        reference: reference term instead of the rule's own, by the names of
            `banditlab.reference.ReferenceTerm`; what is left out is the rule's own; {} takes the
            term away.
        reference_model: reference policy, a folder or hub name; by default the model as it was.
        adam_beta1: decay of AdamW's mean of gradients.
        adam_beta2: decay of AdamW's mean of squared gradients.
        adam_eps: added to the root of AdamW's mean square.
        weight_decay: decoupled decay of the weights, times the learning rate.
        max_gradient_norm: Euclidean norm that a gradient is scaled down to; None leaves it.
        schedule: learning rate over updates: "constant", "linear" or "cosine", the last two
            towards 0 at the end of the run.
        warmup_updates: updates in which the rate first rises linearly from 0.
        replay_groups: stale groups (prompts, each with its rollouts) that an update also trains
            on, drawn from the replay buffer; 0 keeps none.
        replay_max_age: greatest age of a stale group, in updates.
        replay_capacity: most stale groups kept; by default all that are young enough.
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
    log_samples: int = 4
    num_threads: int | None = None
    question_column: str | None = None
    answer_column: str | None = None
    prompt_format: str | None = None
    device: str = "cpu"
    averaging: str = "sequence_sum"
    minibatches: int = 1
    microbatch_tokens: int | None = None
    reference: Mapping[str, Any] | None = None
    reference_model: str | None = None
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_eps: float = 1e-8
    weight_decay: float = 0.0
    max_gradient_norm: float | None = None
    schedule: str = "constant"
    warmup_updates: int = 0
    replay_groups: int = 0
    replay_max_age: int = 4
    replay_capacity: int | None = None
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
        if self.reference is not None:
            object.__setattr__(self, "reference", dict(self.reference))
        rule = self.update_rule
        object.__setattr__(self, "rule", rule.name)
        self._pin_file("rule")
        for name in ("task", "reward"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, file_place(getattr(self, name)))
                self._pin_file(name)
        for name in ("pass_at", "lora_targets"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        require_valid(self)

    def __getstate__(self) -> dict[str, Any]:
        # A rule from a file holds functions that another process cannot find by name.
        return {one.name: getattr(self, one.name) for one in fields(self)}

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

    @cached_property
    def update_rule(self) -> UpdateRule:
        """The rule with its hyperparameters and its reference term."""
        rule = get_rule(self.rule)
        if self.reference is not None:
            rule = rule.with_reference(reference_term(rule, self.reference))
        return rule.with_hyper(**self.hyper)

    @property
    def num_drawn(self) -> int:
        """Rollouts of a prompt that are drawn, those for statistics only included."""
        return self.group_size + self.update_rule.extra_rollouts

    def resolved(self) -> "TrainConfig":
        """Fill in what depends on the model and the dataset.

        Returns:
            A configuration without open limits of tokens and prompt format.
        """
        is_ours = self.model == EMBEDDED or is_embedded(self.dataset)
        limit = self.max_new_tokens
        if limit is None and is_ours:
            from llm_bridge.embedded.corpus import MAX_NEW_TOKENS

            limit = MAX_NEW_TOKENS
        rule = self.update_rule
        capacity = self.replay_capacity
        if capacity is None and self.replay_groups:
            capacity = self.num_prompts * self.replay_max_age
        values = {
            "reference": {} if rule.reference is None else rule.reference.as_dict(),
            "replay_capacity": capacity,
            "max_new_tokens": limit or DEFAULT_MAX_NEW_TOKENS,
            "prompt_format": self.prompt_format or (EMBEDDED if is_ours else "instruction"),
            "hyper": rule.hyper,
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
