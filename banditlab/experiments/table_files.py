"""Experiment files as they stand: TOML, YAML or JSON, read into tables of plain values."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from banditlab.experiments.settings import Place, require_table
from banditlab.validation import require_known, requirement_error

_KINDS_OF_FOLDERS = ("simulate", "sweep")


def _load_yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.2 numbers: PyYAML takes 1e-6, without a point, for a word."""

    number = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


_LOADERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": _load_yaml,
    ".yml": _load_yaml,
    ".json": json.loads,
}


def read_tables(path: Path) -> dict[str, Any]:
    """Read an experiment file as it stands; of a run folder's `config.json` its tables.

    Args:
        path: a .toml, .yaml, .yml or .json file.

    Returns:
        Table -> key -> value.

    Raises:
        TypeError: the file holds no tables.
        ValueError: the file is not well-formed, or has another ending.
        OSError: it cannot be read.
    """
    ending = path.suffix.lower()
    require_known(path.name, "path", ending, _LOADERS, "ending of a file")
    try:
        loaded = _LOADERS[ending](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise type(error)(
            f"{path.name}: `path` must be an experiment file that can be read, got {path} "
            f"({error.strerror}). See docs/simulate.md."
        ) from error
    except ValueError as error:
        raise requirement_error(
            path.name,
            "path",
            f"well-formed {ending[1:].upper()} in UTF-8",
            error,
            "See docs/simulate.md",
        ) from error
    tables = dict(require_table(loaded, Place(path.name, "path")))
    # Run folders say of what kind they are, beside their tables.
    if tables.get("kind") in _KINDS_OF_FOLDERS:
        del tables["kind"]
    return tables
