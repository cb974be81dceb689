"""A run of the bridge on an arm space: what it draws, what it is paid, what it refuses."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from banditlab.arm_spaces import explicit_rewards, from_pass_rates, rare_correct
from banditlab.reward_laws import Bernoulli
from banditlab.sequence.problem import uniform_sequences
from llm_bridge.config import TrainConfig
from llm_bridge.tabular.run import ProblemGrader, TokenNumbers, base_logits, tabular_run
from llm_bridge.update import run_update
from tests.llm_bridge.tabular.problems import BANDIT, SEQUENCES, make_config

DOCUMENT = Path(__file__).parents[3] / "docs" / "train.md"


def test_the_base_policy_is_that_of_the_problem():
    assert base_logits(SEQUENCES) is SEQUENCES.base_log_prob
    mass = np.exp(base_logits(BANDIT))[:, 0]
    np.testing.assert_allclose(mass[:, 1], np.exp(BANDIT.log_mass[:, 1]) / 2, rtol=1e-14)
    np.testing.assert_allclose(mass.sum(axis=1), 1.0, rtol=1e-14)


def test_arms_pay_what_their_class_pays():
    texts = TokenNumbers().batch_decode([[0], [1], [5], [2]], skip_special_tokens=True)
    reward = ProblemGrader(BANDIT).grade(texts, ["0", "0", "2", "3"])
    assert reward.tolist() == [1.0, 0.4, 0.4, 0.0]


def test_sequences_pay_where_they_begin_with_a_target():
    texts = TokenNumbers().batch_decode([[0, 1, 2], [0, 2, 1], [0, 2, 1]], skip_special_tokens=True)
    assert ProblemGrader(SEQUENCES).grade(texts, ["0", "0", "3"]).tolist() == [1.0, 0.0, 1.0]


def test_only_the_prompts_of_training_are_drawn_and_moved():
    run = tabular_run(replace(BANDIT, num_train=2), make_config("raw_reward", num_prompts=1))
    for update in range(1, 5):
        run_update(run, update)
    moved = run.policy.model.displacement.detach().abs().amax(dim=(1, 2))
    assert (moved[:2] > 0.0).all()
    assert (moved[2:] == 0.0).all()


def test_responses_have_the_length_of_the_problem_and_float64_records():
    run = tabular_run(SEQUENCES, make_config("clip", dtype="float32", replay_groups=2))
    line = run_update(run, 1)
    assert (line["mean_length"], line["truncated_share"]) == (3.0, 1.0)
    assert line["log_prob_mismatch"] < 1e-14
    (group, _) = run.replay.draw(2, np.random.default_rng(0))
    assert group.rollout.old_log_prob.dtype == torch.float64


REFUSED = {
    "whose rewards are certain": explicit_rewards(np.array([1.0, 0.0]), reward_law=Bernoulli()),
    "whose arms move only themselves": from_pass_rates(
        np.array([0.3]), np.array([0.3]), log10_arms=1, shared_kernel=1.0
    ),
    "at most 10000000 arms": rare_correct(30, 0.1),
    "at most 10000000 logits": uniform_sequences(50, 6, [[[1]]]),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_a_table_cannot_be_is_refused(words):
    with pytest.raises(ValueError, match=words):
        tabular_run(REFUSED[words], TrainConfig(num_prompts=1))


def test_more_prompts_than_there_are_contexts_are_refused():
    with pytest.raises(ValueError, match="at most the 4 questions"):
        tabular_run(BANDIT, make_config("clip", num_prompts=5))


def test_the_example_of_the_documentation_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(compile(code, DOCUMENT.name, "exec"), {})
    assert capsys.readouterr().out.strip() == re.search(r"# (0\.\d+)", code)[1]
