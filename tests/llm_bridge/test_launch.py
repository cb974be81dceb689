"""What the environment says of other processes."""

import builtins

import pytest

from banditlab.cli import main
from llm_bridge.launch import find_processes, is_other_process
from llm_bridge.parallel import ALONE, Launched


def test_without_a_launcher_there_is_one_process_and_accelerate_is_not_asked_for(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(Launched, "__init__", None)
    assert find_processes("cpu") is ALONE
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert find_processes("cuda:1") is ALONE


def test_without_accelerate_the_extra_is_named(monkeypatch):
    original = builtins.__import__

    def without_accelerate(name, *arguments, **options):
        if name == "accelerate":
            raise ModuleNotFoundError("No module named 'accelerate'", name="accelerate")
        return original(name, *arguments, **options)

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(builtins, "__import__", without_accelerate)
    with pytest.raises(ModuleNotFoundError, match=r"2 processes need .*\[llm,accelerate\]"):
        find_processes("cpu")


def test_a_command_that_starts_processes_itself_is_not_to_be_launched(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["compare", "--out", str(tmp_path / "run")]) == 2
    assert "compare: `processes` must be one, which starts its own" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_numbered_device_is_refused_where_each_process_takes_its_own(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"`device` must be without a number .*got 'cuda:1'"):
        find_processes("cuda:1")


def test_the_main_process_is_no_other(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert not is_other_process()
    for rank, is_other in (("0", False), ("1", True)):
        monkeypatch.setenv("RANK", rank)
        assert is_other_process() == is_other
