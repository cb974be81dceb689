"""Gradients of single responses and of the mean reward: what calibration and kernels are made of.

Shapes: P prompts, G group (rollouts per prompt), M parameters of the model.
"""

from typing import Any

import torch
from torch import Tensor

from banditlab.levels import spread
from llm_bridge.forward import token_log_prob
from llm_bridge.microbatches import iterate_microbatches
from llm_bridge.ratios import require_advantage
from llm_bridge.rollout import Rollout


def _trainable(model: Any) -> list[Tensor]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _flat_gradient(output: Tensor, weight: Tensor, parameters: list[Tensor]) -> Tensor:
    gradients = torch.autograd.grad(output, parameters, weight, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(parameter) if gradient is None else gradient).flatten()
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ]
    )


def score_gradients(model: Any, rollout: Rollout, *, temperature: float = 1.0) -> Tensor:
    """Gradient of the log-probability of each response: the vectors of the response kernel.

    Args:
        model: a causal language model, in evaluation mode; `.grad` is left alone.
        rollout: P prompts of G responses.
        temperature: the one that the rollout was sampled at.

    Returns:
        One gradient a rollout, shape [P * G, M], of the parameters' type, in the order of
        `model.parameters()`, those that require no gradient left out.
    """
    parameters = _trainable(model)
    rows = range(rollout.mask.shape[0] * rollout.mask.shape[1])
    scores = []
    for row in rows:
        part = rollout.part(torch.tensor([row], device=rollout.mask.device))
        log_prob = token_log_prob(model, part, temperature=temperature)
        scores.append(_flat_gradient(log_prob, torch.ones_like(log_prob), parameters))
    return torch.stack(scores)


def mean_gradient(
    model: Any, rollout: Rollout, advantage: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """REINFORCE estimate of the gradient of the mean reward: mean of advantage * grad log_prob.

    It points uphill, and reads the rollout as fresh: no ratio.

    Args:
        model: a causal language model, in evaluation mode; `.grad` is left alone.
        rollout: P prompts of G responses, sampled from this model.
        advantage: shape [P, G], in units of reward.
        temperature: the one that the rollout was sampled at.

    Returns:
        The gradient, shape [M], in the order of `score_gradients`.

    Raises:
        ValueError: the advantage is not of shape [P, G].
    """
    require_advantage("mean_gradient", rollout, advantage)
    parameters = _trainable(model)
    total = torch.zeros((), device=rollout.mask.device)
    for rows, part in iterate_microbatches(model, rollout):
        log_prob = token_log_prob(model, part, temperature=temperature)
        weight = spread(advantage.flatten()[rows].to(log_prob), part.mask, "sequence")
        total = total + _flat_gradient(log_prob, weight / advantage.numel(), parameters)
    return total
