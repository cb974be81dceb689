"""Decoding token by token, with a cache of keys and values that grows seldom.

Shapes as in the package.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_bridge.fast_llama.joint_pass import run_joint_pass
from llm_bridge.fast_llama.layers import read_rotations, scale_to_unit, turn
from llm_bridge.fast_llama.parameters import Layer, Weights, read_weights

# Places for new tokens that a cache begins with.
_FIRST_PLACES = 16


@dataclass(frozen=True)
class _StepLayer:
    """Parameters of one layer for single tokens: the norms' weights are part of what follows."""

    qkv: Tensor
    qkv_bias: Tensor | None
    query_key_norm: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: Tensor
    down_bias: Tensor | None


def _fold_layer(weights: Weights, layer: Layer) -> _StepLayer:
    norm = None
    if layer.q_norm is not None:
        repeats = [weights.num_heads, weights.num_key_heads]
        parts = zip((layer.q_norm, layer.k_norm), repeats, strict=True)
        norm = torch.cat([part.expand(count, -1) for part, count in parts])
    return _StepLayer(
        qkv=layer.qkv * layer.input_norm,
        qkv_bias=layer.qkv_bias,
        query_key_norm=norm,
        out=layer.out.T,
        out_bias=layer.out_bias,
        gate_up=layer.gate_up * layer.mlp_norm,
        gate_up_bias=layer.gate_up_bias,
        down=layer.down.T,
        down_bias=layer.down_bias,
    )


class FastDecoder:
    """Decoding with a cache of its own, that grows seldom; see `llm_bridge.forward.Decoder`.

    Args:
        model: a model that `is_supported`.
        max_new_tokens: most tokens that will be read after the prompt.
    """

    def __init__(self, model: Any, max_new_tokens: int) -> None:
        self._model = model
        self._max_new_tokens = max_new_tokens

    def start(self, prompt_tokens: Tensor, prompt_mask: Tensor, group_size: int) -> Tensor:
        """Read each prompt once and give each row of its group a copy of the cache.

        Args:
            prompt_tokens: shape [P, T_prompt], left-padded.
            prompt_mask: shape [P, T_prompt].
            group_size: rows a prompt.

        Returns:
            Logits of the first token, shape [P * group_size, V].
        """
        self._weights = weights = read_weights(self._model)
        num_prompts, self._length = prompt_tokens.shape
        capacity = self._length + self._max_new_tokens
        self._layers = [_fold_layer(weights, layer) for layer in weights.layers]
        self._head = weights.head * weights.final_norm
        self._rotations = read_rotations(self._model, capacity)
        nothing = prompt_tokens[:0, 0]
        hidden, prompt_cache = run_joint_pass(
            weights, self._rotations, prompt_tokens, prompt_mask, nothing, prompt_tokens[:0], []
        )
        num_rows = num_prompts * group_size
        shape = (num_rows, weights.num_key_heads)
        self._cache = []
        for prompt_key, prompt_value in prompt_cache:
            key = prompt_key.new_empty((*shape, weights.head_dim, self._length + _FIRST_PLACES))
            value = prompt_value.new_empty((*shape, key.shape[3], weights.head_dim))
            by_group = key.unflatten(0, (num_prompts, group_size))
            by_group[..., : self._length] = prompt_key.permute(1, 2, 3, 0).contiguous()[:, None]
            by_group = value.unflatten(0, (num_prompts, group_size))
            by_group[..., : self._length, :] = prompt_value.permute(1, 2, 0, 3)[:, None]
            self._cache.append((key, value))
        self._positions = prompt_mask.sum(dim=1).repeat_interleave(group_size)
        self._bias = hidden.new_zeros(num_prompts, 1, capacity)
        self._bias[:, 0, : self._length].masked_fill_(~prompt_mask, float("-inf"))
        self._bias = self._bias.repeat_interleave(group_size * weights.num_key_heads, dim=0)
        return F.linear(hidden, weights.head).repeat_interleave(group_size, dim=0)

    def _widen_cache(self) -> None:
        """Make room for half as many places again."""
        # Rows that end early never need the room that the longest one does.
        extra = self._length // 2 + 1
        self._cache = [
            (F.pad(key, (0, extra)), F.pad(value, (0, 0, 0, extra))) for key, value in self._cache
        ]

    def keep(self, rows: Tensor) -> None:
        """Keep these rows, in this order.

        Args:
            rows: indices into the present rows, shape [n].
        """
        self._positions = self._positions[rows]
        num_keys = self._weights.num_key_heads
        # index_select copies whole rows; indexing would walk them element by element.
        self._bias = self._bias.unflatten(0, (-1, num_keys)).index_select(0, rows).flatten(0, 1)
        self._cache = [
            (key.index_select(0, rows), value.index_select(0, rows)) for key, value in self._cache
        ]

    def step(self, tokens: Tensor) -> Tensor:
        """Read the next token of each row.

        Args:
            tokens: shape [n].

        Returns:
            Logits of the token after it, shape [n, V].
        """
        weights, place = self._weights, self._length
        if place == self._cache[0][0].shape[3]:
            self._widen_cache()
        self._length += 1
        num_rows, num_heads, num_keys = len(tokens), weights.num_heads, weights.num_key_heads
        x = weights.embedding.index_select(0, tokens)
        rotation = self._rotations.index_select(0, self._positions)
        self._positions = self._positions + 1
        bias = self._bias[:, :, : self._length]
        per_key = (num_rows * num_keys, num_heads // num_keys, weights.head_dim)
        for layer, (keys, values) in zip(self._layers, self._cache, strict=True):
            joined = F.linear(scale_to_unit(x, weights.eps), layer.qkv, layer.qkv_bias)
            query_key, value = joined.view(num_rows, -1, weights.head_dim).split(
                [num_heads + num_keys, num_keys], dim=1
            )
            if layer.query_key_norm is not None:
                query_key = scale_to_unit(query_key, weights.eps) * layer.query_key_norm
            query, key = turn(query_key, rotation).split([num_heads, num_keys], dim=1)
            keys[..., place] = key
            values[:, :, place] = value
            keys_so_far = keys.flatten(0, 1)[..., : self._length]
            values_so_far = values.flatten(0, 1)[:, : self._length]
            scores = torch.baddbmm(bias, query.reshape(per_key), keys_so_far, alpha=weights.scale)
            attended = torch.bmm(scores.softmax(dim=-1), values_so_far).view(num_rows, -1)
            x = torch.addmm(x, attended, layer.out)
            x = x if layer.out_bias is None else x + layer.out_bias
            gate_up = F.linear(scale_to_unit(x, weights.eps), layer.gate_up, layer.gate_up_bias)
            gate, up = gate_up.chunk(2, dim=-1)
            x = torch.addmm(x, F.silu(gate).mul_(up), layer.down)
            x = x if layer.down_bias is None else x + layer.down_bias
        return F.linear(scale_to_unit(x, weights.eps), self._head)
