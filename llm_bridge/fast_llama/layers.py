"""Pieces of a layer: rotary embedding, norms, the gated product.

Shapes as in the package.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_bridge.fast_llama.parameters import Layer, Weights


def read_rotations(model: Any, weights: Weights, num_positions: int) -> Tensor:
    """Rotary turns as unit complex numbers, for queries, keys and values side by side.

    Args:
        model: a supported model.
        weights: of the model.
        num_positions: from 0.

    Returns:
        One row a position, shape [num_positions, (H + 2 K) * D / 2]; values are turned by 1, so
        that one multiplication serves all three.
    """
    weight = weights.embedding
    positions = torch.arange(num_positions, device=weight.device)[None]
    # The module's own table, so that its float32 rounding is the same here.
    cos, sin = model.model.rotary_emb(weight, positions)
    half = cos.shape[-1] // 2
    turn = torch.complex(cos[0, :, None, :half], sin[0, :, None, :half])
    num_turned = weights.num_heads + weights.num_key_heads
    still = torch.ones_like(turn).expand(-1, weights.num_key_heads, -1)
    return torch.cat([turn.expand(-1, num_turned, -1), still], dim=1).flatten(1)


def _length(x: Tensor, least: Tensor) -> Tensor:
    """sqrt(|x|^2 + least^2) over the last dimension, which is kept."""
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot_(least)


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, least: Tensor) -> Tensor:
        length = _length(x, least)
        unit = x / length
        ctx.save_for_backward(unit, length)
        return unit

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        unit, length = ctx.saved_tensors
        along = (gradient * unit).sum(dim=-1, keepdim=True)
        return torch.addcmul(gradient, unit, along, value=-1.0).div_(length), None


def scale_to_unit(x: Tensor, least: Tensor) -> Tensor:
    """Root-mean-square norm over sqrt(E): x / sqrt(|x|^2 + least^2) of x [*, E], shape [*, E].

    The factor sqrt(E) and the norm's weight are part of the matrix behind it.
    """
    # Entering a graph takes longer than the norm of a small batch.
    return _Unit.apply(x, least) if torch.is_grad_enabled() else x / _length(x, least)


class _Gated(torch.autograd.Function):
    """silu(gate) * up; its gradient is written where it belongs, in one joined tensor."""

    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        opened = F.silu(gate)
        ctx.save_for_backward(gate_up, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gate_up, opened = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        joined = torch.empty_like(gate_up)
        gate_gradient, up_gradient = joined.chunk(2, dim=-1)
        torch.mul(gradient, opened, out=up_gradient)
        torch.ops.aten.silu_backward.grad_input(gradient * up, gate, grad_input=gate_gradient)
        return joined


def join_heads(weights: Weights, layer: Layer, x: Tensor) -> Tensor:
    """Queries, keys and values of tokens x [N, E], not turned yet, [N, (H + 2 K) * D]."""
    joined = F.linear(scale_to_unit(x, weights.least), layer.qkv, layer.qkv_bias)
    if layer.query_key_norm is None:
        return joined
    heads = joined.unflatten(1, (-1, weights.head_dim))
    query_key, value = heads.split([len(layer.query_key_norm), weights.num_key_heads], dim=1)
    query_key = scale_to_unit(query_key, weights.least_of_head) * layer.query_key_norm
    return torch.cat([query_key, value], dim=1).flatten(1)


def after_attention(weights: Weights, layer: Layer, x: Tensor, attended: Tensor) -> Tensor:
    """The rest of a layer behind its attention: x [N, E], attended [N, H * D], result [N, E]."""
    x = x + F.linear(attended, layer.out, layer.out_bias)
    gate_up = F.linear(scale_to_unit(x, weights.least), layer.gate_up, layer.gate_up_bias)
    return x + F.linear(_Gated.apply(gate_up), layer.down, layer.down_bias)
