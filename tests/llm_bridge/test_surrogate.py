"""The gradient against autograd of the published objective, and its independence of the split."""

from dataclasses import asdict, replace
from functools import partial
from typing import get_args

import pytest
import torch

from banditlab.levels import LEVELS, pool
from banditlab.reference import ESTIMATORS, ReferenceTerm
from banditlab.rules import RULES, get_rule
from banditlab.testing.known import promises_of_rule
from banditlab.testing.objectives import kl_estimate
from banditlab.testing.promises import Averaging as PromisedAveraging
from llm_bridge import surrogate
from llm_bridge.averaging import AVERAGINGS, averaged_weight
from llm_bridge.forward import token_log_prob
from llm_bridge.microbatches import rollout_log_prob
from llm_bridge.ratios import SurrogateStats, ratio_variance
from llm_bridge.surrogate import accumulate_gradient
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


def norm_error(found, expected):
    return float((found - expected).norm() / expected.norm())


def relative_error(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def divisor(mask, averaging, max_new_tokens):
    """What each rollout's sum over tokens is divided by, written out, shape [n]."""
    lengths = mask.sum(1).double()
    return {
        "sequence_sum": torch.full_like(lengths, len(mask)),
        "token_mean": lengths.sum().expand(lengths.shape),
        "sequence_mean": len(mask) * lengths,
        "constant_length": torch.full_like(lengths, len(mask) * max_new_tokens),
    }[averaging]


def objective_gradient(
    model, rollout, advantage, objective, level, *, averaging="sequence_sum", rows=None, ref=None
):
    """Autograd of minus the averaged published objective of the rows, in one pass over all."""
    part = all_rows(rollout)
    log_prob = pool(token_log_prob(model, part, temperature=TEMPERATURE), part.mask, level)
    recorded = [rollout.old_log_prob] if ref is None else [rollout.old_log_prob, ref]
    recorded = [pool(value.flatten(0, 1).double(), part.mask, level) for value in recorded]
    per_unit = advantage.flatten()
    if level == "token":
        per_unit = per_unit[:, None].expand(part.mask.shape)
    total = objective(log_prob, recorded[0], per_unit, *recorded[1:])
    if level == "token":
        total = torch.where(part.mask, total, 0.0).sum(1)
    rows = torch.arange(len(total)) if rows is None else rows
    model.zero_grad()
    (-(total[rows] / divisor(part.mask[rows], averaging, 6)).sum()).backward()
    return flat_grad(model)


def published_gradient(model, rollout, advantage, name, level, **options):
    return objective_gradient(
        model, rollout, advantage, promises_of_rule(RULES[name]).objective, level, **options
    )


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


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("is_corrected", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_reference_in_the_loss_is_the_published_estimate(estimator, is_corrected, level):
    model, rollout, advantage = make_setting()
    rng = torch.Generator().manual_seed(8)
    ref = rollout.old_log_prob + 0.3 * torch.randn(rollout.mask.shape, generator=rng)
    rule = get_rule("raw_reward").with_reference(
        ReferenceTerm(0.4, estimator, "loss", is_ratio_corrected=is_corrected)
    )

    def objective(log_prob, old_log_prob, advantage, ref_log_prob, *, kind=estimator):
        estimate = kl_estimate(log_prob, ref_log_prob, kind)
        ratio = torch.exp(log_prob - old_log_prob)
        return ratio * advantage - 0.4 * estimate * (ratio if is_corrected else 1.0)

    found, _ = gradient_of(model, rollout, advantage, rule, level=level, ref_log_prob=ref)
    expected = objective_gradient(model, rollout, advantage, objective, level, ref=ref)
    assert relative_error(found, expected) < 1e-9
    poisoned = torch.where(rollout.mask, ref, torch.nan)
    again, _ = gradient_of(model, rollout, advantage, rule, level=level, ref_log_prob=poisoned)
    assert torch.equal(again, found)
    for other in set(ESTIMATORS) - {estimator}:
        wrong = objective_gradient(
            model, rollout, advantage, partial(objective, kind=other), level, ref=ref
        )
        assert relative_error(found, wrong) > 1e-3
    with pytest.raises(ValueError, match="`ref_log_prob` must be given for raw_reward"):
        gradient_of(model, rollout, advantage, rule, level=level)


def test_the_multiplier_is_the_one_that_is_given():
    model, rollout, advantage = make_setting()
    rule = get_rule("variance_penalty_dual")
    for multiplier in (0.0, 0.7):
        found, _ = gradient_of(model, rollout, advantage, rule, multiplier=multiplier)
        fixed = get_rule("variance_penalty", multiplier=multiplier)
        assert torch.equal(found, gradient_of(model, rollout, advantage, fixed)[0])


SPLITS = (1, 25, 60, 200)


def accumulated_squares(model, rollout, advantage, rule, options):
    """Root of the summed squares of the gradients that single rollouts contribute."""
    lengths = rollout.mask.flatten(0, 1).sum(1)
    squares = 0.0
    for row, length in enumerate(lengths.tolist()):
        share = length / int(lengths.sum()) if options["averaging"] == "token_mean" else 1 / 24
        gradient, _ = gradient_of(
            model, rollout, advantage, rule, rows=torch.tensor([row]), **options
        )
        squares += float((share * gradient).norm()) ** 2
    return squares**0.5


@pytest.mark.parametrize("averaging", AVERAGINGS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_does_not_depend_on_the_split(level, averaging, dtype):
    """In float32 to 1e-6 of the rollouts' gradients in quadrature, so that what cancels counts.

    Rounding of matrix products of other shapes is all that is left; one row at a time, which is
    another kind of product, it may be twice as much, and where the length divides twice, so that
    few responses carry the sum, three times.
    """
    model, rollout, advantage = make_setting(dtype=dtype, size=0.01)
    options = {"level": level, "averaging": averaging, "max_new_tokens": 6}
    rule = get_rule("variance_penalty")
    whole, stats = gradient_of(model, rollout, advantage, rule, **options)
    alone = accumulated_squares(model, rollout, advantage, rule, options)
    for microbatch_tokens in SPLITS:
        found, same = gradient_of(
            model, rollout, advantage, rule, microbatch_tokens=microbatch_tokens, **options
        )
        error = float((found - whole).norm()) / alone
        tolerance = 2e-6 if microbatch_tokens == 1 else 1e-6
        if (level, averaging) == ("sequence_geometric", "sequence_mean"):
            tolerance = 3e-6
        assert error < (tolerance if dtype == torch.float32 else 1e-14)
        assert same.ratio_mean == pytest.approx(stats.ratio_mean, rel=1e-6)
        assert same.ratio_max == pytest.approx(stats.ratio_max, rel=1e-5)
        assert same.num_units == stats.num_units


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


def test_parts_of_the_rows_add_up_to_the_whole():
    model, rollout, advantage = make_setting()
    whole, stats = gradient_of(model, rollout, advantage, get_rule("clip"))
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    parts = [
        gradient_of(model, rollout, advantage, get_rule("clip"), rows=rows)
        for rows in order.tensor_split(5)
    ]
    total = sum(gradient * part.num_units for gradient, part in parts) / 24
    assert norm_error(total, whole) < 1e-13
    merged = SurrogateStats.merged([part for _, part in parts])
    for name, value in asdict(stats).items():
        assert getattr(merged, name) == pytest.approx(value, rel=1e-12), name


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
