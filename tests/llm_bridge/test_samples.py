import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from llm_bridge.json_lines import read_json_lines
from llm_bridge.models import load_policy
from llm_bridge.rollout import sample_rollouts
from llm_bridge.samples import SampleLog
from llm_bridge.tasks import encode_prompts, load_task


@pytest.fixture(scope="module")
def policy():
    return load_policy("embedded")


@pytest.fixture(scope="module")
def shown(policy):
    """Three prompts of a task, two responses each, and their rewards."""
    task = load_task("embedded", take=8)
    questions = [6, 2, 5]
    prompts = encode_prompts(task, policy.tokenizer)
    rollout = sample_rollouts(
        policy.model,
        [prompts[question] for question in questions],
        group_size=2,
        max_new_tokens=12,
        eos_token_id=policy.eos_token_id,
        pad_token_id=policy.pad_token_id,
        generator=torch.Generator().manual_seed(0),
    )
    return task, questions, rollout, np.arange(6.0).reshape(3, 2) / 4


@pytest.mark.parametrize("count", [0, 1, 3, 5, 6, 99])
def test_one_of_each_prompt_comes_before_a_second_one(count, policy, shown):
    task, questions, rollout, reward = shown
    log = SampleLog(policy, count)
    log.add(task, questions, rollout, reward, kind="update", update=7)
    lines = log.take()
    places = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)][:count]
    assert [line["prompt"] for line in lines] == [task.prompts[questions[p]] for p, _ in places]
    assert [line["gold"] for line in lines] == [task.answers[questions[p]] for p, _ in places]
    assert [line["reward"] for line in lines] == [reward[place] for place in places]
    assert all(line["kind"] == "update" and line["update"] == 7 for line in lines)
    assert log.take() == []


def test_a_line_tells_the_whole_response(policy, shown):
    task, questions, rollout, reward = shown
    log = SampleLog(policy, 6)
    log.add(task, questions, rollout, reward)
    for line, (sample, prompt) in zip(log.take(), np.ndindex(2, 3), strict=True):
        length = int(rollout.mask[prompt, sample].sum())
        tokens = rollout.response_tokens[prompt, sample, :length]
        assert line["completion"] == policy.tokenizer.decode(tokens, skip_special_tokens=True)
        assert line["num_tokens"] == length
        exact = math.fsum(rollout.old_log_prob[prompt, sample, :length].tolist())
        assert line["log_prob"] == pytest.approx(exact, rel=1e-12)
        assert line["is_truncated"] == (int(tokens[-1]) != policy.eos_token_id)
    assert {True, False} == set(rollout.is_truncated.flatten().tolist())


def test_batches_of_one_evaluation_share_a_count_and_splits_do_not(policy, shown):
    task, questions, rollout, reward = shown
    log = SampleLog(policy, 8)
    for split in ("train", "heldout"):
        for _ in range(2):
            log.add(task, questions, rollout, reward, kind="evaluation", split=split)
    lines = log.take()
    assert [line["split"] for line in lines] == ["train"] * 8 + ["heldout"] * 8


def test_a_task_without_gold_answers_says_so(policy, shown):
    task, questions, rollout, reward = shown
    log = SampleLog(policy, 1)
    log.add(replace(task, answers=("",) * 8), questions, rollout, reward)
    assert log.take()[0]["gold"] is None


def test_a_run_writes_them_beside_its_metrics(uninterrupted):
    lines = read_json_lines(uninterrupted / "samples.jsonl")
    told = [(line["kind"], line["update"], line["split"]) for line in lines]
    evaluated = [("evaluation", split) for split in ("train", "heldout")]
    expected = [
        (kind, update, split)
        for kind, update, split in (
            *((kind, 0, split) for kind, split in evaluated),
            *(("update", update, "train") for update in (1, 2, 3)),
            *((kind, 3, split) for kind, split in evaluated),
            *(("update", update, "train") for update in (4, 5)),
            *((kind, 5, split) for kind, split in evaluated),
        )
        for _ in range(4)
    ]
    assert told == expected
    assert {line["reward"] for line in lines} == {0.0, 1.0}
    assert all(line["log_prob"] < 0 for line in lines)
    by_split = {
        split: [line["prompt"] for line in lines if line["split"] == split and line["update"] == u]
        for split, u in (("heldout", 0), ("heldout", 5))
    }
    assert len(set(by_split["heldout"])) == 4, "one of each prompt"
