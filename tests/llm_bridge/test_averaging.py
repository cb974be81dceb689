"""How the loss averages over tokens and rollouts, against averages that are written out."""

from typing import get_args

import pytest
import torch

from banditlab.levels import LEVELS
from banditlab.rules import get_rule
from banditlab.testing.promises import Averaging as PromisedAveraging
from llm_bridge import surrogate
from llm_bridge.averaging import AVERAGINGS, averaged_weight
from tests.llm_bridge.gradients import (
    gradient_of,
    make_setting,
    norm_error,
    published_gradient,
    relative_error,
)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("averaging", AVERAGINGS)
def test_the_loss_averages_as_its_name_says(averaging, level):
    model, rollout, advantage = make_setting()
    for rows in (None, torch.tensor([20, 3, 4, 11, 5, 0, 9, 14, 17])):
        options = {"level": level, "averaging": averaging, "rows": rows}
        found, stats = gradient_of(
            model, rollout, advantage, get_rule("raw_reward"), max_new_tokens=6, **options
        )
        expected = published_gradient(model, rollout, advantage, "raw_reward", **options)
        assert relative_error(found, expected) < 1e-9
        for other in set(AVERAGINGS) - {averaging}:
            wrong = published_gradient(
                model, rollout, advantage, "raw_reward", **options | {"averaging": other}
            )
            assert relative_error(found, wrong) > 1e-3
        part = rollout.mask.flatten(0, 1)[slice(None) if rows is None else rows]
        assert stats.num_units == (int(part.sum()) if level == "token" else len(part))


def test_the_averagings_are_those_that_rules_may_promise():
    assert set(AVERAGINGS) == set(get_args(PromisedAveraging)) - {"sum"}


def test_an_average_without_its_length_is_refused():
    model, rollout, advantage = make_setting()
    with pytest.raises(ValueError, match="`max_new_tokens` must be given where averaging is"):
        gradient_of(model, rollout, advantage, get_rule("clip"), averaging="constant_length")
    with pytest.raises(ValueError, match="`averaging` must be a known averaging, got 'mean'"):
        gradient_of(model, rollout, advantage, get_rule("clip"), averaging="mean")


@pytest.mark.parametrize("averaging", ["token_mean", "sequence_sum"])
def test_averages_of_each_microbatch_by_itself_would_be_seen(averaging, monkeypatch):
    model, rollout, advantage = make_setting()

    def alone(weight, mask, averaging, *, num_rollouts, num_tokens, max_new_tokens):
        return averaged_weight(
            weight,
            mask,
            averaging,
            num_rollouts=len(mask),
            num_tokens=int(mask.sum()),
            max_new_tokens=max_new_tokens,
        )

    monkeypatch.setattr(surrogate, "averaged_weight", alone)
    whole, split = (
        gradient_of(
            model,
            rollout,
            advantage,
            get_rule("clip"),
            averaging=averaging,
            microbatch_tokens=microbatch_tokens,
        )[0]
        for microbatch_tokens in (None, 60)
    )
    assert norm_error(split, whole) > 0.1
