"""Loading a causal language model and its tokenizer from a folder, the hub, or the package."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from banditlab.files import writing
from banditlab.validation import require, requirement_error
from llm_bridge.hub import is_hub_reachable, is_path_like
from llm_bridge.tasks import EMBEDDED

_REMEDY_FOLDER = "pass a folder with --model PATH"


@dataclass(frozen=True)
class Policy:
    """A causal language model ready to sample and to train.

    Attributes:
        model: the Transformers model, in evaluation mode: dropout would make the log-probability
            of a response a random number.
        tokenizer: its tokenizer.
        eos_token_id: token that ends a response.
        pad_token_id: token that fills the rest of a row; masked everywhere.
        name: name or path it was loaded from.
        adapter: the peft model around it where it has LoRA adapters.
    """

    model: Any
    tokenizer: Any
    eos_token_id: int
    pad_token_id: int
    name: str
    adapter: Any = None


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    logging = transformers.utils.logging
    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if had_bars:
            logging.enable_progress_bar()


def _find_source(name_or_path: str) -> tuple[str, bool]:
    """What `from_pretrained` gets, and whether it may use the network."""
    if name_or_path == EMBEDDED:
        from llm_bridge.embedded import MODEL_DIR

        return str(MODEL_DIR), False
    if is_path_like(name_or_path):
        path = Path(name_or_path).expanduser()
        require(
            (path / "config.json").is_file(),
            "load_policy",
            "name_or_path",
            "a folder with config.json, tokenizer and safetensors weights, or a hub name",
            repr(name_or_path) + ("" if path.exists() else ", which does not exist"),
            "Check the path; save_pretrained of a Transformers model writes such a folder",
        )
        return str(path), False
    if _is_cached(name_or_path):
        return name_or_path, False
    require(
        is_hub_reachable(),
        "load_policy",
        "name_or_path",
        "in the local cache, since the Hugging Face hub cannot be reached",
        f"{name_or_path!r}, which is no folder here either",
        f"Without network, {_REMEDY_FOLDER}",
    )
    return name_or_path, True


def _is_cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return any(
            isinstance(try_to_load_from_cache(name, file), str)
            for file in ("model.safetensors", "model.safetensors.index.json")
        )
    except HFValidationError as error:
        raise requirement_error(
            "load_policy",
            "name_or_path",
            "an existing folder or a hub name, OWNER/NAME",
            repr(name),
            "Check the path",
        ) from error


def _require_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        # Builds without an accelerator say so by an assertion.
        raise requirement_error(
            "load_policy", "device", "a device of this torch", repr(device), "Use cpu"
        ) from error


def _token_ids(model: Any, tokenizer: Any, name: str) -> tuple[int, int]:
    eos_token_id = tokenizer.eos_token_id
    if eos_token_id is None:
        configured = model.generation_config.eos_token_id
        eos_token_id = configured[0] if isinstance(configured, list) else configured
    if eos_token_id is None:
        raise requirement_error(
            "load_policy",
            "name_or_path",
            "a model whose tokenizer or generation config names an end-of-text token",
            f"{name!r}, which names none",
            "Set eos_token in the tokenizer's tokenizer_config.json",
        )
    pad_token_id = tokenizer.pad_token_id
    # Every padded place is masked, so the end token can serve as padding too.
    pad_token_id = eos_token_id if pad_token_id is None else pad_token_id
    vocabulary = model.get_input_embeddings().num_embeddings
    for kind, size in (
        ("tokenizer", len(tokenizer)),
        ("end token", eos_token_id + 1),
        ("padding token", pad_token_id + 1),
    ):
        require(
            size <= vocabulary,
            "load_policy",
            "name_or_path",
            f"a model whose {kind} fits its {vocabulary} embeddings",
            f"{name!r}, whose {kind} needs {size}",
            "The tokenizer belongs to another model; save both into the same folder",
        )
    return int(eos_token_id), int(pad_token_id)


def load_policy(
    name_or_path: str,
    *,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
) -> Policy:
    """Load a causal language model and its tokenizer, from safetensors only.

    Args:
        name_or_path: "embedded", a folder written by `save_pretrained`, or a hub name.
        device: torch device.
        dtype: type of the weights; float32 by default whatever the checkpoint holds, since a
            small step on a bfloat16 weight is rounded away.
        attn_implementation: what computes attention, such as "sdpa", "eager" or
            "flash_attention_2"; by default as Transformers chooses.
        trust_remote_code: run code that comes with the model.

    Returns:
        The policy; the same arguments give the same weights.

    Raises:
        ValueError: the folder does not exist or holds no such model, the hub does not know the
            name, there is no network and no cached copy (said within seconds), torch has no
            such device, or the attention is not to be had here.
    """
    _require_device(device)
    source, may_use_network = _find_source(name_or_path)
    options = {"local_files_only": not may_use_network, "trust_remote_code": trust_remote_code}
    chosen = {} if attn_implementation is None else {"attn_implementation": attn_implementation}
    try:
        with nullcontext() if may_use_network else _without_progress_bars():
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                source, dtype=dtype or torch.float32, use_safetensors=True, **options, **chosen
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        if attn_implementation is not None and "attention" in str(error).lower():
            raise requirement_error(
                "load_policy",
                "attn_implementation",
                "one that this model and machine have",
                f"{attn_implementation!r} ({reason.strip()})",
                "Take sdpa or eager, or leave it out",
            ) from error
        raise requirement_error(
            "load_policy",
            "name_or_path",
            "a causal language model of the Transformers library with safetensors weights",
            f"{name_or_path!r} ({reason.strip()})",
            f"Save it with save_pretrained and {_REMEDY_FOLDER}"
            + ("" if trust_remote_code else "; --trust-remote-code runs code that comes with it"),
        ) from error
    model = model.to(device).eval()
    eos_token_id, pad_token_id = _token_ids(model, tokenizer, name_or_path)
    return Policy(model, tokenizer, eos_token_id, pad_token_id, name_or_path)


@contextmanager
def _refused_writes() -> Iterator[None]:
    """Turn what safetensors and tokenizers raise when the disk refuses into an OSError."""
    try:
        yield
    except Exception as error:
        number = re.search(r"os error (\d+)", str(error))
        if isinstance(error, OSError) or number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def save_policy(policy: Policy, folder: Path) -> None:
    """Write a policy as a Transformers folder, which `load_policy` and the library itself read.

    LoRA adapters are merged into the weights written, and also stand alone in its folder adapter.

    Args:
        policy: the policy.
        folder: created if need be.

    Raises:
        WriteRefusedError: the disk refuses.
    """
    model = policy.model
    with _without_progress_bars(), writing(folder), _refused_writes():
        if policy.adapter is not None:
            from llm_bridge.adapters import merged

            adapter = Path(folder) / "adapter"
            policy.adapter.save_pretrained(adapter)
            # A form to be filled in, with the path of the base on this machine.
            (adapter / "README.md").unlink(missing_ok=True)
            model = merged(policy.adapter)
        model.save_pretrained(folder)
        policy.tokenizer.save_pretrained(folder)
