import errno
import os
import pickle
import resource
from contextlib import contextmanager

import pytest

from banditlab.cli import main
from banditlab.files import WriteRefusedError, remove_leftovers, write_atomically, writing


@contextmanager
def largest_file(num_bytes):
    """The kernel itself refuses to let any file of this process grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_the_kernel_refuses_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.json"
    write_atomically(path, "old")
    with (
        largest_file(100_000),
        pytest.raises(
            WriteRefusedError,
            match=r"^\S+/file\.json cannot be written: File too large\. What was written before is "
            r"whole; make room, or lift what refuses, and give the same command again\.$",
        ),
    ):
        write_atomically(path, bytes(200_000))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.json"]


@pytest.mark.parametrize("function", ["replace", "fsync", "chmod"])
def test_a_disk_that_is_full_at_any_step_leaves_the_old_file(function, tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, "old")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, refuse)
        with pytest.raises(WriteRefusedError, match=r"file\.json cannot be written: No space left"):
            write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.json"]


def test_the_innermost_file_is_the_one_that_is_named(tmp_path):
    with pytest.raises(WriteRefusedError) as caught, writing(tmp_path):
        write_atomically(tmp_path / "missing" / "file", "")
    assert caught.value.filename == str(tmp_path / "missing" / "file")
    assert caught.value.errno == errno.ENOENT


def test_the_error_travels_between_processes():
    error = WriteRefusedError(errno.ENOSPC, "No space left on device", "a/file")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_the_command_line_says_it_in_one_line_with_exit_code_1(tmp_path, capsys):
    words = ["simulate", "--rule", "clip", "--runs", "2", "--steps", "20", "--out"]
    with largest_file(100):
        assert main([*words, str(tmp_path / "run")]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"banditlab: {tmp_path / 'run'}")
    assert "cannot be written: File too large." in told


def test_only_what_kills_left_of_writes_is_removed(tmp_path, monkeypatch):
    kept = ["file.json", ".hidden", ".cell.partial", "model.partial"]
    for name in kept:
        (tmp_path / name).write_text("")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_atomically(tmp_path / "file.json", "cut short")
    assert len(os.listdir(tmp_path)) == len(kept) + 1
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
