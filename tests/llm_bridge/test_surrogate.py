"""The gradient against autograd of the published objective, and its independence of the split."""

from dataclasses import replace

import pytest
import torch

from banditlab.levels import LEVELS, pool
from banditlab.rules import RULES, get_rule
from banditlab.testing.known import promises_of_rule
from llm_bridge.forward import token_log_prob
from llm_bridge.surrogate import (
    accumulate_gradient,
    mean_gradient,
    score_gradients,
    split_rows,
)
from tests.llm_bridge.test_rollout import PROMPTS, all_rows, sample, tiny_model

KINDS = ["llama", "gpt2"]
RULES_TESTED = ["raw_reward", "clip", "variance_penalty"]
TEMPERATURE = 0.8


def make_setting(kind="llama", dtype=torch.float64, size=0.05):
    """Model, rollout and advantage; the weights moved by `size` after sampling."""
    model = tiny_model(kind).to(dtype)
    rollout = sample(model, PROMPTS, group_size=8, max_new_tokens=6, temperature=TEMPERATURE)
    rng = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
            parameter.add_(size * noise.to(dtype))
    advantage = torch.randn(rollout.mask.shape[:2], generator=rng, dtype=torch.float64)
    return model, rollout, advantage


def flat_grad(model):
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def gradient_of(model, rollout, advantage, rule, **options):
    model.zero_grad()
    stats = accumulate_gradient(model, rollout, advantage, rule, temperature=TEMPERATURE, **options)
    return flat_grad(model), stats


def relative_error(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def published_gradient(model, rollout, advantage, name, level):
    """Autograd of -mean over rollouts of the summed published objective."""
    part = all_rows(rollout)
    log_prob = pool(token_log_prob(model, part, temperature=TEMPERATURE), part.mask, level)
    old_log_prob = pool(rollout.old_log_prob.flatten(0, 1).double(), part.mask, level)
    per_unit = advantage.flatten()
    if level == "token":
        per_unit = per_unit[:, None].expand(part.mask.shape)
    objective = promises_of_rule(RULES[name]).objective(log_prob, old_log_prob, per_unit)
    if level == "token":
        objective = torch.where(part.mask, objective, 0.0)
    model.zero_grad()
    (-objective.sum() / advantage.numel()).backward()
    return flat_grad(model)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", RULES_TESTED)
def test_gradient_is_autograd_of_the_published_objective(name, level):
    model, rollout, advantage = make_setting()
    found, stats = gradient_of(model, rollout, advantage, get_rule(name), level=level)
    assert stats.max_abs_log_ratio > 0.1
    assert relative_error(found, published_gradient(model, rollout, advantage, name, level)) < 1e-9
    for other in RULES_TESTED:
        if other != name:
            wrong = published_gradient(model, rollout, advantage, other, level)
            assert relative_error(found, wrong) > 1e-3
    wrong_level = LEVELS[(LEVELS.index(level) + 1) % 3]
    wrong = published_gradient(model, rollout, advantage, name, wrong_level)
    assert relative_error(found, wrong) > 1e-3


def test_gradient_through_the_models_own_pass_is_that_of_the_objective():
    model, rollout, advantage = make_setting("gpt2")
    found, _ = gradient_of(model, rollout, advantage, get_rule("clip"))
    expected = published_gradient(model, rollout, advantage, "clip", "sequence")
    assert relative_error(found, expected) < 1e-9


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.float64, 1e-12)])
def test_gradient_does_not_depend_on_the_split(level, dtype, tolerance):
    model, rollout, advantage = make_setting(dtype=dtype)
    rule = get_rule("variance_penalty")
    whole, stats = gradient_of(model, rollout, advantage, rule, level=level)
    for microbatch_tokens in (1, 25, 60):
        found, same = gradient_of(
            model, rollout, advantage, rule, level=level, microbatch_tokens=microbatch_tokens
        )
        assert relative_error(found, whole) < tolerance
        assert same.ratio_mean == pytest.approx(stats.ratio_mean, rel=1e-5)
        assert same.ratio_max == pytest.approx(stats.ratio_max, rel=1e-5)


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


