"""Pass rate of a policy on a task, from greedy responses, samples at temperature 1, or as asked.

Shapes: P prompts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from banditlab.validation import require
from llm_bridge.graders import AnyGrader
from llm_bridge.models import Policy
from llm_bridge.parallel import ALONE, Alone
from llm_bridge.rollout import Rollout, sample_rollouts
from llm_bridge.sampling_filters import make_filter
from llm_bridge.tasks import Task, encode_prompts

_ROWS_PER_BATCH = 2048
Recorder = Callable[[int, Rollout, list[str], np.ndarray], None]
"""First question (counted from 0), responses to it and the next ones, their texts prompt by
prompt, and their rewards [P, G]."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation counted.

    Attributes:
        num_correct: responses of each prompt whose reward is 1 or more, shape [P].
        num_samples: responses of each prompt, shape [P].
        pass_rate: mean over prompts of their share of right responses.
        standard_error: of the pass rate as an estimate for the population the prompts come
            from: spread of the prompts' shares over sqrt(P); with one prompt, the binomial error.
        mean_length: tokens a response, the end token included.
        truncated_share: share of responses cut at the limit of tokens.
        num_timeouts: responses graded wrong because the comparison took too long.
    """

    num_correct: np.ndarray
    num_samples: np.ndarray
    pass_rate: float
    standard_error: float
    mean_length: float
    truncated_share: float
    num_timeouts: int


def decode_responses(policy: Policy, rollout: Rollout) -> list[str]:
    """Text of each response, without special tokens.

    Args:
        policy: whose tokenizer decodes.
        rollout: P prompts of G responses.

    Returns:
        P * G texts, prompt by prompt.
    """
    lengths = rollout.mask.sum(dim=-1).flatten().tolist()
    rows = rollout.response_tokens.flatten(0, 1).tolist()
    return policy.tokenizer.batch_decode(
        [row[:length] for row, length in zip(rows, lengths, strict=True)],
        skip_special_tokens=True,
    )


def _standard_error(num_correct: np.ndarray, num_samples: np.ndarray) -> float:
    share = num_correct / num_samples
    if len(share) > 1:
        return float(share.std(ddof=1) / math.sqrt(len(share)))
    return math.sqrt(float(share[0] * (1.0 - share[0]) / num_samples[0]))


def evaluate(
    policy: Policy,
    task: Task,
    *,
    num_samples_per_prompt: int,
    max_new_tokens: int,
    generator: torch.Generator,
    grader: AnyGrader,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    record: Recorder | None = None,
    processes: Alone = ALONE,
) -> Evaluation:
    """Sample responses to every prompt of a task and count the right ones.

    Args:
        policy: the model.
        task: P questions.
        num_samples_per_prompt: responses to each.
        max_new_tokens: limit of a response, tokens.
        generator: source of randomness of this evaluation alone; advanced.
        grader: compares the final answers.
        temperature: of the sampling distribution; 0 takes the most likely token.
        top_k: sample from so many likeliest tokens only; None from all.
        top_p: sample from the fewest likeliest tokens of this probability only; None from all.
        record: called with every batch of responses.
        processes: those that share the prompts.

    Returns:
        The counts and the pass rate.

    Raises:
        ValueError: fewer than one sample per prompt is asked for, or a bound is out of range.
    """
    require(
        num_samples_per_prompt >= 1,
        "evaluate",
        "num_samples_per_prompt",
        "at least 1",
        num_samples_per_prompt,
        "An evaluation of 2048 samples in all has a standard error of about 0.01",
    )
    filter_logits = make_filter(top_k, top_p)
    prompts = encode_prompts(task, policy.tokenizer)
    num_correct = np.zeros(len(task), dtype=np.int64)
    num_tokens = num_truncated = 0
    timeouts_before = grader.num_timeouts
    group_size = min(num_samples_per_prompt, _ROWS_PER_BATCH)
    num_prompts = max(1, _ROWS_PER_BATCH // group_size)
    for first_sample in range(0, num_samples_per_prompt, group_size):
        num_samples = min(group_size, num_samples_per_prompt - first_sample)
        for start in range(0, len(task), num_prompts):
            stop = min(start + num_prompts, len(task))
            rollout = sample_rollouts(
                policy.model,
                prompts[start:stop],
                group_size=num_samples,
                max_new_tokens=max_new_tokens,
                eos_token_id=policy.eos_token_id,
                pad_token_id=policy.pad_token_id,
                temperature=temperature,
                generator=generator,
                filter_logits=filter_logits,
                processes=processes,
            )
            targets = [one for one in task.targets[start:stop] for _ in range(num_samples)]
            texts = decode_responses(policy, rollout)
            reward = grader.grade(texts, targets).reshape(-1, num_samples)
            if record is not None:
                record(start, rollout, texts, reward)
            num_correct[start:stop] += (reward >= 1.0).sum(axis=1)
            num_tokens += int(rollout.mask.sum())
            num_truncated += int(rollout.is_truncated.sum())
    num_samples = np.full(len(task), num_samples_per_prompt)
    total = int(num_samples.sum())
    return Evaluation(
        num_correct=num_correct,
        num_samples=num_samples,
        pass_rate=float((num_correct / num_samples).mean()),
        standard_error=_standard_error(num_correct, num_samples),
        mean_length=num_tokens / total,
        truncated_share=num_truncated / total,
        num_timeouts=grader.num_timeouts - timeouts_before,
    )
