"""Decoding token by token, with a cache of keys and values.

A step of a small model is many small operations, whose number counts as much as their arithmetic.
The cache is kept place by place, so that a new token is written as one block and places that no
row comes to are never touched. Shapes as in the package.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_bridge.fast_llama.joint_pass import run_joint_pass
from llm_bridge.fast_llama.layers import read_rotations, scale_to_unit
from llm_bridge.fast_llama.parameters import read_weights


class FastDecoder:
    """Decoding with a cache of its own; see `llm_bridge.forward.Decoder`.

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
        num_places = self._length + self._max_new_tokens
        self._head = weights.head * weights.final_norm
        self._rotations = read_rotations(self._model, weights, num_places)
        nothing = prompt_tokens[:0, 0]
        hidden, prompt_cache = run_joint_pass(
            weights, self._rotations, prompt_tokens, prompt_mask, nothing, prompt_tokens[:0], []
        )
        # Keys and values of a layer: [2, places, rows, K * D].
        width = weights.num_key_heads * weights.head_dim
        shape = (2, num_places, num_prompts * group_size, width)
        self._cache = [hidden.new_empty(shape) for _ in prompt_cache]
        for cache, prompt in zip(self._cache, prompt_cache, strict=True):
            by_group = cache[:, : self._length].unflatten(2, (num_prompts, group_size))
            by_kind = prompt.view(self._length, num_prompts, 2, 1, width).permute(2, 0, 1, 3, 4)
            by_group.copy_(by_kind)
        self._positions = prompt_mask.sum(dim=1).repeat_interleave(group_size)
        self._bias = hidden.new_zeros(num_prompts, 1, num_places)
        self._bias[:, 0, : self._length].masked_fill_(~prompt_mask, float("-inf"))
        self._bias = self._bias.repeat_interleave(group_size * weights.num_key_heads, dim=0)
        return F.linear(hidden, weights.head).repeat_interleave(group_size, dim=0)

    def keep(self, rows: Tensor) -> None:
        """Keep these rows, in this order.

        Args:
            rows: indices into the present rows, shape [n].
        """
        self._positions = self._positions[rows]
        num_keys = self._weights.num_key_heads
        # index_select copies whole rows; indexing would walk them element by element.
        self._bias = self._bias.unflatten(0, (-1, num_keys)).index_select(0, rows).flatten(0, 1)
        for index, cache in enumerate(self._cache):
            kept = cache.new_empty(*cache.shape[:2], len(rows), cache.shape[3])
            for part, into in zip(cache, kept, strict=True):
                torch.index_select(part[: self._length], 1, rows, out=into[: self._length])
            self._cache[index] = kept

    def step(self, tokens: Tensor) -> Tensor:
        """Read the next token of each row.

        Args:
            tokens: shape [n].

        Returns:
            Logits of the token after it, shape [n, V].
        """
        weights, place = self._weights, self._length
        num_rows, num_heads, num_keys = len(tokens), weights.num_heads, weights.num_key_heads
        x = weights.embedding.index_select(0, tokens)
        rotation = self._rotations.index_select(0, self._positions)
        self._positions = self._positions + 1
        self._length += 1
        bias = self._bias[:, :, : self._length]
        query_width = num_heads * weights.head_dim
        per_key = (num_rows * num_keys, num_heads // num_keys, weights.head_dim)
        so_far = (2, self._length, num_rows * num_keys, weights.head_dim)
        for layer, cache in zip(weights.layers, self._cache, strict=True):
            joined = F.linear(scale_to_unit(x, weights.least), layer.qkv, layer.qkv_bias)
            if layer.query_key_norm is not None:
                heads = joined.view(num_rows, -1, weights.head_dim)[:, : num_heads + num_keys]
                heads.copy_(scale_to_unit(heads, weights.least_of_head) * layer.query_key_norm)
            turned = (joined.view(rotation.dtype) * rotation).view(joined.dtype)
            query, key_value = turned[:, :query_width], turned[:, query_width:]
            cache[:, place].copy_(key_value.view(num_rows, 2, -1).transpose(0, 1))
            keys, values = cache[:, : self._length].view(so_far).unbind()
            scores = torch.baddbmm(bias, query.reshape(per_key), keys.permute(1, 2, 0))
            attended = torch.bmm(scores.softmax(dim=-1), values.transpose(0, 1))
            x = torch.addmm(x, attended.view(num_rows, -1), layer.out.T)
            x = x if layer.out_bias is None else x + layer.out_bias
            gate_up = F.linear(scale_to_unit(x, weights.least), layer.gate_up, layer.gate_up_bias)
            gate, up = gate_up.chunk(2, dim=-1)
            x = torch.addmm(x, F.silu(gate).mul_(up), layer.down.T)
            x = x if layer.down_bias is None else x + layer.down_bias
        return F.linear(scale_to_unit(x, weights.least), self._head)
