"""Log-probabilities of given responses, and step-by-step decoding, for any causal language model.

Models that `fast_llama` supports take its path; all others go through their own forward pass.

Shapes: P prompts, n rows (rollouts), T tokens of the longest response, V vocabulary.
"""

import inspect
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from llm_bridge.fast_llama import FastDecoder, fast_token_log_prob, is_supported


@dataclass(frozen=True)
class RolloutPart:
    """Some rows of a rollout and the prompts they answer.

    Attributes:
        prompt_tokens: shape [P, T_prompt], int64, left-padded.
        prompt_mask: shape [P, T_prompt].
        prompt_of_row: index of each row's prompt, shape [n].
        response_tokens: shape [n, T], int64, right-padded.
        mask: shape [n, T], True for sampled tokens; True places come first in a row.
    """

    prompt_tokens: Tensor
    prompt_mask: Tensor
    prompt_of_row: Tensor
    response_tokens: Tensor
    mask: Tensor


class Decoder(Protocol):
    """A model that reads prompts once and then one token a row at a time."""

    def start(self, prompt_tokens: Tensor, prompt_mask: Tensor, group_size: int) -> Tensor:
        """Read left-padded prompts [P, T_prompt]; logits of the first token [P * group_size, V]."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these, shape [n]."""
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Read one token a row, shape [n]; logits of the next one, shape [n, V]."""
        ...


class HFDecoder:
    """Decoding through a Transformers model's own forward pass and cache.

    Args:
        model: any causal language model with a cache.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._accepted = _accepted_arguments(model)

    def _forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        arguments = {
            "input_ids": tokens,
            "attention_mask": self._mask.long(),
            "position_ids": positions,
            "past_key_values": self._cache,
            "use_cache": True,
            "logits_to_keep": 1,
        }
        output = self._model(**{k: v for k, v in arguments.items() if k in self._accepted})
        self._cache = output.past_key_values
        return output.logits[:, -1]

    def start(self, prompt_tokens: Tensor, prompt_mask: Tensor, group_size: int) -> Tensor:
        """Read each prompt once and give each row of its group a copy of the cache.

        Args:
            prompt_tokens: shape [P, T_prompt], left-padded.
            prompt_mask: shape [P, T_prompt].
            group_size: rows a prompt.

        Returns:
            Logits of the first token, shape [P * group_size, V].
        """
        self._cache = None
        self._mask = prompt_mask
        logits = self._forward(prompt_tokens, _positions(prompt_mask))
        rows = torch.arange(len(prompt_mask), device=prompt_mask.device)
        rows = rows.repeat_interleave(group_size)
        self.keep(rows)
        return logits[rows]

    def keep(self, rows: Tensor) -> None:
        """Keep these rows, in this order.

        Args:
            rows: indices into the present rows, shape [n].
        """
        self._mask = self._mask[rows]
        # The one selection by rows that every kind of cache layer has.
        self._cache.reorder_cache(rows)

    def step(self, tokens: Tensor) -> Tensor:
        """Read the next token of each row.

        Args:
            tokens: shape [n].

        Returns:
            Logits of the token after it, shape [n, V].
        """
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        return self._forward(tokens[:, None], _positions(self._mask)[:, -1:])


def make_decoder(model: Any, max_new_tokens: int) -> Decoder:
    """The fastest decoder that the model allows.

    Args:
        model: a causal language model.
        max_new_tokens: most tokens that will be read after the prompt.

    Returns:
        The decoder.
    """
    return FastDecoder(model, max_new_tokens) if is_supported(model) else HFDecoder(model)


def _accepted_arguments(model: Any) -> set[str]:
    return set(inspect.signature(model.forward).parameters)


def _positions(mask: Tensor) -> Tensor:
    """Position of each token in its own text, whatever padding stands before it."""
    return (mask.long().cumsum(dim=-1) - 1).clamp(min=0)


def hf_token_log_prob(model: Any, part: RolloutPart, *, temperature: float = 1.0) -> Tensor:
    """Log-probability of each response token, through the model's own forward pass.

    Args:
        model: any causal language model.
        part: n rows.
        temperature: the one they were sampled at.

    Returns:
        Log-probabilities in nats, shape [n, T], float32 or wider, 0 where the mask is False;
        differentiable in the model's parameters.
    """
    accepted = _accepted_arguments(model)
    num_new = part.mask.shape[1]
    tokens = torch.cat([part.prompt_tokens[part.prompt_of_row], part.response_tokens], dim=1)
    mask = torch.cat([part.prompt_mask[part.prompt_of_row], part.mask], dim=1)
    arguments = {
        "input_ids": tokens,
        "attention_mask": mask.long(),
        "position_ids": _positions(mask),
        "use_cache": False,
        "logits_to_keep": num_new + 1,
    }
    output = model(**{k: v for k, v in arguments.items() if k in accepted})
    # The logits before a token predict it. Selecting first keeps padding out of everything.
    logits = output.logits[:, -num_new - 1 : -1][part.mask]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
    selected = -cross_entropy(logits, part.response_tokens[part.mask], reduction="none")
    return selected.new_zeros(part.mask.shape).masked_scatter(part.mask, selected)


def token_log_prob(model: Any, part: RolloutPart, *, temperature: float = 1.0) -> Tensor:
    """Log-probability of each response token under softmax(logits / temperature).

    Args:
        model: a causal language model, in evaluation mode.
        part: n rows of a rollout, from `Rollout.part`.
        temperature: the one they were sampled at.

    Returns:
        Log-probabilities in nats, shape [n, T], float32 or wider, 0 where the mask is False;
        differentiable in the model's parameters.
    """
    if is_supported(model):
        return fast_token_log_prob(
            model,
            part.prompt_tokens,
            part.prompt_mask,
            part.prompt_of_row,
            part.response_tokens,
            part.mask,
            temperature=temperature,
        )
    return hf_token_log_prob(model, part, temperature=temperature)
