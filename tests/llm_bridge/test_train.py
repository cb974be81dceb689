import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from llm_bridge.config import TrainConfig
from llm_bridge.metrics import read_metrics
from llm_bridge.rewards import Grader
from llm_bridge.run import (
    EVALUATION,
    SAMPLES,
    choose_prompts,
    make_generator,
    prepare_run,
)
from llm_bridge.train import train
from llm_bridge.update import run_update
from tests.llm_bridge.small_model import ROWS_FILE, save_small_model
from tests.llm_bridge.training import SMALL, assert_same_run, contents, lasting

DATA_FOLDER = os.environ.get("BANDITLAB_DATA")

pytestmark = pytest.mark.usefixtures("shared_grader")


def test_a_run_leaves_its_record(uninterrupted):
    assert sorted(path.name for path in uninterrupted.iterdir()) == [
        "checkpoint-00000004.pt",
        "checkpoint-00000004.pt.sha256",
        "checkpoint-00000005.pt",
        "checkpoint-00000005.pt.sha256",
        "config.json",
        "metrics.jsonl",
        "model",
        "provenance.json",
        "samples.jsonl",
        "summary.json",
    ]
    lines = read_metrics(uninterrupted)
    kinds = [(line["kind"], line["update"]) for line in lines]
    assert kinds == [
        ("evaluation", 0),
        *(("update", update) for update in (1, 2, 3)),
        ("evaluation", 3),
        *(("update", update) for update in (4, 5)),
        ("evaluation", 5),
    ]
    config = json.loads((uninterrupted / "config.json").read_text())
    assert config["kind"] == "train"
    assert config["hyper"] == {"clip_low": 0.2, "clip_high": 0.2}
    assert json.loads((uninterrupted / "provenance.json").read_text())["num_threads"] == 1
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert summary["first_evaluation"] == lines[0]
    assert summary["last_evaluation"] == lines[-1]


def test_metrics_are_consistent(uninterrupted):
    lines = read_metrics(uninterrupted)
    for line in lines:
        if line["kind"] == "update":
            assert line["reward_mean"] * 24 == pytest.approx(round(line["reward_mean"] * 24))
            assert line["entropy_estimate"] > 0
            assert 1 <= line["mean_length"] <= 40
            assert line["gradient_norm"] > 0
            assert line["last_forward_ratio_variance"] > 0, "the second epoch saw other weights"
        else:
            for split in ("train", "heldout"):
                assert line[f"{split}_num_samples"] == line[f"{split}_num_prompts"] == 16
                rate = line[f"{split}_num_correct"] / line[f"{split}_num_samples"]
                assert line[f"{split}_pass_rate"] == pytest.approx(rate)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(uninterrupted, tmp_path):
    assert_same_run(uninterrupted, train(SMALL, tmp_path / "again"))
    other = train(replace(SMALL, seed=1, num_updates=1), tmp_path / "other")
    assert lasting(other)[1] != lasting(uninterrupted)[1]


def test_evaluation_does_not_change_what_training_draws(uninterrupted, tmp_path):
    rarely = train(replace(SMALL, eval_every=5, eval_samples=8), tmp_path / "rarely")
    updates = [
        [line for line in lasting(folder) if line["kind"] == "update"]
        for folder in (uninterrupted, rarely)
    ]
    assert updates[0] == updates[1]


def test_a_run_that_blows_up_names_the_update_and_writes_nothing_after_it(tmp_path):
    config = replace(SMALL, optimizer="sgd", rule="group_mean", learning_rate=1e30)
    out = tmp_path / "run"
    with pytest.raises(
        FloatingPointError, match=r"train: the run blew up at update [12]: "
    ) as error:
        train(config, out)
    stopped = json.loads((out / "stopped.json").read_text())
    assert f"update {stopped['update']}: {stopped['reason']}" in str(error.value)
    assert max(line["update"] for line in read_metrics(out)) < stopped["update"]
    assert not (out / "model").exists()
    assert not (out / "summary.json").exists()
    before = contents(out)
    with pytest.raises(FloatingPointError, match="the run blew up at update"):
        train(config, out)
    assert contents(out) == before


def train_two_updates(model_folder, rows_file, out):
    config = TrainConfig(
        model=str(model_folder),
        dataset=str(rows_file),
        take=min(32, len(Path(rows_file).read_text().splitlines())),
        rule="grpo",
        num_prompts=4,
        group_size=4,
        inner_epochs=2,
        learning_rate=1e-3,
        optimizer="adamw",
        num_updates=2,
        eval_samples=8,
        max_new_tokens=12,
        num_threads=1,
    )
    train(config, out)
    return read_metrics(out)


