"""Checkpoints of a training run: written whole or not at all, checked when read, the last kept.

A checkpoint is `checkpoint-UPDATE.pt`, loadable with `torch.load(..., weights_only=True)`, and
`checkpoint-UPDATE.pt.sha256` in the format of `sha256sum`.
"""

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from banditlab.files import write_atomically
from banditlab.validation import require, requirement_error

DEFAULT_NUM_KEPT = 2
_PATTERN = re.compile(r"checkpoint-(\d{8})\.pt")


def _path(folder: Path, update: int) -> Path:
    return folder / f"checkpoint-{update:08d}.pt"


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def list_checkpoints(folder: Path) -> list[int]:
    """Updates of which a checkpoint exists, damaged or not.

    Args:
        folder: the run folder.

    Returns:
        The updates, ascending.
    """
    matches = (_PATTERN.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in matches if match)


def save_checkpoint(
    folder: Path, update: int, state: Mapping[str, Any], *, num_kept: int = DEFAULT_NUM_KEPT
) -> None:
    """Write a checkpoint and then drop all but the last ones.

    Args:
        folder: the run folder.
        update: updates done.
        state: tensors, numbers, strings, and dicts and lists of them.
        num_kept: checkpoints kept, this one included, 1 or more.

    Raises:
        WriteRefusedError: the disk refuses; the checkpoints before are then untouched.
    """
    buffer = io.BytesIO()
    torch.save({**state, "update": update}, buffer)
    content = buffer.getbuffer()
    path = _path(folder, update)
    # The checksum goes first: a checkpoint without one would be as good as damaged.
    digest = hashlib.sha256(content).hexdigest()
    write_atomically(_checksum_path(path), f"{digest}  {path.name}\n")
    write_atomically(path, content)
    for old in list_checkpoints(folder)[:-num_kept]:
        _path(folder, old).unlink()
        _checksum_path(_path(folder, old)).unlink(missing_ok=True)


def read_checkpoint(folder: Path, update: int) -> dict[str, Any]:
    """Read one checkpoint and verify its checksum.

    Args:
        folder: the run folder.
        update: updates done.

    Returns:
        The state, tensors on the CPU.

    Raises:
        ValueError: the content does not match its checksum.
        OSError: the file cannot be read.
    """
    path = _path(folder, update)
    content = path.read_bytes()
    checksum_path = _checksum_path(path)
    expected = checksum_path.read_text().split()[:1] if checksum_path.exists() else []
    if expected != [hashlib.sha256(content).hexdigest()]:
        raise requirement_error(
            "read_checkpoint",
            "update",
            "that of an undamaged checkpoint",
            f"{update}, whose file {path.name} does not match its checksum",
            "Use the checkpoint before it",
        )
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def read_latest_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Read the newest undamaged checkpoint.

    Args:
        folder: the run folder.

    Returns:
        The state, None if no checkpoint was ever written, and one sentence for each damaged
        checkpoint passed over.

    Raises:
        ValueError: there are checkpoints, and all of them are damaged.
    """
    damaged = []
    for update in reversed(list_checkpoints(folder)):
        try:
            state = read_checkpoint(folder, update)
        except ValueError:
            damaged.append(_path(folder, update).name)
        else:
            notices = [f"{name} is damaged (its checksum differs)." for name in damaged]
            if damaged:
                notices[-1] += f" Going on from {_path(folder, update).name}."
            return state, notices
    # Beginning anew would overwrite the record of what may have taken days.
    require(
        not damaged,
        "read_latest_checkpoint",
        "folder",
        "a run folder with an undamaged checkpoint, or with none at all",
        f"{folder}, where the checksums of {', '.join(damaged)} differ",
        "Restore one of them, or remove them all to begin anew",
    )
    return None, []
