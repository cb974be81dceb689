"""The recipe of the embedded model: hyperparameters, tokenizer, model, pre-training loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from llm_bridge.embedded.corpus import MAX_NEW_TOKENS, format_prompt
from llm_bridge.embedded.writers import Splits, make_splits

PAD_TOKEN = "<|pad|>"
END_TOKEN = "<|end|>"
_IGNORED = -100


@dataclass(frozen=True)
class Recipe:
    """Everything the embedded model depends on; the defaults made the shipped one.

    Attributes:
        seed: fixes rows, initial weights and batch order.
        num_train, num_heldout, num_pretraining: rows of each stream.
        vocab_size: most tokens the tokenizer may have; it stops earlier once every word is one.
        hidden_size, intermediate_size, num_layers, num_heads: Llama widths.
        initializer_std: standard deviation of the initial weights; with transformers' 0.02 a model
            this narrow learns about half as fast.
        num_steps: optimizer steps.
        batch_size: rows a step.
        learning_rate: peak of the cosine, reached after warmup_steps.
        warmup_steps: steps of linear warm-up.
        weight_decay: of AdamW.
        max_grad_norm: clip of the gradient's norm.
        batches_per_bucket: batches cut from one length-sorted pool of rows.
        careful_share: share of careful writers in the corpus; None for that of each kind. With 1
            the corpus is right throughout.
    """

    seed: int = 2024
    num_train: int = 512
    num_heldout: int = 512
    num_pretraining: int = 98_304
    vocab_size: int = 452
    hidden_size: int = 64
    intermediate_size: int = 160
    num_layers: int = 2
    num_heads: int = 4
    initializer_std: float = 0.06
    num_steps: int = 12_000
    batch_size: int = 32
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    batches_per_bucket: int = 32
    careful_share: float | None = None

    def make_splits(self) -> Splits:
        """Train, held-out and pre-training rows of this recipe."""
        return make_splits(
            num_train=self.num_train,
            num_heldout=self.num_heldout,
            num_pretraining=self.num_pretraining,
            seed=self.seed,
            careful_share=self.careful_share,
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, so that sums are taken in one order and runs repeat bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def build_tokenizer(rows: list[dict[str, str]], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE with one token a digit and all 256 bytes.

    Args:
        rows: rows whose prompts and answers the merges are learned from.
        vocab_size: tokens in all.

    Returns:
        A tokenizer that loses no text; pads on the left, for generation.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # The alphabet is given whole: bytes that the corpus lacks would otherwise be dropped silently.
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD_TOKEN, END_TOKEN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = (format_prompt(row["question"]) + row["answer"] for row in rows)
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        eos_token=END_TOKEN,
        bos_token=END_TOKEN,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama model with fresh weights, drawn from the recipe's seed alone.

    Args:
        recipe: widths, initial scale and seed.
        tokenizer: gives vocabulary size and special tokens.

    Returns:
        The model in float32 on the CPU.
    """
    special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.num_layers,
        num_attention_heads=recipe.num_heads,
        num_key_value_heads=recipe.num_heads,
        max_position_embeddings=512,
        initializer_range=recipe.initializer_std,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        dtype="float32",
        **special,
    )
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    # Drawn here and not by the library, whose order of initialisation may change.
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, recipe.initializer_std, generator=generator)
    # top_k=0 and top_p=1 switch both filters off: samples must follow the full softmax.
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=MAX_NEW_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        **special,
    )
    return model


def learning_rate_at(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine that ends at zero.

    Args:
        recipe: peak, warm-up and number of steps.
        step: optimizer step, counted from 0.

    Returns:
        The learning rate of that step.
    """
    warmup = min(1.0, (step + 1) / recipe.warmup_steps)
    return recipe.learning_rate * warmup * 0.5 * (1.0 + math.cos(math.pi * step / recipe.num_steps))


def _encode_rows(
    rows: list[dict[str, str]], tokenizer: PreTrainedTokenizerFast
) -> list[tuple[list[int], list[int]]]:
    """Token ids of each row's prompt, and of its answer with the end token."""
    # The plain tokenizer takes less than half the time of the wrapper, which adds masks.
    encode = tokenizer.backend_tokenizer.encode_batch_fast
    prompts = encode([format_prompt(row["question"]) for row in rows])
    answers = encode([row["answer"] for row in rows])
    end = tokenizer.eos_token_id
    return [
        (prompt.ids, [*answer.ids, end]) for prompt, answer in zip(prompts, answers, strict=True)
    ]


def _iterate_batches(
    rows: list[dict[str, str]],
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    rng: np.random.Generator,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of tokens and labels without end; rows of a batch have about the same length.

    Rows are encoded a pool at a time, so that the first steps come at once.
    """
    pool_size = recipe.batch_size * recipe.batches_per_bucket
    while True:
        order = rng.permutation(len(rows))
        for start in range(0, len(order), pool_size):
            pool = _encode_rows(
                [rows[place] for place in order[start : start + pool_size]], tokenizer
            )
            pool.sort(key=lambda row: len(row[0]) + len(row[1]))
            for batch in rng.permutation(len(pool) // recipe.batch_size):
                chosen = pool[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
                yield _collate(chosen, tokenizer.pad_token_id)


def _collate(
    rows: list[tuple[list[int], list[int]]], pad: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [B, T] padded on the right, and labels [B, T] that leave out prompt and padding."""
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    tokens = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), _IGNORED)
    for place, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        tokens[place, :end] = torch.tensor(prompt + answer)
        labels[place, len(prompt) : end] = torch.tensor(answer)
    return tokens, labels


def pretrain(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    rows: list[dict[str, str]],
    recipe: Recipe,
    *,
    stop_after: int | None = None,
) -> list[float]:
    """Fit the model to the answers by AdamW; the mean loss runs over answer tokens only.

    Args:
        model: trained in place.
        tokenizer: the model's tokenizer.
        rows: at least `batch_size` noisy rows.
        recipe: optimizer, schedule and batch order.
        stop_after: stop early, with the schedule of the full run.

    Returns:
        The loss of every step in nats a token.

    Raises:
        ValueError: for fewer rows than one batch.
        FloatingPointError: when a loss is not finite.
    """
    if len(rows) < recipe.batch_size:
        raise ValueError(
            f"`pretrain`: `rows` must be at least one batch of {recipe.batch_size}, "
            f"got {len(rows)}. Make more rows or a smaller batch."
        )
    batches = _iterate_batches(rows, tokenizer, recipe, np.random.default_rng(recipe.seed))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    num_steps = recipe.num_steps if stop_after is None else min(stop_after, recipe.num_steps)
    losses: list[float] = []
    model.train()
    with one_thread():
        # disable=None: no bar where the output is not a terminal.
        for step in tqdm(range(num_steps), desc="pre-training", disable=None):
            inputs, labels = next(batches)
            # Padding on the right under a causal mask is seen by padding only: no mask is needed.
            hidden = model.model(input_ids=inputs[:, :-1], use_cache=False).last_hidden_state
            targets = labels[:, 1:]
            is_answer = targets != _IGNORED
            loss = cross_entropy(model.lm_head(hidden[is_answer]), targets[is_answer])
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(
                    f"`pretrain`: the loss must be finite, got {losses[-1]} at step {step}. "
                    "Lower `learning_rate`."
                )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(recipe, step)
            optimizer.step()
    model.eval()
    return losses
