"""What is measured on the base model before any training: pass rates and one shared kernel.

The bandit of a model has one context per prompt, with the prompt's pass rate, coupled by one
number: k = <grad P_heldout, grad P_train> / (mean pass_rate (1 - pass_rate))^2, the two gradients
from independent samples. A step of SGD then moves every prompt's log-odds by learning_rate * k *
(mean of coefficient * ([correct] - pass_rate)) in expectation. No trained model is read.

Shapes: P prompts, N blocks of prompts, D parameters.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from banditlab.advantages import leave_one_out
from banditlab.validation import require
from llm_bridge.evaluate import decode_responses
from llm_bridge.models import Policy
from llm_bridge.rewards import Grader
from llm_bridge.rollout import sample_rollouts
from llm_bridge.surrogate import mean_gradient, score_gradients
from llm_bridge.tasks import Task, encode_prompts

_LARGEST_BLOCK = 32
_FEWEST_BLOCKS = 8
_NUM_SCORED = 256


@dataclass(frozen=True)
class BaseMeasurement:
    """Numbers of the base model that the simulator and theory are given.

    Attributes:
        train_pass_rates: smoothed pass rate of each prompt trained on, [P_train].
        heldout_pass_rates: smoothed pass rate of each held-out prompt, [P_heldout].
        num_samples: responses drawn for each prompt.
        shared_kernel: k, shift of log-odds (nats) per unit of learning_rate * coefficient.
        shared_kernel_se: its standard error, from the spread over blocks of prompts; None with a
            single block.
        gradient_cosine: cosine of the two gradients, corrected for their sampling noise; None
            where that noise hides their length.
        score_norm: mean squared norm of grad log_prob of a response: the response's kernel with
            itself.
        score_gram_top: largest eigenvalue of the mean outer product of those gradients over one
            round's worth of responses; it decides when inner steps on the penalty are stable.
    """

    train_pass_rates: list[float]
    heldout_pass_rates: list[float]
    num_samples: int
    shared_kernel: float
    shared_kernel_se: float | None
    gradient_cosine: float | None
    score_norm: float
    score_gram_top: float

    def as_dict(self) -> dict[str, Any]:
        """The measurement as JSON can write it."""
        return asdict(self)


def smoothed_pass_rates(num_correct: np.ndarray, num_samples: int) -> np.ndarray:
    """Posterior mean of each prompt's pass rate under a Beta prior fitted to all of them.

    (num_correct + a) / (num_samples + a + b), with a and b from the mean and the variance of the
    counts (method of moments). Keeps rates inside (0, 1), where log-odds exist.

    Args:
        num_correct: right responses of each prompt, shape [P].
        num_samples: responses drawn for each prompt.

    Returns:
        Rates in (0, 1), shape [P].

    Raises:
        ValueError: no prompt, or every prompt, was ever answered rightly.
    """
    share = num_correct / num_samples
    mean = float(share.mean())
    require(
        0.0 < mean < 1.0,
        "smoothed_pass_rates",
        "num_correct",
        "neither all 0 nor all num_samples",
        f"a mean pass rate of {mean:g}",
        "The base model must sometimes be right and sometimes wrong; take other prompts or draw "
        "more samples",
    )
    noise = mean * (1.0 - mean) / num_samples
    spread = (float(share.var(ddof=1)) - noise) / (1.0 - 1.0 / num_samples) if share.size > 1 else 0
    largest = mean * (1.0 - mean)
    # A spread within the noise means one rate for all: a prior worth many samples.
    concentration = largest / spread - 1.0 if 1e-4 * largest < spread < largest else 1e4
    return (num_correct + concentration * mean) / (num_samples + concentration)


def shared_kernel_from_blocks(
    train_gradients: np.ndarray, heldout_gradients: np.ndarray, train_slope: float, slope: float
) -> tuple[float, float | None, float | None]:
    """Shared kernel from gradients of the mean pass rate, block by block.

    Args:
        train_gradients: gradient of each block of prompts trained on, shape [N_train, D].
        heldout_gradients: of each block of held-out prompts, shape [N_heldout, D].
        train_slope: mean of pass_rate * (1 - pass_rate) over the prompts trained on.
        slope: the same over held-out prompts.

    Returns:
        Kernel, its standard error (None with a single block), and the cosine of the two
        gradients (1 if they agree up to noise; None where noise hides their length).
    """
    products = heldout_gradients @ train_gradients.T
    scale = 1.0 / (train_slope * slope)
    error = None
    if min(products.shape) > 1:
        variance = sum(
            products.mean(axis=axis).var(ddof=1) / products.shape[1 - axis] for axis in (0, 1)
        )
        error = float(np.sqrt(variance) * scale)
    norms = [_squared_norm(gradients) for gradients in (train_gradients, heldout_gradients)]
    cosine = float(products.mean() / np.sqrt(norms[0] * norms[1])) if min(norms) > 0 else None
    return float(products.mean() * scale), error, cosine


def _squared_norm(gradients: np.ndarray) -> float:
    """Unbiased squared norm of the mean gradient, from products of different blocks; 0 for one."""
    count = len(gradients)
    if count < 2:
        return 0.0
    gram = gradients @ gradients.T
    return float((gram.sum() - np.trace(gram)) / (count * (count - 1)))


def _block_size(task: Task) -> int:
    return max(1, min(_LARGEST_BLOCK, len(task) // _FEWEST_BLOCKS))


def _measure_blocks(
    policy: Policy,
    task: Task,
    num_samples: int,
    max_new_tokens: int,
    generator: torch.Generator,
    grader: Grader,
    on_block: Callable[[], Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Right responses of each prompt [P] and gradient of each block's mean pass rate [N, D]."""
    prompts = encode_prompts(task, policy.tokenizer)
    num_correct, gradients = [], []
    size = _block_size(task)
    for start in range(0, len(prompts), size):
        block = slice(start, start + size)
        rollout = sample_rollouts(
            policy.model,
            prompts[block],
            group_size=num_samples,
            max_new_tokens=max_new_tokens,
            eos_token_id=policy.eos_token_id,
            pad_token_id=policy.pad_token_id,
            generator=generator,
        )
        golds = [gold for gold in task.answers[block] for _ in range(num_samples)]
        reward = grader.grade(decode_responses(policy, rollout), golds).reshape(-1, num_samples)
        advantage = torch.from_numpy(leave_one_out(reward))
        num_correct.append(reward.sum(axis=1))
        gradients.append(mean_gradient(policy.model, rollout, advantage).double().numpy())
        on_block()
    return np.concatenate(num_correct), np.stack(gradients)


