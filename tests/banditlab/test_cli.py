"""The command line as a whole: overview, help, errors, and the commands `rules` and `env`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from banditlab.cli import main
from banditlab.rules import RULES

MODEL_COMMANDS = ("compare", "train", "evaluate", "grade")
COMMANDS = (*MODEL_COMMANDS, "simulate", "sweep", "verify", "rules", "check", "env")


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


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        *(
            [name, "--help"]
            for name in ("train", "evaluate", "grade", "compare", "simulate", "sweep", "check")
        ),
    ],
)
def test_help_loads_no_heavy_library(words):
    code = (
        "import sys\nfrom banditlab.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'datasets', 'matplotlib', 'scipy', 'joblib', "
        "'distributed', 'yaml', 'hypothesis'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_importing_banditlab_leaves_torch_unloaded():
    code = "import banditlab, sys; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_rules_lists_all_and_explains_one(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    assert main(["rules"]) == 0
    shown = capsys.readouterr().out
    joined = " ".join(shown.split())
    for rule in RULES.values():
        assert f"{rule!r} {rule.formula} from {rule.source}" in joined
    assert max(len(line) for line in shown.splitlines() if line.startswith(" ")) <= 72
    assert main(["rules", "clip"]) == 0
    shown = capsys.readouterr().out
    assert "clip_low" in shown
    # Every line of the docstring stands at its own depth below the heading's.
    assert "\n    Score weight of the clipped" in shown
    assert "\n    Args:\n        log_prob: log-prob" in shown


def test_an_interrupted_command_says_what_holds_for_every_command(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("banditlab.experiments.run.simulate", interrupt)
    assert main(["simulate", "--rule", "grpo"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "banditlab: interrupted; finished parts in a run folder are reused by the same command"
    )


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


def test_a_sweep_on_a_cluster_without_dask_is_answered_with_the_extra(tmp_path):
    grid = Path(__file__).parents[2] / "examples" / "sweep.toml"
    words = ["sweep", str(grid), "--out", str(tmp_path / "out"), "--cluster", "local"]
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from banditlab.cli import main\n"
        f"sys.exit(main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        'banditlab: distributed is not installed. Remedy: pip install "banditlab[cluster]".'
    )


def test_env_names_every_extra(capsys):
    assert main(["env", "--json"]) == 0
    extras = json.loads(capsys.readouterr().out)["extras"]
    assert set(extras) == {"llm", "tensorboard", "figures", "cluster", "bench", "testing", "test"}


@pytest.mark.parametrize(
    ("words", "settings"),
    [(["rules"], {"PYTHONUNBUFFERED": "1"}), (["rules"], {}), (["rules", "--help"], {})],
)
def test_a_reader_that_leaves_ends_the_command_quietly(words, settings):
    """A pipe whose reader is gone before the first line, as `| head -0` has it."""
    read, write = os.pipe()
    os.close(read)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "banditlab", *words]
    done = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, env=env | settings, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    "error", [MemoryError("Unable to allocate 1 PiB"), OverflowError("int too large")]
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_what_is_too_large_for_the_machine_is_told_with_what_to_do(
    error, more, capsys, monkeypatch
):
    def exhaust(*_, **__):
        raise error

    monkeypatch.setattr("banditlab.experiments.run.require_runnable", exhaust)
    assert main(["simulate", "--rule", "grpo", *more]) == 2
    assert capsys.readouterr().err == (
        f"banditlab: too large for this machine's memory ({error}). Take fewer runs, a coarser "
        "record grid (num_log_records) or smaller groups.\n"
    )


def test_an_unknown_flag_is_answered_with_the_usage_of_its_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["simulate", "--bogus", "1"])
    shown = capsys.readouterr().err
    assert shown.startswith("usage: banditlab simulate [-h] [--rule NAME]")
    assert "banditlab simulate: error: unrecognized arguments: --bogus" in shown
