"""One pass over prompts and responses, the responses in batches of similar length.

Shapes as in the package; b rows of one batch.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_bridge.fast_llama.layers import (
    after_attention,
    attend,
    queries_keys_values,
    rms_norm,
    score_bias,
)
from llm_bridge.fast_llama.parameters import Weights

# A row joins a batch of rows if it fills at least this share of the batch's width.
_LEAST_FILL = 0.8


@dataclass(frozen=True)
class Batch:
    """Rows of similar length that share their attention calls.

    Attributes:
        rows: indices into the n rows, shape [b].
        width: tokens of the longest row.
    """

    rows: Tensor
    width: int


def batch_by_length(lengths: Tensor) -> list[Batch]:
    """Batches of rows whose lengths [n] are similar, longest first; empty rows are in none."""
    ordered, rows = torch.sort(lengths, descending=True, stable=True)
    batches: list[Batch] = []
    start, values = 0, ordered.tolist()
    for stop in range(1, len(values) + 1):
        if stop == len(values) or values[stop] < _LEAST_FILL * values[start]:
            if values[start] > 0:
                batches.append(Batch(rows[start:stop], values[start]))
            start = stop
    return batches


def run_joint_pass(
    weights: Weights,
    rotations: Tensor,
    prompt_tokens: Tensor,
    prompt_mask: Tensor,
    prompt_of_row: Tensor,
    response_tokens: Tensor,
    batches: list[Batch],
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Read the prompts and the batches' rows behind them.

    Tokens of prompts stand position by position, so that the last ones are one block.

    Args:
        weights: of the model.
        rotations: shape [num_positions, 1, D/2], a position for every token of a text.
        prompt_tokens: shape [P, T_prompt], left-padded.
        prompt_mask: shape [P, T_prompt].
        prompt_of_row: index of each row's prompt, shape [n].
        response_tokens: shape [n, T], right-padded.
        batches: rows to read behind their prompts, up to the width of each batch.

    Returns:
        Last hidden states, of each prompt's last token and then of the batches' tokens, shape
        [P + sum of b * width, E]; keys and values of the prompts, layer by layer, each
        [T_prompt, P, K, D].
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
    prompt_bias = score_bias(is_visible, weights.num_heads, dtype)
    biases = []
    for batch in batches:
        prompts = prompt_of_row[batch.rows]
        steps = torch.arange(batch.width, device=device)
        tokens.append(response_tokens[batch.rows, : batch.width].flatten())
        positions.append((prompt_lengths[prompts, None] + steps).flatten())
        before = prompt_mask[prompts, None, :].expand(-1, batch.width, -1)
        own = (steps[:, None] >= steps).expand(len(prompts), -1, -1)
        biases.append(score_bias(torch.cat([before, own], dim=2), weights.num_heads, dtype))

    x = F.embedding(torch.cat(tokens), weights.embedding, weights.padding_idx)
    rotation = rotations[torch.cat(positions)]
    num_prompt_tokens = num_prompts * prompt_width
    shapes = [(len(batch.rows), batch.width) for batch in batches]
    sizes = [count * width for count, width in shapes]
    prompt_cache = []
    for index, layer in enumerate(weights.layers):
        is_last = index + 1 == len(weights.layers)
        # In the last layer only a prompt's last token is read on.
        first = num_prompt_tokens - num_prompts if is_last else 0
        query, key, value = queries_keys_values(weights, layer, x, rotation, first)
        # One split in place of many slices: a slice's gradient is a whole tensor of zeros.
        prompt_query, *queries = query.split([num_prompt_tokens - first, *sizes])
        prompt_key, *keys = key.split([num_prompt_tokens, *sizes])
        prompt_value, *values = value.split([num_prompt_tokens, *sizes])
        prompt_cache.append(
            tuple(x.unflatten(0, (-1, num_prompts)) for x in (prompt_key, prompt_value))
        )
        by_prompt = [
            x.unflatten(0, (-1, num_prompts)).transpose(0, 1)
            for x in (prompt_query, prompt_key, prompt_value)
        ]
        bias = prompt_bias[:, -1:] if is_last else prompt_bias
        prompt_attended = attend(*by_prompt, bias, weights.scale)
        attended = [prompt_attended.transpose(0, 1).flatten(0, 1)]
        # Looked up like an embedding, whose gradient adds whole rows.
        tables = [x.flatten(1) for x in by_prompt[1:]]
        for i, batch in enumerate(batches):
            own = [x[i].unflatten(0, shapes[i]) for x in (queries, keys, values)]
            from_prompt = [
                F.embedding(prompt_of_row[batch.rows], table).view(
                    shapes[i][0], prompt_width, *key.shape[1:]
                )
                for table in tables
            ]
            whole = [torch.cat(pair, dim=1) for pair in zip(from_prompt, own[1:], strict=True)]
            attended.append(attend(own[0], *whole, biases[i], weights.scale).flatten(0, 1))
        x = after_attention(weights, layer, x[first:], torch.cat(attended))
    return rms_norm(x, weights.final_norm, weights.eps), prompt_cache
