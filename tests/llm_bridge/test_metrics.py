"""What metrics.jsonl holds, against docs/train.md and against the samples themselves."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from llm_bridge.metrics import describe_rollout, read_metrics
from llm_bridge.rollout import Rollout
from llm_bridge.train import train
from tests.llm_bridge.training import CARRYING

DOCUMENT = Path(__file__).parents[2] / "docs" / "train.md"

pytestmark = pytest.mark.usefixtures("shared_grader")


def documented_fields():
    """Fields of the two tables: of update lines, and of evaluation lines."""
    text = DOCUMENT.read_text()
    section = text[text.index("## Metrics") : text.index("## Bad input")]
    update, evaluation = section.split("Lines of kind `evaluation`")
    return [
        [
            name
            for line in part.splitlines()
            if line.startswith("| `")
            for name in re.findall(r"`(\w+)`", line.split("|")[1])
        ]
        for part in (update, evaluation)
    ]


def undocumented_and_missing(lines, update_fields, evaluation_fields):
    """Fields written and not in the tables, and in the tables and not written."""
    written = {"update": set(), "evaluation": set()}
    for line in lines:
        written[line["kind"]] |= line.keys()
    splits = ("train", "heldout", "train_greedy", "heldout_greedy")
    told = {
        name.replace("SPLIT", split).replace("_K", f"_{k}")
        for name in evaluation_fields
        for split in splits
        # Greedy responses are one a prompt.
        for k in ((1,) if split.endswith("greedy") else (1, 2))
    }
    found = {"update": set(update_fields), "evaluation": told}
    kinds = ("update", "evaluation")
    return [written[kind] - found[kind] for kind in kinds], [
        found[kind] - written[kind] for kind in kinds
    ]


@pytest.fixture(scope="module")
def lines(tmp_path_factory, shared_grader):
    config = replace(
        CARRYING, num_updates=2, eval_every=2, eval_samples=32, pass_at=(1, 2), eval_greedy=True
    )
    return read_metrics(train(config, tmp_path_factory.mktemp("all") / "run"))


def test_the_tables_of_the_documentation_are_what_is_written(lines):
    tables = documented_fields()
    assert undocumented_and_missing(lines, *tables) == ([set(), set()], [set(), set()])
    assert all(len(set(names)) == len(names) for names in tables)


def test_a_field_too_many_or_too_few_would_be_seen(lines):
    updates, evaluations = documented_fields()
    found = undocumented_and_missing(lines, [*updates[1:], "new"], evaluations[:-1])
    assert found == ([{"kind"}, {"seconds_evaluation"}], [{"new"}, set()])


def make_rollout(lengths, log_prob):
    """P = 2 prompts of 2 responses whose tokens have log-probability `log_prob` each."""
    mask = torch.arange(5) < torch.tensor(lengths)[..., None]
    return Rollout(
        prompt_tokens=torch.zeros(2, 1, dtype=torch.int64),
        prompt_mask=torch.ones(2, 1, dtype=torch.bool),
        response_tokens=torch.zeros(2, 2, 5, dtype=torch.int64),
        mask=mask,
        old_log_prob=torch.where(mask, torch.tensor(log_prob), 0.0),
        is_truncated=torch.tensor([[False, True], [False, False]]),
    )


def test_rollouts_are_described_by_their_exact_counts():
    rollout = make_rollout([[2, 5], [1, 4]], -0.5)
    reward = np.array([[1.0, 0.0], [2.0, 0.99]])
    advantage = np.array([[0.5, -0.5], [0.0, 0.0]])
    assert describe_rollout(rollout, reward, advantage) == {
        "reward_mean": pytest.approx(3.99 / 4, rel=1e-12),
        "rollout_pass_rate": 0.5,
        "advantage_abs_mean": 0.25,
        "share_without_signal": 0.5,
        # 12 tokens of half a nat, over 4 responses.
        "entropy_estimate": 1.5,
        "mean_length": 3.0,
        "min_length": 1,
        "max_length": 5,
        "truncated_share": 0.25,
    }
