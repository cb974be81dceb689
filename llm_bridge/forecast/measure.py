"""Pass rates, and the gradient of the mean pass rate in independent blocks, at a model's weights.

Shapes: P prompts, N blocks, D parameters.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from banditlab.advantages import leave_one_out
from banditlab.validation import require
from llm_bridge.base_statistics import smoothed_pass_rates
from llm_bridge.evaluate import decode_responses
from llm_bridge.graders import AnyGrader
from llm_bridge.models import Policy
from llm_bridge.rollout import Rollout, sample_rollouts
from llm_bridge.scores import mean_gradient
from llm_bridge.tasks import Task, encode_prompts

NUM_BLOCKS = 16
_FLOAT32_BYTES = 4


@dataclass
class Sampler:
    """Draws and grades responses of one model to one task, and counts what that costs.

    Attributes:
        policy: the model; its weights may be moved by others between calls.
        grader: compares final answers.
        max_new_tokens: limit of a response, tokens.
        generator: source of the responses; advanced.
        num_rollouts: responses drawn so far.
        on_rollouts: called with the number of responses after each batch.
    """

    policy: Policy
    grader: AnyGrader
    max_new_tokens: int
    generator: torch.Generator
    num_rollouts: int = 0
    on_rollouts: Callable[[int], Any] = field(default=lambda count: None)

    def draw(self, task: Task, rows: slice | np.ndarray, group_size: int) -> tuple[Rollout, Any]:
        """Draw a group of responses to some questions and grade them.

        Args:
            task: the questions.
            rows: which of them.
            group_size: responses to each.

        Returns:
            The rollout and its rewards, shape [P, G].
        """
        chosen = np.arange(len(task))[rows]
        prompts = encode_prompts(task, self.policy.tokenizer)
        rollout = sample_rollouts(
            self.policy.model,
            [prompts[row] for row in chosen],
            group_size=group_size,
            max_new_tokens=self.max_new_tokens,
            eos_token_id=self.policy.eos_token_id,
            pad_token_id=self.policy.pad_token_id,
            generator=self.generator,
        )
        targets = [task.targets[row] for row in chosen for _ in range(group_size)]
        reward = self.grader.grade(decode_responses(self.policy, rollout), targets)
        self.num_rollouts += reward.size
        self.on_rollouts(reward.size)
        return rollout, reward.reshape(len(chosen), group_size)


@dataclass(frozen=True)
class Blocks:
    """What independent blocks of responses say of a task's mean pass rate.

    Attributes:
        num_correct: right responses to each prompt, shape [P].
        num_samples: responses to each.
        gradients: gradient of the mean pass rate by each block, shape [N, D]; their plain mean is
            that of all prompts.
        entropy: mean of -log_prob of a response, nats.
        mean_length: tokens of a response.
    """

    num_correct: np.ndarray
    num_samples: int
    gradients: np.ndarray
    entropy: float
    mean_length: float

    @property
    def pass_rate(self) -> float:
        """Mean over prompts."""
        return float(self.num_correct.mean() / self.num_samples)

    @property
    def slope(self) -> float:
        """Mean of pass_rate * (1 - pass_rate), of the rates that a simulation starts from."""
        if len(self.num_correct) == 1:
            return self.pass_rate * (1.0 - self.pass_rate)
        rate = smoothed_pass_rates(self.num_correct, self.num_samples)
        return float((rate * (1.0 - rate)).mean())


def samples_per_prompt(task: Task, num_responses: int) -> int:
    """Responses to each prompt, so that there are at least so many in all.

    Args:
        task: P prompts.
        num_responses: responses in all.

    Returns:
        At least 2, which a comparison of responses needs; for few prompts a multiple of the
        blocks.
    """
    needed = max(2, -(-num_responses // len(task)))
    if len(task) >= NUM_BLOCKS:
        return needed
    return NUM_BLOCKS * max(2, -(-needed // NUM_BLOCKS))


def _parts(task: Task, num_samples: int) -> Iterator[tuple[slice, int]]:
    """Blocks of prompts, or, of few prompts, of responses to all of them."""
    if len(task) < NUM_BLOCKS:
        for _ in range(NUM_BLOCKS):
            yield slice(None), num_samples // NUM_BLOCKS
        return
    edges = np.linspace(0, len(task), NUM_BLOCKS + 1).round().astype(int)
    for first, last in pairwise(edges.tolist()):
        yield slice(first, last), num_samples


def measure_blocks(sampler: Sampler, task: Task, num_responses: int) -> Blocks:
    """Estimate pass rates and the gradient of their mean.

    Args:
        sampler: draws the responses.
        task: P prompts.
        num_responses: responses in all, at the least.

    Returns:
        The estimates, by blocks of prompts, or of responses where there are few prompts.
    """
    num_samples = samples_per_prompt(task, num_responses)
    num_correct = np.zeros(len(task), dtype=np.int64)
    gradients, log_probs, lengths = [], [], []
    for rows, group_size in _parts(task, num_samples):
        rollout, reward = sampler.draw(task, rows, group_size)
        is_correct = (reward >= 1.0).astype(np.float64)
        num_correct[rows] += is_correct.sum(axis=1).astype(np.int64)
        advantage = torch.from_numpy(leave_one_out(is_correct))
        gradient = mean_gradient(sampler.policy.model, rollout, advantage)
        share = 1.0
        if len(task) >= NUM_BLOCKS:
            share = len(reward) * NUM_BLOCKS / len(task)
        gradients.append(share * gradient.cpu().float().numpy())
        log_probs.append(rollout.old_log_prob.sum(dim=-1).flatten())
        lengths.append(rollout.mask.sum(dim=-1).flatten())
    return Blocks(
        num_correct=num_correct,
        num_samples=num_samples,
        gradients=np.stack(gradients),
        entropy=-float(torch.cat(log_probs).double().mean()),
        mean_length=float(torch.cat(lengths).double().mean()),
    )


def require_memory(policy: Policy, num_gradients: int) -> None:
    """Refuse a model of whose gradients too few fit the memory.

    Args:
        policy: the model.
        num_gradients: gradients kept at a time.

    Raises:
        ValueError: they do not fit.
    """
    import psutil

    num_parameters = sum(value.numel() for value in policy.model.parameters())
    needed = num_gradients * num_parameters * _FLOAT32_BYTES
    available = psutil.virtual_memory().available
    require(
        needed < available,
        "calibrate",
        "model",
        "small enough to keep one gradient a block in memory",
        f"{num_parameters:,} parameters: {needed / 2**30:.0f} GiB for {num_gradients} gradients, "
        f"with {available / 2**30:.0f} GiB free",
        "Predict from its pass rates instead: banditlab predict --pass-rates FILE",
    )
