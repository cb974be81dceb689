"""Statistics of the ratios that a step meets, against the ratios themselves."""

from dataclasses import replace

import pytest
import torch

from banditlab.levels import LEVELS, pool
from banditlab.rules import get_rule
from llm_bridge.forward import token_log_prob
from llm_bridge.microbatches import rollout_log_prob
from llm_bridge.ratios import RatioTally, ratio_variance
from tests.llm_bridge.gradients import (
    TEMPERATURE,
    gradient_of,
    make_setting,
)
from tests.llm_bridge.test_rollout import all_rows


def test_stale_rollouts_do_not_count_as_a_mismatch():
    model, rollout, advantage = make_setting(size=0.0)
    stale = rollout.old_log_prob.clone()
    stale[1:] -= 0.5
    rollout = replace(rollout, old_log_prob=stale)
    _, stats = gradient_of(model, rollout, advantage, get_rule("clip"), num_fresh=1)
    assert stats.log_prob_mismatch < 2e-5
    assert stats.max_abs_log_ratio > 0.5
    _, stats = gradient_of(model, rollout, advantage, get_rule("clip"), num_fresh=2)
    assert stats.log_prob_mismatch == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("level", LEVELS)
def test_the_ratio_variance_without_gradient_is_that_of_the_step(level):
    model, rollout, advantage = make_setting()
    _, stats = gradient_of(model, rollout, advantage, get_rule("clip"), level=level)
    log_prob = rollout_log_prob(model, rollout, temperature=TEMPERATURE)
    found = ratio_variance(log_prob, rollout, level)
    assert found == pytest.approx(stats.ratio_variance, rel=1e-9)
    assert found > 1e-3
    with pytest.raises(FloatingPointError, match="a ratio is too large to be squared"):
        ratio_variance(log_prob + 400.0, rollout, level)


def test_fresh_rollouts_have_ratio_one():
    model, rollout, advantage = make_setting(size=0.0)
    _, stats = gradient_of(model, rollout, advantage, get_rule("clip"))
    assert stats.ratio_mean == pytest.approx(1.0, abs=1e-5)
    assert stats.ratio_variance < 1e-9
    assert stats.clip_low_fraction == stats.clip_high_fraction == 0.0
    assert stats.log_prob_mismatch < 2e-5
    moved, rollout, advantage = make_setting()
    assert gradient_of(moved, rollout, advantage, get_rule("clip"))[1].log_prob_mismatch > 1e-2


@pytest.mark.parametrize("level", ["sequence", "token"])
def test_statistics_are_those_of_the_ratios(level):
    model, rollout, advantage = make_setting()
    _, stats = gradient_of(model, rollout, advantage, get_rule("clip"), level=level)
    part = all_rows(rollout)
    log_prob = token_log_prob(model, part, temperature=TEMPERATURE).detach()
    log_ratio = pool(log_prob - rollout.old_log_prob.flatten(0, 1), part.mask, level)
    per_unit = advantage.flatten()
    if level == "token":
        per_unit = per_unit[:, None].expand(part.mask.shape)[part.mask]
        log_ratio = log_ratio[part.mask]
    ratio = log_ratio.exp()
    assert stats.ratio_mean == pytest.approx(float(ratio.mean()))
    assert stats.ratio_variance == pytest.approx(float(((ratio - 1) ** 2).mean()))
    assert stats.ratio_max == pytest.approx(float(ratio.max()))
    assert stats.kl_estimate == pytest.approx(float((ratio - 1 - log_ratio).mean()))
    assert stats.kl_estimate > 0
    assert stats.kl_estimate != pytest.approx(float(-log_ratio.mean())), "k1 would be another one"
    assert stats.max_abs_log_ratio == pytest.approx(float(log_ratio.abs().max()))
    low = ((ratio < 0.8) & (per_unit < 0)).double().mean()
    high = ((ratio > 1.2) & (per_unit > 0)).double().mean()
    assert stats.clip_low_fraction == pytest.approx(float(low))
    assert stats.clip_high_fraction == pytest.approx(float(high))
    assert low > 0
    assert high > 0
    assert low != high


def test_tallies_of_parts_merge_to_that_of_the_whole():
    rng = torch.Generator().manual_seed(0)
    units = [torch.randn(9, generator=rng, dtype=torch.float64) for _ in range(4)]
    units[1] = torch.where(units[1].abs() < 0.5, 0.0, units[1])

    def tally(start, stop):
        one = RatioTally()
        if stop > start:
            one.add(*(values[start:stop] for values in units))
        return one

    whole = tally(0, 9).result()
    merged = RatioTally.merged([tally(0, 2), tally(2, 2), tally(2, 9)]).result()
    for name, value in vars(whole).items():
        assert getattr(merged, name) == pytest.approx(value, rel=1e-14), name
    assert RatioTally.merged([tally(0, 9)]).result() == whole
    assert RatioTally.merged([tally(0, 2), tally(2, 8)]).result() != whole
