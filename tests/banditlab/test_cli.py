import json
import subprocess
import sys

import pytest

from banditlab.cli import main

COMMANDS = ("compare", "train", "simulate", "verify", "rules", "env")


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_teaches_with_an_example(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"example: banditlab {name}" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["compare", "--help"]])
def test_help_loads_no_heavy_library(words):
    code = (
        "import sys\nfrom banditlab.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'datasets', 'matplotlib', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_importing_banditlab_leaves_torch_unloaded():
    code = "import banditlab, sys; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_rules_lists_all_and_explains_one(capsys):
    assert main(["rules"]) == 0
    assert "variance_penalty" in capsys.readouterr().out
    assert main(["rules", "clip"]) == 0
    assert "clip_low" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rules", "clop"], "Did you mean 'clip'?"),
        (["simulate", "--rule", "grop"], "must be a known rule, got 'grop'. Did you mean 'grpo'?"),
        (["simulate", "--rule", "grpo", "--group-size", "1"], "at least 2 for grpo, got 1"),
        (["simulate", "--rule", "clip", "--hyper", "clip_low=2"], "`clip_low` must be a finite"),
        (["simulate", "--rule", "clip", "--hyper", "clip_low"], "must be NAME=NUMBER"),
        (["simulate", "--rule", "clip", "--pass-rate", "0"], "`success_prob` must be in (0, 1)"),
    ],
)
def test_bad_input_is_one_sentence_exit_2_and_nothing_written(words, message, capsys, tmp_path):
    out = tmp_path / "run"
    extra = ["--out", str(out), "--runs", "2", "--steps", "2"] if words[0] == "simulate" else []
    assert main([*words, *extra]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert not out.exists()


def simulate_words(out, *more):
    words = ["simulate", "--rule", "grpo", "--runs", "4", "--steps", "5", "--record-every", "1"]
    return [*words, "--out", str(out), *more]


def test_simulate_writes_its_folder_and_reuses_it(tmp_path, capsys):
    assert main(simulate_words(tmp_path / "run")) == 0
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {"config.json", "curves.npz", "provenance.json"}
    first = capsys.readouterr().out
    assert main(simulate_words(tmp_path / "run")) == 0
    assert "reused the finished run" in (second := capsys.readouterr().out)
    assert first.splitlines()[-3] in second
    assert main(simulate_words(tmp_path / "run", "--seed", "1")) == 2
    assert "it differs in seed" in capsys.readouterr().err


def test_dry_run_estimates_and_writes_nothing(tmp_path, capsys):
    assert main(simulate_words(tmp_path / "run", "--dry-run")) == 0
    assert "estimate:" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_env_prints_versions_as_json(capsys):
    assert main(["env", "--json"]) == 0
    assert "numpy" in json.loads(capsys.readouterr().out)["versions"]


def test_a_missing_library_is_answered_with_its_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("llm_bridge.")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["train", "--rule", "clip", "--dry-run"]) == 2
    assert 'pip install "banditlab[llm]"' in capsys.readouterr().err
