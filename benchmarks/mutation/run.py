"""Run mutmut on the mutants that have no verdict yet, with a progress line."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from benchmarks.mutation.mutants import exit_codes, verdict_of
from benchmarks.mutation.targets import Target

LOG_FILE = "mutmut.log"
_LOCK_FILE = "mutmut.lock"
_LOOK_SECONDS = 1.0
# Each mutant gets the same cases in the same order, and one thread.
_ENVIRONMENT = {"PYTHONHASHSEED": "0"} | {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")
}


def unchecked(target: Target, folder: Path, chosen: list[str]) -> list[str]:
    """Those of the chosen mutants that have no verdict yet.

    Args:
        target: the target.
        folder: its workplace.
        chosen: names of the mutants.

    Returns:
        The names, in the given order.
    """
    codes = exit_codes(target, folder)
    return [name for name in chosen if verdict_of(codes.get(name)) == "unchecked"]


def _is_free(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start_and_follow(
    names: list[str], folder: Path, num_jobs: int, lock: TextIO, look: Callable[[], None]
) -> None:
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children"]
    with (folder / LOG_FILE).open("w") as log:
        process = subprocess.Popen(
            [*command, str(num_jobs), *names],
            cwd=folder,
            env=os.environ | _ENVIRONMENT,
            stdout=log,
            stderr=subprocess.STDOUT,
            # mutmut holds the lock too, and so keeps it where this process is killed.
            pass_fds=[lock.fileno()],
        )
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_SECONDS)
                look()
        finally:
            # As Ctrl-C does: mutmut then ends the tests that it has begun.
            process.send_signal(signal.SIGINT)
            process.wait()


def run(target: Target, folder: Path, chosen: list[str], num_jobs: int) -> None:
    """Have mutmut run the tests on each chosen mutant that has no verdict yet.

    Where an earlier run was killed and its mutmut still works, that one is waited for.

    Args:
        target: the target.
        folder: its workplace.
        chosen: names of the mutants.
        num_jobs: mutants tested at a time.

    Raises:
        RuntimeError: mutmut ended before every mutant had its verdict.
    """
    done = len(chosen) - len(unchecked(target, folder, chosen))
    with (
        (folder / _LOCK_FILE).open("w") as lock,
        tqdm(total=len(chosen), initial=done, desc=target.name, unit="mutant") as progress,
    ):

        def look() -> None:
            now = len(chosen) - len(unchecked(target, folder, chosen))
            progress.update(max(0, now - progress.n))

        while not _is_free(lock):
            time.sleep(_LOOK_SECONDS)
            look()
        left = unchecked(target, folder, chosen)
        if left:
            _start_and_follow(left, folder, num_jobs, lock, look)
    left = unchecked(target, folder, chosen)
    if left:
        said = (folder / LOG_FILE).read_text(errors="replace").replace("\r", "\n")
        shown = "\n".join(said.splitlines()[-15:])
        raise RuntimeError(
            f"mutation: {target.name} has {len(left)} mutants without a verdict; the tests must"
            f" pass before they can find mutants. {folder / LOG_FILE} ends:\n{shown}"
        )
