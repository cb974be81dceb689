"""What a training run works with: model, optimizer, tasks, and where its random numbers come from.

Every random number is a function of (seed, purpose, update), so a run that goes on from a
checkpoint needs no generator's state, and an evaluation never changes what training draws.

Shapes: P prompts.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from banditlab.validation import require
from llm_bridge.config import TrainConfig
from llm_bridge.fingerprint import fingerprint, frozen_names
from llm_bridge.graders import AnyGrader
from llm_bridge.memory import RuleMemory
from llm_bridge.models import Policy
from llm_bridge.optimizer import make_optimizer, make_scheduler
from llm_bridge.parallel import ALONE, Alone, SharedGrader
from llm_bridge.prompt_room import require_room
from llm_bridge.replay import ReplayBuffer
from llm_bridge.run_parts import load_eval_task, load_reference, load_run_policy, task_options
from llm_bridge.samples import SampleLog
from llm_bridge.tasks import Task, encode_prompts, load_task

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
        samples: responses that are waiting to be written down.
        processes: those that run it together.
    """

    config: TrainConfig
    policy: Policy
    optimizer: torch.optim.Optimizer
    scheduler: Any
    task: Task
    prompts: list[list[int]]
    eval_tasks: dict[str, Task]
    grader: AnyGrader
    reference: Any
    memory: RuleMemory
    replay: ReplayBuffer | None
    samples: SampleLog
    processes: Alone = ALONE

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the rows and of the weights that are not trained."""
        models = (
            [self.policy.model] if self.reference is None else [self.policy.model, self.reference]
        )
        return fingerprint([self.task, *self.eval_tasks.values()], models)

    def state_dict(self) -> dict[str, Any]:
        """All that changes from update to update, for a checkpoint.

        Weights that are not trained stay out: they come from the model's folder again.
        """
        model = self.policy.model
        frozen = frozen_names(model)
        return {
            "fingerprint": self.fingerprint,
            "model": {
                name: value for name, value in model.state_dict().items() if name not in frozen
            },
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "memory": self.memory.state_dict(),
            "replay": None if self.replay is None else self.replay.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to what a checkpoint held.

        Args:
            state: what `state_dict` returned.

        Raises:
            ValueError: rows or weights that are not trained are others than those of before.
        """
        require(
            state["fingerprint"] == self.fingerprint,
            "train",
            "out",
            "a run folder whose model and dataset are still those that the run began with",
            "one whose rows or frozen weights have changed since",
            "Put the files of before back, or choose another --out",
        )
        model = self.policy.model
        frozen = frozen_names(model)
        kept = {name: value for name, value in model.state_dict().items() if name in frozen}
        model.load_state_dict({**kept, **state["model"]})
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


def samples_per_prompt(config: TrainConfig, task: Task) -> int:
    """Responses to each prompt of an evaluation.

    Args:
        config: gives the number in all.
        task: P prompts.

    Returns:
        So many that all prompts together have at least `eval_samples`.
    """
    return math.ceil(config.eval_samples / len(task))


def _require_samples(config: TrainConfig, eval_tasks: dict[str, Task]) -> None:
    largest = max(config.pass_at, default=1)
    for name, task in eval_tasks.items():
        drawn = samples_per_prompt(config, task)
        require(
            largest <= drawn,
            "train",
            "pass_at",
            f"at most the {drawn} samples that each of the {len(task)} {name} prompts gets",
            largest,
            f"Take --eval-samples {largest * len(task)} or fewer held-out rows, --eval-take",
        )


def assemble_run(
    config: TrainConfig,
    *,
    policy: Policy,
    task: Task,
    prompts: list[list[int]],
    eval_tasks: dict[str, Task],
    grader: AnyGrader,
    processes: Alone = ALONE,
) -> Run:
    """Give a policy and its tasks what they are trained with, all as before a first update.

    Args:
        config: the resolved configuration.
        policy: the model that is trained, and its tokenizer.
        task: what is trained on.
        prompts: its prompts as token ids.
        eval_tasks: what is evaluated, by name.
        grader: compares the final answers.
        processes: those that run it together, each of which prepares it.

    Returns:
        The run, with its optimizer, schedule, reference, memory and replay buffer.

    Raises:
        ValueError: the task has fewer questions than an update, or the reference cannot be loaded.
    """
    require(
        config.num_prompts <= len(task),
        "train",
        "num_prompts",
        f"at most the {len(task)} questions of the task",
        config.num_prompts,
        "Lower --prompts or take more rows",
    )
    require(
        config.num_prompts >= processes.count,
        "train",
        "num_prompts",
        f"at least the {processes.count} processes, each of which rolls out whole groups",
        config.num_prompts,
        "Raise --prompts or launch fewer processes",
    )
    trainable = [value for value in policy.model.parameters() if value.requires_grad]
    optimizer = make_optimizer(config, trainable)
    is_replaying = config.replay_groups > 0
    return Run(
        config=config,
        policy=policy,
        optimizer=optimizer,
        scheduler=make_scheduler(config, optimizer),
        task=task,
        prompts=prompts,
        eval_tasks=eval_tasks,
        grader=grader if processes is ALONE else SharedGrader(grader, processes),
        reference=load_reference(config, policy),
        memory=RuleMemory.start(config.update_rule, len(task)),
        replay=ReplayBuffer(config.replay_capacity, config.replay_max_age)
        if is_replaying
        else None,
        samples=SampleLog(policy, config.log_samples),
        processes=processes,
    )


def prepare_run(config: TrainConfig, grader: AnyGrader, processes: Alone = ALONE) -> Run:
    """Load the model and the tasks of a run; nothing is written.

    Args:
        config: the resolved configuration.
        grader: compares the final answers.
        processes: those that run it together, each of which prepares it.

    Returns:
        The run before its first update.

    Raises:
        ValueError: model or dataset cannot be loaded, or has fewer questions than an update.
    """
    policy = load_run_policy(config)
    task = load_task(config.dataset, tokenizer=policy.tokenizer, **task_options(config))
    eval_tasks = {"train": task.first(config.eval_samples)}
    heldout = load_eval_task(config, policy.tokenizer)
    if heldout is not None:
        eval_tasks["heldout"] = heldout.first(config.eval_samples)
    _require_samples(config, eval_tasks)
    prompts = encode_prompts(task, policy.tokenizer)
    encoded = {"training": prompts}
    if heldout is not None:
        encoded["held-out"] = encode_prompts(eval_tasks["heldout"], policy.tokenizer)
    for kind, some in encoded.items():
        require_room(
            policy.model,
            some,
            max_new_tokens=config.max_new_tokens,
            max_prompt_tokens=config.max_prompt_tokens,
            kind=kind,
        )
    return assemble_run(
        config,
        policy=policy,
        task=task,
        prompts=prompts,
        eval_tasks=eval_tasks,
        grader=grader,
        processes=processes,
    )
