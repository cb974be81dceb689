"""Causal attention of prompts to themselves, and of rows to their prompt and themselves.

Forward and backward pass are written out, so that keys of a prompt are copied to each of its rows
once and nothing is concatenated, transposed and split by the graph again.

Shapes as in the package; b rows of one batch, W their width, A = T_prompt + W places that they
look at, J = (H + 2 K) * D a token's queries, keys and values.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of similar length that share their attention calls.

    Attributes:
        rows: indices into the n rows, shape [b].
        width: tokens of the longest row.
    """

    rows: Tensor
    width: int


@dataclass(frozen=True)
class Block:
    """Rows behind the prompts, as attention sees them.

    Attributes:
        prompts: index of each row's prompt, shape [b].
        start: place of the first row's first token among all tokens.
        width: tokens of a row.
        bias: 0 or -inf, what is added to the scores, shape [b, W, A].
    """

    prompts: Tensor
    start: int
    width: int
    bias: Tensor


@dataclass(frozen=True)
class Layout:
    """Which token stands where: those of prompts position by position, then block by block.

    Attributes:
        num_prompts: P.
        prompt_width: T_prompt.
        prompt_bias: as in `Block`, shape [P, T_prompt, T_prompt].
        blocks: what stands behind the prompts.
        rotation: turns of queries and keys, and ones for values, shape [N, J / 2], complex.
        num_of_each: heads of queries, keys and values, [H, K, K].
    """

    num_prompts: int
    prompt_width: int
    prompt_bias: Tensor
    blocks: list[Block]
    rotation: Tensor
    num_of_each: list[int]

    def place(self, block: Block, first: int) -> slice:
        """Where a block's tokens stand if the first ones of all are left out."""
        start = block.start - first
        return slice(start, start + len(block.prompts) * block.width)

    @property
    def num_prompt_tokens(self) -> int:
        """Tokens of the prompts, padding included."""
        return self.num_prompts * self.prompt_width


def lay_out(
    prompt_mask: Tensor,
    prompt_of_row: Tensor,
    batches: list[Batch],
    rotation: Tensor,
    num_of_each: list[int],
) -> Layout:
    """Find what may look at what.

    Args:
        prompt_mask: shape [P, T_prompt], left-padded.
        prompt_of_row: index of each row's prompt, shape [n].
        batches: rows behind the prompts.
        rotation: as in `Layout`.
        num_of_each: heads of queries, keys and values, [H, K, K].

    Returns:
        The layout.
    """
    num_prompts, prompt_width = prompt_mask.shape
    dtype, device = rotation.real.dtype, prompt_mask.device
    steps = torch.arange(prompt_width, device=device)
    is_earlier = (steps[:, None] > steps) & prompt_mask[:, None, :]
    # A padded place sees itself, since a softmax over nothing is NaN.
    is_visible = is_earlier | torch.eye(prompt_width, dtype=torch.bool, device=device)
    blocks, start = [], num_prompts * prompt_width
    for batch in batches:
        prompts = prompt_of_row[batch.rows]
        steps = torch.arange(batch.width, device=device)
        before = prompt_mask[prompts, None, :].expand(-1, batch.width, -1)
        own = (steps[:, None] >= steps).expand(len(prompts), -1, -1)
        bias = _bias(torch.cat([before, own], dim=2), dtype)
        blocks.append(Block(prompts, start, batch.width, bias))
        start += len(prompts) * batch.width
    prompt_bias = _bias(is_visible, dtype)
    return Layout(num_prompts, prompt_width, prompt_bias, blocks, rotation, num_of_each)


def _bias(is_visible: Tensor, dtype: torch.dtype) -> Tensor:
    bias = torch.zeros(is_visible.shape, dtype=dtype, device=is_visible.device)
    return bias.masked_fill_(~is_visible, float("-inf"))


def _by_head(x: Tensor, layout: Layout, first: int = 0) -> list[Tensor]:
    """Views of the prompts and of each block, [b, heads, W, D], of tokens [N - first, heads, D]."""
    prompts = x[: layout.num_prompt_tokens - first].unflatten(0, (-1, layout.num_prompts))
    blocks = [x[layout.place(block, first)] for block in layout.blocks]
    blocks = [
        tokens.unflatten(0, (-1, block.width)).transpose(1, 2)
        for block, tokens in zip(layout.blocks, blocks, strict=True)
    ]
    return [prompts.permute(1, 2, 0, 3), *blocks]


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> list[Tensor]:
    """Attended values [b, H, W, D], and what the backward pass needs.

    query [b, H, W, D], key and value [b, K, A, D], bias [b, W, A]. The queries of the heads that
    share a key head stand below each other, so that no key is repeated.
    """
    shape, num_queries = query.shape, query.shape[1] // key.shape[1] * query.shape[2]
    key, value = key.flatten(0, 1), value.flatten(0, 1)
    query = query.reshape(len(key), num_queries, shape[3])
    scores = torch.bmm(query, key.mT)
    scores.view(*shape[:3], key.shape[1]).add_(bias[:, None])
    prob = scores.softmax(dim=-1)
    return [torch.bmm(prob, value).view(shape), query, key, value, prob]


