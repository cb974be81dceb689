import errno
import os

import pytest

from banditlab.files import WriteRefusedError
from llm_bridge import saved_model
from llm_bridge.models import load_policy, save_policy
from llm_bridge.saved_model import save_model
from tests.banditlab.test_files import largest_file


class Killed(BaseException):
    pass


@pytest.fixture
def run(monkeypatch):
    """What `save_model` reads of a run, its card aside."""
    from types import SimpleNamespace

    monkeypatch.setattr(saved_model, "model_card", lambda *_: "a card")
    return SimpleNamespace(policy=load_policy("embedded"), config=None)


def test_the_folder_is_there_whole_or_not_at_all(run, tmp_path, monkeypatch):
    def end(*_):
        raise Killed

    for name in ("save_policy", "write_atomically", "_sync"):
        with monkeypatch.context() as patch:
            patch.setattr(saved_model, name, end)
            with pytest.raises(Killed):
                save_model(run, tmp_path, {}, {})
        assert not (tmp_path / "model").exists()
    save_model(run, tmp_path, {}, {})
    assert os.listdir(tmp_path) == ["model"]
    assert (tmp_path / "model" / "README.md").read_text() == "a card"
    load_policy(str(tmp_path / "model"))
    save_model(run, tmp_path, {}, {})
    assert os.listdir(tmp_path) == ["model"], "one of before gives way"


@pytest.mark.parametrize("num_bytes", [100, 2_000, 100_000])
def test_a_disk_that_refuses_the_card_the_tokenizer_or_the_weights_is_named(
    num_bytes, run, tmp_path
):
    with (
        largest_file(num_bytes),
        pytest.raises(WriteRefusedError, match=r"model\.partial cannot be written: File too large"),
    ):
        save_model(run, tmp_path, {}, {})
    assert os.listdir(tmp_path) == []


def test_other_errors_stay_what_they_are(run, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("no disk has to do with it")

    monkeypatch.setattr(type(run.policy.model), "save_pretrained", refuse)
    with pytest.raises(RuntimeError, match="no disk"):
        save_policy(run.policy, tmp_path)

    def full(*_, **__):
        raise RuntimeError("Error while serializing: I/O error: no room (os error 28)")

    monkeypatch.setattr(type(run.policy.model), "save_pretrained", full)
    with pytest.raises(WriteRefusedError, match="No space left on device") as caught:
        save_policy(run.policy, tmp_path)
    assert caught.value.errno == errno.ENOSPC
