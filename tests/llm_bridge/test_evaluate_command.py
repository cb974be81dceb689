import json
from dataclasses import replace

import pytest

from banditlab.cli import main
from llm_bridge.evaluate_run import run_evaluation
from llm_bridge.metrics import read_metrics
from llm_bridge.run import prepare_run
from llm_bridge.run_parts import make_run_grader
from tests.llm_bridge.small_model import ROWS_FILE, save_small_model
from tests.llm_bridge.test_command import TINY
from tests.llm_bridge.training import SMALL

WORDS = ["--take", "6", "--samples", "4", "--pass-at", "1", "2", "4", "--threads", "1"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    files = ["--json", str(folder / "a.json"), "--completions", str(folder / "a.jsonl")]
    assert main(["evaluate", *WORDS, *files]) == 0
    lines = [json.loads(line) for line in (folder / "a.jsonl").read_text().splitlines()]
    return folder, json.loads((folder / "a.json").read_text()), lines


def test_figures_are_those_of_the_completions_written(measured):
    _, found, lines = measured
    greedy = [line["reward"] for line in lines if line["kind"] == "greedy"]
    sampled = [line["reward"] for line in lines if line["kind"] == "sampled"]
    assert (len(greedy), len(sampled)) == (6, 24)
    assert found["greedy_pass_at_1"] == pytest.approx(sum(greedy) / 6)
    assert found["sampled_pass_at_1"] == pytest.approx(sum(sampled) / 24)
    by_question = {}
    for line in lines:
        if line["kind"] == "sampled":
            by_question.setdefault(line["question"], []).append(line["reward"])
    assert {len(rewards) for rewards in by_question.values()} == {4}
    any_right = sum(max(rewards) for rewards in by_question.values()) / 6
    assert found["sampled_pass_at_4"] == pytest.approx(any_right)
    assert found["sampled_pass_at_2_low"] <= found["sampled_pass_at_2"]
    assert found["task"] == "embedded/heldout", "not the rows it was trained on"


def test_the_completions_can_be_graded_again(measured, capsys):
    folder, _, lines = measured
    assert (
        main(["grade", "--completions", str(folder / "a.jsonl"), "--graders", "math_verify"]) == 0
    )
    right = sum(line["reward"] == 1.0 for line in lines)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "math_verify" in line]
    assert row.split() == ["math_verify", str(right), str(30 - right), "0"]


def test_the_same_seed_gives_the_same_figures_and_a_filter_others(measured, tmp_path, capsys):
    _, found, _ = measured
    assert main(["evaluate", *WORDS, "--json", str(tmp_path / "b.json")]) == 0
    text = capsys.readouterr().out
    assert "embedded on embedded/heldout: 6 prompts, 4 samples of each" in text
    assert "Pass@4 sampled" in text
    assert json.loads((tmp_path / "b.json").read_text()) == found
    words = [*WORDS, "--top-k", "1", "--json", str(tmp_path / "c.json")]
    assert main(["evaluate", *words]) == 0
    likeliest = json.loads((tmp_path / "c.json").read_text())
    assert likeliest["sampled_pass_at_4"] == likeliest["greedy_pass_at_1"]
    assert likeliest["sampled_mean_length"] == likeliest["greedy_mean_length"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--samples", "2", "--pass-at", "4"], "`k` must be from 1 to the 2 samples of a prompt"),
        (["--top-p", "2"], "`top_p` must be a finite number in (0, 1]"),
        (["--samples", "0"], "`num_samples_per_prompt` must be at least 1"),
        (["--dtype", "int8"], "`dtype` must be a known choice of type"),
        (["--row", "-1"], "`row` must be from 0 to"),
    ],
)
def test_bad_input_is_one_sentence(words, message, capsys):
    assert main(["evaluate", *WORDS[:2] * ("--row" not in words), *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_training_evaluates_greedily_and_at_k_without_other_samples(tmp_path, capsys):
    model = str(save_small_model(tmp_path / "small"))
    rows = ["--model", model, "--dataset", str(ROWS_FILE), "--eval-dataset", str(ROWS_FILE)]
    rows += [*TINY, "--eval-samples", "16"]
    assert main(["train", *rows, "--out", str(tmp_path / "plain")]) == 0
    more = ["--eval-greedy", "--pass-at", "1", "2"]
    assert main(["train", *rows, *more, "--out", str(tmp_path / "more")]) == 0
    plain, other = (
        [line for line in read_metrics(tmp_path / name) if line["kind"] == "evaluation"]
        for name in ("plain", "more")
    )
    for first, second in zip(plain, other, strict=True):
        assert "train_pass_at_1_high" in first
        shared = {name for name in first if not name.startswith("seconds")}
        assert {name: second[name] for name in shared} == {name: first[name] for name in shared}
        assert {"heldout_pass_at_2_low", "train_greedy_pass_at_1"} <= second.keys() - first.keys()
        assert second["heldout_greedy_num_samples"] == 8
    assert main(["train", *rows, "--pass-at", "3", "--out", str(tmp_path / "new")]) == 2
    assert "`pass_at` must be at most the 2 samples" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("bound", [{"eval_top_k": 1}, {"eval_top_p": 1e-9}])
def test_evaluations_of_a_run_sample_under_their_filter(bound):
    config = replace(SMALL, eval_greedy=True, eval_samples=64, **bound).resolved()
    with make_run_grader(config) as grader:
        line = run_evaluation(prepare_run(config, grader), 0)
    for prefix in ("train", "heldout"):
        assert line[f"{prefix}_num_samples"] == 4 * line[f"{prefix}_greedy_num_samples"]
        assert line[f"{prefix}_mean_length"] == line[f"{prefix}_greedy_mean_length"]
        assert line[f"{prefix}_pass_rate"] == line[f"{prefix}_greedy_pass_rate"]


@pytest.mark.parametrize("flag", ["--top-p", "--top-k"])
def test_training_refuses_filters_with_the_reason(flag, tmp_path, capsys):
    assert main(["train", flag, "0.9", "--out", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert "left out, since E_old[ratio] is no longer 1 when" in message
    assert f"Filter evaluations with --eval{flag[1:]}" in message
    assert not (tmp_path / "run").exists()
