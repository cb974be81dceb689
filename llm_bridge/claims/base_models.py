"""Base models of the cards: the embedded one, and others that the same recipe makes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from banditlab.lock import lock_run_folder
from banditlab.validation import require_known

EMBEDDED = "embedded"

BASE_MODELS: Mapping[str, Mapping[str, Any]] = {
    EMBEDDED: {},
    "brief": {"num_steps": 3000},
    "narrow": {"hidden_size": 32, "intermediate_size": 80, "num_steps": 4000},
    "clean": {"careful_share": 1.0, "num_steps": 1000},
}
"""Fields of `llm_bridge.embedded.recipe.Recipe` that differ from the shipped model's, by name."""


def base_model_path(name: str, out: Path) -> str:
    """Where a base model lies, as `TrainConfig.model` takes it.

    Args:
        name: key of `BASE_MODELS`.
        out: folder of the models that were built.

    Returns:
        "embedded", or a folder.

    Raises:
        ValueError: there is no such model.
    """
    require_known("base_model_path", "name", name, BASE_MODELS, "base model")
    return EMBEDDED if name == EMBEDDED else str(out / name / "model")


def build_base_model(name: str, out: Path) -> None:
    """Build a base model by the recipe, unless it is there.

    Args:
        name: key of `BASE_MODELS`; the embedded one needs no building.
        out: folder of the models.

    Raises:
        OSError: the disk refuses.
    """
    path = Path(base_model_path(name, out))
    if name == EMBEDDED or (path / "recipe.json").exists():
        return
    from llm_bridge.embedded.build import build
    from llm_bridge.embedded.recipe import Recipe

    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    with lock_run_folder(folder, "claims"):
        if not (path / "recipe.json").exists():
            recipe = replace(Recipe(), **BASE_MODELS[name])
            build(recipe, folder, command=f"banditlab claims (base model {name})")
