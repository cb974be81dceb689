"""What is measured on the base model before any training: pass rates and one shared kernel.

The bandit of a model has one context per prompt, with the prompt's pass rate, coupled by one
number: k = <grad P_heldout, grad P_train> / (slope_heldout * slope_train), where P is the mean pass
rate, the two gradients come from independent samples, and a slope is the mean of pass_rate *
(1 - pass_rate). A step of SGD then moves every prompt's log-odds by learning_rate * k * (mean over
rollouts of weight * ([correct] - pass_rate)), and the first step moves the held-out pass rate by
learning_rate * <grad P_heldout, grad P_train>, as measured. No trained model is read.

Shapes: P prompts, N blocks of prompts, D parameters.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from banditlab.advantages import leave_one_out
from banditlab.validation import require
from llm_bridge.base_statistics import (
    BaseMeasurement,
    shared_kernel_from_blocks,
    smoothed_pass_rates,
)
from llm_bridge.evaluate import decode_responses
from llm_bridge.models import Policy
from llm_bridge.rewards import Grader
from llm_bridge.rollout import sample_rollouts
from llm_bridge.scores import mean_gradient, score_gradients
from llm_bridge.tasks import Task, encode_prompts

_MOST_BLOCKS = 16
_FLOAT32_BYTES = 4


def _blocks(task: Task) -> list[slice]:
    """Prompts in up to 16 blocks of equal size, give or take one prompt."""
    edges = np.linspace(0, len(task), min(_MOST_BLOCKS, len(task)) + 1).round().astype(int)
    return [slice(first, last) for first, last in pairwise(edges.tolist())]


def _measure_blocks(
    policy: Policy,
    task: Task,
    num_samples: int,
    max_new_tokens: int,
    generator: torch.Generator,
    grader: Grader,
    on_block: Callable[[], Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Right responses of each prompt [P] and gradient of each block's mean pass rate [N, D].

    The blocks' gradients are weighted by size, so that their plain mean is that of all prompts.
    """
    prompts = encode_prompts(task, policy.tokenizer)
    num_correct, gradients = [], []
    blocks = _blocks(task)
    for block in blocks:
        share = len(prompts[block]) * len(blocks) / len(prompts)
        rollout = sample_rollouts(
            policy.model,
            prompts[block],
            group_size=num_samples,
            max_new_tokens=max_new_tokens,
            eos_token_id=policy.eos_token_id,
            pad_token_id=policy.pad_token_id,
            generator=generator,
        )
        golds = [gold for gold in task.targets[block] for _ in range(num_samples)]
        reward = grader.grade(decode_responses(policy, rollout), golds).reshape(-1, num_samples)
        advantage = torch.from_numpy(leave_one_out(reward))
        num_correct.append(reward.sum(axis=1))
        gradient = mean_gradient(policy.model, rollout, advantage)
        gradients.append(share * gradient.cpu().float().numpy())
        on_block()
    return np.concatenate(num_correct), np.stack(gradients)


def _score_statistics(
    policy: Policy,
    task: Task,
    num_prompts: int,
    group_size: int,
    max_new_tokens: int,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Mean squared norm and top eigenvalue of the mean outer product of one update's scores."""
    rollout = sample_rollouts(
        policy.model,
        encode_prompts(task, policy.tokenizer)[:num_prompts],
        group_size=group_size,
        max_new_tokens=max_new_tokens,
        eos_token_id=policy.eos_token_id,
        pad_token_id=policy.pad_token_id,
        generator=generator,
    )
    scores = score_gradients(policy.model, rollout)
    gram = (scores @ scores.T).double().numpy() / len(scores)
    return float(np.trace(gram)), float(np.linalg.eigvalsh(gram)[-1])


def num_blocks(train: Task, heldout: Task) -> int:
    """Number of times `measure_base` calls `on_block`.

    Args:
        train: prompts trained on.
        heldout: held-out prompts.

    Returns:
        Blocks of both tasks together.
    """
    return sum(len(_blocks(task)) for task in (train, heldout))


def _require_memory(policy: Policy, num_gradients: int) -> None:
    import psutil

    num_parameters = sum(value.numel() for value in policy.model.parameters())
    needed = num_gradients * num_parameters * _FLOAT32_BYTES
    available = psutil.virtual_memory().available
    require(
        needed < available,
        "measure_base",
        "policy",
        "small enough to keep one gradient per block and per response of an update in memory",
        f"{num_parameters:,} parameters: {needed / 2**30:.0f} GiB for {num_gradients} gradients, "
        f"with {available / 2**30:.0f} GiB free",
        "Lower --prompts or --group-size, or run the model alone with banditlab train",
    )


def measure_base(
    policy: Policy,
    train: Task,
    heldout: Task,
    *,
    num_samples: int,
    num_prompts: int,
    group_size: int,
    max_new_tokens: int,
    seed: int,
    grader: Grader,
    on_block: Callable[[], Any] = lambda: None,
) -> BaseMeasurement:
    """Measure pass rates and the shared kernel of a base model.

    Args:
        policy: the base model; its weights do not change.
        train: prompts to be trained on.
        heldout: held-out prompts.
        num_samples: responses per prompt, 2 or more.
        num_prompts: prompts of an update, for the statistics of its scores.
        group_size: rollouts of a prompt, for the same.
        max_new_tokens: limit of a response, tokens.
        seed: seed of the responses.
        grader: compares final answers.
        on_block: called after each block of prompts.

    Returns:
        The measurement.

    Raises:
        ValueError: fewer than two samples per prompt, a base model that is never or always right,
            a kernel that is not above 0, or a model whose gradients do not fit the memory.
    """
    require(
        num_samples >= 2,
        "measure_base",
        "num_samples",
        "at least 2",
        num_samples,
        "The gradient of the pass rate compares responses to the same prompt",
    )
    _require_memory(policy, num_blocks(train, heldout) + num_prompts * group_size)
    generator = torch.Generator(next(policy.model.parameters()).device).manual_seed(seed)
    measured = [
        _measure_blocks(policy, task, num_samples, max_new_tokens, generator, grader, on_block)
        for task in (train, heldout)
    ]
    pass_rates = [smoothed_pass_rates(correct, num_samples) for correct, _ in measured]
    # Slopes of the very rates that the simulation starts from.
    slopes = [float((rate * (1.0 - rate)).mean()) for rate in pass_rates]
    kernel, error, cosine = shared_kernel_from_blocks(measured[0][1], measured[1][1], *slopes)
    require(
        kernel > 0.0,
        "measure_base",
        "num_samples",
        "large enough to find a shared kernel above 0",
        f"{num_samples}, with a kernel of {kernel:.3g}"
        + ("" if error is None else f" +- {error:.3g}"),
        "Raise --base-samples, or measure on more prompts",
    )
    norm, top = _score_statistics(policy, train, num_prompts, group_size, max_new_tokens, generator)
    return BaseMeasurement(
        train_pass_rates=pass_rates[0].tolist(),
        heldout_pass_rates=pass_rates[1].tolist(),
        num_samples=num_samples,
        shared_kernel=kernel,
        shared_kernel_se=error,
        gradient_cosine=cosine,
        score_norm=norm,
        score_gram_top=top,
    )
