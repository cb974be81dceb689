"""What a user may hand to training by mistake: one clear error each, or a documented behaviour."""

import json
from dataclasses import replace

import datasets
import pytest
import torch

from banditlab.cli import main
from llm_bridge.config import TrainConfig
from llm_bridge.metrics import read_metrics
from llm_bridge.models import load_policy
from llm_bridge.train import train
from tests.llm_bridge.small_model import ROWS_FILE, make_tokenizer, save_small_model
from tests.llm_bridge.training import SMALL

pytestmark = pytest.mark.usefixtures("shared_grader")

TINY = replace(SMALL, num_updates=1, eval_samples=4, eval_take=2)
ROWS = replace(TINY, dataset=str(ROWS_FILE), take=None, eval_take=None)


def refused(config, out, message):
    with pytest.raises(ValueError, match=message) as caught:
        train(config, out, progress=False)
    assert "\n" not in str(caught.value)
    assert not out.exists()


@pytest.mark.parametrize("argument", ["question_column", "answer_column"])
def test_a_dataset_without_the_mapped_column(argument, tmp_path):
    refused(
        replace(ROWS, **{argument: "Frage"}),
        tmp_path / "run",
        rf"^load_task: `{argument}` must be one of the dataset's columns, question, answer, "
        rf"got 'Frage'\. Name it with --{argument.replace('_', '-')}\.$",
    )


def test_an_empty_split(tmp_path):
    rows = {"question": ["What is 1 + 1?"], "answer": ["#### 2"]}
    full = datasets.Dataset.from_dict(rows)
    saved = datasets.DatasetDict({"train": full, "test": full.select([])})
    saved.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "train.csv").write_text("question,answer\nWhat is 1 + 1?,#### 2\n")
    (tmp_path / "files" / "test.csv").write_text("question,answer\n")
    (tmp_path / "empty.jsonl").write_text("")
    condition = "^load_task: `dataset` must be a dataset with rows that the datasets library can"
    for name, reason in (
        ("saved", r"\(a split without rows\)\. Check that it opens"),
        ("files", r"files' \(.*\)\. Check"),
        ("empty.jsonl", r"empty\.jsonl' \(a split without rows\)\. Check"),
    ):
        config = replace(ROWS, dataset=str(tmp_path / name), num_prompts=1)
        refused(config, tmp_path / "run", f"{condition} read, got .*{reason}")


def test_an_empty_split_that_the_datasets_library_reads(tmp_path, monkeypatch):
    empty = datasets.Dataset.from_dict({"question": [], "answer": []})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: {"test": empty, "train": empty})
    for split in (None, "test"):
        refused(
            replace(ROWS, split=split),
            tmp_path / "run",
            r"^load_task: `dataset` must be not empty, got 0 rows in the split "
            rf"{split or 'train'} of '.*rows\.jsonl'\. Check",
        )


def test_a_prompt_longer_than_the_limit(tmp_path):
    refused(
        replace(TINY, max_prompt_tokens=5),
        tmp_path / "run",
        r"^train: `max_prompt_tokens` must be at least \d+, .* got 5, which 16 of 16 prompts",
    )


def test_a_tokenizer_without_end_token(tmp_path):
    folder = save_small_model(tmp_path / "model")
    for name in ("tokenizer_config.json", "generation_config.json", "config.json"):
        values = json.loads((folder / name).read_text())
        key = "eos_token" if name.startswith("tokenizer") else "eos_token_id"
        (folder / name).write_text(json.dumps({**values, key: None}))
    refused(
        replace(ROWS, model=str(folder)),
        tmp_path / "run",
        r"^load_policy: `name_or_path` must be a model whose .* end-of-text token, got .*Set eos_",
    )


def test_without_padding_token_a_run_is_the_same_as_with_one(tmp_path):
    lines = []
    for name, options in (("with", {}), ("without", {"pad_token": None})):
        tokenizer = make_tokenizer(**options)
        folder = save_small_model(tmp_path / name, tokenizer=tokenizer, pad_token_id=None)
        config = replace(
            ROWS, model=str(folder), rule="constant_baseline", hyper={}, max_new_tokens=6
        )
        lines.append(read_metrics(train(config, tmp_path / f"run-{name}", progress=False))[1])
        assert lines[-1]["gradient_norm"] > 0
    assert load_policy(str(tmp_path / "without")).pad_token_id == 1
    for name in ("entropy_estimate", "gradient_norm", "mean_length", "last_forward_ratio_max"):
        assert lines[0][name] == pytest.approx(lines[1][name], rel=1e-6)


def test_a_response_of_the_end_token_alone_is_graded_wrong_and_trained_on(tmp_path, monkeypatch):
    end = load_policy("embedded").eos_token_id

    def end_at_once(logits, uniform):
        tokens = torch.full((len(logits),), end)
        return tokens, logits.softmax(dim=-1)[:, end]

    monkeypatch.setattr("llm_bridge.rollout.draw_tokens", end_at_once)
    config = replace(TINY, rule="constant_baseline", hyper={"baseline": 0.5})
    out = train(config, tmp_path / "run", progress=False)
    _, update, _ = read_metrics(out)
    assert update["min_length"] == update["max_length"] == 1
    assert update["rollout_pass_rate"] == update["truncated_share"] == 0.0
    assert update["log_prob_mismatch"] < 1e-4
    assert update["gradient_norm"] > 0
    sample = json.loads((out / "samples.jsonl").read_text().splitlines()[0])
    assert (sample["completion"], sample["num_tokens"], sample["reward"]) == ("", 1, 0.0)


@pytest.mark.parametrize("rule", ["group_mean", "leave_one_out", "grpo", "clip"])
def test_a_group_of_one_under_a_group_baseline(rule):
    with pytest.raises(
        ValueError,
        match=rf"^TrainConfig: `group_size` must be at least 2 for {rule}, which compares rollouts "
        r"of a prompt, got 1\. Raise it, or use the rule raw_reward",
    ):
        TrainConfig(rule=rule, group_size=1)


def test_a_folder_that_holds_another_run_or_other_files(uninterrupted, tmp_path):
    with pytest.raises(ValueError, match=r"^claim_run_folder: `out` .*\(it differs in seed\)"):
        train(replace(SMALL, seed=7), uninterrupted)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"^claim_run_folder: `out` .*which holds other files\."):
        train(SMALL, tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", str(ROWS_FILE), "--answer-column", "x"], "`answer_column` must be one of"),
        (["--max-prompt-tokens", "5"], "train: `max_prompt_tokens` must be at least"),
        (["--rule", "grpo", "--group-size", "1"], "`group_size` must be at least 2 for grpo"),
        (["--keep-checkpoints", "0"], "train: `keep_checkpoints` must be at least 1, got 0."),
        (["--log-samples", "-1"], "TrainConfig: `log_samples` must be at least 0, got -1."),
    ],
)
def test_the_command_line_answers_in_one_line_with_exit_code_2(words, message, tmp_path, capsys):
    assert main(["train", *words, "--prompts", "4", "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.startswith("banditlab: ")
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert not (tmp_path / "run").exists()
