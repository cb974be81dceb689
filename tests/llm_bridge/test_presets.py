"""Configurations of the papers: complete, sourced, told in the docs, and runnable."""

import json
import re
from argparse import ArgumentParser
from pathlib import Path

import pytest

from banditlab.cli import main
from llm_bridge import train as train_module
from llm_bridge.command import train_command
from llm_bridge.config import TrainConfig
from llm_bridge.presets import PAPER_B_GRID, PRESETS, describe_presets, get_preset, overridden
from tests.llm_bridge.by_hand import OddsGrader
from tests.llm_bridge.small_model import ROWS_FILE, save_small_model

DOCS = Path(__file__).parents[2] / "docs" / "train.md"
SMALLER = ["--prompts", "2", "--take", "4", "--updates", "3", "--eval-samples", "1"]
SMALLER += ["--max-new-tokens", "6", "--learning-rate", "1e-3", "--threads", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_small_model(
        tmp_path_factory.mktemp("small") / "model", initializer_range=0.3, num_hidden_layers=1
    )


@pytest.fixture
def odds(monkeypatch):
    class Closing(OddsGrader):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(train_module, "make_run_grader", lambda _: Closing())


def recorded(folder, out, *words):
    data = ["--model", str(folder), "--dataset", str(ROWS_FILE), "--out", str(out)]
    assert main(["train", *words, *data, *SMALLER]) == 0
    config = json.loads((out / "config.json").read_text())
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return config, [line for line in lines if line["kind"] == "update"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_configuration_whose_every_field_has_a_source(name):
    preset = PRESETS[name]
    config = TrainConfig(**preset.values).resolved()
    for field, setting in preset.settings.items():
        assert getattr(config, field) == setting.value
        assert re.match(r"\[(P|C|D|X|ours)\]", setting.source), field
    assert preset.unknown


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_runs_and_further_flags_override_it(name, folder, tmp_path, odds):
    config, updates = recorded(folder, tmp_path / "run", "--preset", name)
    values = {**PRESETS[name].values, "num_prompts": 2, "take": 4, "max_new_tokens": 6}
    values["learning_rate"] = 1e-3
    assert {field: config[field] for field in values} == values
    assert len(updates) == 3
    if name.startswith("paper-b"):
        assert "reference_k3" in updates[0]
    if name == "r2vpo-off":
        assert [line["num_replayed_groups"] for line in updates] == [0, 2, 4]
    if name.startswith("r2vpo"):
        assert len({line["multiplier"] for line in updates}) == 3


def test_flags_stand_over_the_preset_and_the_preset_over_defaults(folder, tmp_path, odds):
    words = ["--preset", "paper-b-grid", "--kl", "none", "--rule", "clip", "--level", "sequence"]
    words += ["--hyper", "clip_low=0.1", "--weight-decay", "0", "--averaging", "sequence_sum"]
    config, _ = recorded(folder, tmp_path / "run", *words)
    assert (config["rule"], config["reference"], config["level"]) == ("clip", {}, "sequence")
    assert config["hyper"] == {"clip_low": 0.1, "clip_high": 0.2}
    assert (config["weight_decay"], config["averaging"]) == (0.0, "sequence_sum")
    assert (config["optimizer"], config["max_gradient_norm"]) == ("adamw", 1.0)
    assert overridden(get_preset("paper-b-grid"), {"group_size": 3})["group_size"] == 3


def test_the_list_needs_no_model_and_is_what_the_docs_say(capsys):
    assert main(["train", "--list-presets"]) == 0
    assert capsys.readouterr().out == describe_presets() + "\n"
    assert describe_presets() in DOCS.read_text()


def test_a_preset_that_is_not_known_is_one_sentence(capsys):
    assert main(["train", "--preset", "r2vpo"]) == 2
    assert "`preset` must be a known preset, got 'r2vpo'. Did you mean" in capsys.readouterr().err


def test_the_grid_is_that_of_the_paper():
    assert [group for _, group in PAPER_B_GRID["rollouts"]] == [1, 8, 16, 32, 64]
    assert {p * g for p, g in PAPER_B_GRID["budget of 256"]} == {256}
    assert all((32, 8) in cells for cells in PAPER_B_GRID.values())


def test_the_docs_name_every_word_about_the_reference():
    parser = ArgumentParser()
    train_command.add_arguments(parser)
    text = DOCS.read_text()
    flags = [flag for action in parser._actions for flag in action.option_strings]
    about = [flag for flag in flags if flag.startswith(("--kl", "--reference"))]
    assert len(about) == 5
    assert [flag for flag in about if f"`{flag}" not in text] == []
