"""`python -m llm_bridge.embedded`: the card, a small rebuild, refusals, a build that is killed."""

import hashlib
import json
import signal
import subprocess
import sys
import time

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_bridge.embedded.__main__ import main
from llm_bridge.embedded.corpus import hash_rows

TINY = ["--rows", "600", "--steps", "5", "--samples-per-prompt", "1"]


def fingerprint(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def start_build_and_kill_it(out):
    """A long build, killed half a second after its workspace appeared; gives the workspace."""
    words = [sys.executable, "-m", "llm_bridge.embedded", "--rebuild", "--out", str(out)]
    process = subprocess.Popen(
        [*words, "--rows", "600", "--steps", "1000000"], stderr=subprocess.DEVNULL
    )
    workspace = out / "build" / str(process.pid)
    deadline = time.monotonic() + 60
    while not workspace.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return workspace


@pytest.fixture(scope="module")
def killed_build(tmp_path_factory):
    """An older build's folder, what it held, and the workspace of a build that died over it."""
    out = tmp_path_factory.mktemp("embedded")
    for name in ("model/recipe.json", "model/model.safetensors", "data/train.jsonl"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(f"old {name}")
    before = fingerprint(out)
    return out, before, start_build_and_kill_it(out)


@pytest.fixture(scope="module")
def tiny_build(killed_build):
    out, _, workspace = killed_build
    left_over = workspace.exists()
    after = fingerprint(out)
    assert main(["--rebuild", "--out", str(out), *TINY]) == 0
    return out, left_over, after


def test_card_is_printed_without_options(capsys):
    assert main([]) == 0
    card = capsys.readouterr().out
    for words in ("base pass rate", "SHA-256", "seed", "python -m llm_bridge.embedded --rebuild"):
        assert words in card


def test_rebuild_makes_a_model_that_loads(tiny_build):
    out = tiny_build[0]
    assert {path.name for path in out.iterdir()} == {"model", "data"}
    numbers = json.loads((out / "model" / "recipe.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(out / "model")
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert model.config.vocab_size == len(tokenizer) == numbers["vocab_size"]
    assert len(numbers["first_losses"]) == 5
    assert numbers["base"]["num_samples"] == 512
    assert numbers["command"].endswith("--steps 5 --rows 600 --samples-per-prompt 1")
    for name in ("train", "heldout"):
        lines = (out / "data" / f"{name}.jsonl").read_text().splitlines()
        assert hash_rows(json.loads(line) for line in lines) == numbers[f"{name}_sha256"]


def test_killed_build_leaves_the_folder_as_it_was_and_the_next_one_cleans_up(
    killed_build, tiny_build
):
    _, before, workspace = killed_build
    _, left_over, after = tiny_build
    assert left_over
    assert {name: after[name] for name in before} == before
    assert not workspace.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rebuild", "--steps", "5"], "--steps must come with --out, got 5 alone"),
        (["--rebuild", "--out", "x", "--steps", "0"], "--steps must be at least 1, got 0"),
        (["--rebuild", "--out", "x", "--rows", "9"], "--rows must be at least 32"),
        (["--out", "x"], "--out must come with --rebuild"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_models_of_other_origin_and_plain_files_are_not_overwritten(capsys, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(SystemExit):
        main(["--rebuild", "--out", str(tmp_path)])
    assert "--out must be a folder without a model of another origin" in capsys.readouterr().err
    plain = tmp_path / "file"
    plain.write_text("kept")
    with pytest.raises(SystemExit):
        main(["--rebuild", "--out", str(plain)])
    assert "--out must be a folder, got the file" in capsys.readouterr().err


def test_missing_libraries_are_named_with_their_extra(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "llm_bridge.embedded.build", None)
    assert main(["--rebuild", "--out", str(tmp_path)]) == 2
    assert "pip install 'banditlab[llm]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_teaches_with_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "example: python -m llm_bridge.embedded --rebuild" in capsys.readouterr().out
