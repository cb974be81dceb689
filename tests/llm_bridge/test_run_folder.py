"""A run folder on a disk that fills up, and files that were changed while a run stood still."""

import itertools
import json
import shutil
from dataclasses import replace

import pytest

from banditlab.cli import main
from llm_bridge import train as train_module
from llm_bridge.checkpoint import list_checkpoints, read_checkpoint, read_latest_checkpoint
from llm_bridge.json_lines import JsonLines
from llm_bridge.metrics import read_metrics
from llm_bridge.train import train
from tests.banditlab.test_files import largest_file
from tests.llm_bridge.small_model import ROWS_FILE
from tests.llm_bridge.test_resume import Killed
from tests.llm_bridge.training import SMALL, assert_same_run, contents

pytestmark = pytest.mark.usefixtures("shared_grader")

# `SMALL` as words.
WORDS = ["train", "--rule", "clip", "--prompts", "6", "--group-size", "4", "--inner-epochs", "2"]
WORDS += ["--optimizer", "adamw", "--learning-rate", "0.001", "--updates", "5", "--threads", "1"]
WORDS += ["--eval-every", "3", "--eval-samples", "16", "--take", "16", "--eval-take", "16"]
WORDS += ["--checkpoint-every", "2", "--out"]


def full_at(function, call):
    """The kernel refuses what the call-th call of a function of the loop writes."""

    def patch(monkeypatch):
        calls = 0
        original = getattr(train_module, function)

        def refused(*arguments, **options):
            nonlocal calls
            calls += 1
            with largest_file(10_000 if calls == call else 2**40):
                return original(*arguments, **options)

        monkeypatch.setattr(train_module, function, refused)

    return patch


def full_in_a_line(monkeypatch):
    """Half of the thirtieth line fits, a sample of the evaluation after update 3."""
    number = itertools.count(1)
    original = JsonLines.append

    def append(self, line):
        length = self.path.stat().st_size if self.path.exists() else 0
        with largest_file(length + 20 if next(number) == 30 else 2**40):
            original(self, line)

    monkeypatch.setattr(JsonLines, "append", append)


@pytest.mark.parametrize(
    ("fill", "file", "kept"),
    [
        (full_at("save_checkpoint", 1), "checkpoint-00000002.pt", []),
        (full_at("save_checkpoint", 2), "checkpoint-00000004.pt", [2]),
        (full_in_a_line, "samples.jsonl", [2]),
        (full_at("save_model", 1), "model.partial", [4, 5]),
    ],
)
def test_a_full_disk_ends_a_run_in_one_line_and_the_same_command_goes_on(
    fill, file, kept, uninterrupted, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        fill(patch)
        assert main([*WORDS, str(out)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"banditlab: {out / file} cannot be written: ")
    assert told.err.endswith("and give the same command again.\n")
    assert told.err.count("\n") == 1
    assert list_checkpoints(out) == kept
    state, notices = read_latest_checkpoint(out)
    assert (state["update"] if state else None, notices) == (max(kept, default=None), [])
    left = {path.name for path in out.iterdir()}
    assert not [name for name in left if name.startswith(".") or name.endswith(".partial")]
    assert main([*WORDS, str(out)]) == 0
    assert_same_run(uninterrupted, out)


def test_a_kill_leaves_no_half_written_file_behind_the_next_run(
    uninterrupted, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "run_evaluation", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train(SMALL, out)
    (out / ".checkpoint-00000002.pt.abcd1234").write_bytes(b"half")
    (out / "model.partial").mkdir()
    train(SMALL, out, keep_checkpoints=9)
    assert_same_run(uninterrupted, out)
    assert list_checkpoints(out) == [2, 4, 5], "all of them, where so many are asked for"
    found = {path.name for path in out.iterdir()}
    assert found - {path.name for path in uninterrupted.iterdir()} == {
        "checkpoint-00000002.pt",
        "checkpoint-00000002.pt.sha256",
    }


def test_a_checkpoint_remembers_files_that_end_with_its_update(uninterrupted):
    for update in list_checkpoints(uninterrupted):
        state = read_checkpoint(uninterrupted, update)
        for name in ("metrics", "samples"):
            content = (uninterrupted / f"{name}.jsonl").read_bytes()[: state[f"{name}_bytes"]]
            assert content.endswith(b"\n")
            assert json.loads(content.splitlines()[-1])["update"] == update


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl"])
def test_a_file_that_is_not_cut_back_would_be_seen(name, uninterrupted, tmp_path, monkeypatch):
    out = shutil.copytree(uninterrupted, tmp_path / "run")
    (out / "summary.json").unlink()
    for path in out.glob("checkpoint-00000005.*"):
        path.unlink()
    original = JsonLines.truncate

    def truncate(self, num_bytes):
        if self.path.name != name:
            original(self, num_bytes)

    with monkeypatch.context() as patch:
        patch.setattr(JsonLines, "truncate", truncate)
        train(SMALL, out)
    with pytest.raises(AssertionError):
        assert_same_run(uninterrupted, out)


def test_where_all_checkpoints_are_damaged_the_run_stops_until_they_are_removed(
    uninterrupted, tmp_path
):
    out = shutil.copytree(uninterrupted, tmp_path / "run")
    (out / "summary.json").unlink()
    for path in out.glob("checkpoint-*.pt"):
        path.write_bytes(path.read_bytes()[:-10])
    before = contents(out)
    with pytest.raises(ValueError, match=r"an undamaged checkpoint, .*-00000005\.pt, check"):
        train(SMALL, out)
    assert contents(out) == before
    for path in out.glob("checkpoint-*"):
        path.unlink()
    assert_same_run(uninterrupted, train(SMALL, out))


def test_rows_that_changed_meanwhile_are_refused(tmp_path, monkeypatch):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(ROWS_FILE.read_text())
    config = replace(SMALL, dataset=str(rows), take=None, eval_take=None, checkpoint_every=1)
    original = train_module.run_update

    def end(run, update):
        if update == 2:
            raise Killed
        return original(run, update)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "run_update", end)
        with pytest.raises(Killed):
            train(config, tmp_path / "run")
    lines = read_metrics(tmp_path / "run")
    rows.write_text(ROWS_FILE.read_text().replace("#### 19", "#### 18"))
    with pytest.raises(ValueError, match=r"train: `out` must be a run folder whose model and data"):
        train(config, tmp_path / "run")
    assert read_metrics(tmp_path / "run") == lines


def test_quiet_prints_nothing(uninterrupted, capsys):
    assert main([*WORDS, str(uninterrupted), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*WORDS, str(uninterrupted)]) == 0
    assert "reused the finished run" in capsys.readouterr().out
