"""Which models the fast pass supports, and their parameters in the form in which it reads them.

Shapes as in the package; F width inside the gated layer behind the attention.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import SiLUActivation
from transformers.models.llama.modeling_llama import LlamaForCausalLM
from transformers.models.qwen2.modeling_qwen2 import Qwen2ForCausalLM
from transformers.models.qwen3.modeling_qwen3 import Qwen3ForCausalLM

_SUPPORTED = (LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
# Kinds of rotary embedding whose frequencies do not depend on the length of the text.
_STATIC_ROPE = ("default", "linear", "llama3")


def is_supported(model: Any) -> bool:
    """Whether the pass of this package computes what the model's own forward pass does.

    Args:
        model: any module.

    Returns:
        True for Llama, Qwen2 and Qwen3 in float32 or float64 with plain linear layers, a rotary
        embedding of fixed frequencies, full attention, no active dropout and no hooks.
    """
    if type(model) not in _SUPPORTED:
        return False
    layers = model.model.layers
    linears = [model.lm_head]
    for layer in layers:
        attention, mlp = layer.self_attn, layer.mlp
        linears += [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
        linears += [mlp.gate_proj, mlp.up_proj, mlp.down_proj]
    dtypes = {parameter.dtype for parameter in model.parameters()}
    return (
        dtypes in ({torch.float32}, {torch.float64})
        and all(type(linear) is nn.Linear for linear in linears)
        and model.lm_head.bias is None
        and all(isinstance(layer.mlp.act_fn, (nn.SiLU, SiLUActivation)) for layer in layers)
        and model.model.rotary_emb.rope_type in _STATIC_ROPE
        and all(getattr(layer.self_attn, "sliding_window", None) is None for layer in layers)
        and not (model.training and model.config.attention_dropout)
        and not any(
            module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
            for module in model.modules()
        )
    )


@dataclass(frozen=True)
class Layer:
    """Parameters of one layer, those read together joined into one matrix.

    The weight of a norm, with the factor sqrt(E) that makes a root mean square of a length, is
    part of the matrix behind it. None stands for what the model does not have.

    Attributes:
        qkv: rows of queries, keys and values, those of queries and keys paired up, shape
            [(H + 2 K) * D, E].
        qkv_bias: shape [(H + 2 K) * D].
        query_key_norm: norms of queries and keys, paired up, shape [H + K, D].
        out: shape [E, H * D].
        out_bias: shape [E].
        gate_up: rows of the gate, then of what it multiplies, shape [2 * F, E].
        gate_up_bias: shape [2 * F].
        down: shape [E, F].
        down_bias: shape [E].
    """

    qkv: Tensor
    qkv_bias: Tensor | None
    query_key_norm: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: Tensor
    down_bias: Tensor | None


@dataclass(frozen=True)
class Weights:
    """Parameters and sizes of a model.

    Attributes:
        embedding: shape [V, E].
        padding_idx: token whose embedding gets no gradient, or None.
        layers: first to last; the scale of the scores is part of their queries.
        final_norm: with its factor sqrt(E), shape [E].
        head: shape [V, E].
        num_heads: H.
        num_key_heads: K.
        head_dim: D.
        least: length of a norm's vector at the least, sqrt(E * eps), since eps is added to its mean
            square; shape [].
        least_of_head: the same of one head, sqrt(D * eps).
    """

    embedding: Tensor
    padding_idx: int | None
    layers: list[Layer]
    final_norm: Tensor
    head: Tensor
    num_heads: int
    num_key_heads: int
    head_dim: int
    least: Tensor
    least_of_head: Tensor


def _pair_up(weight: Tensor, head_dim: int) -> Tensor:
    """Reorder rows so that i and i + D/2 of each head stand side by side."""
    return weight.unflatten(0, (-1, 2, head_dim // 2)).transpose(1, 2).flatten(0, 2)


def _of_length(norm: Tensor) -> Tensor:
    """Weight of a norm, for vectors that were scaled to length 1."""
    return norm * math.sqrt(len(norm))


def _join_query_key_value(attention: Any, name: str, scale: float) -> Tensor | None:
    """Weights or biases of queries times `scale`, keys and values, one below the other."""
    query, key, value = (
        getattr(linear, name) for linear in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    if query is None:
        return None
    head_dim = attention.head_dim
    return torch.cat([_pair_up(query, head_dim) * scale, _pair_up(key, head_dim), value])


def _join_query_key_norm(attention: Any, num_heads: int, num_key_heads: int) -> Tensor | None:
    if not hasattr(attention, "q_norm"):
        return None
    query, key = (
        _of_length(_pair_up(norm.weight, attention.head_dim))
        for norm in (attention.q_norm, attention.k_norm)
    )
    query = query * attention.scaling
    return torch.cat([query.expand(num_heads, -1), key.expand(num_key_heads, -1)])


def _read_layer(layer: Any, num_heads: int, num_key_heads: int) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    norm = _join_query_key_norm(attention, num_heads, num_key_heads)
    # Behind a norm of the queries, a scale before it would be lost.
    scale = attention.scaling if norm is None else 1.0
    qkv = _join_query_key_value(attention, "weight", scale)
    gate_up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
    gate_up_bias = None
    if mlp.gate_proj.bias is not None:
        gate_up_bias = torch.cat([mlp.gate_proj.bias, mlp.up_proj.bias])
    return Layer(
        qkv=qkv * _of_length(layer.input_layernorm.weight),
        qkv_bias=_join_query_key_value(attention, "bias", scale),
        query_key_norm=norm,
        out=attention.o_proj.weight,
        out_bias=attention.o_proj.bias,
        gate_up=gate_up * _of_length(layer.post_attention_layernorm.weight),
        gate_up_bias=gate_up_bias,
        down=mlp.down_proj.weight,
        down_bias=mlp.down_proj.bias,
    )


def read_weights(model: Any) -> Weights:
    """Read a supported model's parameters; gradients flow through the joined ones."""
    config, embedding = model.config, model.model.embed_tokens.weight
    head_dim = model.model.layers[0].self_attn.head_dim
    num_heads, num_key_heads = config.num_attention_heads, config.num_key_value_heads
    return Weights(
        embedding=embedding,
        padding_idx=model.model.embed_tokens.padding_idx,
        layers=[_read_layer(layer, num_heads, num_key_heads) for layer in model.model.layers],
        final_norm=_of_length(model.model.norm.weight),
        head=model.lm_head.weight,
        num_heads=num_heads,
        num_key_heads=num_key_heads,
        head_dim=head_dim,
        least=embedding.new_tensor(math.sqrt(embedding.shape[1] * config.rms_norm_eps)),
        least_of_head=embedding.new_tensor(math.sqrt(head_dim * config.rms_norm_eps)),
    )
