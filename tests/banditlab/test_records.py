import errno
import json

import numpy as np
import pytest

from banditlab.files import WriteRefusedError
from banditlab.records import (
    Record,
    claim_run_folder,
    provenance,
    without_path,
    write_json,
)


def test_a_folder_is_claimed_once_and_found_again(tmp_path):
    out = tmp_path / "run"
    assert claim_run_folder(out, {"seed": 1}, "train") is False
    assert claim_run_folder(out, {"seed": 1}, "train") is True


def test_the_folder_of_another_run_is_refused_and_left_alone(tmp_path):
    claim_run_folder(tmp_path / "run", {"seed": 1, "rule": "clip"}, "train")
    with pytest.raises(ValueError, match=r"`out` must be a new folder.*it differs in seed\)"):
        claim_run_folder(tmp_path / "run", {"seed": 2, "rule": "clip"}, "train")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["seed"] == 1


def test_foreign_files_are_never_mixed_with_a_run(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"`out` must be a new or empty folder"):
        claim_run_folder(tmp_path, {}, "train")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("below", [(), ("run",), ("some", "run")])
def test_a_file_is_no_run_folder_and_holds_none(tmp_path, below):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        ValueError,
        match=r"^claim_run_folder: `out` must be a new or empty folder, got \S+, where notes.txt "
        r"is a file\. Choose another --out\.$",
    ):
        claim_run_folder(tmp_path.joinpath("notes.txt", *below), {}, "train")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_a_kill_left_of_the_configuration_does_not_block_the_folder(tmp_path):
    (tmp_path / ".config.json.abc").write_text("{")
    assert claim_run_folder(tmp_path, {"seed": 1}, "train") is False


def test_a_folder_that_the_disk_refuses_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(WriteRefusedError, match=r"run cannot be written: Read-only file system\."):
        claim_run_folder(tmp_path / "run", {}, "train")


def test_numbers_that_json_cannot_hold_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"a": float("nan")})


def test_a_record_is_read_back_as_it_was(tmp_path):
    claim_run_folder(tmp_path / "run", {"rule": "clip"}, "simulate")
    record = Record({"pass_rate": np.ones((2, 3))}, np.arange(3), {"rule": "clip"}, provenance())
    record.save(tmp_path / "run")
    again = Record.load(tmp_path / "run")
    np.testing.assert_array_equal(again.curves["pass_rate"], record.curves["pass_rate"])
    assert again.provenance["versions"]["numpy"] == np.__version__


def test_provenance_holds_no_path_of_the_machine(monkeypatch):
    words = ["simulate", "--rule", "clip", "--out", "/x/y"]
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/banditlab", *words])
    assert provenance(seed=1)["command"] == "banditlab simulate --rule clip --out y"


@pytest.mark.parametrize(
    ("word", "published"),
    [
        ("/x/y", "y"),
        ("/x/y/", "y"),
        ("--out=/x/y", "--out=y"),
        ("~/runs/y", "y"),
        ("../other/rows.jsonl", "rows.jsonl"),
        ("here/rows.jsonl", "rows.jsonl"),
        ("--dataset=here/rows.jsonl", "--dataset=rows.jsonl"),
        ("openai/gsm8k:main", "openai/gsm8k:main"),
        ("--model=nobody/small", "--model=nobody/small"),
        ("clip_high=0.28", "clip_high=0.28"),
        ("embedded", "embedded"),
        (".", "."),
    ],
)
def test_a_path_keeps_its_last_part_and_a_hub_name_stays(word, published, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "rows.jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    assert without_path(word) == published


@pytest.mark.parametrize("name", ["config.json", "curves.npz", "provenance.json"])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_damaged_file_of_a_run_is_named_with_what_to_do(tmp_path, name, keep):
    out = tmp_path / "run"
    claim_run_folder(out, {"seed": 1}, "simulate")
    Record({"pass_rate": np.ones((2, 300))}, np.arange(300), {}, provenance()).save(out)
    content = (out / name).read_bytes()
    (out / name).write_bytes(content[: int(keep * len(content))])
    message = (
        rf"`path` must be a file of whole \w+, got \S+{name}, which is damaged \(.*\)\. Remove "
    )
    with pytest.raises(ValueError, match=message + "its folder and run again"):
        Record.load(out)
    if name == "config.json":
        with pytest.raises(ValueError, match=message):
            claim_run_folder(out, {"seed": 1}, "simulate")
