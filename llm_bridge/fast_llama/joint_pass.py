"""One pass over prompts and responses, the responses in batches of similar length.

Shapes as in the package; b rows of one batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_bridge.fast_llama.attention import Batch, attend, lay_out
from llm_bridge.fast_llama.layers import after_attention, join_heads, scale_to_unit
from llm_bridge.fast_llama.parameters import Weights

# A row joins a batch of rows if it fills at least this share of the batch's width.
_LEAST_FILL = 0.8


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
) -> tuple[Tensor, list[Tensor]]:
    """Read the prompts and the batches' rows behind them.

    Tokens of prompts stand position by position, so that the last ones are one block.

    Args:
        weights: of the model.
        rotations: from `read_rotations`, a position for every token of a text.
        prompt_tokens: shape [P, T_prompt], left-padded.
        prompt_mask: shape [P, T_prompt].
        prompt_of_row: index of each row's prompt, shape [n].
        response_tokens: shape [n, T], right-padded.
        batches: rows to read behind their prompts, up to the width of each batch.

    Returns:
        Last hidden states, of each prompt's last token and then of the batches' tokens, shape
        [P + sum of b * width, E]; keys and values of the prompts, layer by layer, each
        [T_prompt * P, 2 K, D], position by position.
    """
    prompt_lengths = prompt_mask.sum(dim=1)
    tokens = [prompt_tokens.T.flatten()]
    # The place of a token in its own text, whatever padding stands before it.
    positions = [(prompt_mask.cumsum(dim=1) - 1).clamp(min=0).T.flatten()]
    for batch in batches:
        steps = torch.arange(batch.width, device=prompt_tokens.device)
        tokens.append(response_tokens[batch.rows, : batch.width].flatten())
        positions.append((prompt_lengths[prompt_of_row[batch.rows], None] + steps).flatten())
    num_of_each = [weights.num_heads, weights.num_key_heads, weights.num_key_heads]
    rotation = rotations.index_select(0, torch.cat(positions))
    layout = lay_out(prompt_mask, prompt_of_row, batches, rotation, num_of_each)
    x = F.embedding(torch.cat(tokens), weights.embedding, weights.padding_idx)
    prompt_cache = []
    for index, layer in enumerate(weights.layers):
        is_last = index + 1 == len(weights.layers)
        # In the last layer only a prompt's last token is read on.
        first = layout.num_prompt_tokens - layout.num_prompts if is_last else 0
        attended, cache = attend(join_heads(weights, layer, x), layout, first)
        x = after_attention(weights, layer, x[first:], attended)
        prompt_cache.append(cache)
    return scale_to_unit(x, weights.least) * weights.final_norm, prompt_cache