def test_gradient_is_added_to_what_is_there():
    model, rollout, advantage = make_setting()
    once, _ = gradient_of(model, rollout, advantage, get_rule("raw_reward"))
    accumulate_gradient(model, rollout, advantage, get_rule("raw_reward"), temperature=TEMPERATURE)
    torch.testing.assert_close(flat_grad(model), 2 * once)


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
    assert stats.max_abs_log_ratio == pytest.approx(float(log_ratio.abs().max()))
    low = ((ratio < 0.8) & (per_unit < 0)).double().mean()
    high = ((ratio > 1.2) & (per_unit > 0)).double().mean()
    assert stats.clip_low_fraction == pytest.approx(float(low))
    assert stats.clip_high_fraction == pytest.approx(float(high))
    assert low > 0
    assert high > 0
    assert low != high


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_what_stands_in_padding_has_no_influence(kind, level):
    model, rollout, advantage = make_setting(kind)
    assert not rollout.mask.all()
    for poison in (torch.nan, torch.inf):
        poisoned = replace(
            rollout, old_log_prob=torch.where(rollout.mask, rollout.old_log_prob, poison)
        )
        for name in RULES_TESTED:
            clean, _ = gradient_of(model, rollout, advantage, get_rule(name), level=level)
            dirty, _ = gradient_of(model, poisoned, advantage, get_rule(name), level=level)
            assert torch.equal(clean, dirty)


def test_score_gradients_are_those_of_single_responses():
    model, rollout, _ = make_setting()
    scores = score_gradients(model, rollout, temperature=TEMPERATURE)
    assert scores.shape == (24, sum(p.numel() for p in model.parameters()))
    assert all(parameter.grad is None for parameter in model.parameters())
    part = all_rows(rollout)
    for row in (0, 17):
        log_prob = token_log_prob(model, part, temperature=TEMPERATURE)[row].sum()
        model.zero_grad()
        log_prob.backward()
        assert relative_error(scores[row], flat_grad(model)) < 1e-10
    assert relative_error(scores[0], scores[1]) > 1e-2


def test_mean_gradient_is_the_mean_of_advantage_times_score():
    model, rollout, advantage = make_setting()
    scores = score_gradients(model, rollout, temperature=TEMPERATURE)
    expected = (advantage.flatten()[:, None] * scores).mean(0)
    found = mean_gradient(model, rollout, advantage, temperature=TEMPERATURE)
    assert relative_error(found, expected) < 1e-10
    assert relative_error(found, -expected) > 1
    assert relative_error(mean_gradient(model, rollout, advantage), expected) > 1e-2


def test_mean_gradient_on_fresh_rollouts_is_minus_the_loss_gradient():
    model, rollout, advantage = make_setting(size=0.0)
    loss_gradient, _ = gradient_of(model, rollout, advantage, get_rule("raw_reward"))
    found = mean_gradient(model, rollout, advantage, temperature=TEMPERATURE)
    # The recorded log-probabilities are float32, so that the ratio is 1 to about 1e-6.
    assert relative_error(found, -loss_gradient) < 1e-5


def test_frozen_parameters_are_left_out():
    model, rollout, advantage = make_setting()
    model.model.norm.weight.requires_grad_(False)
    num_left = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert mean_gradient(model, rollout, advantage).shape == (num_left,)
    accumulate_gradient(model, rollout, advantage, get_rule("clip"))
    assert model.model.norm.weight.grad is None


@pytest.mark.parametrize("name", RULES_TESTED)
def test_a_policy_that_ran_away_is_reported(name):
    model, rollout, _ = make_setting(dtype=torch.float32)
    advantage = -torch.ones(rollout.mask.shape[:2])
    runaway = replace(rollout, old_log_prob=rollout.old_log_prob - 200.0)
    with pytest.raises(FloatingPointError, match=r"largest log-ratio is .* lower the learning"):
        accumulate_gradient(model, runaway, advantage, get_rule(name))


def test_an_advantage_of_another_shape_is_refused():
    model, rollout, advantage = make_setting()
    with pytest.raises(ValueError, match=r"accumulate_gradient: `advantage` must be of shape"):
        accumulate_gradient(model, rollout, advantage[:, :1], get_rule("clip"))
    with pytest.raises(ValueError, match=r"mean_gradient: `advantage` must be of shape"):
        mean_gradient(model, rollout, advantage.flatten())