def _attend_backward(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, prob: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query [b, H, W, D], key and value [b, K, A, D]; gradient [b, H, W, D]."""
    shape = gradient.shape
    gradient = gradient.reshape(query.shape)
    value_gradient = torch.bmm(prob.mT, gradient)
    prob_gradient = torch.bmm(gradient, value.mT)
    score_gradient = torch.ops.aten._softmax_backward_data(prob_gradient, prob, -1, prob.dtype)
    query_gradient = torch.bmm(score_gradient, key).view(shape)
    key_gradient = torch.bmm(score_gradient.mT, query)
    by_row = (shape[0], -1, *key.shape[1:])
    return query_gradient, key_gradient.view(by_row), value_gradient.view(by_row)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, joined: Tensor, layout: Layout, first: int) -> tuple[Tensor, Tensor]:
        turned = (joined.view(layout.rotation.dtype) * layout.rotation).view(joined.dtype)
        heads = turned.unflatten(1, (sum(layout.num_of_each), -1))
        attended = heads.new_empty(len(heads) - first, layout.num_of_each[0], heads.shape[2])
        (prompts, *blocks), saved = _by_head(heads, layout), []
        results = _by_head(attended, layout, first)
        query, key, value = prompts.split(layout.num_of_each, dim=1)
        key, value = key.contiguous(), value.contiguous()
        # Of a prompt, the last tokens are those whose queries are read.
        num_queries = results[0].shape[2]
        bias = layout.prompt_bias[:, -num_queries:]
        result, *rest = _attend(query[:, :, -num_queries:], key, value, bias)
        results[0].copy_(result)
        saved += rest
        for block, tokens, into in zip(layout.blocks, blocks, results[1:], strict=True):
            query, *own = tokens.split(layout.num_of_each, dim=1)
            whole = [
                torch.cat([before.index_select(0, block.prompts), after], dim=2)
                for before, after in zip((key, value), own, strict=True)
            ]
            result, *rest = _attend(query, *whole, block.bias)
            into.copy_(result)
            saved += rest
        ctx.save_for_backward(*saved)
        ctx.layout, ctx.first = layout, first
        cache = heads[: layout.num_prompt_tokens, layout.num_of_each[0] :]
        ctx.mark_non_differentiable(cache)
        return attended.flatten(1), cache

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        layout, first, saved = ctx.layout, ctx.first, ctx.saved_tensors
        gradient = gradient.unflatten(1, (layout.num_of_each[0], -1))
        of_heads = gradient.new_empty(
            len(gradient) + first, sum(layout.num_of_each), gradient.shape[2]
        )
        (of_prompts, *of_blocks) = _by_head(of_heads, layout)
        of_results = _by_head(gradient, layout, first)
        query, key, value = _attend_backward(of_results[0], *saved[:4])
        for index, block in enumerate(layout.blocks):
            of_block = _attend_backward(
                of_results[index + 1], *saved[4 * index + 4 : 4 * index + 8]
            )
            into = of_blocks[index].split(layout.num_of_each, dim=1)
            into[0].copy_(of_block[0])
            for shared, whole, own in zip((key, value), of_block[1:], into[1:], strict=True):
                # A source in one piece is added row by row, any other one number by number.
                source = whole[:, :, : layout.prompt_width].contiguous()
                shared.index_add_(0, block.prompts, source)
                own.copy_(whole[:, :, layout.prompt_width :])
        for into, found in zip(
            of_prompts.split(layout.num_of_each, dim=1), (query, key, value), strict=True
        ):
            into[:, :, -found.shape[2] :].copy_(found)
            into[:, :, : -found.shape[2]].zero_()
        of_joined = of_heads.flatten(1).view(layout.rotation.dtype) * layout.rotation.conj()
        return of_joined.view(gradient.dtype), None, None


def attend(joined: Tensor, layout: Layout, first: int) -> tuple[Tensor, Tensor]:
    """Turn queries and keys, and look at what may be seen.

    Args:
        joined: queries, keys and values of all tokens, shape [N, J].
        layout: which token stands where.
        first: the first token whose query is read, where a position of the prompts begins.

    Returns:
        Attended values, shape [N - first, H * D], and turned keys and values of the prompts,
        without gradient, shape [T_prompt * P, 2 K, D].
    """
    return _Attention.apply(joined, layout, first)