@pytest.fixture(scope="module")
def qwen3_folder(tmp_path_factory):
    return save_small_model(tmp_path_factory.mktemp("qwen3") / "model")


def assert_two_updates(lines):
    assert [line["update"] for line in lines] == [0, 1, 2, 2]
    # Random weights answer nothing, so the advantage and with it the gradient is exactly 0.
    for line in lines[1:3]:
        assert line["reward_mean"] == 0.0
        assert line["gradient_norm"] == 0.0
        assert line["share_without_signal"] == 1.0
        assert line["entropy_estimate"] > 12.0


def test_two_updates_on_a_saved_folder_and_rows_in_the_format_of_gsm8k(qwen3_folder, tmp_path):
    assert_two_updates(train_two_updates(qwen3_folder, ROWS_FILE, tmp_path / "run"))


@pytest.mark.skipif(not DATA_FOLDER, reason="BANDITLAB_DATA is not set: no real GSM8K rows here")
def test_two_updates_on_a_saved_folder_and_the_real_gsm8k_rows(qwen3_folder, tmp_path):
    rows_file = Path(DATA_FOLDER) / "gsm8k" / "test.jsonl"
    assert_two_updates(train_two_updates(qwen3_folder, rows_file, tmp_path / "run"))


def assert_each_prompt_once_an_epoch(choose, config, num_questions):
    per_epoch = num_questions // config.num_prompts
    for epoch in range(3):
        updates = range(epoch * per_epoch + 1, (epoch + 1) * per_epoch + 1)
        drawn = np.concatenate([choose(config, num_questions, update) for update in updates])
        assert len(set(drawn.tolist())) == per_epoch * config.num_prompts


def test_prompts_are_drawn_without_replacement_within_an_epoch():
    config = replace(SMALL, num_prompts=5)
    assert_each_prompt_once_an_epoch(choose_prompts, config, 20)
    assert_each_prompt_once_an_epoch(choose_prompts, config, 23)
    first, second = (choose_prompts(config, 20, update) for update in (1, 5))
    assert not np.array_equal(first, second), "each epoch is shuffled anew"
    np.testing.assert_array_equal(first, choose_prompts(config, 20, 1))
    assert not np.array_equal(first, choose_prompts(replace(config, seed=9), 20, 1))


def test_drawing_with_replacement_would_be_seen():
    def with_replacement(config, num_questions, update):
        return np.random.default_rng(update).integers(num_questions, size=config.num_prompts)

    with pytest.raises(AssertionError):
        assert_each_prompt_once_an_epoch(with_replacement, replace(SMALL, num_prompts=5), 20)


def test_every_use_of_randomness_has_a_seed_of_its_own():
    keys = [
        (seed, purpose, update) for seed in (0, 1) for purpose in (1, 2) for update in (0, 1, 2)
    ]
    assert {SAMPLES, EVALUATION} == {1, 2}
    draws = {
        float(torch.rand(1, generator=make_generator(replace(SMALL, seed=seed), purpose, update)))
        for seed, purpose, update in keys
    }
    assert len(draws) == len(keys)


def test_more_prompts_than_questions_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="`num_prompts` must be at most the 16 questions"):
        train(replace(SMALL, num_prompts=17), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("rule", ["group_mean", "clip", "variance_penalty"])
def test_unanimous_groups_leave_the_model_alone_with_and_without_the_short_cut(rule, monkeypatch):
    """All rewards equal: the pass that is skipped would have moved nothing but rounding.

    The penalty reads the ratio, which the training pass gives to float32 rounding only.
    """
    config = replace(SMALL, rule=rule, hyper={}, optimizer="sgd").resolved()
    monkeypatch.setattr(Grader, "grade", lambda self, texts, golds: np.zeros(len(texts)))
    ends = []
    for is_skipped in (True, False):
        with Grader() as grader:
            run = prepare_run(config, grader)
            before = [value.clone() for value in run.policy.model.parameters()]
            if not is_skipped:
                monkeypatch.setattr("llm_bridge.update._has_signal", lambda *_: True)
            line = run_update(run, 1)
            assert line["gradient_norm"] < (1e-4 if rule == "variance_penalty" else 1e-30)
            ends.append([value.clone() for value in run.policy.model.parameters()])
    for first, second, base in zip(*ends, before, strict=True):
        assert torch.equal(first, base)
        torch.testing.assert_close(second, base, rtol=0.0, atol=1e-6)


def test_taking_heldout_rows_where_there_are_none_is_refused(tmp_path):
    config = replace(SMALL, dataset=str(ROWS_FILE), take=None, eval_take=2)
    with pytest.raises(ValueError, match=r"`eval_take` must be left out.*--eval-dataset"):
        train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