def _score_statistics(
    policy: Policy, task: Task, max_new_tokens: int, generator: torch.Generator
) -> tuple[float, float]:
    """Mean squared norm and top eigenvalue of the mean outer product of response scores."""
    prompts = encode_prompts(task, policy.tokenizer)[:_LARGEST_BLOCK]
    rollout = sample_rollouts(
        policy.model,
        prompts,
        group_size=max(1, _NUM_SCORED // len(prompts)),
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
    return sum(-(-len(task) // _block_size(task)) for task in (train, heldout))


def measure_base(
    policy: Policy,
    train: Task,
    heldout: Task,
    *,
    num_samples: int,
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
        max_new_tokens: limit of a response, tokens.
        seed: seed of the responses.
        grader: compares final answers.
        on_block: called after each block of prompts.

    Returns:
        The measurement.

    Raises:
        ValueError: fewer than two samples per prompt, or a base model that is never right.
    """
    require(
        num_samples >= 2,
        "measure_base",
        "num_samples",
        "at least 2",
        num_samples,
        "The gradient of the pass rate compares responses to the same prompt",
    )
    generator = torch.Generator().manual_seed(seed)
    measured = [
        _measure_blocks(policy, task, num_samples, max_new_tokens, generator, grader, on_block)
        for task in (train, heldout)
    ]
    slopes = []
    for correct, _ in measured:
        share = correct / num_samples
        # n / (n - 1) makes the estimate of pass_rate * (1 - pass_rate) unbiased.
        slopes.append(float((share * (1 - share)).mean() * num_samples / (num_samples - 1)))
    kernel, error, cosine = shared_kernel_from_blocks(
        measured[0][1], measured[1][1], slopes[0], slopes[1]
    )
    norm, top = _score_statistics(policy, train, max_new_tokens, generator)
    return BaseMeasurement(
        train_pass_rates=smoothed_pass_rates(measured[0][0], num_samples).tolist(),
        heldout_pass_rates=smoothed_pass_rates(measured[1][0], num_samples).tolist(),
        num_samples=num_samples,
        shared_kernel=kernel,
        shared_kernel_se=error,
        gradient_cosine=cosine,
        score_norm=norm,
        score_gram_top=top,
    )
