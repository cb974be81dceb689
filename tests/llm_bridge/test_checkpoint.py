import pickle
import subprocess
import sys
from pathlib import PurePosixPath

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


def test_only_the_last_two_are_kept(tmp_path):
    for update in (2, 4, 10):
        save_checkpoint(tmp_path, update, make_state(update))
    assert list_checkpoints(tmp_path) == [4, 10]
    assert len(list(tmp_path.iterdir())) == 4


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
        "checkpoint-00000002.pt is damaged (its checksum differs); going on from the one before it."
    ]
    with pytest.raises(ValueError, match=r"checkpoint-00000002\.pt does not match its checksum"):
        read_checkpoint(tmp_path, 2)


def test_without_a_good_checkpoint_there_is_none(tmp_path):
    assert read_latest_checkpoint(tmp_path) == (None, [])
    save_checkpoint(tmp_path, 1, make_state(1))
    flip_bit(tmp_path / "checkpoint-00000001.pt")
    state, notices = read_latest_checkpoint(tmp_path)
    assert state is None
    assert len(notices) == 1


def test_a_full_disk_leaves_the_checkpoints_before_untouched(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, make_state(1))
    save_checkpoint(tmp_path, 2, make_state(2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def refuse(path, content):
        if isinstance(content, bytes):
            raise OSError("no space left")
        path.write_text(content)

    monkeypatch.setattr(checkpoint, "write_atomically", refuse)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(tmp_path, 3, make_state(3))
    for name, content in before.items():
        assert (tmp_path / name).read_bytes() == content
    assert read_latest_checkpoint(tmp_path)[0]["update"] == 2


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
