import json
import subprocess
import sys

import pytest

from banditlab.cli import main
from banditlab.commands import parse_hyper

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
        (["simulate", "--rule", "clip", "--seed", "-1"], "`seed` must be at least 0, got -1."),
        (["simulate", "--rule", "clip", "--policy", "dense"], "Use the lumped policy, which never"),
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


def test_a_file_in_the_place_of_the_folder_is_answered_in_one_sentence(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(simulate_words(tmp_path / "notes.txt")) == 2
    shown = capsys.readouterr().err
    assert "`out` must be a new or empty folder" in shown
    assert "where notes.txt is a file. Choose another --out." in shown
    assert shown.count("\n") == 1


def test_an_interrupted_command_says_what_holds_for_every_command(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("banditlab.simulate.simulate", interrupt)
    assert main(["simulate", "--rule", "grpo"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "banditlab: interrupted; finished parts in a run folder are reused by the same command"
    )


def test_whole_hyperparameters_stay_integers():
    hyper = parse_hyper(["ddof=1", "eps=1e-4", "multiplier = 2", "shift=-3"], "train")
    assert hyper == {"ddof": 1, "eps": 1e-4, "multiplier": 2, "shift": -3}
    assert [type(value) for value in hyper.values()] == [int, float, int, int]


def test_dry_run_estimates_and_writes_nothing(tmp_path, capsys):
    assert main(simulate_words(tmp_path / "run", "--dry-run")) == 0
    assert "estimate:" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_env_prints_versions_as_json(capsys):
    assert main(["env", "--json"]) == 0
    assert "numpy" in json.loads(capsys.readouterr().out)["versions"]


@pytest.mark.parametrize("words", [["train", "--rule", "clip"], ["compare"]])
def test_a_missing_library_is_answered_with_its_extra(words):
    # A process of its own: modules that loaded without torch must not outlive the test.
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from banditlab.cli import main\n"
        f"sys.exit(main({[*words, '--dry-run']!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        'banditlab: torch is not installed. Remedy: pip install "banditlab[llm]".\n'
    )
