"""Objectives per sample as published, in torch: autograd of them is the oracle for every weight.

Nothing of `banditlab.weights` is used, so that a shared mistake cannot confirm itself. Each is a
function of torch tensors (log_prob, old_log_prob, advantage), each [*], to the objective, [*].
"""

from typing import Any

Tensor = Any


def importance_weighted(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
    """Importance-weighted policy gradient: ratio * advantage."""
    return (log_prob - old_log_prob).exp() * advantage


def clipped(
    log_prob: Tensor,
    old_log_prob: Tensor,
    advantage: Tensor,
    *,
    clip_low: float,
    clip_high: float,
) -> Tensor:
    """PPO's clipped surrogate: min(ratio * A, clip(ratio) * A); arXiv 1707.06347."""
    ratio = (log_prob - old_log_prob).exp()
    return (ratio * advantage).minimum(ratio.clamp(1 - clip_low, 1 + clip_high) * advantage)


def dual_clipped(
    log_prob: Tensor,
    old_log_prob: Tensor,
    advantage: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    dual_clip: float,
) -> Tensor:
    """Clipped surrogate, at least dual_clip * A where A < 0; arXiv 1912.09729."""
    surrogate = clipped(log_prob, old_log_prob, advantage, clip_low=clip_low, clip_high=clip_high)
    return surrogate.maximum(dual_clip * advantage).where(advantage < 0, surrogate)


def cispo(
    log_prob: Tensor,
    old_log_prob: Tensor,
    advantage: Tensor,
    *,
    clip_low: float,
    clip_high: float,
) -> Tensor:
    """CISPO's surrogate: constant(clip(ratio)) * A * log_prob; arXiv 2506.13585."""
    ratio = (log_prob - old_log_prob).exp()
    return ratio.clamp(1 - clip_low, 1 + clip_high).detach() * advantage * log_prob


def topr(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
    """TOPR's surrogate: constant(taper) * A * log_prob, taper = min(ratio, 1) where A < 0."""
    ratio = (log_prob - old_log_prob).exp().detach()
    taper = ratio.clamp(0, 1).where(advantage < 0, ratio.new_ones(()))
    return taper * advantage * log_prob


def ratio_variance(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, *, multiplier: float
) -> Tensor:
    """Price of the ratio variance: ratio * A - multiplier * (ratio - 1)^2."""
    ratio = (log_prob - old_log_prob).exp()
    return ratio * advantage - multiplier * (ratio - 1) ** 2


def bounded_ratio_variance(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, *, multiplier: float
) -> Tensor:
    """The same price up to ratio 1, and beyond it a slope in the ratio that is 1/ratio^2 of its."""
    log_ratio = log_prob - old_log_prob
    fall = 1 - (-log_ratio).exp()
    beyond = advantage + (advantage + 2 * multiplier) * fall - 2 * multiplier * log_ratio
    within = ratio_variance(log_prob, old_log_prob, advantage, multiplier=multiplier)
    return within.where(log_ratio <= 0, beyond)


def kl_estimate(log_prob: Tensor, ref_log_prob: Tensor, estimator: str) -> Tensor:
    """Schulman's k1, k2 or k3, in his letters: r = ref/policy."""
    log_ratio_to_ref = ref_log_prob - log_prob
    return {
        "k1": -log_ratio_to_ref,
        "k2": log_ratio_to_ref**2 / 2,
        "k3": (log_ratio_to_ref.exp() - 1) - log_ratio_to_ref,
    }[estimator]
