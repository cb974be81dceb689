"""One process at a time on a run folder.

Two processes that run into one folder would write over each other's record. The lock is the
kernel's (`flock`) and so ends with its process, however that ends. Platforms without `fcntl`
(Windows) and file systems without locks have none: nothing is checked there.
"""

import errno
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from banditlab.validation import requirement_error

try:
    import fcntl
except ImportError:
    fcntl = None

LOCK_FILE = "lock"
_RETRY_SECONDS = 0.1
_ERRORS_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def _has_locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _ERRORS_WITHOUT_LOCKS:
            raise
    return True


def _is_at(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def lock_run_folder(out: Path, command: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold a run folder for this process during a `with` block.

    Args:
        out: the run folder; it exists.
        command: name of the command, for the error.
        wait_seconds: how long to wait for another process that holds it.

    Yields:
        Once, when the folder is held. The file `lock` in it has the process number until the
        block ends; one that a killed process left behind holds nothing.

    Raises:
        ValueError: another process holds the folder and goes on doing so.
    """
    with hold_lock(out / LOCK_FILE, command, out, wait_seconds=wait_seconds):
        yield


@contextmanager
def hold_lock(
    path: Path, command: str, out: Path, *, wait_seconds: float = math.inf
) -> Iterator[None]:
    """Hold a lock file during a `with` block.

    Args:
        path: the file, removed in the end; its folder exists.
        command: name of the command, for the error.
        out: the folder that is worked on, for the error.
        wait_seconds: how long to wait for another process that holds it.

    Yields:
        Once, when the lock is held.

    Raises:
        ValueError: another process holds it and goes on doing so.
    """
    if fcntl is None:
        yield
        return
    deadline = time.monotonic() + wait_seconds
    while True:
        with path.open("a+") as file:
            if _has_locked(file):
                # The holder before removes its file as it ends. A lock on a removed file would
                # exclude nobody.
                if not _is_at(file, path):
                    continue
                file.truncate(0)
                file.write(f"{os.getpid()}\n")
                file.flush()
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
            file.seek(0)
            number = file.read().strip()
        if time.monotonic() >= deadline:
            holder = f"process {number}" if number else "the other process"
            raise requirement_error(
                command,
                "out",
                "a run folder that no other process works on",
                f"{out}, on which {holder} works",
                f"Wait for it to end, or stop {holder}",
            )
        time.sleep(_RETRY_SECONDS)
