"""The embedded language model: a tiny Transformers model, its task, and the recipe that made both.

Importing this package loads no torch; `corpus` holds the prompt format and the task.
"""

from pathlib import Path

_HERE = Path(__file__).resolve().parent

MODEL_DIR: Path = _HERE / "model"
TRAIN_FILE: Path = _HERE / "data" / "train.jsonl"
HELDOUT_FILE: Path = _HERE / "data" / "heldout.jsonl"

__all__ = ["HELDOUT_FILE", "MODEL_DIR", "TRAIN_FILE"]
