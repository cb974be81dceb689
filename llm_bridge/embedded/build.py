"""Build the embedded model's folder: rows, tokenizer, weights, measured figures, model card."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from llm_bridge.embedded.card import write_card
from llm_bridge.embedded.corpus import MAX_NEW_TOKENS, hash_rows, to_jsonl
from llm_bridge.embedded.measure import count_distinct, measure_pass_rate, sample_responses
from llm_bridge.embedded.recipe import Recipe, build_model, build_tokenizer, pretrain
from llm_bridge.embedded.writers import Splits

NUM_RECORDED_LOSSES = 50
TOKENIZER_ROWS = 20_000
_LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_VERSIONED = ("numpy", "torch", "transformers", "tokenizers", "safetensors")


def train_tokenizer(splits: Splits, recipe: Recipe) -> PreTrainedTokenizerFast:
    """The recipe's tokenizer, from the first rows of its corpus.

    Args:
        splits: rows of the recipe.
        recipe: gives the vocabulary size.

    Returns:
        The tokenizer.
    """
    return build_tokenizer(splits.pretraining[:TOKENIZER_ROWS], recipe.vocab_size)


def measure(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    heldout: list[dict[str, str]],
    *,
    samples_per_prompt: int,
    seed: int,
) -> dict[str, Any]:
    """Base pass rate on all held-out prompts; diversity on every eighth, with 16 times the group.

    Args:
        model: the pre-trained model.
        tokenizer: its tokenizer.
        heldout: held-out rows.
        samples_per_prompt: samples of each prompt for the pass rate.
        seed: of the samples.

    Returns:
        Numbers for recipe.json; entropy in nats a response, lengths in tokens.
    """
    generator = torch.Generator().manual_seed(seed)
    questions = [row["question"] for row in heldout]
    responses = sample_responses(model, tokenizer, questions, samples_per_prompt, generator)
    base = measure_pass_rate(heldout, responses)
    few = heldout[::8]
    group_size = 16 * samples_per_prompt
    wide = sample_responses(model, tokenizer, questions[::8], group_size, generator)
    per_prompt = measure_pass_rate(few, wide).per_prompt
    return {
        "pass_rate": base.mean,
        "standard_error": base.standard_error,
        "num_samples": base.num_samples,
        "num_prompts": len(heldout),
        "entropy_nats": float(-responses.log_prob.mean()),
        "mean_length": float(responses.length.mean()),
        "share_finished": float(responses.is_finished.mean()),
        "diversity": {
            "num_prompts": len(few),
            "samples_per_prompt": group_size,
            "levels": list(_LEVELS),
            "pass_rate": np.quantile(per_prompt, _LEVELS).round(4).tolist(),
            "num_distinct": np.quantile(count_distinct(wide), _LEVELS).round(1).tolist(),
        },
    }


def _open_workspace(out: Path) -> Path:
    """A fresh folder beside the results, after those of builds that died are removed."""
    parent = out / "build"
    parent.mkdir(parents=True, exist_ok=True)
    for leftover in parent.iterdir():
        if leftover.name.isdigit() and not psutil.pid_exists(int(leftover.name)):
            shutil.rmtree(leftover)
    workspace = parent / str(os.getpid())
    workspace.mkdir()
    return workspace


def _close_workspace(workspace: Path) -> None:
    shutil.rmtree(workspace)
    if not any(workspace.parent.iterdir()):
        workspace.parent.rmdir()


def _save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save both in transformers' layout, readable by all, without a progress bar for one file."""
    has_bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        if has_bar:
            transformers_logging.enable_progress_bar()
    tokenizer.save_pretrained(folder)
    # The weights come out readable by their owner alone, which an installed package must not be.
    (folder / "model.safetensors").chmod(0o644)


def build(
    recipe: Recipe, out: Path, *, samples_per_prompt: int = 16, command: str
) -> dict[str, Any]:
    """Make `out`/model and `out`/data anew; both stay as they were until all is ready.

    Args:
        recipe: what to build.
        out: folder that receives the two.
        samples_per_prompt: held-out samples of each prompt for the base pass rate.
        command: the command line, for the card.

    Returns:
        The content of recipe.json.
    """
    start = time.perf_counter()
    workspace = _open_workspace(out)
    try:
        splits = recipe.make_splits()
        tokenizer = train_tokenizer(splits, recipe)
        model = build_model(recipe, tokenizer)
        before = time.perf_counter()
        losses = pretrain(model, tokenizer, splits.pretraining, recipe)
        pretraining_seconds = time.perf_counter() - before
        base = measure(
            model,
            tokenizer,
            splits.heldout,
            samples_per_prompt=samples_per_prompt,
            seed=recipe.seed,
        )
        numbers = {
            "command": command,
            "recipe": asdict(recipe),
            "max_new_tokens": MAX_NEW_TOKENS,
            "corpus_sha256": hash_rows(splits.pretraining),
            "train_sha256": hash_rows(splits.train),
            "heldout_sha256": hash_rows(splits.heldout),
            "vocab_size": len(tokenizer),
            "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
            "base": base,
            "first_losses": losses[:NUM_RECORDED_LOSSES],
            "last_losses_mean": float(np.mean(losses[-500:])),
            "pretraining_seconds": round(pretraining_seconds, 1),
            "wall_seconds": round(time.perf_counter() - start, 1),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in _VERSIONED},
            },
        }
        model_dir, data_dir = workspace / "model", workspace / "data"
        _save(model, tokenizer, model_dir)
        (model_dir / "recipe.json").write_text(json.dumps(numbers, indent=1) + "\n")
        (model_dir / "README.md").write_text(write_card(numbers))
        data_dir.mkdir()
        (data_dir / "train.jsonl").write_text(to_jsonl(splits.train))
        (data_dir / "heldout.jsonl").write_text(to_jsonl(splits.heldout))
        for folder in (model_dir, data_dir):
            target = out / folder.name
            if target.exists():
                target.rename(workspace / f"old_{folder.name}")
            folder.rename(target)
    finally:
        _close_workspace(workspace)
    return numbers
