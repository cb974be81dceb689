"""A copy of the sources in which mutmut works, made again when any file of it has changed."""

import hashlib
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from banditlab.files import write_atomically
from benchmarks.mutation.targets import COPIED, Target

ROOT = Path(__file__).resolve().parents[2]
_FINGERPRINT_FILE = "fingerprint"
_CONFIG = """\
[mutmut]
source_paths=
    banditlab
only_mutate=
    {sources}
pytest_add_cli_args_test_selection=
    {tests}
pytest_add_cli_args=
    -p
    no:cacheprovider
use_git_change_detection=false
timeout_constant=5
timeout_multiplier=4
"""


def _files(root: Path, target: Target) -> Iterator[Path]:
    """Files that the tests of a target may need; tests of other modules are left out."""
    for name in (*COPIED, "pyproject.toml"):
        path = root / name
        for file in path.rglob("*") if path.is_dir() else [path]:
            if not file.is_file() or "__pycache__" in file.parts:
                continue
            is_other = file.name.startswith("test_") and not any(
                file.is_relative_to(root / tests) for tests in target.tests
            )
            if not is_other:
                yield file


def _mutmut_version() -> str:
    try:
        return version("mutmut")
    except PackageNotFoundError as error:
        raise RuntimeError(
            'mutmut is not installed. Remedy: pip install "banditlab[mutation]", or make mutation'
        ) from error


def _fingerprint(root: Path, target: Target, config: str) -> str:
    digest = hashlib.sha256(f"mutmut {_mutmut_version()}\n{config}".encode())
    for file in sorted(_files(root, target)):
        digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def prepare(target: Target, folder: Path, root: Path = ROOT) -> str:
    """Copy what a target needs into a folder, unless it holds just that already.

    Verdicts that mutmut left there are kept as long as no file copied, no setting and no version of
    mutmut has changed, so that a run that was stopped goes on where it was.

    Args:
        target: what is mutated and tested.
        folder: the copy; another one than the last is removed first.
        root: the repository.

    Returns:
        The fingerprint of all that was copied.

    Raises:
        RuntimeError: mutmut is not installed.
    """
    config = _CONFIG.format(sources=target.sources, tests="\n    ".join(target.tests))
    fingerprint = _fingerprint(root, target, config)
    mark = folder / _FINGERPRINT_FILE
    if mark.exists() and mark.read_text() == fingerprint:
        return fingerprint
    if folder.exists():
        shutil.rmtree(folder)
    for file in _files(root, target):
        copy = folder / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    (folder / "setup.cfg").write_text(config)
    write_atomically(mark, fingerprint)
    return fingerprint
