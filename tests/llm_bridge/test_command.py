import argparse
import json
import re
import subprocess
import sys

import pytest
from huggingface_hub import constants

from banditlab.cli import main
from llm_bridge.command import train_command
from llm_bridge.metrics import read_metrics
from tests.llm_bridge.small_model import ROWS_FILE, save_small_model

TINY = ["--prompts", "4", "--group-size", "2", "--updates", "2", "--eval-samples", "8"]
TINY += ["--max-new-tokens", "10", "--threads", "1"]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return str(save_small_model(tmp_path_factory.mktemp("model") / "small"))


def run(*arguments):
    return main(["train", *map(str, arguments)])


def test_the_command_imports_in_milliseconds_and_without_torch():
    program = (
        "import sys, banditlab.command, time; start = time.perf_counter();"
        "import llm_bridge.command; print(time.perf_counter() - start);"
        "print(*(name for name in ('torch', 'transformers', 'datasets', 'numpy', 'math_verify')"
        " if name in sys.modules))"
    )
    seconds, loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split(
        "\n"
    )[:2]
    # banditlab itself brings numpy.
    assert loaded in ("", "numpy")
    assert float(seconds) < 0.05


def test_the_help_teaches_with_an_example():
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    train_command.add_arguments(parser)
    text = parser.format_help()
    assert "(default: None)" not in text
    assert "(default: 32)" in text
    words = train_command.example.split()
    assert words[:2] == ["banditlab", "train"]
    parsed = parser.parse_args(words[2:])
    assert (parsed.rule, parsed.hyper, parsed.num_updates) == ("clip", ["clip_high=0.28"], 40)


def test_defaults_that_the_help_tells_are_those_of_the_configuration():
    from llm_bridge.config import TrainConfig

    parser = argparse.ArgumentParser()
    train_command.add_arguments(parser)
    assert vars(parser.parse_args([])) == {}, "a preset must see what was given"
    told = {
        action.dest: match[1]
        for action in parser._actions
        if (match := re.search(r"\(default: (.*)\)$", action.help))
    }
    defaults = TrainConfig().as_dict()
    assert told == {name: str(defaults[name]) for name in told}
    assert len(told) > 20
    assert defaults["rule"] == "group_mean"


@pytest.mark.parametrize(
    ("words", "reference"),
    [
        (["--rule", "clip"], None),
        (["--rule", "grpo_k3", "--kl", "none"], {}),
        (["--rule", "grpo_k3", "--kl-place", "reward"], {"place": "reward"}),
        (
            ["--kl", "k2", "--kl-coefficient", "0.1", "--kl-ratio-corrected"],
            {"estimator": "k2", "coefficient": 0.1, "is_ratio_corrected": True},
        ),
    ],
)
def test_words_about_the_reference_make_one_term(words, reference):
    from llm_bridge.arguments import parse_reference

    parser = argparse.ArgumentParser()
    train_command.add_arguments(parser)
    found = parse_reference(vars(parser.parse_args(words)))
    assert found == ({} if reference is None else {"reference": reference})


def test_a_run_from_the_command_line_and_its_reuse(model_folder, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["--model", model_folder, "--dataset", ROWS_FILE, "--eval-dataset", ROWS_FILE]
    arguments += ["--rule", "clip", "--hyper", "clip_high=0.28", *TINY, "--out", out]
    assert run(*arguments) == 0
    first = capsys.readouterr().out
    assert "clip(clip_low=0.2, clip_high=0.28)" in first
    assert "heldout pass rate  0.000 -> 0.000 (standard error 0.000, 8 samples)" in first
    config = json.loads((out / "config.json").read_text())
    assert config["hyper"] == {"clip_low": 0.2, "clip_high": 0.28}
    assert config["prompt_format"] == "instruction"
    assert [line["update"] for line in read_metrics(out)] == [0, 1, 2, 2]
    assert "no update had a signal, so nothing was learned" in first
    written = (out / "metrics.jsonl").stat().st_mtime_ns
    assert run(*arguments) == 0
    assert capsys.readouterr().out == f"reused the finished run in {out}\n{first}"
    assert (out / "metrics.jsonl").stat().st_mtime_ns == written


def test_a_dry_run_prints_configuration_and_estimate_and_writes_nothing(
    model_folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    arguments = ["--model", model_folder, "--dataset", ROWS_FILE, *TINY, "--dry-run"]
    assert run(*arguments, "--rule", "grpo", "--hyper", "ddof=0") == 0
    text = capsys.readouterr().out
    config, end = json.JSONDecoder().raw_decode(text)
    assert config["num_prompts"] == 4
    assert '"ddof": 0,' in text
    for name in ("run folder", "parameters", "an update", "whole run", "memory"):
        assert f"\n{name}  " in text[end:]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "grop"], "Did you mean 'grpo'? There are: raw_reward, negative_reward,"),
        (["--group-size", "1"], "`group_size` must be at least 2 for group_mean"),
        (["--rule", "clip", "--hyper", "clip_low=3"], "`clip_low` must be a finite number in"),
        (["--hyper", "clip_high"], "train: `hyper` must be NAME=NUMBER, got 'clip_high'"),
        (["--model", "./no_such_model"], "got './no_such_model', which does not exist"),
        (["--model", "nobody/no-such"], "Without network, pass a folder with --model PATH."),
        (["--dataset", "no_such.jsonl"], "`dataset` must be an existing file or folder"),
        (["--dataset", str(ROWS_FILE)], "`num_prompts` must be at most the 8 questions"),
        (["--device", "abacus"], "`device` must be a device of this torch"),
        (["--kl", "k3"], "with `coefficient` for group_mean, which has no reference term of its"),
        (["--kl", "none", "--kl-place", "loss"], "train: `kl` must be other than none where"),
        (["--reference", "a"], "`reference_model` must be left out for group_mean"),
        (["--averaging", "mean"], "`averaging` must be a known averaging, got 'mean'"),
        (["--updates", "0"], "`num_updates` must be at least 1"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    arguments, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert run(*arguments, "--out", tmp_path / "run") == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_blows_up_ends_with_exit_code_1(tmp_path, capsys):
    out = tmp_path / "run"
    assert (
        run(
            "--learning-rate",
            "1e30",
            "--inner-epochs",
            "4",
            *TINY,
            "--group-size",
            "8",
            "--out",
            out,
        )
        == 1
    )
    assert "the run blew up at update" in capsys.readouterr().err
    assert (out / "stopped.json").exists()
