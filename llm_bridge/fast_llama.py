"""A forward pass of our own for Llama and Qwen models: little padding, and prompts read once.

It reads the parameters of the Transformers module itself, so gradients flow into them. What it
saves: the prompt pass is shared by the rollouts of a prompt; rows are batched by length; logits
are computed where a token was sampled and nowhere else; the last layer skips what nothing reads.

The rotary embedding turns the pair (i, i + D/2) of the D dimensions of a head. The rows of the
query and key weights are reordered alike, which leaves their product alone and puts the pairs
side by side: a turn is then one multiplication of complex numbers.

Shapes: P prompts, n rows (rollouts), T tokens, V vocabulary, H heads, K heads of keys and values,
D dimensions of a head, E hidden width, N tokens of all rows, one after the other.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.activations import SiLUActivation
from transformers.models.llama.modeling_llama import LlamaForCausalLM
from transformers.models.qwen2.modeling_qwen2 import Qwen2ForCausalLM
from transformers.models.qwen3.modeling_qwen3 import Qwen3ForCausalLM

_SUPPORTED = (LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
# Kinds of rotary embedding whose frequencies do not depend on the length of the text.
_STATIC_ROPE = ("default", "linear", "llama3")
# A row joins a batch of rows if it fills at least this share of the batch's width.
_LEAST_FILL = 0.7


def is_supported(model: Any) -> bool:
    """Whether the pass of this module computes what the model's own forward pass does.

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
class _Layer:
    """Parameters of one layer, those read together joined into one matrix."""

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
class _Weights:
    """Parameters and sizes of a model."""

    embedding: Tensor
    padding_idx: int | None
    layers: list[_Layer]
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


def _read_layer(layer: Any, head_dim: int) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    qkv = [attention.q_proj, attention.k_proj, attention.v_proj]
    gate_up = [mlp.gate_proj, mlp.up_proj]
    has_norms = hasattr(attention, "q_norm")
    return _Layer(
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


def _read_weights(model: Any) -> _Weights:
    first = model.model.layers[0].self_attn
    return _Weights(
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


def _rotations(model: Any, num_positions: int) -> Tensor:
    """Unit complex numbers, one a position and pair, shape [num_positions, 1, D/2]."""
    weight = model.model.embed_tokens.weight
    positions = torch.arange(num_positions, device=weight.device)[None]
    # The module's own table, so that its float32 rounding is the same here.
    cos, sin = model.model.rotary_emb(weight, positions)
    half = cos.shape[-1] // 2
    return torch.complex(cos[0, :, None, :half], sin[0, :, None, :half])


def _norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return F.rms_norm(x, weight.shape, weight, eps)


def _unit(x: Tensor, eps: float) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], None, eps)


def _turn(x: Tensor, rotation: Tensor) -> Tensor:
    """Apply the rotary embedding to heads of N tokens, shape [N, heads, D]."""
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2)


