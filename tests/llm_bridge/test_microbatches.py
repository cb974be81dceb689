"""Splits of a rollout, and log-probabilities that do not depend on them."""

import pytest
import torch

from llm_bridge.forward import token_log_prob
from llm_bridge.microbatches import rollout_log_prob, split_rows
from tests.llm_bridge.gradients import TEMPERATURE, make_setting
from tests.llm_bridge.test_rollout import all_rows


def test_microbatches_hold_each_row_once_within_the_budget():
    _, rollout, _ = make_setting()
    total = rollout.prompt_mask.sum(1, keepdim=True) + rollout.mask.sum(-1)
    for budget in (1, 30, 10**6):
        parts = list(split_rows(rollout, budget))
        assert sorted(torch.cat(parts).tolist()) == list(range(total.numel()))
        for rows in parts:
            part = rollout.part(rows)
            widths = part.prompt_tokens.shape[1] + part.mask.shape[1]
            assert len(rows) == 1 or len(rows) * widths <= budget
    assert len(list(split_rows(rollout, 30))) > 3


def test_a_part_of_the_rows_is_split_alone():
    _, rollout, _ = make_setting()
    rows = torch.tensor([17, 3, 22, 4, 0])
    parts = list(split_rows(rollout, 30, rows))
    assert len(parts) > 1
    assert sorted(torch.cat(parts).tolist()) == [0, 3, 4, 17, 22]
    assert list(split_rows(rollout, 30, rows[:0])) == []


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_log_probs_of_a_rollout_are_those_of_its_rows_without_gradient(kind):
    model, rollout, _ = make_setting(kind)
    expected = token_log_prob(model, all_rows(rollout), temperature=TEMPERATURE)
    for microbatch_tokens in (None, 25):
        found = rollout_log_prob(
            model, rollout, temperature=TEMPERATURE, microbatch_tokens=microbatch_tokens
        )
        assert found.shape == rollout.mask.shape
        assert not found.requires_grad
        torch.testing.assert_close(found.flatten(0, 1), expected.detach(), rtol=0.0, atol=1e-12)
        assert bool((found[~rollout.mask] == 0).all())
    other = rollout_log_prob(model, rollout, temperature=1.0)
    assert float((other - found).abs().max()) > 1e-3
