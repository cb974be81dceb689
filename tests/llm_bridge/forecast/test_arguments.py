"""A study from a file or from flags, and never from half of each."""

from argparse import ArgumentParser

import pytest

from llm_bridge.forecast.arguments import add_study_arguments, planned_study
from llm_bridge.forecast.study import Study, StudyCell

TEXT = """
[[cells]]
name = "one"
rule = "grpo"
learning_rate = 0.01
[[cells]]
name = "two"
rule = "clip"
learning_rate = 0.01
"""


def planned(*words):
    parser = ArgumentParser()
    add_study_arguments(parser)
    return planned_study(parser.parse_args(words), "predict")


@pytest.fixture
def file(tmp_path):
    (tmp_path / "study.toml").write_text(TEXT)
    return str(tmp_path / "study.toml")


def test_flags_describe_one_cell_a_rule():
    assert planned() == Study(cells=(StudyCell("group_mean", "group_mean", 0.01),))
    words = ["--rules", "grpo, clip", "--learning-rate", "0.02", "--inner-epochs", "4"]
    words += ["--prompts", "8", "--group-size", "4", "--optimizer", "adamw", "--updates", "20"]
    words += ["--eval-every", "5", "--seeds", "3", "--max-new-tokens", "30"]
    sizes = {"num_prompts": 8, "group_size": 4, "inner_epochs": 4, "optimizer": "adamw"}
    sizes |= {"num_updates": 20, "eval_every": 5}
    cells = tuple(StudyCell(name, name, 0.02, **sizes) for name in ("grpo", "clip"))
    assert planned(*words) == Study(cells=cells, num_seeds=3, max_new_tokens=30)


def test_a_row_is_trained_on_alone():
    assert planned("--row", "3", "--prompts", "1").cells[0].row == 3


def test_a_rule_of_a_file_gives_its_cell_its_own_name():
    (cell,) = planned("--rules", "examples/soft_clip.py:soft_clip").cells
    assert (cell.name, cell.rule) == ("soft_clip", "examples/soft_clip.py:soft_clip")


def test_a_file_describes_all_and_cells_choose(file):
    assert [cell.name for cell in planned("--study", file).cells] == ["one", "two"]
    assert [cell.name for cell in planned("--study", file, "--cells", "two").cells] == ["two"]


@pytest.mark.parametrize(
    ("words", "got"),
    [
        (["--learning-rate", "0.1"], "learning_rate"),
        (["--rules", "grpo"], "rules"),
        (["--rules", "grpo", "--model", "embedded", "--row", "1"], "rules, model, row"),
    ],
)
def test_a_file_and_flags_exclude_each_other(file, words, got):
    match = f"predict: `study` must be given without flags that describe a cell, got {got}. Write"
    with pytest.raises(ValueError, match=match):
        planned("--study", file, *words)


def test_cells_are_those_of_a_file():
    with pytest.raises(ValueError, match="`cells` must be given with --study FILE, got grpo"):
        planned("--cells", "grpo")


def test_errors_of_a_cell_are_told():
    with pytest.raises(ValueError, match="`num_updates` must be"):
        planned("--updates", "0")
