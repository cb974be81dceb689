import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from banditlab.cli import main
from banditlab.commands import parse_hyper
from banditlab.records import Record
from banditlab.simulate import Simulation

RUN_FILES = {"config.json", "curves.npz", "provenance.json", "curves.png", "curves.svg"}


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
        (["simulate"], "simulate: `rule.name` must be given, got nothing. See `banditlab rules`."),
        (["simulate", "--rule", "clip", "--batch-order", "epoch"], "Did you mean 'epochs'?"),
        (["simulate", "--rule", "clip", "--optimizer", "adm"], "Did you mean 'adam'?"),
        (
            ["simulate", "--rule", "clip", "--group-size", "x"],
            "must be a whole number, got str 'x'",
        ),
        (["simulate", "--rule", "clip", "--set", "run.num_step=1"], "Did you mean 'num_steps'?"),
        (["simulate", "--rule", "clip", "--set", "seed=1"], "`set` must be TABLE.KEY=VALUE"),
        (["simulate", "--rule", "clip", "--events", "--optimizer", "adam"], "without memory (sgd)"),
        (
            ["simulate", "--rule", "clip", "--pass-rate", "inf"],
            "success_prob` (--pass-rate) must",
        ),
        (["simulate", "--rule", "clip", "--seed", "-1"], "banditlab: simulate: `seed` must"),
        (["simulate", "--rule", "clip", "--batch-order", "x"], "banditlab: simulate: `order` must"),
        (["simulate", "--rule", "clip", "--hyper", "clip_hgh=1"], "clip_low, clip_high, extra_ro"),
        (["simulate", "--rule", "clip", "--set", "run.num_runs=1e10"], "curves of all runs"),
        (["simulate", "--rule", "clip", "--level", "word"], "must be a known level, got 'word'"),
        (["simulate", "nowhere.toml"], "got nowhere.toml (No such file or directory). See"),
        (["simulate", "--rule", "clip", "--set", "problem.kind=zipf"], "`problem.log10_arms` must"),
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
    assert files == RUN_FILES
    first = capsys.readouterr().out
    assert main(simulate_words(tmp_path / "run")) == 0
    assert "reused the finished run" in (second := capsys.readouterr().out)
    assert first.splitlines()[-3] in second
    assert "picture: " in second
    assert main(simulate_words(tmp_path / "run", "--seed", "1")) == 2
    assert "it differs in run" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_folder_is_answered_in_one_sentence(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(simulate_words(tmp_path / "notes.txt")) == 2
    shown = capsys.readouterr().err
    assert "`out` must be a new or empty folder" in shown
    assert "where notes.txt is a file. Choose another --out." in shown
    assert shown.count("\n") == 1


def test_whole_hyperparameters_stay_integers():
    hyper = parse_hyper(["ddof=1", "eps=1e-4", "multiplier = 2", "shift=-3"], "train")
    assert hyper == {"ddof": 1, "eps": 1e-4, "multiplier": 2, "shift": -3}
    assert [type(value) for value in hyper.values()] == [int, float, int, int]


def test_dry_run_estimates_and_writes_nothing(tmp_path, capsys):
    assert main(simulate_words(tmp_path / "run", "--dry-run")) == 0
    shown = capsys.readouterr().out
    assert "estimate from 7 rounds" in shown
    assert "nothing written" in shown
    assert not (tmp_path / "run").exists()


EXPERIMENT = """
[problem]
kind = "pass_rates"
train_pass_rates = [0.2, 0.4, 0.6]
heldout_pass_rates = [0.3]
shared_kernel = 5.0
[rule]
name = "clip"
clip_high = 0.4
[run]
num_runs = 4
num_steps = 6
group_size = 4
record_every = 1
"""


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(EXPERIMENT)
    return path


def config_of(out):
    return json.loads((out / "config.json").read_text())


def test_a_file_is_run_and_its_whole_configuration_kept(experiment, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["simulate", str(experiment), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "held-out" in shown
    assert f"picture: {out / 'curves.png'}, {out / 'curves.svg'}" in shown
    config = config_of(out)
    assert config["kind"] == "simulate"
    assert config["rule"]["clip_high"] == 0.4
    assert config["run"]["seed"] == 0
    record = Record.load(out)
    assert record.config == config
    last = record.curves["heldout_pass_rate"][:, -1].mean()
    row = next(line for line in shown.splitlines() if line.strip().startswith("6 "))
    assert f"{last:.4f}" in row.split()


def test_flags_and_set_override_the_file(experiment, tmp_path):
    out = tmp_path / "run"
    flags = ["--optimizer", "momentum", "--step-size", ".5", "--rule", "clip", "--hyper"]
    flags += ["clip_low=0.1", "--rollout-ages", "0,1", "--batch-size", "2", "--batch-order"]
    flags += ["replacement", "--log-records", "3", "--steps", "1e1", "--inner-epochs", "2"]
    flags += ["--set", "optimizer.momentum=0.5", "--set", "problem.train_pass_rates=[0.1, 0.3]"]
    assert main(["simulate", str(experiment), *flags, "--out", str(out)]) == 0
    found = config_of(out)
    assert found["optimizer"] == {
        "name": "momentum",
        "step_size": 0.5,
        "momentum": 0.5,
        "decay": 0.0,
    }
    assert (found["rule"]["clip_low"], found["rule"]["clip_high"]) == (0.1, 0.4)
    assert found["problem"]["train_pass_rates"] == [0.1, 0.3]
    run = {"rollout_ages": [0, 1], "batch_size": 2, "batch_order": "replacement"}
    run |= {"num_log_records": 3, "num_steps": 10, "inner_epochs": 2, "num_runs": 4}
    assert {name: found["run"][name] for name in run} == run


def test_another_rule_on_the_command_line_leaves_the_file_s_hyperparameters(experiment, tmp_path):
    out = tmp_path / "run"
    assert main(["simulate", str(experiment), "--rule", "group_mean", "--out", str(out)]) == 0
    assert config_of(out)["rule"] == {"name": "group_mean", "extra_rollouts": 0}


def test_errors_of_a_file_name_it(experiment, tmp_path, capsys):
    experiment.write_text(EXPERIMENT.replace("clip_high = 0.4", "clip_hihg = 0.4"))
    assert main(["simulate", str(experiment), "--out", str(tmp_path / "run")]) == 2
    shown = capsys.readouterr().err
    assert "mine.toml: `rule.clip_hihg` must be a known hyperparameter of clip" in shown
    assert "Did you mean 'clip_high'?" in shown
    experiment.write_text(EXPERIMENT.replace("[0.3]", "[1.3]"))
    assert main(["simulate", str(experiment), "--out", str(tmp_path / "run")]) == 2
    assert "mine.toml [problem]: from_pass_rates: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_projected_kernel_says_how_far_it_was_moved(tmp_path, capsys):
    kernel = "problem.kernel={self_part = 0, within_context = [[1, 1.1], [1.1, 1]], project = true}"
    words = ["simulate", "--rule", "grpo", "--runs", "2", "--steps", "2", "--set", kernel]
    assert main(words) == 0
    expected = "kernel: projected on the positive semi-definite ones, at distance 0.1\n"
    assert expected in capsys.readouterr().out


def test_events_reach_horizons_that_no_loop_does(tmp_path, capsys):
    words = ["simulate", "--rule", "raw_reward", "--group-size", "1", "--pass-rate", "1e-100"]
    words += ["--step-size", "1", "--runs", "3", "--events-horizon", "1e104"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == RUN_FILES
    assert "1e+104       0.9900" in capsys.readouterr().out
    assert config_of(tmp_path / "run")["run"]["num_steps"] == 1e104


def test_a_run_that_is_killed_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    out, whole = tmp_path / "out", tmp_path / "whole"
    words = ["simulate", "--rule", "clip", "--runs", "20", "--steps", "400", "--optimizer", "adam"]
    words += ["--log10-arms", "2", "--out"]
    # A checkpoint after every round, so that the kill comes right after one or within one.
    code = (
        "from banditlab.experiments import run as experiment_run\nfrom banditlab.cli import main\n"
        f"experiment_run.CHECKPOINT_SECONDS = 0.0\nmain({[*words, str(out)]!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    while process.poll() is None and not (out / "checkpoint.npz").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with np.load(out / "checkpoint.npz") as saved:
        num_done = int(saved["loop/num_rounds"])
    assert 0 < num_done < 400
    advance, rounds = Simulation.advance, []
    monkeypatch.setattr(Simulation, "advance", lambda self: rounds.append(0) or advance(self))
    assert main([*words, str(out)]) == 0
    # One more than were left, to try the configuration out.
    assert len(rounds) == 400 - num_done + 1
    assert main([*words, str(whole)]) == 0
    assert {path.name for path in out.iterdir()} == RUN_FILES
    one, two = Record.load(out), Record.load(whole)
    for metric, curve in two.curves.items():
        np.testing.assert_array_equal(one.curves[metric], curve)


@pytest.mark.parametrize("module", ["matplotlib", "figures"])
def test_without_matplotlib_or_figures_the_run_is_there_without_a_picture(tmp_path, module):
    out = tmp_path / "run"
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from banditlab.cli import main\n"
        f"sys.exit(main({simulate_words(out)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if module == "matplotlib":
        remedy = 'matplotlib is not installed. Remedy: pip install "banditlab[figures]".'
        assert done.stdout.splitlines()[-1] == f"no picture: {remedy}"
    assert {path.name for path in out.iterdir()} == {"config.json", "curves.npz", "provenance.json"}


def test_a_flag_that_does_not_suit_the_file_is_named(experiment, capsys):
    assert main(["simulate", str(experiment), "--pass-rate", "0.1"]) == 2
    message = "mine.toml: `problem.success_prob` (--pass-rate) must be a known key of [problem]"
    assert message in capsys.readouterr().err


def test_a_grid_is_sent_to_the_command_sweep(experiment, capsys):
    experiment.write_text(EXPERIMENT + '[sweep]\n"run.seed" = [0, 1]\n')
    assert main(["simulate", str(experiment)]) == 2
    assert "This is a grid: banditlab sweep mine.toml --out DIR." in capsys.readouterr().err
