import os
import pickle
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
import torch

from llm_bridge import checkpoint
from llm_bridge.checkpoint import (
    list_checkpoints,
    read_checkpoint,
    read_latest_checkpoint,
    save_checkpoint,
)


def make_state(value):
    model = torch.nn.Linear(3, 2)
    torch.nn.init.constant_(model.weight, value)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(3)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "metrics_bytes": 7}


def flip_bit(path, place=-100):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    state = make_state(0.1)
    save_checkpoint(tmp_path, 3, state)
    found = read_checkpoint(tmp_path, 3)
    assert found["update"] == 3
    assert found["metrics_bytes"] == 7
    assert torch.equal(found["model"]["weight"], state["model"]["weight"])
    moments = found["optimizer"]["state"][0]["exp_avg"], state["optimizer"]["state"][0]["exp_avg"]
    assert torch.equal(*moments)


@pytest.mark.parametrize(("options", "kept"), [({}, [4, 10]), ({"num_kept": 1}, [10])])
def test_only_the_last_ones_are_kept(options, kept, tmp_path):
    for update in (2, 4, 10):
        save_checkpoint(tmp_path, update, make_state(update), **options)
    assert list_checkpoints(tmp_path) == kept
    assert len(list(tmp_path.iterdir())) == 2 * len(kept)


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "no checksum", "other checksum"])
def test_a_damaged_checkpoint_is_passed_over_with_a_sentence(damage, tmp_path):
    save_checkpoint(tmp_path, 1, make_state(1))
    save_checkpoint(tmp_path, 2, make_state(2))
    path = tmp_path / "checkpoint-00000002.pt"
    checksum = tmp_path / "checkpoint-00000002.pt.sha256"
    if damage == "bit":
        flip_bit(path)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no checksum":
        checksum.unlink()
    else:
        flip_bit(checksum, 0)
    state, notices = read_latest_checkpoint(tmp_path)
    assert state["update"] == 1
    assert notices == [
        "checkpoint-00000002.pt is damaged (its checksum differs). "
        "Going on from checkpoint-00000001.pt."
    ]
    with pytest.raises(ValueError, match=r"checkpoint-00000002\.pt does not match its checksum"):
        read_checkpoint(tmp_path, 2)


def test_where_no_checkpoint_was_written_there_is_none(tmp_path):
    assert read_latest_checkpoint(tmp_path) == (None, [])
    (tmp_path / "checkpoint-00000001.pt.sha256").write_text("a checksum that came first")
    assert read_latest_checkpoint(tmp_path) == (None, [])


def test_where_all_are_damaged_the_user_decides(tmp_path):
    for update in (1, 2):
        save_checkpoint(tmp_path, update, make_state(update))
        flip_bit(tmp_path / f"checkpoint-{update:08d}.pt")
    with pytest.raises(
        ValueError,
        match=r"^read_latest_checkpoint: `folder` must be a run folder with an undamaged .*"
        r"checksums of checkpoint-00000002\.pt, checkpoint-00000001\.pt differ\. Restore one",
    ):
        read_latest_checkpoint(tmp_path)


def test_a_full_disk_leaves_the_checkpoints_before_untouched(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, make_state(1))
    save_checkpoint(tmp_path, 2, make_state(2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def refuse(path, content):
        if not isinstance(content, str):
            raise OSError("no space left")
        path.write_text(content)

    monkeypatch.setattr(checkpoint, "write_atomically", refuse)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(tmp_path, 3, make_state(3))
    for name, content in before.items():
        assert (tmp_path / name).read_bytes() == content
    assert read_latest_checkpoint(tmp_path)[0]["update"] == 2


def watch_disk(folder, monkeypatch):
    """Look at the newest checkpoint around every change of the disk; what a kill there leaves."""
    newest = [0]

    def look():
        state, notices = read_latest_checkpoint(folder)
        assert notices == []
        update = 0 if state is None else state["update"]
        assert update >= newest[0], "progress was lost"
        assert state is None or torch.equal(state["value"], torch.full((300,), float(update)))
        newest[0] = update

    def watched(function):
        def looking(*arguments, **options):
            look()
            try:
                return function(*arguments, **options)
            finally:
                look()

        return looking

    for place in ("os.replace", "os.fsync", "os.chmod", "pathlib.Path.unlink"):
        owner, _, name = place.rpartition(".")
        original = getattr(os if owner == "os" else Path, name)
        monkeypatch.setattr(place, watched(original))
    return newest, look


def save_three(folder):
    for update in (1, 2, 3):
        save_checkpoint(folder, update, {"value": torch.full((300,), float(update))}, num_kept=1)


def test_a_kill_between_any_two_changes_of_the_disk_leaves_the_newest_whole(tmp_path, monkeypatch):
    newest, _ = watch_disk(tmp_path, monkeypatch)
    save_three(tmp_path)
    assert newest == [3]


def checksum_last(original, look):
    """The other order of the two files."""
    first = []

    def write(path, content):
        if path.suffix == ".sha256":
            first[:] = [path, content]
        else:
            original(path, content)
            original(*first)

    return write


def in_place(original, look):
    """Two halves, without a temporary file."""

    def write(path, content):
        data = content.encode() if isinstance(content, str) else bytes(content)
        path.write_bytes(data[: len(data) // 2])
        look()
        path.write_bytes(data)

    return write


@pytest.mark.parametrize("mutant", [checksum_last, in_place])
def test_another_order_of_writes_would_be_seen(mutant, tmp_path, monkeypatch):
    _, look = watch_disk(tmp_path, monkeypatch)
    monkeypatch.setattr(checkpoint, "write_atomically", mutant(checkpoint.write_atomically, look))
    with pytest.raises((AssertionError, ValueError)):
        save_three(tmp_path)


def test_dropping_the_old_ones_first_would_be_seen(tmp_path, monkeypatch):
    watch_disk(tmp_path, monkeypatch)
    original = checkpoint.write_atomically

    def drop_first(path, content):
        for update in list_checkpoints(tmp_path):
            (tmp_path / f"checkpoint-{update:08d}.pt").unlink()
        original(path, content)

    monkeypatch.setattr(checkpoint, "write_atomically", drop_first)
    with pytest.raises(AssertionError, match="progress was lost"):
        save_three(tmp_path)


def test_the_checksum_file_is_read_by_the_usual_tool(tmp_path):
    save_checkpoint(tmp_path, 1, make_state(1))
    digest, name = (tmp_path / "checkpoint-00000001.pt.sha256").read_text().split()
    program = "import hashlib,sys; print(hashlib.sha256(open(sys.argv[1],'rb').read()).hexdigest())"
    found = subprocess.check_output([sys.executable, "-c", program, tmp_path / name], text=True)
    assert found.strip() == digest


def test_a_checkpoint_holds_no_code(tmp_path):
    save_checkpoint(tmp_path, 1, {"model": {}, "thing": PurePosixPath("a")})
    with pytest.raises(pickle.UnpicklingError, match=r"(?i)weights.only"):
        read_checkpoint(tmp_path, 1)
