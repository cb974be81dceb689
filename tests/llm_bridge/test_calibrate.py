"""What is measured on the base model, against the model itself."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from banditlab.advantages import leave_one_out
from llm_bridge.base_statistics import shared_kernel_from_blocks
from llm_bridge.calibrate import (
    _blocks,
    measure_base,
)
from llm_bridge.evaluate import decode_responses
from llm_bridge.forward import token_log_prob
from llm_bridge.models import load_policy
from llm_bridge.rewards import Grader
from llm_bridge.rollout import sample_rollouts
from llm_bridge.scores import mean_gradient
from llm_bridge.tasks import Task, encode_prompts, load_task


def one_prompt_task(size: int) -> Task:
    words = tuple(str(i) for i in range(size))
    return Task(name="task", questions=words, answers=words, prompts=words)


@pytest.mark.parametrize("size", [1, 5, 16, 33, 512])
def test_blocks_hold_each_prompt_once_and_differ_by_at_most_one(size):
    blocks_found = _blocks(one_prompt_task(size))
    prompts = [i for block in blocks_found for i in range(block.start, block.stop)]
    assert prompts == list(range(size))
    lengths = {block.stop - block.start for block in blocks_found}
    assert max(lengths) - min(lengths) <= 1


class StubGrader:
    """Grades every response alike."""

    def __init__(self, reward: float) -> None:
        self.reward = reward

    def grade(self, completions, golds):
        return np.full(len(completions), self.reward)


@pytest.fixture(scope="module")
def policy():
    return load_policy("embedded")


def measure(policy, grader, **changes):
    options = {"num_samples": 4, "num_prompts": 4, "group_size": 2, "max_new_tokens": 40, "seed": 0}
    task, heldout = (load_task("embedded", split=name, take=12) for name in ("train", "heldout"))
    return measure_base(policy, task, heldout, grader=grader, **{**options, **changes})


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_a_base_model_that_is_always_alike_is_refused(policy, reward):
    with pytest.raises(ValueError, match=r"`num_correct` must be neither all 0 nor all"):
        measure(policy, StubGrader(reward))


def test_one_sample_per_prompt_is_refused(policy):
    with pytest.raises(ValueError, match=r"measure_base: `num_samples` must be at least 2"):
        measure(policy, StubGrader(0.0), num_samples=1)


def test_a_kernel_that_is_not_above_zero_is_refused(policy, monkeypatch):
    monkeypatch.setattr(
        "llm_bridge.calibrate.shared_kernel_from_blocks", lambda *_: (-3.0, 25.0, None)
    )
    with (
        Grader() as grader,
        pytest.raises(ValueError, match=r"kernel of -3 \+- 25. Raise --base-s"),
    ):
        measure(policy, grader)


def test_a_model_too_large_to_measure_is_refused_with_the_size(policy, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(ValueError, match=r"`policy` must be small enough.*121,536 parameters"):
        measure(policy, StubGrader(0.0))


def test_the_same_seed_measures_the_same_numbers_and_leaves_the_model_alone(policy):
    before = [value.clone() for value in policy.model.parameters()]
    with Grader() as grader:
        first, again = (measure(policy, grader) for _ in range(2))
    assert first == again
    assert all(torch.equal(a, b) for a, b in zip(before, policy.model.parameters(), strict=True))
    assert all(value.grad is None for value in policy.model.parameters())


def test_one_small_step_moves_the_heldout_pass_rate_as_the_kernel_says(policy):
    """Exact gradients by importance weights: d P_heldout along grad P_train, on fixed responses.

    A step of size h along the train gradient changes the held-out reward, re-weighted from the
    base policy's own responses, by h * kernel * slopes; half of that is rejected.
    """
    with Grader() as grader:
        train, heldout = (load_task("embedded", split=n, take=48) for n in ("train", "heldout"))
        generator = torch.Generator().manual_seed(1)

        def rollout_of(task):
            rollout = sample_rollouts(
                policy.model,
                encode_prompts(task, policy.tokenizer),
                group_size=16,
                max_new_tokens=40,
                eos_token_id=policy.eos_token_id,
                pad_token_id=policy.pad_token_id,
                generator=generator,
            )
            golds = [gold for gold in task.answers for _ in range(16)]
            reward = grader.grade(decode_responses(policy, rollout), golds).reshape(-1, 16)
            return rollout, leave_one_out(reward)

        (train_rollout, train_advantage), (rollout, advantage) = map(rollout_of, (train, heldout))
    gradients = [
        mean_gradient(policy.model, part, torch.from_numpy(weight))
        for part, weight in ((train_rollout, train_advantage), (rollout, advantage))
    ]
    kernel, _, _ = shared_kernel_from_blocks(
        gradients[0][None].double().numpy(), gradients[1][None].double().numpy(), 0.2, 0.25
    )
    step = 1e-4
    moved = copy.deepcopy(policy.model)
    vector = torch.nn.utils.parameters_to_vector(moved.parameters()) + step * gradients[0]
    torch.nn.utils.vector_to_parameters(vector, moved.parameters())
    with torch.no_grad():
        rows = torch.arange(advantage.size)
        part = rollout.part(rows)
        change = token_log_prob(moved, part).double() - token_log_prob(policy.model, part).double()
    log_ratio = change.sum(dim=1).numpy()
    observed = (np.expm1(log_ratio) * advantage.ravel()).mean()
    assert observed == pytest.approx(step * kernel * 0.05, rel=0.02)
    assert observed != pytest.approx(0.5 * step * kernel * 0.05, rel=0.02)
