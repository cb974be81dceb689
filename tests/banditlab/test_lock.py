import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from banditlab import lock
from banditlab.lock import LOCK_FILE, lock_run_folder

pytestmark = pytest.mark.skipif(lock.fcntl is None, reason="this platform has no flock")

HOLD_PROGRAM = """
import sys, time
from pathlib import Path
from banditlab.lock import lock_run_folder
with lock_run_folder(Path(sys.argv[1]), "train"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_PROGRAM, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def assert_refused(folder, number):
    before = (folder / LOCK_FILE).read_bytes()
    message = (
        r"train: `out` must be a run folder that no other process works on, got .*, on which "
        rf"process {number} works\. Wait for it to end, or stop process {number}\.$"
    )
    with pytest.raises(ValueError, match=message), lock_run_folder(folder, "train"):
        pass
    assert (folder / LOCK_FILE).read_bytes() == before


def test_a_folder_is_held_by_one_process_until_it_is_killed(tmp_path, holder):
    assert_refused(tmp_path, holder.pid)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK_FILE).read_text() == f"{holder.pid}\n", "the file alone holds nothing"
    with lock_run_folder(tmp_path, "train"):
        assert_refused(tmp_path, os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_the_lock_ends_with_its_block_also_by_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), lock_run_folder(tmp_path, "train"):
        raise KeyboardInterrupt
    with lock_run_folder(tmp_path, "train"):
        pass


def test_a_holder_that_ends_in_time_is_waited_for(tmp_path, holder):
    timer = threading.Timer(0.3, holder.kill)
    timer.start()
    with lock_run_folder(tmp_path, "train", wait_seconds=30.0):
        assert not timer.is_alive()
    # Waiting has an end.
    with (
        lock_run_folder(tmp_path, "train"),
        pytest.raises(ValueError, match="no other process works on"),
        lock_run_folder(tmp_path, "train", wait_seconds=0.2),
    ):
        pass


def lock_as_the_holder_before_ends(folder, monkeypatch):
    """Whether two hold the folder when the first lock falls on the file of a holder that ends."""
    original = lock.fcntl.flock
    ended = []

    def remove_first(file, operation):
        if not ended:
            ended.append(True)
            (folder / LOCK_FILE).unlink()
        original(file, operation)

    monkeypatch.setattr(lock.fcntl, "flock", remove_first)
    with lock_run_folder(folder, "train"):
        try:
            with lock_run_folder(folder, "train"):
                return True
        except ValueError:
            return False


def test_a_lock_on_a_removed_file_is_taken_again(tmp_path, monkeypatch):
    assert not lock_as_the_holder_before_ends(tmp_path, monkeypatch)


def test_trusting_a_lock_on_a_removed_file_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_is_at", lambda *_: True)
    assert lock_as_the_holder_before_ends(tmp_path, monkeypatch)


def test_where_there_are_no_locks_nothing_is_checked(tmp_path, monkeypatch):
    def refuse(error):
        def flock(*_):
            raise OSError(error, os.strerror(error))

        return flock

    with monkeypatch.context() as patch:
        patch.setattr(lock.fcntl, "flock", refuse(errno.ENOSYS))
        with lock_run_folder(tmp_path, "train"), lock_run_folder(tmp_path, "train"):
            pass
        patch.setattr(lock.fcntl, "flock", refuse(errno.EIO))
        with (
            pytest.raises(OSError, match=os.strerror(errno.EIO)),
            lock_run_folder(tmp_path, "train"),
        ):
            pass
    monkeypatch.setattr(lock, "fcntl", None)
    with lock_run_folder(tmp_path, "train"), lock_run_folder(tmp_path, "train"):
        pass
