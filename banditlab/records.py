"""Run folders: a resolved configuration, results, and where they came from.

A run folder holds `config.json` (the resolved configuration, written first), the results of its
kind, and `provenance.json`. The same configuration finds its folder again; another one is refused.
"""

import io
import json
import os
import platform
import shlex
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.files import write_atomically, writing
from banditlab.validation import require, requirement_error

CONFIG_FILE = "config.json"
PROVENANCE_FILE = "provenance.json"
CURVES_FILE = "curves.npz"
_RECORDED_PACKAGES = ("banditlab", "numpy", "scipy", "torch", "transformers", "tokenizers")
_RECORDED_PACKAGES += ("datasets", "math-verify", "matplotlib")


def write_json(path: Path, value: Any) -> None:
    """Write a value as readable JSON, atomically; a NaN or infinity is refused.

    Args:
        path: the file.
        value: what `json` can write.

    Raises:
        ValueError: the value holds a number that JSON cannot hold.
        WriteRefusedError: the disk refuses.
    """
    write_atomically(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder.

    Args:
        path: the file.

    Returns:
        Its value.

    Raises:
        ValueError: the file is damaged.
        OSError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged("read_json", path, "whole JSON", error) from error


def _damaged(function: str, path: Path, condition: str, error: Exception) -> ValueError:
    return requirement_error(
        function,
        "path",
        f"a file of {condition}",
        f"{path}, which is damaged ({type(error).__name__}: {error})",
        "Remove its folder and run again",
    )


def _git_commit() -> str | None:
    source = Path(__file__).resolve().parent.parent
    if not (source / ".git").exists():
        return None
    try:
        commit, status = (
            subprocess.run(
                ["git", "-C", str(source), *command],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if status else commit


def without_path(word: str) -> str:
    """A word of a command line as it may be published: a path keeps its last part only.

    Names of a hub look like relative paths; they stay whole unless such a file exists.

    Args:
        word: one word, also of the form --option=VALUE.

    Returns:
        The word, or the last part of its path.

    Examples:
        >>> [without_path(word) for word in ("/data/me/run", "--out=~/run", "openai/gsm8k:main")]
        ['run', '--out=run', 'openai/gsm8k:main']
    """
    if word.startswith("-") and "=" in word:
        option, _, value = word.partition("=")
        return f"{option}={without_path(value)}"
    is_path = os.sep in word and (
        os.path.isabs(word) or word.startswith(("~", ".")) or os.path.exists(word)
    )
    return Path(word).name if is_path else word


def provenance(**extra: Any) -> dict[str, Any]:
    """Where a result comes from: versions, commit, machine, command, time.

    Args:
        **extra: further entries, e.g. seeds, thread count, wall time in seconds.

    Returns:
        A dictionary for JSON. Of a path in the command only the last part remains.
    """
    versions = {"python": platform.python_version()}
    for package in _RECORDED_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    words = [Path(sys.argv[0]).name, *map(without_path, sys.argv[1:])]
    return {
        "versions": versions,
        "commit": _git_commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "command": shlex.join(words),
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
        **extra,
    }


def claim_run_folder(out: Path, config: dict[str, Any], kind: str) -> bool:
    """Create a run folder, or find the one of this very run again.

    Args:
        out: the folder.
        config: the resolved configuration, as JSON can write it.
        kind: kind of run, e.g. "train".

    Returns:
        Whether the folder already held this run, finished or not.

    Raises:
        ValueError: the folder holds another run, or files that are no run at all, or it is or
            lies in a file.
        WriteRefusedError: the disk refuses a new folder.
    """
    wanted = json.loads(json.dumps({"kind": kind, **config}, allow_nan=False))
    config_file = out / CONFIG_FILE
    if config_file.exists():
        found = read_json(config_file)
        if found == wanted:
            return True
        differing = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
        raise requirement_error(
            "claim_run_folder",
            "out",
            "a new folder or the folder of this very run",
            f"{out}, the folder of another run (it differs in {', '.join(differing)})",
            "Choose another --out, or remove the folder if its run is no longer wanted",
        )
    existing = next(path for path in (out, *out.parents) if path.exists())
    require(
        existing.is_dir(),
        "claim_run_folder",
        "out",
        "a new or empty folder",
        f"{out}, where {existing.name} is a file",
        "Choose another --out",
    )
    # A kill while the configuration was written leaves its temporary file, which is nobody's.
    leftover = f".{CONFIG_FILE}."
    require(
        existing != out or all(path.name.startswith(leftover) for path in out.iterdir()),
        "claim_run_folder",
        "out",
        "a new or empty folder",
        f"{out}, which holds other files",
        "Choose another --out",
    )
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_json(config_file, wanted)
    return False


@dataclass(frozen=True)
class Record:
    """Curves of many runs with what made them.

    Attributes:
        curves: metric -> values, shape [R, S].
        step: recorded steps (updates), shape [S].
        config: the resolved configuration.
        provenance: where it comes from.
    """

    curves: dict[str, np.ndarray]
    step: np.ndarray
    config: dict[str, Any]
    provenance: dict[str, Any]

    def save(self, out: Path) -> None:
        """Write `curves.npz` and `provenance.json` into a run folder.

        Args:
            out: the folder, claimed before.

        Raises:
            OSError: the disk refuses.
        """
        buffer = io.BytesIO()
        np.savez(buffer, step=self.step, **self.curves)
        write_json(out / PROVENANCE_FILE, self.provenance)
        write_atomically(out / CURVES_FILE, buffer.getvalue())

    @classmethod
    def load(cls, out: Path) -> "Record":
        """Read a record back from its run folder.

        Args:
            out: the folder.

        Returns:
            The record.

        Raises:
            ValueError: a file of it is damaged.
            OSError: the folder holds no finished record.
        """
        path = out / CURVES_FILE
        try:
            with np.load(path, allow_pickle=False) as arrays:
                curves = {name: arrays[name] for name in arrays.files if name != "step"}
                steps = arrays["step"]
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _damaged("Record.load", path, "whole curves", error) from error
        return cls(curves, steps, read_json(out / CONFIG_FILE), read_json(out / PROVENANCE_FILE))
