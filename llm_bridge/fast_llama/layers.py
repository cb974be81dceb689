"""Pieces of a layer: rotary embedding, norms, attention.

Shapes as in the package; b rows of one batch, L places that a row may look at.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_bridge.fast_llama.parameters import Layer, Weights


def read_rotations(model: Any, num_positions: int) -> Tensor:
    """Rotary turns as unit complex numbers, a position and pair, [num_positions, 1, D/2]."""
    weight = model.model.embed_tokens.weight
    positions = torch.arange(num_positions, device=weight.device)[None]
    # The module's own table, so that its float32 rounding is the same here.
    cos, sin = model.model.rotary_emb(weight, positions)
    half = cos.shape[-1] // 2
    return torch.complex(cos[0, :, None, :half], sin[0, :, None, :half])


def _inverse_size(x: Tensor, eps: float) -> Tensor:
    """1 / sqrt(mean of squares + eps) over the last dimension, which is kept."""
    size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return size.square_().div_(x.shape[-1]).add_(eps).rsqrt_()


class _Norm(torch.autograd.Function):
    """Root-mean-square norm over the last dimension; the library takes it apart on the CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        inverse = _inverse_size(x, eps)
        unit = x * inverse
        ctx.save_for_backward(unit, inverse, weight)
        return unit * weight

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        unit, inverse, weight = ctx.saved_tensors
        product = gradient * unit
        weight_gradient = product.flatten(0, -2).sum(dim=0)
        along = torch.mv(product.flatten(0, -2), weight).view(inverse.shape) / -unit.shape[-1]
        x_gradient = torch.addcmul(gradient * weight, unit, along).mul_(inverse)
        return x_gradient, weight_gradient, None


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm of x [*, E] times weight [E], shape [*, E]."""
    return _Norm.apply(x, weight, eps)


def scale_to_unit(x: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm of x [*, E] without a weight, shape [*, E]."""
    return x * _inverse_size(x, eps)


def turn(x: Tensor, rotation: Tensor) -> Tensor:
    """Apply the rotary embedding, rotation [N, 1, D/2], to heads of N tokens, [N, heads, D]."""
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2)


def queries_keys_values(
    weights: Weights, layer: Layer, x: Tensor, rotation: Tensor, first_query: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Turned queries [N - first_query, H, D] and keys, and values, [N, K, D]."""
    normed = rms_norm(x, layer.input_norm, weights.eps)
    num_heads, num_keys = weights.num_heads, weights.num_key_heads
    split = num_heads * weights.head_dim
    if first_query == 0:
        joined = F.linear(normed, layer.qkv, layer.qkv_bias)
        heads = joined.unflatten(-1, (-1, weights.head_dim))
        query_key, value = heads.split([num_heads + num_keys, num_keys], dim=1)
        if layer.q_norm is None:
            query, key = turn(query_key, rotation).split([num_heads, num_keys], dim=1)
            return query, key, value
        query, key = query_key.split([num_heads, num_keys], dim=1)
    else:
        biases = (None, None)
        if layer.qkv_bias is not None:
            biases = (layer.qkv_bias[:split], layer.qkv_bias[split:])
        query = F.linear(normed[first_query:], layer.qkv[:split], biases[0])
        query = query.unflatten(-1, (-1, weights.head_dim))
        key_value = F.linear(normed, layer.qkv[split:], biases[1])
        key, value = key_value.unflatten(-1, (-1, weights.head_dim)).chunk(2, dim=1)
    if layer.q_norm is not None:
        query = rms_norm(query, layer.q_norm, weights.eps)
        key = rms_norm(key, layer.k_norm, weights.eps)
    return turn(query, rotation[first_query:]), turn(key, rotation), value


def after_attention(weights: Weights, layer: Layer, x: Tensor, attended: Tensor) -> Tensor:
    """The rest of a layer behind its attention: x [N, E], attended [N, H * D], result [N, E]."""
    x = x + F.linear(attended, layer.out, layer.out_bias)
    normed = rms_norm(x, layer.mlp_norm, weights.eps)
    gate, up = F.linear(normed, layer.gate_up, layer.gate_up_bias).chunk(2, dim=-1)
    return x + F.linear(F.silu(gate) * up, layer.down, layer.down_bias)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float) -> Tensor:
    """Attention: query [b, T, H, D], key, value [b, L, K, D], bias [b * H, T, L]; [b, T, H * D]."""
    batch, num_queries, num_heads, head_dim = query.shape
    repeats = num_heads // key.shape[2]
    if repeats > 1:
        key, value = (x.repeat_interleave(repeats, dim=2) for x in (key, value))
    query, key, value = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
    scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
    attended = torch.bmm(scores.softmax(dim=-1), value)
    return attended.view(batch, num_heads, num_queries, head_dim).transpose(1, 2).flatten(2)


def score_bias(is_visible: Tensor, num_heads: int, dtype: torch.dtype) -> Tensor:
    """What is added to the scores: 0 or -inf; is_visible [b, T, L], result [b * H, T, L]."""
    bias = torch.zeros(is_visible.shape, dtype=dtype, device=is_visible.device)
    bias.masked_fill_(~is_visible, float("-inf"))
    return bias[:, None].expand(-1, num_heads, -1, -1).flatten(0, 1)