def _queries_keys_values(
    weights: _Weights, layer: _Layer, x: Tensor, rotation: Tensor, first_query: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Turned queries [N - first_query, H, D] and keys, and values, [N, K, D]."""
    normed = _norm(x, layer.input_norm, weights.eps)
    num_heads, num_keys = weights.num_heads, weights.num_key_heads
    split = num_heads * weights.head_dim
    if first_query == 0:
        joined = F.linear(normed, layer.qkv, layer.qkv_bias)
        heads = joined.unflatten(-1, (-1, weights.head_dim))
        query_key, value = heads.split([num_heads + num_keys, num_keys], dim=1)
        if layer.q_norm is None:
            query, key = _turn(query_key, rotation).split([num_heads, num_keys], dim=1)
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
        query = _norm(query, layer.q_norm, weights.eps)
        key = _norm(key, layer.k_norm, weights.eps)
    return _turn(query, rotation[first_query:]), _turn(key, rotation), value


def _after_attention(weights: _Weights, layer: _Layer, x: Tensor, attended: Tensor) -> Tensor:
    x = x + F.linear(attended, layer.out, layer.out_bias)
    normed = _norm(x, layer.mlp_norm, weights.eps)
    gate, up = F.linear(normed, layer.gate_up, layer.gate_up_bias).chunk(2, dim=-1)
    return x + F.linear(F.silu(gate) * up, layer.down, layer.down_bias)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float) -> Tensor:
    """Attention of b rows: query [b, T, H, D], key, value [b, L, K, D], bias [b * H, T, L]."""
    batch, num_queries, num_heads, head_dim = query.shape
    repeats = num_heads // key.shape[2]
    if repeats > 1:
        key, value = (x.repeat_interleave(repeats, dim=2) for x in (key, value))
    query, key, value = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
    scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
    attended = torch.bmm(scores.softmax(dim=-1), value)
    return attended.view(batch, num_heads, num_queries, head_dim).transpose(1, 2).flatten(2)


def _bias(is_visible: Tensor, num_heads: int, dtype: torch.dtype) -> Tensor:
    """What is added to the scores: 0 or -inf; is_visible [b, T, L], result [b * H, T, L]."""
    bias = torch.zeros(is_visible.shape, dtype=dtype, device=is_visible.device)
    bias.masked_fill_(~is_visible, float("-inf"))
    return bias[:, None].expand(-1, num_heads, -1, -1).flatten(0, 1)


@dataclass(frozen=True)
class _Batch:
    """Rows of similar length that share their attention calls."""

    rows: Tensor
    width: int


def _batch_by_length(lengths: Tensor) -> list[_Batch]:
    ordered, rows = torch.sort(lengths, descending=True, stable=True)
    batches: list[_Batch] = []
    start, values = 0, ordered.tolist()
    for stop in range(1, len(values) + 1):
        if stop == len(values) or values[stop] < _LEAST_FILL * values[start]:
            if values[start] > 0:
                batches.append(_Batch(rows[start:stop], values[start]))
            start = stop
    return batches


def _run(
    weights: _Weights,
    rotations: Tensor,
    prompt_tokens: Tensor,
    prompt_mask: Tensor,
    prompt_of_row: Tensor,
    response_tokens: Tensor,
    batches: list[_Batch],
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Last hidden state of each prompt's last token, then of the batches' tokens, [N, E].

    Also the keys and values of the prompts, each [T_prompt, P, K, D], layer by layer. Tokens of
    prompts stand position by position, so that the last ones are one block.
    """
    num_prompts, prompt_width = prompt_tokens.shape
    prompt_lengths = prompt_mask.sum(dim=1)
    device, dtype = prompt_tokens.device, weights.embedding.dtype
    tokens = [prompt_tokens.T.flatten()]
    # The place of a token in its own text, whatever padding stands before it.
    positions = [(prompt_mask.cumsum(dim=1) - 1).clamp(min=0).T.flatten()]
    steps = torch.arange(prompt_width, device=device)
    is_earlier = (steps[:, None] > steps) & prompt_mask[:, None, :]
    # A padded place sees itself, since a softmax over nothing is NaN.
    is_visible = is_earlier | torch.eye(prompt_width, dtype=torch.bool, device=device)
    prompt_bias = _bias(is_visible, weights.num_heads, dtype)
    biases = []
    for batch in batches:
        prompts = prompt_of_row[batch.rows]
        steps = torch.arange(batch.width, device=device)
        tokens.append(response_tokens[batch.rows, : batch.width].flatten())
        positions.append((prompt_lengths[prompts, None] + steps).flatten())
        before = prompt_mask[prompts, None, :].expand(-1, batch.width, -1)
        own = (steps[:, None] >= steps).expand(len(prompts), -1, -1)
        biases.append(_bias(torch.cat([before, own], dim=2), weights.num_heads, dtype))

    x = F.embedding(torch.cat(tokens), weights.embedding, weights.padding_idx)
    rotation = rotations[torch.cat(positions)]
    num_prompt_tokens = num_prompts * prompt_width
    prompt_cache = []
    for index, layer in enumerate(weights.layers):
        is_last = index + 1 == len(weights.layers)
        # In the last layer only a prompt's last token is read on.
        first = num_prompt_tokens - num_prompts if is_last else 0
        query, key, value = _queries_keys_values(weights, layer, x, rotation, first)
        by_prompt = (prompt_width, num_prompts)
        prompt_key = key[:num_prompt_tokens].unflatten(0, by_prompt)
        prompt_value = value[:num_prompt_tokens].unflatten(0, by_prompt)
        prompt_cache.append((prompt_key, prompt_value))
        num_queries = num_prompt_tokens - first
        prompt_query = query[:num_queries].unflatten(0, (-1, num_prompts))
        prompt_attended = _attend(
            prompt_query.transpose(0, 1),
            prompt_key.transpose(0, 1),
            prompt_value.transpose(0, 1),
            prompt_bias[:, -1:] if is_last else prompt_bias,
            weights.scale,
        )
        attended = [prompt_attended.transpose(0, 1).flatten(0, 1)]
        start = num_prompt_tokens
        for batch, bias in zip(batches, biases, strict=True):
            shape = (len(batch.rows), batch.width)
            stop = start + shape[0] * shape[1]
            prompts = prompt_of_row[batch.rows]
            whole = [
                torch.cat(
                    [
                        from_prompt.transpose(0, 1).index_select(0, prompts),
                        own[start:stop].unflatten(0, shape),
                    ],
                    dim=1,
                )
                for from_prompt, own in ((prompt_key, key), (prompt_value, value))
            ]
            own_query = query[start - first : stop - first].unflatten(0, shape)
            attended.append(_attend(own_query, *whole, bias, weights.scale).flatten(0, 1))
            start = stop
        x = _after_attention(weights, layer, x[first:], torch.cat(attended))
    return _norm(x, weights.final_norm, weights.eps), prompt_cache


class _SelectedLogProb(torch.autograd.Function):
    """log softmax(hidden @ head^T / temperature) at chosen (place, token) pairs.

    One buffer of logits serves the forward and the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, place: Tensor, token: Tensor, temperature: float
    ) -> Tensor:
        logits = F.linear(hidden if temperature == 1.0 else hidden / temperature, head)
        log_prob = torch.log_softmax(logits, dim=-1)
        ctx.save_for_backward(hidden, head, place, token, log_prob)
        ctx.temperature = temperature
        return log_prob[place, token]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, head, place, token, log_prob = ctx.saved_tensors
        gradient = gradient / ctx.temperature
        total = gradient.new_zeros(len(hidden)).index_add_(0, place, gradient)
        logit_gradient = log_prob.exp().mul_(-total[:, None])
        flat = place * head.shape[0] + token
        logit_gradient.view(-1).index_add_(0, flat, gradient)
        return logit_gradient @ head, logit_gradient.T @ hidden, None, None, None


def fast_token_log_prob(
    model: Any,
    prompt_tokens: Tensor,
    prompt_mask: Tensor,
    prompt_of_row: Tensor,
    response_tokens: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
) -> Tensor:
    """Log-probability of each response token, each prompt read once for all of its rows.

    Args:
        model: a model that `is_supported`.
        prompt_tokens: shape [P, T_prompt], left-padded.
        prompt_mask: shape [P, T_prompt].
        prompt_of_row: index of each row's prompt, shape [n].
        response_tokens: shape [n, T], right-padded.
        mask: shape [n, T], True places first in each row.
        temperature: the one the rows were sampled at.

    Returns:
        Log-probabilities in nats, shape [n, T], of the model's type, 0 where the mask is False;
        differentiable in the model's parameters.
    """
    weights = _read_weights(model)
    rotations = _rotations(model, prompt_tokens.shape[1] + mask.shape[1])
    # The last token of a response is predicted but never read.
    batches = _batch_by_length(mask.sum(dim=1) - 1)
    hidden, _ = _run(
        weights, rotations, prompt_tokens, prompt_mask, prompt_of_row, response_tokens, batches
    )
    # Where the hidden state that predicts each token stands.
    place = prompt_of_row[:, None].repeat(1, mask.shape[1])
    start = len(prompt_tokens)
    for batch in batches:
        count = len(batch.rows) * batch.width
        places = torch.arange(start, start + count, device=place.device)
        place[batch.rows, 1 : batch.width + 1] = places.view(-1, batch.width)
        start += count
    selected = _SelectedLogProb.apply(
        hidden, weights.head, place[mask], response_tokens[mask], temperature
    )
    return selected.new_zeros(mask.shape).masked_scatter(mask, selected)


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


def _fold_layer(weights: _Weights, layer: _Layer) -> _StepLayer:
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
    """Decoding with a cache of its own, allocated once; see `llm_bridge.forward.Decoder`.

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
        self._weights = weights = _read_weights(self._model)
        num_prompts, self._length = prompt_tokens.shape
        capacity = self._length + self._max_new_tokens
        self._layers = [_fold_layer(weights, layer) for layer in weights.layers]
        self._head = weights.head * weights.final_norm
        self._rotations = _rotations(self._model, capacity)
        nothing = prompt_tokens[:0, 0]
        hidden, prompt_cache = _run(
            weights, self._rotations, prompt_tokens, prompt_mask, nothing, prompt_tokens[:0], []
        )
        num_rows = num_prompts * group_size
        shape = (num_rows, weights.num_key_heads)
        self._cache = []
        for prompt_key, prompt_value in prompt_cache:
            key = prompt_key.new_empty((*shape, weights.head_dim, capacity))
            value = prompt_value.new_empty((*shape, capacity, weights.head_dim))
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
        self._length += 1
        num_rows, num_heads, num_keys = len(tokens), weights.num_heads, weights.num_key_heads
        x = weights.embedding.index_select(0, tokens)
        rotation = self._rotations.index_select(0, self._positions)
        self._positions = self._positions + 1
        bias = self._bias[:, :, : self._length]
        per_key = (num_rows * num_keys, num_heads // num_keys, weights.head_dim)
        for layer, (keys, values) in zip(self._layers, self._cache, strict=True):
            joined = F.linear(_unit(x, weights.eps), layer.qkv, layer.qkv_bias)
            query_key, value = joined.view(num_rows, -1, weights.head_dim).split(
                [num_heads + num_keys, num_keys], dim=1
            )
            if layer.query_key_norm is not None:
                query_key = _unit(query_key, weights.eps) * layer.query_key_norm
            query, key = _turn(query_key, rotation).split([num_heads, num_keys], dim=1)
            keys[..., place] = key
            values[:, :, place] = value
            keys_so_far = keys.flatten(0, 1)[..., : self._length]
            values_so_far = values.flatten(0, 1)[:, : self._length]
            scores = torch.baddbmm(bias, query.reshape(per_key), keys_so_far, alpha=weights.scale)
            attended = torch.bmm(scores.softmax(dim=-1), values_so_far).view(num_rows, -1)
            x = torch.addmm(x, attended, layer.out)
            x = x if layer.out_bias is None else x + layer.out_bias
            gate_up = F.linear(_unit(x, weights.eps), layer.gate_up, layer.gate_up_bias)
            gate, up = gate_up.chunk(2, dim=-1)
            x = torch.addmm(x, F.silu(gate).mul_(up), layer.down)
            x = x if layer.down_bias is None else x + layer.down_bias
        return F.linear(_unit(x, weights.eps), self._head)
