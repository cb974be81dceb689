"""Runs that end anywhere, and processes that meet in one folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch

from banditlab.cli import main
from banditlab.lock import lock_run_folder
from banditlab.records import claim_run_folder
from llm_bridge import train as train_module
from llm_bridge.run import (
    prepare_run,
)
from llm_bridge.train import train
from tests.llm_bridge.training import (
    CARRYING,
    REMEMBERING,
    SMALL,
    assert_same_run,
    contents,
    lasting,
)

pytestmark = pytest.mark.usefixtures("shared_grader")

# The grader's process runs what stands outside the block once more.
TRAIN_PROGRAM = """
import json, sys
from pathlib import Path
if __name__ == "__main__":
    from llm_bridge.config import TrainConfig
    from llm_bridge.train import train
    train(TrainConfig(**json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.mark.parametrize(
    ("function", "call", "update"),
    [
        ("write_json", 1, "before anything ran"),
        ("run_evaluation", 1, "before the first update"),
        ("save_checkpoint", 1, "before the first checkpoint is written"),
        ("run_evaluation", 2, "between an update and its evaluation"),
        ("save_model", 1, "after the last update"),
        ("write_json", 2, "before the summary"),
    ],
)
def test_a_run_that_ends_anywhere_goes_on_to_the_same_bits(
    function, call, update, uninterrupted, tmp_path, monkeypatch
):
    calls = 0
    original = getattr(train_module, function)

    def end_at_call(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed(update)
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, function, end_at_call)
        with pytest.raises(Killed):
            train(SMALL, tmp_path / "run")
    assert_same_run(uninterrupted, train(SMALL, tmp_path / "run"))


def test_a_second_process_gets_exit_code_2_and_writes_nothing(tmp_path, monkeypatch, capsys):
    words = ["train", "--prompts", "4", "--eval-samples", "8", "--out", str(tmp_path / "run")]
    codes = []

    def start_another(run, out, **_):
        before = contents(out)
        with monkeypatch.context() as patch:
            patch.setattr(train_module, "prepare_run", None)
            codes.append(main(words))
        assert contents(out) == before
        raise Killed

    monkeypatch.setattr(train_module, "_run_updates", start_another)
    with pytest.raises(Killed):
        main(words)
    assert codes == [2]
    assert (
        f"train: `out` must be a run folder that no other process works on, got "
        f"{tmp_path / 'run'}, on which process {os.getpid()} works."
    ) in capsys.readouterr().err


def test_of_two_processes_that_begin_a_run_together_one_is_refused(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with ExitStack() as other:

        def prepare_beside_another(*arguments):
            claim_run_folder(out, SMALL.resolved().as_dict(), "train")
            other.enter_context(lock_run_folder(out, "train"))
            return prepare_run(*arguments)

        monkeypatch.setattr(train_module, "prepare_run", prepare_beside_another)
        with pytest.raises(ValueError, match="no other process works on"):
            train(SMALL, out)
        assert set(contents(out)) == {"config.json", "lock"}


def test_a_run_that_another_process_ends_meanwhile_is_reused(uninterrupted, tmp_path, monkeypatch):
    out = tmp_path / "run"

    def prepare_beside_another(*arguments):
        shutil.copytree(uninterrupted, out)
        return prepare_run(*arguments)

    monkeypatch.setattr(train_module, "prepare_run", prepare_beside_another)
    assert train(SMALL, out) == out
    assert contents(out) == contents(uninterrupted)


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {
        name: train(config, folder / name)
        for name, config in (("carrying", CARRYING), ("remembering", REMEMBERING))
    }


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_killed_process_goes_on_to_the_same_bits(whole_runs, tmp_path):
    program, out = tmp_path / "program.py", tmp_path / "run"
    program.write_text(TRAIN_PROGRAM)
    process = subprocess.Popen(
        [sys.executable, program, json.dumps(CARRYING.as_dict()), out], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60.0
    while not (out / "checkpoint-00000002.pt").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    # Held still, so that it cannot end before it is killed.
    process.send_signal(signal.SIGSTOP)
    before = contents(out)
    with pytest.raises(ValueError, match=f"no other process works on.*stop process {process.pid}"):
        train(CARRYING, out)
    assert contents(out) == before
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    assert not (out / "summary.json").exists()
    assert_same_run(whole_runs["carrying"], train(CARRYING, out))


def interrupted(config, out, monkeypatch, at_update=4):
    """A run that ends during an update and so goes on from the checkpoint of update 2."""
    original = train_module.run_update

    def end(run, update):
        if update == at_update:
            raise Killed
        return original(run, update)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "run_update", end)
        with pytest.raises(Killed):
            train(config, out)
    return out


@pytest.mark.parametrize(("name", "config"), [("carrying", CARRYING), ("remembering", REMEMBERING)])
def test_all_that_an_update_carries_on_comes_back_to_the_same_bits(
    name, config, whole_runs, tmp_path, monkeypatch
):
    out = interrupted(config, tmp_path / "run", monkeypatch)
    assert_same_run(whole_runs[name], train(config, out))
    if name == "carrying":
        updates = [line for line in lasting(out) if line["kind"] == "update"]
        assert len({line["multiplier"] for line in updates}) == 5
        assert len({line["learning_rate"] for line in updates}) == 5
        assert [line["num_replayed_groups"] for line in updates] == [0, 3, 3, 3, 3]
        assert updates[-1]["reference_k3"] > 0


@pytest.mark.parametrize(
    ("name", "config", "forgotten"),
    [
        ("carrying", CARRYING, "llm_bridge.replay.ReplayBuffer"),
        ("carrying", CARRYING, "llm_bridge.memory.RuleMemory"),
        ("carrying", CARRYING, "torch.optim.lr_scheduler.LambdaLR"),
        ("remembering", REMEMBERING, "llm_bridge.memory.RuleMemory"),
    ],
)
def test_resuming_without_a_part_of_the_state_would_be_seen(
    name, config, forgotten, whole_runs, tmp_path, monkeypatch
):
    out = interrupted(config, tmp_path / "run", monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(f"{forgotten}.load_state_dict", lambda *_: None)
        train(config, out)
    with pytest.raises(AssertionError):
        assert_same_run(whole_runs[name], out)


def test_resuming_without_the_optimizer_would_be_seen(uninterrupted, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "save_model", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train(SMALL, tmp_path / "run")
    (tmp_path / "run" / "checkpoint-00000005.pt").unlink()
    (tmp_path / "run" / "checkpoint-00000005.pt.sha256").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "load_state_dict", lambda *_: None)
        train(SMALL, tmp_path / "run")
    with pytest.raises(AssertionError):
        assert_same_run(uninterrupted, tmp_path / "run")


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(uninterrupted, tmp_path, capsys):
    out = train(SMALL, tmp_path / "run")
    (out / "summary.json").unlink()
    newest = out / "checkpoint-00000005.pt"
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    assert_same_run(uninterrupted, train(SMALL, out))
    assert "checkpoint-00000005.pt is damaged" in capsys.readouterr().err


def test_a_finished_run_is_reused_at_once(uninterrupted, monkeypatch):
    monkeypatch.setattr(train_module, "prepare_run", None)
    before = (uninterrupted / "metrics.jsonl").read_bytes()
    assert train(SMALL, uninterrupted) == uninterrupted
    assert (uninterrupted / "metrics.jsonl").read_bytes() == before


def test_a_folder_of_another_run_is_refused_untouched(uninterrupted, tmp_path):
    with pytest.raises(ValueError, match=r"folder of another run \(it differs in seed\)"):
        train(replace(SMALL, seed=7), uninterrupted)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="which holds other files"):
        train(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_thread_count_of_the_first_part_holds_for_the_rest(tmp_path, monkeypatch):
    config = replace(SMALL, num_threads=None, num_updates=1)
    before = torch.get_num_threads()
    used = []
    original = train_module.run_update

    def record(run, update):
        used.append(torch.get_num_threads())
        if len(used) == 1:
            raise Killed
        return original(run, update)

    monkeypatch.setattr(train_module, "run_update", record)
    try:
        torch.set_num_threads(1)
        with pytest.raises(Killed):
            train(config, tmp_path / "run")
        torch.set_num_threads(2)
        train(config, tmp_path / "run")
        assert torch.get_num_threads() == 2, "the caller's own count comes back"
    finally:
        torch.set_num_threads(before)
    assert used == [1, 1]
