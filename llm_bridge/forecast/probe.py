"""The shared kernel along a few virtual steps of a base model, whose weights come back unchanged.

A kernel measured at the base model alone over-predicts: it shrinks as the pass rate rises. So the
weights are moved by the base model's own gradient of the mean pass rate, as far as should raise the
log-odds by a given amount, the kernel is measured again, and so on. No rule, no learning rate and
no trained model enters; one probe serves all of them.

Shapes: D parameters.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from banditlab.validation import require
from llm_bridge.base_statistics import own_kernel_from_blocks, shared_kernel_from_blocks
from llm_bridge.forecast.calibration import KernelPoint
from llm_bridge.forecast.measure import Blocks, Sampler, measure_blocks
from llm_bridge.scores import score_gradients
from llm_bridge.tasks import Task

_SCORES_SHARE = 32
_SCORES_STREAM = 1


@dataclass(frozen=True)
class Place:
    """What was measured at one place of the probe.

    Attributes:
        train: blocks of the prompts trained on.
        target: blocks of the prompts whose pass rate is predicted; `train` itself where one
            prompt is trained on alone.
        point: the kernel between them.
    """

    train: Blocks
    target: Blocks
    point: KernelPoint


def _trainable(model: Any) -> list[torch.Tensor]:
    return [value for value in model.parameters() if value.requires_grad]


@contextmanager
def _restored(model: Any) -> Any:
    before = [value.detach().clone() for value in _trainable(model)]
    try:
        yield
    finally:
        with torch.no_grad():
            for value, saved in zip(_trainable(model), before, strict=True):
                value.copy_(saved)


def num_score_responses(num_responses: int) -> int:
    """Responses whose own gradients are taken at each place; they are the dear ones.

    Args:
        num_responses: responses of a measurement of the kernel.

    Returns:
        Their number.
    """
    return max(1, num_responses // _SCORES_SHARE)


def _score_squares(
    sampler: Sampler, train: Task, num_responses: int
) -> tuple[float | None, float | None]:
    """Mean squared norm of grad log_prob of right and of wrong responses."""
    # Of its own, so that what is measured besides does not depend on it.
    seed = sampler.generator.initial_seed() + _SCORES_STREAM
    generator = torch.Generator(sampler.generator.device).manual_seed(seed)
    apart = replace(sampler, generator=generator, num_rollouts=0)
    num_scores = num_score_responses(num_responses)
    num_prompts = min(len(train), num_scores)
    rollout, reward = apart.draw(train, np.arange(num_prompts), -(-num_scores // num_prompts))
    sampler.num_rollouts += apart.num_rollouts
    square = (score_gradients(sampler.policy.model, rollout).double() ** 2).sum(dim=1).cpu().numpy()
    is_right = reward.flatten() > 0.0
    return tuple(
        float(square[chosen].mean()) if chosen.any() else None for chosen in (is_right, ~is_right)
    )


def _measure(sampler: Sampler, train: Task, target: Task | None, num_responses: int) -> Place:
    train_blocks = measure_blocks(sampler, train, num_responses)
    target_blocks = train_blocks
    cosine: float | None = 1.0
    if target is None:
        kernel, error = own_kernel_from_blocks(train_blocks.gradients, train_blocks.slope)
    else:
        target_blocks = measure_blocks(sampler, target, num_responses)
        kernel, error, cosine = shared_kernel_from_blocks(
            train_blocks.gradients,
            target_blocks.gradients,
            train_blocks.slope,
            target_blocks.slope,
        )
    require(
        kernel > 0.0,
        "calibrate",
        "responses",
        "enough to find a kernel above 0",
        f"{train_blocks.num_samples * len(train)}, with a kernel of {kernel:.3g} +- {error:.3g}",
        "Raise --responses, or measure on more prompts",
    )
    right, wrong = _score_squares(sampler, train, num_responses)
    point = KernelPoint(
        train_pass_rate=train_blocks.pass_rate,
        target_pass_rate=target_blocks.pass_rate,
        kernel=kernel,
        kernel_se=error,
        cosine=cosine,
        entropy=train_blocks.entropy,
        mean_length=train_blocks.mean_length,
        right_score_square=right,
        wrong_score_square=wrong,
    )
    return Place(train_blocks, target_blocks, point)


def _step_size(place: Place, shift: float) -> float:
    """How far along the train gradient the log-odds should rise by `shift`."""
    return shift / (place.point.kernel * place.train.slope)


def probe(
    sampler: Sampler,
    train: Task,
    target: Task | None,
    *,
    num_responses: int,
    num_steps: int = 4,
    shift: float = 0.25,
    on_place: Callable[[Place], Any] = lambda place: None,
) -> list[Place]:
    """Measure the kernel at the base model and after each of a few virtual steps.

    Args:
        sampler: draws the responses; its model is moved and put back, also after an error.
        train: prompts trained on.
        target: held-out prompts; None where one prompt is trained on alone and predicted itself.
        num_responses: responses of each measurement, to the prompts of each kind.
        num_steps: virtual steps; 0 measures the base model alone.
        shift: by how much each should raise the log-odds, nats. Large steps overshoot in the
            sharp directions of the loss, and the kernel then rises again.
        on_place: called with each place.

    Returns:
        The places, the base model first.

    Raises:
        ValueError: a kernel is lost in noise.
    """
    model = sampler.policy.model
    places: list[Place] = []
    with _restored(model):
        for step in range(num_steps + 1):
            place = _measure(sampler, train, target, num_responses)
            places.append(place)
            on_place(place)
            if step < num_steps:
                _move(model, place.train.gradients.mean(axis=0), _step_size(place, shift))
    return places


def _move(model: Any, gradient: np.ndarray, step_size: float) -> None:
    parameters = _trainable(model)
    with torch.no_grad():
        parts = torch.from_numpy(gradient).split([value.numel() for value in parameters])
        for value, part in zip(parameters, parts, strict=True):
            value.add_(part.view(value.shape).to(value), alpha=step_size)
