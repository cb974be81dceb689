"""How a loaded model computes: gradient checkpointing, and bfloat16 arithmetic on float32 weights.

Both act through the model's own forward pass, so the fast path for Llama-like models stands aside.
"""

import warnings
from typing import Any

import torch

from banditlab.validation import require, require_known
from llm_bridge.choices import DTYPES
from llm_bridge.models import Policy


def weight_dtype(dtype: str) -> torch.dtype:
    """Type of the weights that a choice means.

    Args:
        dtype: key of `DTYPES` in `choices`.

    Returns:
        The torch type.

    Raises:
        ValueError: there is no such choice.
    """
    require_known("load_policy", "dtype", dtype, DTYPES, "choice of type")
    return getattr(torch, DTYPES[dtype])


def enable_autocast(policy: Policy) -> None:
    """Let a model of float32 weights multiply in bfloat16; log-probabilities stay float32.

    Steps are added to float32 weights. On bfloat16 weights a step below 1/256 of a weight, which
    is most of them at a learning rate of 1e-6, would be rounded away.

    Args:
        policy: its model is changed in place.
    """
    model = policy.model
    device = next(model.parameters()).device.type
    # A class of its own, and no function on the model: a copy of the model must compute with its
    # own weights.
    plain = type(model)
    forward = torch.autocast(device, dtype=torch.bfloat16)(plain.forward)
    model.__class__ = type(plain.__name__, (plain,), {"forward": forward})


def enable_gradient_checkpointing(policy: Policy) -> None:
    """Keep the input of each layer alone, and compute the layer again in the backward pass.

    Transformers ties this to training mode, in which dropout would be on and the cache off. Here
    only the layers themselves are told so, and only while a gradient is taken; dropout inside
    them stays off.

    Args:
        policy: its model is changed in place.

    Raises:
        ValueError: the model cannot do it.
    """
    model = policy.model
    require(
        model.supports_gradient_checkpointing,
        "enable_gradient_checkpointing",
        "policy",
        "of a model that supports gradient checkpointing",
        type(model).__name__,
        "Leave --gradient-checkpointing out",
    )
    with warnings.catch_warnings():
        # The name that every version 5 of Transformers has; the later ones prefer another.
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for layer in _checkpointed_layers(model):
        for name, value in vars(layer).items():
            if "dropout" in name and isinstance(value, float):
                setattr(layer, name, 0.0)
    model.register_forward_pre_hook(_tell_layers)


def _checkpointed_layers(model: Any) -> list[Any]:
    return [module for module in model.modules() if hasattr(module, "gradient_checkpointing")]


def _tell_layers(model: Any, _: Any) -> None:
    for layer in _checkpointed_layers(model):
        layer.training = torch.is_grad_enabled()
