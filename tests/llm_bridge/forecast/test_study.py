"""Study files: what they hold, what is refused, and what is made of their cells."""

import pytest

from llm_bridge.config import TrainConfig
from llm_bridge.forecast.study import Study, StudyCell, read_study
from tests.llm_bridge.forecast.made import ADAMW, ALONE, INNER, SGD, STUDY

TEXT = """
[study]
num_seeds = 2
eval_samples = 64
max_new_tokens = 30

[[cells]]
name = "first"
rule = "grpo"
learning_rate = 0.01

[[cells]]
name = "second"
rule = "clip"
learning_rate = 0.02
inner_epochs = 4
group = "mine"
"""


def written(tmp_path, text):
    (tmp_path / "study.toml").write_text(text)
    return tmp_path / "study.toml"


def test_a_file_is_read(tmp_path):
    study = read_study(written(tmp_path, TEXT))
    assert study == Study(
        cells=(
            StudyCell("first", "grpo", 0.01),
            StudyCell("second", "clip", 0.02, inner_epochs=4, group="mine"),
        ),
        num_seeds=2,
        eval_samples=64,
        max_new_tokens=30,
    )
    assert [cell.comparison for cell in study.cells] == ["32x8 sgd", "mine"]


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("num_seeds", "num_seed", "`study` must be a known key, got 'num_seed'. Did you mean"),
        (
            "group =",
            "grop =",
            r"`cells\[2\]` must be a known key, got 'grop'",
        ),
        ("num_seeds = 2", "cells = 2", "`study` must be a known key, got 'cells'"),
        ("[study]", "[plan]", "`path` must be a known table, got 'plan'"),
        ("learning_rate = 0.01", "", r"`cells\[1\].learning_rate` must be given, got nothing"),
        ("second", "first", r"`cells` must be of different names, got \['first'\]"),
        ("first", "a/b", "`cells` must be named without a path, got a/b"),
        ("num_seeds = 2", "num_seeds = 0", "`num_seeds` must be at least 1, got 0"),
        ('"grpo"', '"grppo"', "Did you mean 'grpo'?"),
        ("0.01", "-0.01", "`learning_rate` must be"),
        ("[study]", "[study", r"`path` must be well-formed TOML, got study.toml \("),
        ("[[cells]]", "[[cell]]", "`path` must be a known table, got 'cell'"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(tmp_path, old, new, match):
    assert old in TEXT
    with pytest.raises(ValueError, match=match):
        read_study(written(tmp_path, TEXT.replace(old, new)))


def test_values_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`study` must be a table, got 3"):
        read_study(written(tmp_path, "study = 3"))
    with pytest.raises(ValueError, match=r"`cells\[1\]` must be a table, got 1"):
        read_study(written(tmp_path, "cells = [1]"))
    with pytest.raises(ValueError, match="`cells` must be not empty"):
        read_study(written(tmp_path, "[study]\nseed = 1"))


def test_rows_and_cells_of_a_row():
    assert STUDY.rows() == [None, 3]
    assert STUDY.of_row(None) == [SGD, INNER, ADAMW]
    assert STUDY.of_row(3) == [ALONE]
    assert Study(cells=(ALONE,)).rows() == [3]


def test_some_cells_only():
    chosen = STUDY.only(["adam", "mean"])
    assert chosen.cells == (ADAMW, SGD)
    assert chosen.eval_samples == STUDY.eval_samples
    with pytest.raises(ValueError, match=r"a known cell, got 'means'. Did you mean 'mean'\?"):
        STUDY.only(["means"])


def test_a_cell_becomes_the_run_that_it_describes():
    config = ALONE.train_config(STUDY, seed=5)
    assert config == TrainConfig(
        model="embedded",
        dataset="embedded",
        rule="group_mean",
        learning_rate=0.02,
        num_prompts=1,
        group_size=4,
        num_updates=12,
        eval_every=4,
        checkpoint_every=12,
        row=3,
        seed=5,
        eval_samples=64,
        num_threads=1,
    )
    assert ADAMW.train_config(STUDY, 0).optimizer == "adamw"
    assert INNER.train_config(STUDY, 0).inner_epochs == 2
