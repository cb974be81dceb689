"""Training on chosen rows, on a task of one's own, and with a reward function of one's own."""

import json
from dataclasses import replace

import pytest

from banditlab.cli import main
from llm_bridge.metrics import read_metrics
from llm_bridge.run import prepare_run
from llm_bridge.run_parts import make_run_grader
from llm_bridge.train import train
from tests.llm_bridge.training import SMALL

REWARD = """
def length(completion, row):
    return 1.0 if len(completion) % 2 == 0 else -0.5
def missing(completion, row):
    return None
"""
TASK = """
from llm_bridge.task_definitions import TaskDefinition
own = TaskDefinition(name="own", question=lambda r: r["q"], answer=lambda r: r["a"])
"""
TINY = replace(SMALL, num_updates=1, inner_epochs=1, eval_samples=4, eval_take=2)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reward.py").write_text(REWARD)
    (tmp_path / "task.py").write_text(TASK)
    rows = [{"q": f"What is {n} + 1?", "a": str(n + 1)} for n in range(12)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def prepared(config):
    with make_run_grader(config) as grader:
        return prepare_run(config.resolved(), grader)


def test_a_task_and_a_reward_of_ones_own_are_trained_on_and_recorded(files):
    config = replace(
        TINY,
        dataset="rows.jsonl",
        task=str(files / "task.py:own"),
        reward="reward.py:length",
        take=None,
        eval_take=None,
    )
    assert config.task == "task.py:own"
    train(config, files / "run", progress=False)
    recorded = json.loads((files / "run" / "config.json").read_text())
    assert recorded["task"] == "task.py:own"
    assert len(recorded["task_sha256"]) == len(recorded["reward_sha256"]) == 16
    (update,) = [line for line in read_metrics(files / "run") if line["kind"] == "update"]
    assert -0.5 < update["reward_mean"] < 1.0
    (first, *_) = read_metrics(files / "run")
    share = first["train_num_correct"] / first["train_num_samples"]
    assert first["train_pass_rate"] == share, "1 or more counts as right, -0.5 does not"
    (files / "reward.py").write_text(REWARD + "\n# another one\n")
    with pytest.raises(ValueError, match="`reward_sha256` must be that of the reward's file"):
        replace(config, reward_sha256=recorded["reward_sha256"])


def test_a_missing_reward_stops_the_run_with_function_and_row(files, capsys):
    arguments = ["--dataset", "rows.jsonl", "--task", "task.py:own", "--reward"]
    arguments += ["reward.py:missing", "--prompts", "2", "--eval-samples", "4", "--out", "run"]
    assert main(["train", *arguments]) == 2
    message = capsys.readouterr().err
    assert "got None from reward.py:missing for the row {'q': 'What is 0 + 1?'" in message


def test_one_prompt_is_trained_alone_and_held_out_rows_stay(files):
    config = replace(TINY, row=3, take=None, num_prompts=1, rule="raw_reward", group_size=1)
    run = prepared(config)
    everything = prepared(replace(TINY, take=None))
    assert run.task.questions == everything.task.questions[3:4]
    assert run.eval_tasks["train"].questions == run.task.questions
    assert run.eval_tasks["heldout"].questions == everything.eval_tasks["heldout"].questions
    train(config, files / "run", progress=False)
    with pytest.raises(ValueError, match=r"`num_prompts` must be 1 where `row`.*--prompts 1"):
        replace(TINY, row=3, take=None)


def test_a_seed_shuffles_before_rows_are_taken():
    plain, shuffled, again = (
        prepared(replace(TINY, shuffle_seed=seed)).task.questions for seed in (None, 5, 5)
    )
    assert shuffled == again
    assert set(shuffled) != set(plain)


def test_the_grader_follows_task_and_choice():
    assert make_run_grader(replace(TINY, task="math")).form == "boxed"
    assert make_run_grader(replace(TINY, grader="mark")).name == "mark"
    with pytest.raises(ValueError, match="`grader` must be math_verify or boxed"):
        make_run_grader(replace(TINY, task="math", grader="mark"))
