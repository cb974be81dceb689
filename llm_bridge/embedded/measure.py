"""Pass rate and diversity of the embedded model, by samples from its full softmax."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedTokenizerFast

from llm_bridge.embedded.corpus import MAX_NEW_TOKENS, format_prompt
from llm_bridge.embedded.recipe import one_thread

_FINAL_NUMBER = re.compile(r"\s*(-?\d+)\s*")
_MAX_ROWS = 512


@dataclass(frozen=True)
class Responses:
    """Sampled responses of P prompts, G each.

    Attributes:
        text: decoded responses without special tokens, P lists of G.
        log_prob: [P, G] log-probability of each response in nats, end token included.
        length: [P, G] tokens, end token included.
        is_finished: [P, G] whether the end token came within the limit.
    """

    text: list[list[str]]
    log_prob: np.ndarray
    length: np.ndarray
    is_finished: np.ndarray


@dataclass(frozen=True)
class PassRate:
    """A measured pass rate.

    Attributes:
        mean: over all samples.
        standard_error: of the mean for these very prompts, from the spread within prompts.
        num_samples: samples in all.
        per_prompt: [P] mean over each prompt's samples.
    """

    mean: float
    standard_error: float
    num_samples: int
    per_prompt: np.ndarray


def extract_answer(text: str) -> int | None:
    """The integer after the last "####".

    Args:
        text: an answer or a response.

    Returns:
        The integer, or None where the mark is missing or not followed by one integer alone.
    """
    _, mark, tail = text.rpartition("####")
    match = _FINAL_NUMBER.fullmatch(tail)
    return int(match.group(1)) if mark and match else None


@torch.no_grad()
def _sample_rows(
    model: LlamaForCausalLM, prompt_ids: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [rows, MAX_NEW_TOKENS] (end token to fill up) and log-probs [rows], at temperature 1.

    Prompts have one length, so there is neither padding nor mask; finished rows leave the batch.
    """
    end = model.config.eos_token_id
    num_rows = len(prompt_ids)
    tokens = torch.full((num_rows, MAX_NEW_TOKENS), end)
    log_prob = torch.zeros(num_rows, dtype=torch.float64)
    active = torch.arange(num_rows)
    cache, inputs = DynamicCache(config=model.config), prompt_ids
    for place in range(MAX_NEW_TOKENS):
        output = model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        row_log_prob = output.logits[:, -1].double().log_softmax(-1)
        cumulative = row_log_prob.exp().cumsum(-1)
        uniform = torch.rand(len(active), 1, dtype=torch.float64, generator=generator)
        drawn = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
        drawn = drawn.clamp(max=cumulative.shape[-1] - 1)
        tokens[active, place] = drawn[:, 0]
        log_prob[active] += row_log_prob.gather(-1, drawn)[:, 0]
        goes_on = (drawn[:, 0] != end).nonzero()[:, 0]
        if len(goes_on) == 0:
            break
        if len(goes_on) < len(active):
            cache.batch_select_indices(goes_on)
        active, inputs = active[goes_on], drawn[goes_on]
    return tokens, log_prob


def sample_responses(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    questions: list[str],
    group_size: int,
    generator: torch.Generator,
) -> Responses:
    """Responses at temperature 1 from the full softmax, no filter.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        questions: P questions.
        group_size: samples per question, G.
        generator: source of randomness; advanced.

    Returns:
        The responses of each question, in the order given.
    """
    prompt_ids = tokenizer([format_prompt(question) for question in questions])["input_ids"]
    widths = np.array([len(ids) for ids in prompt_ids])
    tokens = torch.zeros(len(questions), group_size, MAX_NEW_TOKENS, dtype=torch.long)
    log_prob = torch.zeros(len(questions), group_size, dtype=torch.float64)
    prompts_at_once = max(1, _MAX_ROWS // group_size)
    with one_thread():
        for width in np.unique(widths):
            places = np.flatnonzero(widths == width)
            for start in range(0, len(places), prompts_at_once):
                chunk = torch.from_numpy(places[start : start + prompts_at_once])
                ids = torch.tensor([prompt_ids[place] for place in chunk])
                drawn, row_log_prob = _sample_rows(
                    model, ids.repeat_interleave(group_size, dim=0), generator
                )
                tokens[chunk] = drawn.view(len(chunk), group_size, -1)
                log_prob[chunk] = row_log_prob.view(len(chunk), group_size)
    is_end = tokens == model.config.eos_token_id
    is_finished = is_end.any(-1)
    length = torch.where(is_finished, is_end.int().argmax(-1) + 1, MAX_NEW_TOKENS)
    text = [tokenizer.batch_decode(group, skip_special_tokens=True) for group in tokens]
    return Responses(text, log_prob.numpy(), length.numpy(), is_finished.numpy())


def measure_pass_rate(rows: list[dict[str, str]], responses: Responses) -> PassRate:
    """Share of responses whose final number is the gold one.

    Args:
        rows: P rows, in the order of the responses.
        responses: P groups of G; a response without end token fails.

    Returns:
        The pass rate with its standard error.
    """
    gold = np.array([extract_answer(row["answer"]) for row in rows])
    found = np.array([[extract_answer(text) for text in group] for group in responses.text])
    reward = np.where(responses.is_finished, found == gold[:, None], 0.0)
    group_size = reward.shape[1]
    if group_size > 1:
        variance = reward.var(axis=1, ddof=1).mean()
    else:
        variance = reward.mean() * (1.0 - reward.mean())
    return PassRate(
        mean=float(reward.mean()),
        standard_error=float(np.sqrt(variance / reward.size)),
        num_samples=reward.size,
        per_prompt=reward.mean(axis=1),
    )


def count_distinct(responses: Responses) -> np.ndarray:
    """Number of distinct responses of each prompt.

    Args:
        responses: P groups of G.

    Returns:
        [P] counts, at most G.
    """
    return np.array([len(set(group)) for group in responses.text])
