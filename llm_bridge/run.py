"""What a training run works with: model, optimizer, tasks, and where its random numbers come from.

Every random number is a function of (seed, purpose, update), so a run that goes on from a
checkpoint needs no generator's state, and an evaluation never changes what training draws.

Shapes: P prompts.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from banditlab.validation import require
from llm_bridge.adapters import add_lora
from llm_bridge.config import TrainConfig
from llm_bridge.graders import AnyGrader, make_grader
from llm_bridge.model_modes import enable_autocast, enable_gradient_checkpointing, weight_dtype
from llm_bridge.models import Policy, load_policy
from llm_bridge.prompt_room import require_room
from llm_bridge.tasks import Task, default_eval_split, encode_prompts, load_task

PROMPTS, SAMPLES, EVALUATION = range(3)


@dataclass
class Run:
    """What a training run works with: model, optimizer, prompts, grader."""

    config: TrainConfig
    policy: Policy
    optimizer: torch.optim.Optimizer
    task: Task
    prompts: list[list[int]]
    eval_tasks: dict[str, Task]
    grader: AnyGrader


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
        purpose: PROMPTS, SAMPLES or EVALUATION.
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


def make_optimizer(config: TrainConfig, parameters: Any) -> torch.optim.Optimizer:
    """Optimizer of a run: SGD without momentum, or AdamW without weight decay.

    Args:
        config: gives kind and learning rate.
        parameters: the model's.

    Returns:
        The optimizer.
    """
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=config.learning_rate)
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0)


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
    options = task_options(config) | {"split": split, "take": config.eval_take, "row": None}
    return load_task(dataset, tokenizer=tokenizer, **options)


def task_options(config: TrainConfig) -> dict[str, Any]:
    """What a configuration says of its training rows.

    Args:
        config: the resolved configuration.

    Returns:
        Arguments of `load_task` beside the dataset and the tokenizer.
    """
    names = ("task", "split", "take", "shuffle_seed", "row")
    names += ("prompt_format", "question_column", "answer_column")
    options = {name: getattr(config, name) for name in names}
    return {**options, "has_reward_function": config.reward is not None}


def load_run_policy(config: TrainConfig) -> Policy:
    """The model that a configuration asks for, computing as it says.

    Args:
        config: the resolved configuration.

    Returns:
        The policy.

    Raises:
        ModuleNotFoundError: adapters are asked for and peft is not installed.
        ValueError: the model cannot be loaded, or cannot do what is asked of it.
    """
    policy = load_policy(
        config.model,
        device=config.device,
        dtype=weight_dtype(config.dtype),
        attn_implementation=config.attn_implementation,
        trust_remote_code=config.trust_remote_code,
    )
    if config.lora_rank is not None:
        policy = add_lora(
            policy,
            rank=config.lora_rank,
            alpha=config.lora_alpha,
            targets=config.lora_targets,
            seed=config.seed,
        )
    if config.dtype == "autocast":
        enable_autocast(policy)
    if config.gradient_checkpointing:
        enable_gradient_checkpointing(policy)
    return policy


def make_run_grader(config: TrainConfig) -> AnyGrader:
    """The grader that a configuration asks for.

    Args:
        config: the configuration.

    Returns:
        The grader, to be closed.

    Raises:
        ValueError: there is no such grader, task or reward function.
    """
    return make_grader(config.grader, task=config.task, reward=config.reward)


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


def prepare_run(config: TrainConfig, grader: AnyGrader) -> Run:
    """Load the model and the tasks of a run; nothing is written.

    Args:
        config: the resolved configuration.
        grader: compares the final answers.

    Returns:
        The run before its first update.

    Raises:
        ValueError: model or dataset cannot be loaded, or has fewer questions than an update.
    """
    policy = load_run_policy(config)
    task = load_task(config.dataset, tokenizer=policy.tokenizer, **task_options(config))
    require(
        config.num_prompts <= len(task),
        "train",
        "num_prompts",
        f"at most the {len(task)} questions of the task",
        config.num_prompts,
        "Lower --prompts or take more rows",
    )
    eval_tasks = {"train": task.first(config.eval_samples)}
    heldout = _load_eval_task(config, policy.tokenizer)
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
    return Run(
        config=config,
        policy=policy,
        optimizer=make_optimizer(config, policy.model.parameters()),
        task=task,
        prompts=prompts,
        eval_tasks=eval_tasks,
        grader=grader,
    )
