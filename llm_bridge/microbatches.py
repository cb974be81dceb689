"""Passes over a rollout in microbatches: how its rows are split, and their log-probabilities.

Shapes: P prompts, G group (rollouts per prompt), T tokens of the longest response, n rollouts.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from llm_bridge.forward import RolloutPart, token_log_prob
from llm_bridge.parallel import ALONE, Alone
from llm_bridge.rollout import Rollout

# Upper bounds of one microbatch: tokens, padding included, and entries of its logits.
_MICROBATCH_TOKENS = 32768
_MICROBATCH_LOGITS = 2**26


def split_rows(
    rollout: Rollout, microbatch_tokens: int, rows: Tensor | None = None
) -> Iterator[Tensor]:
    """Split a rollout into microbatches of rows of similar length, groups kept together.

    Args:
        rollout: P prompts of G responses.
        microbatch_tokens: most tokens of a microbatch, padding included; a single row may have
            more.
        rows: the rows wanted, indices into the P * G rollouts; by default all.

    Yields:
        Indices into the P * G rollouts, shape [n]; together, each wanted index once.
    """
    prompt_lengths = rollout.prompt_mask.sum(dim=1)
    lengths = rollout.mask.sum(dim=-1)
    group_size = lengths.shape[1]
    longest = (prompt_lengths + lengths.max(dim=1).values).tolist()
    prompt_lengths, lengths = prompt_lengths.tolist(), lengths.flatten().tolist()
    wanted = range(len(lengths)) if rows is None else rows.tolist()
    order = sorted(
        wanted, key=lambda row: (longest[row // group_size], row // group_size, lengths[row], row)
    )
    chosen: list[int] = []
    widest_prompt = widest_response = 0
    for row in order:
        prompt_length, length = prompt_lengths[row // group_size], lengths[row]
        new_prompt, new_response = max(widest_prompt, prompt_length), max(widest_response, length)
        if chosen and (len(chosen) + 1) * (new_prompt + new_response) > microbatch_tokens:
            yield torch.tensor(chosen)
            chosen = []
            new_prompt, new_response = prompt_length, length
        chosen.append(row)
        widest_prompt, widest_response = new_prompt, new_response
    if chosen:
        yield torch.tensor(chosen)


def iterate_microbatches(
    model: Any,
    rollout: Rollout,
    microbatch_tokens: int | None = None,
    rows: Tensor | None = None,
) -> Iterator[tuple[Tensor, RolloutPart]]:
    """Cut a rollout into parts that fit into memory.

    Args:
        model: a causal language model; its vocabulary decides what fits.
        rollout: P prompts of G responses.
        microbatch_tokens: most tokens, padding included, of a part; by default as many as keep
            the logits below 256 MiB.
        rows: the rows wanted, indices into the P * G rollouts; by default all.

    Yields:
        Indices of the part's rows, shape [n], and the part.
    """
    if microbatch_tokens is None:
        vocabulary = model.get_input_embeddings().num_embeddings
        microbatch_tokens = min(_MICROBATCH_TOKENS, _MICROBATCH_LOGITS // vocabulary)
    for part_rows in split_rows(rollout, microbatch_tokens, rows):
        part_rows = part_rows.to(rollout.mask.device)
        yield part_rows, rollout.part(part_rows)


@torch.no_grad()
def rollout_log_prob(
    model: Any,
    rollout: Rollout,
    *,
    temperature: float = 1.0,
    microbatch_tokens: int | None = None,
    processes: Alone = ALONE,
) -> Tensor:
    """Log-probability of every token of a rollout under a model, without gradient.

    Args:
        model: a causal language model, in evaluation mode: the policy as it is now, or a
            reference.
        rollout: P prompts of G responses.
        temperature: the one that the rollout was sampled at.
        microbatch_tokens: most tokens, padding included, in one forward pass.
        processes: those that share the rows; not more than there are rows.

    Returns:
        Log-probabilities in nats, shape [P, G, T], float32 or wider, 0 where the mask is False.
    """
    num_rows, num_tokens = rollout.mask.flatten(0, 1).shape
    own_rows = processes.own_rows(num_rows)
    result = None
    for rows, part in iterate_microbatches(model, rollout, microbatch_tokens, own_rows):
        log_prob = token_log_prob(model, part, temperature=temperature)
        if result is None:
            result = log_prob.new_zeros(num_rows, num_tokens)
        result[rows, : log_prob.shape[1]] = log_prob
    return processes.joined(result).view(rollout.mask.shape)
