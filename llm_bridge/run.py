"""What a training run works with: model, optimizer, tasks, and where its random numbers come from.

Every random number is a function of (seed, purpose, update), so a run that goes on from a
checkpoint needs no generator's state, and an evaluation never changes what training draws.

Shapes: P prompts.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from banditlab.validation import require
from llm_bridge.config import TrainConfig
from llm_bridge.memory import RuleMemory
from llm_bridge.models import Policy, load_policy
from llm_bridge.optimizer import make_optimizer, make_scheduler
from llm_bridge.replay import ReplayBuffer
from llm_bridge.rewards import Grader
from llm_bridge.tasks import Task, default_eval_split, encode_prompts, load_task

PROMPTS, SAMPLES, EVALUATION, MINIBATCHES, REPLAY = range(5)


@dataclass
class Run:
    """What a training run works with, and what it carries from update to update.

    Attributes:
        config: the resolved configuration.
        policy: the model that is trained, and its tokenizer.
        optimizer: of the model's parameters.
        scheduler: of the optimizer's learning rate, by updates.
        task: what is trained on.
        prompts: its prompts as token ids.
        eval_tasks: what is evaluated, by name.
        grader: compares the final answers.
        reference: the frozen reference model, None where the rule has no reference term.
        memory: what the rule carries from update to update: of each question, and its multiplier.
        replay: stale groups, None where none are trained on.
    """

    config: TrainConfig
    policy: Policy
    optimizer: torch.optim.Optimizer
    scheduler: Any
    task: Task
    prompts: list[list[int]]
    eval_tasks: dict[str, Task]
    grader: Grader
    reference: Any
    memory: RuleMemory
    replay: ReplayBuffer | None

    def state_dict(self) -> dict[str, Any]:
        """All that changes from update to update, for a checkpoint."""
        return {
            "model": self.policy.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "memory": self.memory.state_dict(),
            "replay": None if self.replay is None else self.replay.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to what a checkpoint held.

        Args:
            state: what `state_dict` returned.
        """
        self.policy.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.memory.load_state_dict(state["memory"])
        if self.replay is not None:
            self.replay.load_state_dict(state["replay"])


@contextmanager
def torch_threads(num_threads: int | None) -> Iterator[None]:
    """Set the threads of torch during a `with` block; they are part of what makes a run repeatable.

    Args:
        num_threads: threads; None leaves them as they are.

    Yields:
        Once; the count of before comes back at the end.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seed_of(config: TrainConfig, purpose: int, index: int) -> int:
    """Seed of one use of randomness, a function of the run's seed alone.

    Args:
        config: gives the run's seed.
        purpose: PROMPTS, SAMPLES, EVALUATION, MINIBATCHES or REPLAY.
        index: epoch for PROMPTS, update otherwise.

    Returns:
        A seed of 64 bits.
    """
    sequence = np.random.SeedSequence((config.seed, purpose, index))
    return int(sequence.generate_state(1, np.uint64)[0])


def make_generator(config: TrainConfig, purpose: int, index: int) -> torch.Generator:
    """Generator for the samples of one update or one evaluation.

    Args:
        config: gives the run's seed and the device.
        purpose: SAMPLES or EVALUATION.
        index: update.

    Returns:
        The generator; nothing else draws from it.
    """
    return torch.Generator(config.device).manual_seed(seed_of(config, purpose, index))


def choose_prompts(config: TrainConfig, num_questions: int, update: int) -> np.ndarray:
    """Prompts of an update: drawn without replacement within an epoch, each epoch anew.

    Args:
        config: gives the seed and the number of prompts.
        num_questions: questions of the task.
        update: number of the update, from 1.

    Returns:
        Indices of questions, shape [P]. What is left over at the end of an epoch is not used.
    """
    epoch, place = divmod(update - 1, num_questions // config.num_prompts)
    order = np.random.default_rng(seed_of(config, PROMPTS, epoch)).permutation(num_questions)
    return order[place * config.num_prompts : (place + 1) * config.num_prompts]


def _load_reference(config: TrainConfig, policy: Policy) -> Any:
    """The reference model, frozen, where the rule has a reference term."""
    if config.update_rule.reference is None:
        return None
    if config.reference_model is None:
        model = copy.deepcopy(policy.model)
    else:
        other = load_policy(config.reference_model, device=config.device)
        require(
            other.tokenizer.get_vocab() == policy.tokenizer.get_vocab(),
            "train",
            "reference_model",
            "a model with the tokenizer of the policy",
            repr(config.reference_model),
            "Log-probabilities of tokens compare only then",
        )
        model = other.model
    return model.requires_grad_(False).eval()


def _load_eval_task(config: TrainConfig, tokenizer: Any) -> Task | None:
    dataset = config.eval_dataset or config.dataset
    split = config.eval_split
    if split is None:
        is_other = config.eval_dataset is not None
        split = default_eval_split(dataset, None if is_other else config.split)
        if split is None and not is_other:
            require(
                config.eval_take is None,
                "train",
                "eval_take",
                "left out where there are no held-out rows",
                config.eval_take,
                "Name held-out rows with --eval-dataset or --eval-split",
            )
            return None
    return load_task(
        dataset,
        split=split,
        take=config.eval_take,
        tokenizer=tokenizer,
        prompt_format=config.prompt_format,
        question_column=config.question_column,
        answer_column=config.answer_column,
    )


def _first(task: Task, count: int) -> Task:
    fields = ("questions", "answers", "prompts")
    return replace(task, **{name: getattr(task, name)[:count] for name in fields})


def prepare_run(config: TrainConfig, grader: Grader) -> Run:
    """Load the model and the tasks of a run; nothing is written.

    Args:
        config: the resolved configuration.
        grader: compares the final answers.

    Returns:
        The run before its first update.

    Raises:
        ValueError: model or dataset cannot be loaded, or has fewer questions than an update.
    """
    policy = load_policy(config.model, device=config.device)
    task = load_task(
        config.dataset,
        split=config.split,
        take=config.take,
        tokenizer=policy.tokenizer,
        prompt_format=config.prompt_format,
        question_column=config.question_column,
        answer_column=config.answer_column,
    )
    require(
        config.num_prompts <= len(task),
        "train",
        "num_prompts",
        f"at most the {len(task)} questions of the task",
        config.num_prompts,
        "Lower --prompts or take more rows",
    )
    eval_tasks = {"train": _first(task, config.eval_samples)}
    heldout = _load_eval_task(config, policy.tokenizer)
    if heldout is not None:
        eval_tasks["heldout"] = _first(heldout, config.eval_samples)
    trainable = [value for value in policy.model.parameters() if value.requires_grad]
    optimizer = make_optimizer(config, trainable)
    is_replaying = config.replay_groups > 0
    return Run(
        config=config,
        policy=policy,
        optimizer=optimizer,
        scheduler=make_scheduler(config, optimizer),
        task=task,
        prompts=encode_prompts(task, policy.tokenizer),
        eval_tasks=eval_tasks,
        grader=grader,
        reference=_load_reference(config, policy),
        memory=RuleMemory.start(config.update_rule, len(task)),
        replay=ReplayBuffer(config.replay_capacity, config.replay_max_age)
        if is_replaying
        else None,
    )
