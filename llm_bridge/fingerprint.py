"""A digest of what a run reads anew when it goes on: rows, and weights that are not trained.

Checkpoints hold none of it, so that a folder or a file that changed meanwhile has to be seen.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import torch

from llm_bridge.tasks import Task


def frozen_names(model: Any) -> set[str]:
    """Names of the weights that training leaves alone.

    Args:
        model: a module.

    Returns:
        Names as in its state_dict.
    """
    parameters = model.named_parameters(remove_duplicate=False)
    return {name for name, value in parameters if not value.requires_grad}


def fingerprint(tasks: Iterable[Task], models: Iterable[Any]) -> str:
    """Digest of questions, gold answers and frozen weights.

    Args:
        tasks: their prompts and answers count.
        models: modules, whose weights without gradient count.

    Returns:
        The SHA-256, in hexadecimal.
    """
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(json.dumps([task.prompts, task.answers]).encode())
    for model in models:
        weights = model.state_dict()
        for name in sorted(frozen_names(model)):
            value = weights[name].detach().cpu().contiguous().flatten()
            digest.update(name.encode())
            digest.update(memoryview(value.view(torch.uint8).numpy()))
    return digest.hexdigest()
