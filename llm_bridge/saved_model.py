"""The trained model as a folder of the Transformers library, with its card."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from banditlab.files import write_atomically, writing
from llm_bridge.model_card import model_card
from llm_bridge.models import save_policy
from llm_bridge.run import Run

MODEL_FOLDER = "model"
CARD_FILE = "README.md"


def _sync(folder: Path) -> None:
    """Bring all files of a folder to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def save_model(
    run: Run, out: Path, summary: Mapping[str, Any], provenance: Mapping[str, Any]
) -> None:
    """Write the folder `model`, whole or not at all.

    Args:
        run: a run that came to its end.
        out: its folder.
        summary: as in summary.json.
        provenance: as in provenance.json.

    Raises:
        WriteRefusedError: the disk refuses.
    """
    folder = out / MODEL_FOLDER
    partial = out / f"{MODEL_FOLDER}.partial"
    with writing(folder):
        for old in (partial, folder):
            shutil.rmtree(old, ignore_errors=True)
        try:
            save_policy(run.policy, partial)
            card = model_card(run.config, summary, provenance)
            write_atomically(partial / CARD_FILE, card)
            _sync(partial)
        except OSError:
            # A full disk needs the room.
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.rename(folder)
