"""Sampling responses from a causal language model, with the log-probability of every token.

Shapes: P prompts, G group (rollouts per prompt), T tokens of the longest response, n rows (a row
is one rollout), V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from banditlab.validation import require, require_finite_number
from llm_bridge.forward import RolloutPart, make_decoder
from llm_bridge.parallel import ALONE, Alone
from llm_bridge.sampling_filters import LogitsFilter

# Upper bound of the cache of keys and values: 1 GiB. More rows wait for the next batch.
_CACHE_BYTES = 2**30
# Rows are copied together once this share of them is left: copying costs about half a step.
_KEPT_SHARE = 0.7


@dataclass(frozen=True)
class Rollout:
    """Responses to a batch of prompts, as they were sampled.

    Attributes:
        prompt_tokens: shape [P, T_prompt], int64, left-padded.
        prompt_mask: shape [P, T_prompt], True for the tokens of the prompt.
        response_tokens: shape [P, G, T], int64, right-padded.
        mask: shape [P, G, T], True for sampled tokens, the end token included.
        old_log_prob: shape [P, G, T], nats, of the weights' type, float32 at the least;
            log-probability of each token under the distribution it was drawn from, temperature
            included; 0 where the mask is False.
        is_truncated: shape [P, G], True where the limit of tokens came before the end token.
    """

    prompt_tokens: Tensor
    prompt_mask: Tensor
    response_tokens: Tensor
    mask: Tensor
    old_log_prob: Tensor
    is_truncated: Tensor

    def part(self, rows: Tensor) -> RolloutPart:
        """Cut out some rows, with the padding that they do not need removed.

        Args:
            rows: indices into the P * G rollouts, prompt by prompt, shape [n].

        Returns:
            The n rows and the prompts that they answer.
        """
        prompts, prompt_of_row = torch.unique(
            rows // self.mask.shape[1], sorted=True, return_inverse=True
        )
        prompt_mask = self.prompt_mask[prompts]
        mask = self.mask.flatten(0, 1)[rows]
        start = self.prompt_mask.shape[1] - int(prompt_mask.sum(dim=1).max())
        width = int(mask.sum(dim=1).max())
        return RolloutPart(
            prompt_tokens=self.prompt_tokens[prompts, start:],
            prompt_mask=prompt_mask[:, start:],
            prompt_of_row=prompt_of_row,
            response_tokens=self.response_tokens.flatten(0, 1)[rows, :width],
            mask=mask[:, :width],
        )


def pad_prompts(
    prompts: list[list[int]], pad_token_id: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Stack prompts of different lengths, padded on the left.

    Args:
        prompts: P lists of token ids, none empty.
        pad_token_id: token that fills the rest.
        device: where the tensors go.

    Returns:
        Tokens, shape [P, T_prompt], int64, and their mask, shape [P, T_prompt].
    """
    width = max(len(prompt) for prompt in prompts)
    rows = [[pad_token_id] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    mask = torch.arange(width) >= width - lengths[:, None]
    return torch.tensor(rows, dtype=torch.int64, device=device), mask.to(device)


def draw_tokens(logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one token a row by inverting the distribution function.

    The token is the first one whose cumulated probability exceeds uniform * total, so a token
    of probability 0 is never drawn.

    Args:
        logits: divided by the temperature already, shape [n, V].
        uniform: draws from [0, 1 - 2^-52], float64, shape [n]; see `draw_uniform`.

    Returns:
        Tokens, shape [n], int64, and their probabilities, shape [n], NaN where the logits are
        not finite.
    """
    prob = torch.softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    cumulated = prob.cumsum(dim=-1, dtype=torch.float64)
    tokens = torch.searchsorted(cumulated, uniform[:, None] * cumulated[:, -1:], right=True)
    # NaN sorts behind everything.
    tokens = tokens.clamp_(max=logits.shape[-1] - 1)
    return tokens[:, 0], prob.gather(1, tokens)[:, 0]


def draw_uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw from [0, 1 - 2^-52], so that a draw times any number stays below the number.

    Args:
        shape: of the result.
        generator: advanced.

    Returns:
        Draws, float64, on the generator's device.
    """
    draws = torch.rand(shape, dtype=torch.float64, generator=generator, device=generator.device)
    return draws * (1.0 - 2.0**-52)


def _most_likely_tokens(logits: Tensor) -> tuple[Tensor, Tensor]:
    best, tokens = logits.max(dim=-1)
    # The distribution that puts everything on one token gives it probability 1.
    return tokens, torch.where(torch.isfinite(best), 1.0, torch.nan)


def _fill_rows(
    model: Any,
    prompt_tokens: Tensor,
    prompt_mask: Tensor,
    group_size: int,
    tokens: Tensor,
    prob: Tensor,
    eos_token_id: int,
    temperature: float,
    uniform: Tensor | None,
    filter_logits: LogitsFilter | None,
) -> None:
    """Fill tokens and prob, [n, max_new_tokens], up to the end token of each row at least.

    uniform has a draw for every place, [max_new_tokens, n]; it is not read at temperature 0.
    """
    num_rows, max_new_tokens = tokens.shape
    device = tokens.device
    decoder = make_decoder(model, max_new_tokens)
    logits = decoder.start(prompt_tokens, prompt_mask, group_size)
    # rows: where each row of the decoder's batch belongs; has_ended: whether it saw its end.
    rows = torch.arange(num_rows, device=device)
    has_ended = torch.zeros(num_rows, dtype=torch.bool, device=device)
    for step in range(max_new_tokens):
        if temperature > 0:
            scaled = logits if temperature == 1.0 else logits / temperature
            scaled = scaled if filter_logits is None else filter_logits(scaled)
            new_tokens, new_prob = draw_tokens(scaled, uniform[step])
        else:
            new_tokens, new_prob = _most_likely_tokens(logits)
        tokens[rows, step] = new_tokens
        prob[rows, step] = new_prob.to(prob.dtype)
        has_ended |= new_tokens == eos_token_id
        num_open = len(rows) - int(has_ended.sum())
        if num_open == 0 or step + 1 == max_new_tokens:
            return
        if num_open <= _KEPT_SHARE * len(rows):
            kept = (~has_ended).nonzero()[:, 0]
            decoder.keep(kept)
            rows, new_tokens, has_ended = rows[kept], new_tokens[kept], has_ended[kept]
            if temperature > 0:
                uniform = uniform.index_select(1, kept)
        logits = decoder.step(new_tokens)


@torch.no_grad()
def sample_rollouts(
    model: Any,
    prompts: list[list[int]],
    *,
    group_size: int,
    max_new_tokens: int,
    eos_token_id: int,
    pad_token_id: int,
    temperature: float = 1.0,
    generator: torch.Generator,
    filter_logits: LogitsFilter | None = None,
    processes: Alone = ALONE,
) -> Rollout:
    """Sample a group of responses to each prompt and record the log-probability of every token.

    Tokens come from softmax(logits / temperature) over the whole vocabulary, unless an evaluation
    filters it.

    Args:
        model: a causal language model of the Transformers library, in evaluation mode.
        prompts: P lists of token ids.
        group_size: G, responses to each prompt.
        max_new_tokens: limit of a response, tokens.
        eos_token_id: token that ends a response.
        pad_token_id: token that fills the rest of a row.
        temperature: of the sampling distribution; 0 takes the most likely token, for evaluation
            only.
        generator: source of the draws; advanced. Same state, same bits.
        filter_logits: for evaluation only, from `make_filter`; see there why never in training.
        processes: those that share the prompts; each draws the numbers of all rows.

    Returns:
        The P * G responses, the same on all processes.

    Raises:
        ValueError: a prompt is empty or there is none, or a count or the temperature is out of
            range.
        FloatingPointError: the model gives logits that are not finite.
    """
    _check_request(prompts, group_size, max_new_tokens, temperature)
    weights = next(model.parameters())
    device = weights.device
    prompt_tokens, prompt_mask = pad_prompts(prompts, pad_token_id, device)
    shape = (len(prompts) * group_size, max_new_tokens)
    tokens = torch.full(shape, pad_token_id, device=device)
    # A record in float32 would put an error of 6e-8 into every ratio of a float64 model.
    prob = torch.ones(shape, dtype=torch.promote_types(weights.dtype, torch.float32), device=device)
    num_places = prompt_tokens.shape[1] + max_new_tokens
    prompts_at_once = max(1, _CACHE_BYTES // (_cache_bytes(model, num_places) * group_size))
    own = processes.share(len(prompts))
    for start in range(0, len(prompts), prompts_at_once):
        stop = min(start + prompts_at_once, len(prompts))
        uniform = None
        if temperature > 0:
            # Drawn for every place at once, so that no row's draws depend on how long others run,
            # nor on which process has it.
            uniform = draw_uniform((max_new_tokens, (stop - start) * group_size), generator)
        chunk = slice(max(start, own.start), min(stop, own.stop))
        if chunk.start >= chunk.stop:
            continue
        chunk_rows = slice(chunk.start * group_size, chunk.stop * group_size)
        if uniform is not None:
            columns = [(place - start) * group_size for place in (chunk.start, chunk.stop)]
            uniform = uniform[:, slice(*columns)].to(device)
        first = prompt_mask.shape[1] - int(prompt_mask[chunk].sum(dim=1).max())
        _fill_rows(
            model,
            prompt_tokens[chunk, first:],
            prompt_mask[chunk, first:],
            group_size,
            tokens[chunk_rows],
            prob[chunk_rows],
            eos_token_id,
            temperature,
            uniform,
            filter_logits,
        )
    rows = [values.unflatten(0, (-1, group_size)) for values in (tokens, prob)]
    tokens, prob = (processes.joined(values).flatten(0, 1) for values in rows)
    return _close_rows(prompt_tokens, prompt_mask, tokens, prob, eos_token_id, pad_token_id)


def _cache_bytes(model: Any, num_places: int) -> int:
    """Most that the keys and values of one row take up."""
    config = model.config.get_text_config()
    itemsize = next(model.parameters()).element_size()
    return 2 * config.num_hidden_layers * config.hidden_size * num_places * itemsize


def _close_rows(
    prompt_tokens: Tensor,
    prompt_mask: Tensor,
    tokens: Tensor,
    prob: Tensor,
    eos_token_id: int,
    pad_token_id: int,
) -> Rollout:
    """Cut each row behind its first end token."""
    is_end = tokens == eos_token_id
    ends_before = is_end.long().cumsum(dim=1) - is_end.long()
    mask = ends_before == 0
    width = int(mask.sum(dim=1).max())
    mask = mask[:, :width]
    log_prob = torch.where(mask, prob[:, :width].log(), 0.0)
    if not bool(torch.isfinite(log_prob).all()):
        raise FloatingPointError(
            "`sample_rollouts`: the logits must be finite, got NaN or infinity. The weights have "
            "blown up; lower the learning rate or go back to an earlier checkpoint."
        )
    shape = (len(prompt_tokens), -1, width)
    return Rollout(
        prompt_tokens=prompt_tokens,
        prompt_mask=prompt_mask,
        response_tokens=torch.where(mask, tokens[:, :width], pad_token_id).view(shape),
        mask=mask.view(shape),
        old_log_prob=log_prob.view(shape),
        is_truncated=~is_end.any(dim=1).view(shape[:2]),
    )


def _check_request(
    prompts: list[list[int]], group_size: int, max_new_tokens: int, temperature: float
) -> None:
    function = "sample_rollouts"
    require(
        len(prompts) > 0 and all(len(prompt) > 0 for prompt in prompts),
        function,
        "prompts",
        "one or more lists of token ids, none empty",
        f"lengths {[len(prompt) for prompt in prompts][:8]}",
        "Begin an empty prompt with the tokenizer's start token",
    )
    require(group_size >= 1, function, "group_size", "at least 1", group_size, "Draw one or more")
    require(
        max_new_tokens >= 1,
        function,
        "max_new_tokens",
        "at least 1",
        max_new_tokens,
        "A response has at least one token",
    )
    require_finite_number(
        function,
        "temperature",
        temperature,
        low=0.0,
        remedy="1 samples the model's own distribution, 0 takes the most likely token",
    )
