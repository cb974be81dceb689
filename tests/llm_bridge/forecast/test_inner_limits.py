"""Limits of inner epochs on a table of logits, whose kernel is written out."""

from dataclasses import replace

import numpy as np
import pytest

from banditlab.rules import get_rule
from llm_bridge.forecast.inner_limits import largest_batch, limit_sizes, measure_inner_limits
from llm_bridge.forecast.inner_rounds import runaway_rate, weight_of_log_ratio
from llm_bridge.forecast.study import StudyCell
from tests.llm_bridge.forecast.table import (
    NUM_ARMS,
    make_sampler,
    numbers,
    probabilities,
    recorded,
)

SIZE = {"num_prompts": 4, "group_size": 3, "num_updates": 1, "eval_every": 1}
FREE = StudyCell("free", "group_mean", 0.1, inner_epochs=4, **SIZE)
CLIP = StudyCell("clipped", "clip", 0.1, inner_epochs=3, **SIZE)
EXTRA = replace(FREE, name="extra", rule="extra_rollouts")
ADAM = replace(FREE, name="adam", optimizer="adamw", num_prompts=9)
ONCE = replace(FREE, name="once", inner_epochs=1, num_prompts=8)
CELLS = (CLIP, FREE, ADAM, ONCE, replace(FREE, name="again", learning_rate=0.3))


def gram_by_hand(contexts, arms):
    """Inner products of [right arm] - probability in the prompt's own context."""
    probability = probabilities(6)
    score = np.zeros((arms.size, 6, NUM_ARMS))
    for row, (context, arm) in enumerate(
        zip(np.repeat(contexts, arms.shape[1]), arms.ravel(), strict=True)
    ):
        score[row, context] = np.eye(NUM_ARMS)[arm] - probability[context]
    flat = score.reshape(arms.size, -1)
    return flat @ flat.T


@pytest.mark.parametrize("cells", [CELLS, (FREE, EXTRA)])
def test_the_limits_are_those_of_the_updates_drawn(cells, monkeypatch):
    sampler = make_sampler(6)
    draws = recorded(sampler, monkeypatch)
    found = measure_inner_limits(sampler, numbers(*range(6)), cells, num_batches=3, seed=1)
    assert len(draws) == 3
    assert [(limit.rule, limit.inner_epochs) for limit in found] == sorted(
        {(cell.rule, cell.inner_epochs) for cell in cells if cell in (FREE, CLIP, EXTRA)}
    )
    for limit in found:
        rule = get_rule(limit.rule)
        expected = []
        for contexts, arms, reward in draws:
            used = reward[:, : 3 + rule.extra_rollouts]
            advantage = used - used.mean(axis=1, keepdims=True)
            if rule.extra_rollouts:
                advantage = advantage / (used.std(axis=1, ddof=1, keepdims=True) + 1e-6)
            weigh = weight_of_log_ratio(rule, advantage[:, :3].ravel())
            gram = gram_by_hand(contexts, arms[:, :3])
            expected.append(runaway_rate(gram, weigh, limit.inner_epochs))
        assert limit.rates == expected


def test_only_inner_epochs_of_sgd_have_a_limit():
    assert limit_sizes(CELLS) == [(4, 3)]
    assert limit_sizes((FREE, EXTRA)) == [(4, 10)]
    assert limit_sizes((ADAM, ONCE)) == []
    assert largest_batch(CELLS) == 12
    assert largest_batch((FREE, EXTRA)) == 40
    assert largest_batch((ONCE,)) == 0
    sampler = make_sampler(6)
    assert measure_inner_limits(sampler, numbers(0), (ADAM,), num_batches=2, seed=0) == []
    assert sampler.num_rollouts == 0
