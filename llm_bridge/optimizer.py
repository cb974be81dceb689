"""Optimizer and learning-rate schedule of a training run, torch's and Transformers' own."""

import math
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from llm_bridge.config import TrainConfig


def make_optimizer(config: TrainConfig, parameters: Any) -> torch.optim.Optimizer:
    """Optimizer of a run: SGD without momentum, or AdamW.

    Args:
        config: gives kind, learning rate and settings.
        parameters: the model's.

    Returns:
        The optimizer. Weight decay is decoupled; under SGD that is the same as coupled.
    """
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay
        )
    return torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_eps,
        weight_decay=config.weight_decay,
    )


def make_scheduler(config: TrainConfig, optimizer: torch.optim.Optimizer) -> Any:
    """Schedule of the learning rate, by updates: all steps of an update have the same rate.

    Args:
        config: gives its name, the updates of the warm-up, and the length of the run.
        optimizer: what it drives.

    Returns:
        Transformers' scheduler, to be advanced by `advance` after each update. In a warm-up of W
        updates, update u has the share (u - 1)/W of the rate, so that the first one stands still.
    """
    from transformers import get_scheduler

    is_warm_constant = config.schedule == "constant" and config.warmup_updates > 0
    return get_scheduler(
        "constant_with_warmup" if is_warm_constant else config.schedule,
        optimizer,
        num_warmup_steps=config.warmup_updates,
        num_training_steps=config.num_updates,
    )


def advance(scheduler: Any) -> None:
    """Go on to the learning rate of the next update.

    Args:
        scheduler: what `make_scheduler` gave.
    """
    with warnings.catch_warnings():
        # An update without signal takes no step, which torch would hold for a mistake.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        scheduler.step()


def clip_gradient(parameters: Iterable[Tensor], max_norm: float | None) -> float:
    """Scale the gradient down where its Euclidean norm exceeds a bound.

    Args:
        parameters: those whose `.grad` is scaled in place.
        max_norm: the bound; None only measures.

    Returns:
        The norm before.

    Raises:
        FloatingPointError: the norm is not finite; nothing is scaled then.
    """
    parameters = [value for value in parameters if value.grad is not None]
    norm = torch.nn.utils.get_total_norm([value.grad for value in parameters])
    if not math.isfinite(float(norm)):
        raise FloatingPointError("the gradient is not finite; lower the learning rate")
    if max_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return float(norm)
