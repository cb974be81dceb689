"""Files written whole or not at all, and the answer where the disk refuses."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What `tempfile` puts behind the prefix that `write_atomically` gives it.
_LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}")


class WriteRefusedError(OSError):
    """A disk that is full or refuses a write; files of before are as they were."""

    def __str__(self) -> str:
        return (
            f"{self.filename} cannot be written: {self.strerror}. What was written before is "
            "whole; make room, or lift what refuses, and give the same command again."
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in the error of any write in a `with` block that the disk refuses.

    Args:
        path: the file or folder that is written.

    Yields:
        Once.

    Raises:
        WriteRefusedError: the disk is full or refuses.
    """
    try:
        yield
    except WriteRefusedError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteRefusedError(error.errno, reason, str(path)) from error


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file whole or not at all: temporary sibling, fsync, rename.

    Args:
        path: the file; its folder must exist.
        content: text (UTF-8) or bytes.

    Raises:
        WriteRefusedError: the disk is full or refuses; the file is then as it was before.
    """
    data = content.encode() if isinstance(content, str) else content
    with writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writes that a kill cut short.

    Args:
        folder: a folder that no other process writes to.
    """
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            path.unlink()
