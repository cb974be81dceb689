import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from llm_bridge import evaluate as evaluate_module
from llm_bridge.evaluate import decode_responses, evaluate
from llm_bridge.models import load_policy
from llm_bridge.tasks import load_task
from tests.llm_bridge.small_model import ROWS_FILE, save_small_model


class ScriptedGrader:
    """Right iff the response starts with an even token; one timeout a call."""

    def __init__(self):
        self.num_timeouts = 0
        self.golds = []

    def grade(self, completions, golds):
        assert len(completions) == len(golds)
        self.num_timeouts += 1
        self.golds += golds
        return np.array([float(int(text.split()[0]) % 2 == 0) for text in completions])


class NumberTokenizer:
    def __call__(self, texts, **_):
        return {"input_ids": [[len(text)] for text in texts]}

    def batch_decode(self, rows, **_):
        return [" ".join(map(str, row)) for row in rows]


def scripted_rollouts(calls):
    def sample(model, prompts, *, group_size, generator, max_new_tokens, **_):
        first = torch.randint(0, 10, (len(prompts), group_size, 1), generator=generator)
        tokens = torch.cat([first, torch.full((len(prompts), group_size, 1), 7)], dim=-1)
        mask = torch.ones_like(tokens, dtype=torch.bool)
        mask[:, 0, 1] = False
        calls.append((len(prompts), group_size, tokens))
        return SimpleNamespace(
            response_tokens=tokens, mask=mask, is_truncated=mask.any(-1) & (first[..., 0] == 9)
        )

    return sample


@pytest.fixture
def policy():
    return SimpleNamespace(model=None, tokenizer=NumberTokenizer(), eos_token_id=1, pad_token_id=0)


def run(policy, monkeypatch, *, num_samples, rows, seed=0, **options):
    calls = []
    monkeypatch.setattr(evaluate_module, "sample_rollouts", scripted_rollouts(calls))
    monkeypatch.setattr(evaluate_module, "_ROWS_PER_BATCH", rows)
    grader = ScriptedGrader()
    result = evaluate(
        policy,
        load_task(str(ROWS_FILE)),
        num_samples_per_prompt=num_samples,
        max_new_tokens=2,
        generator=torch.Generator().manual_seed(seed),
        grader=grader,
        **options,
    )
    return result, calls, grader


@pytest.mark.parametrize(("num_samples", "rows"), [(6, 2048), (6, 20), (6, 4), (1, 3)])
def test_counts_per_prompt_are_exact_whatever_the_batches(policy, monkeypatch, num_samples, rows):
    result, calls, grader = run(policy, monkeypatch, num_samples=num_samples, rows=rows)
    assert max(prompts * group for prompts, group, _ in calls) <= rows
    per_prompt = np.zeros(8, int)
    drawn = np.zeros(8, int)
    start, truncated = 0, 0
    for prompts, group, tokens in calls:
        first = tokens[..., 0].numpy()
        per_prompt[start : start + prompts] += (first % 2 == 0).sum(axis=1)
        drawn[start : start + prompts] += group
        truncated += (first == 9).sum()
        start = (start + prompts) % 8
    np.testing.assert_array_equal(result.num_correct, per_prompt)
    np.testing.assert_array_equal(result.num_samples, drawn)
    assert set(drawn) == {num_samples}
    assert result.pass_rate == pytest.approx(per_prompt.sum() / drawn.sum(), rel=1e-12)
    assert result.truncated_share == pytest.approx(truncated / drawn.sum(), rel=1e-12)
    shortened = sum(prompts for prompts, _, _ in calls)
    assert result.mean_length == pytest.approx(2 - shortened / drawn.sum(), rel=1e-12)
    assert result.num_timeouts == grader.num_timeouts == len(calls)
    assert sorted(grader.golds) == sorted(load_task(str(ROWS_FILE)).answers * num_samples)


@pytest.mark.parametrize(("num_samples", "rows"), [(6, 2048), (6, 20), (6, 4)])
def test_every_response_is_recorded_under_its_question(policy, monkeypatch, num_samples, rows):
    seen = []
    result, _, _ = run(
        policy,
        monkeypatch,
        num_samples=num_samples,
        rows=rows,
        record=lambda *one: seen.append(one),
    )
    assert sum(reward.size for *_, reward in seen) == 8 * num_samples
    per_prompt = np.zeros(8, int)
    for first, rollout, texts, reward in seen:
        assert reward.shape == rollout.mask.shape[:2]
        right = [float(int(text.split()[0]) % 2 == 0) for text in texts]
        np.testing.assert_array_equal(reward.flatten(), right)
        per_prompt[first : first + len(reward)] += (reward >= 1).sum(axis=1)
    np.testing.assert_array_equal(per_prompt, result.num_correct)


def test_a_response_counts_as_right_from_a_reward_of_1_on(policy, monkeypatch):
    values = np.array([1.0, 0.99, -1.0, 2.0, 0.0, 1.0])
    monkeypatch.setattr(ScriptedGrader, "grade", lambda self, texts, _: values[: len(texts)])
    result, _, _ = run(policy, monkeypatch, num_samples=6, rows=6)
    assert set(result.num_correct) == {3}


def test_the_standard_error_is_the_spread_of_the_prompts(policy, monkeypatch):
    result, _, _ = run(policy, monkeypatch, num_samples=5, rows=100)
    share = result.num_correct / 5
    exact = math.sqrt(sum((share - share.mean()) ** 2) / 7 / 8)
    assert result.standard_error == pytest.approx(exact, rel=1e-12)
    population = math.sqrt(sum((share - share.mean()) ** 2) / 8 / 8)
    assert result.standard_error != pytest.approx(population, rel=1e-3), "ddof would be seen"


def test_one_prompt_has_the_binomial_error():
    found = evaluate_module._standard_error(np.array([3]), np.array([12]))
    assert found == pytest.approx(math.sqrt(0.25 * 0.75 / 12), rel=1e-12)


def test_an_evaluation_draws_from_its_own_generator_only(policy, monkeypatch):
    before = torch.random.get_rng_state()
    first, again, other = (
        run(policy, monkeypatch, num_samples=4, rows=100, seed=seed)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.num_correct, again.num_correct)
    assert (first.num_correct != other.num_correct).any()
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_real_model_is_sampled_and_decoded_without_special_tokens(tmp_path):
    policy = load_policy(str(save_small_model(tmp_path)))
    seen = []

    class Recorder(ScriptedGrader):
        def grade(self, completions, golds):
            seen.extend(completions)
            return np.zeros(len(golds))

    result = evaluate(
        policy,
        load_task(str(ROWS_FILE), take=3),
        num_samples_per_prompt=20,
        max_new_tokens=8,
        generator=torch.Generator().manual_seed(0),
        grader=Recorder(),
    )
    assert len(seen) == 60
    assert result.pass_rate == 0.0
    assert 1.0 <= result.mean_length <= 8.0
    assert not any("<end>" in text or "<pad>" in text for text in seen)


def test_padding_is_no_part_of_a_response(policy):
    rollout = SimpleNamespace(
        response_tokens=torch.tensor([[[3, 4, 0], [5, 0, 0]]]),
        mask=torch.tensor([[[True, True, False], [True, False, False]]]),
    )
    assert decode_responses(policy, rollout) == ["3 4", "5"]


def test_no_sample_at_all_is_refused(policy, monkeypatch):
    with pytest.raises(ValueError, match="evaluate: `num_samples_per_prompt` must be at least 1"):
        run(policy, monkeypatch, num_samples=0, rows=10)
