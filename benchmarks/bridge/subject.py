"""What is measured: the embedded model, or a random-weight model of the size that people train."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from llm_bridge.config import TrainConfig
from llm_bridge.models import load_policy
from llm_bridge.tasks import EMBEDDED

QWEN2 = "qwen2-0.5b"
MODELS = (EMBEDDED, QWEN2)
QWEN2_SIZES = {
    "vocab_size": 151936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "max_position_embeddings": 4096,
}
"""Sizes of Qwen2.5-0.5B."""


@dataclass(frozen=True)
class Subject:
    """A model, and how much is done with it.

    Attributes:
        name: one of `MODELS`.
        config: of its training runs; names model, device and type.
        updates: prompts, group size and inner epochs of the updates that are measured.
        generation_rows: rows of the batches that are sampled.
        num_rounds: rounds of the interleaved timings.
        block_seconds: seconds for each rate of the machine.
        has_bounds: whether what is aimed for was said of this model and device.
    """

    name: str
    config: TrainConfig
    updates: tuple[tuple[int, int, int], ...]
    generation_rows: tuple[int, ...]
    num_rounds: int
    block_seconds: float
    has_bounds: bool

    def config_of(self, num_prompts: int, group_size: int, inner_epochs: int) -> TrainConfig:
        """Configuration of the updates of one shape.

        Args:
            num_prompts: prompts of an update.
            group_size: rollouts of a prompt.
            inner_epochs: passes over them.

        Returns:
            The resolved configuration.
        """
        shape = {"num_prompts": num_prompts, "group_size": group_size}
        return replace(self.config, **shape, inner_epochs=inner_epochs)


def _write_qwen2(folder: Path) -> None:
    """A folder with random weights; the embedded tokenizer needs a part of its vocabulary."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    policy = load_policy(EMBEDDED)
    tokens = {"eos_token_id": policy.eos_token_id, "pad_token_id": policy.pad_token_id}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(Qwen2Config(**QWEN2_SIZES, **tokens, bos_token_id=None))
    model.to(torch.bfloat16).save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)


@contextmanager
def open_subject(name: str, device: str, is_quick: bool) -> Iterator[Subject]:
    """Get ready what is measured; a model of random weights is written to a temporary folder.

    Args:
        name: one of `MODELS`.
        device: torch device.
        is_quick: whether to do less.

    Yields:
        The subject.
    """
    shared: dict[str, Any] = {
        "dataset": EMBEDDED,
        "rule": "clip",
        "level": "token",
        "averaging": "token_mean",
        "optimizer": "adamw",
        "learning_rate": 1e-4,
        "device": device,
        "num_threads": 1 if device == "cpu" else None,
        "num_updates": 10_000,
    }
    if name == EMBEDDED:
        updates = ((32, 8, 1), (32, 8, 4), (8, 4, 1))
        yield Subject(
            name=name,
            config=TrainConfig(model=EMBEDDED, **shared).resolved(),
            updates=updates[:1] if is_quick else updates,
            generation_rows=(256,) if is_quick else (8, 64, 256, 1024),
            num_rounds=7 if is_quick else 21,
            block_seconds=0.2 if is_quick else 1.0,
            has_bounds=device == "cpu",
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        _write_qwen2(Path(folder))
        changes = {"max_new_tokens": 64 if is_quick else 256, "dtype": "bfloat16"}
        yield Subject(
            name=name,
            config=TrainConfig(model=folder, **(shared | changes)).resolved(),
            updates=((8, 8, 1),),
            generation_rows=(64,) if is_quick else (64, 256),
            num_rounds=3 if is_quick else 5,
            block_seconds=0.5,
            has_bounds=False,
        )
