"""LoRA: train a few float32 matrices of low rank beside the frozen weights, through peft."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from banditlab.validation import require, requirement_error
from llm_bridge.models import Policy


def add_lora(
    policy: Policy,
    *,
    rank: int,
    alpha: float | None = None,
    targets: Sequence[str] = (),
    seed: int = 0,
) -> Policy:
    """Put LoRA adapters beside the linear layers of a policy and freeze all else.

    The second matrix of each adapter starts at 0, so the policy starts as it was. There is no
    dropout: it would make the log-probability of a response a random number.

    Args:
        policy: its model is changed in place.
        rank: rank of the adapters.
        alpha: the adapters' output is multiplied by alpha / rank; by default 2 * rank.
        targets: names of the layers, such as q_proj; by default all linear ones but the head.
        seed: of the first matrices.

    Returns:
        The policy with adapters, the only weights that require a gradient, in float32.

    Raises:
        ModuleNotFoundError: peft is not installed.
        ValueError: the rank is less than 1, or the model has no layers of these names.
    """
    require(rank >= 1, "add_lora", "rank", "at least 1", rank, "8 to 64 are usual")
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "add_lora: `rank` needs the library peft, which is not installed. Install it with "
            "pip install -c constraints.txt '.[llm,lora]'.",
            name=error.name,
        ) from error
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        target_modules=list(targets) or "all-linear",
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    device = next(policy.model.parameters()).device
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        torch.manual_seed(seed)
        try:
            adapter = get_peft_model(policy.model, config)
        except ValueError as error:
            raise requirement_error(
                "add_lora",
                "targets",
                "names of linear layers of the model",
                f"{list(targets)} ({str(error).splitlines()[0]})",
                "Leave --lora-targets out to take all of them",
            ) from error
    # What the adapters were put into: an ordinary Transformers model to all who use it.
    return replace(policy, model=adapter.base_model.model.eval(), adapter=adapter)


def merged(adapter: Any) -> Any:
    """A copy of a model with its adapters merged into its weights.

    Args:
        adapter: the peft model; it stays as it is.

    Returns:
        An ordinary Transformers model.
    """
    return copy.deepcopy(adapter).merge_and_unload()
