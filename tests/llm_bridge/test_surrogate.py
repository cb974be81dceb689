"""The gradient against autograd of the published objective, and its independence of the split."""

from dataclasses import asdict, replace
from functools import partial

import pytest
import torch

from banditlab.levels import LEVELS
from banditlab.reference import ESTIMATORS, ReferenceTerm
from banditlab.rules import get_rule
from banditlab.testing.objectives import kl_estimate
from llm_bridge.averaging import AVERAGINGS
from llm_bridge.ratios import SurrogateStats
from llm_bridge.surrogate import accumulate_gradient
from tests.llm_bridge.gradients import (
    KINDS,
    RULES_TESTED,
    TEMPERATURE,
    flat_grad,
    gradient_of,
    make_setting,
    norm_error,
    objective_gradient,
    published_gradient,
    relative_error,
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


def test_gradient_is_added_to_what_is_there():
    model, rollout, advantage = make_setting()
    once, _ = gradient_of(model, rollout, advantage, get_rule("raw_reward"))
    accumulate_gradient(model, rollout, advantage, get_rule("raw_reward"), temperature=TEMPERATURE)
    torch.testing.assert_close(flat_grad(model), 2 * once)


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
