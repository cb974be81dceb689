"""Which models the fast pass supports, and their parameters in the form in which it reads them.

Shapes as in the package; F width inside the gated layer behind the attention.
"""

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

    None stands for a bias or a norm that the model does not have.

    Attributes:
        input_norm: shape [E].
        qkv: rows of queries, keys and values, those of queries and keys paired up, shape
            [(H + 2 K) * D, E].
        qkv_bias: shape [(H + 2 K) * D].
        q_norm: norm of the queries, paired up, shape [D].
        k_norm: norm of the keys, paired up, shape [D].
        out: shape [E, H * D].
        out_bias: shape [E].
        mlp_norm: shape [E].
        gate_up: rows of the gate, then of what it multiplies, shape [2 * F, E].
        gate_up_bias: shape [2 * F].
        down: shape [E, F].
        down_bias: shape [E].
    """

    input_norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    q_norm: Tensor | None
    k_norm: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    mlp_norm: Tensor
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
        layers: first to last.
        final_norm: shape [E].
        head: shape [V, E].
        num_heads: H.
        num_key_heads: K.
        head_dim: D.
        eps: added to the mean square in a norm.
        scale: of the scores, before their softmax.
    """

    embedding: Tensor
    padding_idx: int | None
    layers: list[Layer]
    final_norm: Tensor
    head: Tensor
    num_heads: int
    num_key_heads: int
    head_dim: int
    eps: float
    scale: float


def _pair_up(weight: Tensor, head_dim: int) -> Tensor:
    """Reorder rows so that i and i + D/2 of each head stand side by side."""
    return weight.unflatten(0, (-1, 2, head_dim // 2)).transpose(1, 2).flatten(0, 2)


def _join(linears: list[Any], head_dim: int, num_paired: int, name: str) -> Tensor | None:
    parts = [getattr(linear, name) for linear in linears]
    if parts[0] is None:
        return None
    return torch.cat([_pair_up(p, head_dim) if i < num_paired else p for i, p in enumerate(parts)])


def _read_layer(layer: Any, head_dim: int) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    qkv = [attention.q_proj, attention.k_proj, attention.v_proj]
    gate_up = [mlp.gate_proj, mlp.up_proj]
    has_norms = hasattr(attention, "q_norm")
    return Layer(
        input_norm=layer.input_layernorm.weight,
        qkv=_join(qkv, head_dim, 2, "weight"),
        qkv_bias=_join(qkv, head_dim, 2, "bias"),
        q_norm=_pair_up(attention.q_norm.weight, head_dim) if has_norms else None,
        k_norm=_pair_up(attention.k_norm.weight, head_dim) if has_norms else None,
        out=attention.o_proj.weight,
        out_bias=attention.o_proj.bias,
        mlp_norm=layer.post_attention_layernorm.weight,
        gate_up=_join(gate_up, head_dim, 0, "weight"),
        gate_up_bias=_join(gate_up, head_dim, 0, "bias"),
        down=mlp.down_proj.weight,
        down_bias=mlp.down_proj.bias,
    )


def read_weights(model: Any) -> Weights:
    """Read a supported model's parameters; gradients flow through the joined ones."""
    first = model.model.layers[0].self_attn
    return Weights(
        embedding=model.model.embed_tokens.weight,
        padding_idx=model.model.embed_tokens.padding_idx,
        layers=[_read_layer(layer, first.head_dim) for layer in model.model.layers],
        final_norm=model.model.norm.weight,
        head=model.lm_head.weight,
        num_heads=model.config.num_attention_heads,
        num_key_heads=model.config.num_key_value_heads,
        head_dim=first.head_dim,
        eps=model.config.rms_norm_eps,
        scale=first.scaling,
    )
