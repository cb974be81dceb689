"""Optimizers, schedules and the cut of a gradient, on one weight, by hand."""

import math
import warnings
from dataclasses import replace

import pytest
import torch

from llm_bridge.optimizer import advance, clip_gradient, make_optimizer, make_scheduler
from tests.llm_bridge.training import SMALL


def rates(config):
    optimizer = make_optimizer(config, [torch.nn.Parameter(torch.ones(1))])
    scheduler = make_scheduler(config, optimizer)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(config.num_updates):
            found.append(optimizer.param_groups[0]["lr"])
            advance(scheduler)
    return found


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_optimizers_by_default_neither_carry_momentum_nor_decay(kind):
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = make_optimizer(replace(SMALL, optimizer=kind, learning_rate=0.1), [weight])
    weight.grad = torch.full((1,), 2.0)
    optimizer.step()
    assert float(weight.detach()) == pytest.approx(0.8 if kind == "sgd" else 0.9, abs=1e-6)
    weight.grad = torch.zeros(1)
    before = float(weight.detach())
    if kind == "sgd":
        optimizer.step()
        assert float(weight.detach()) == before


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_decay_is_decoupled(kind):
    weight = torch.nn.Parameter(torch.full((1,), 3.0))
    config = replace(SMALL, optimizer=kind, learning_rate=0.1, weight_decay=0.2)
    optimizer = make_optimizer(config, [weight])
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert float(weight.detach()) == pytest.approx(3.0 * (1 - 0.1 * 0.2))


def test_schedules_are_those_of_their_names():
    config = replace(SMALL, num_updates=8, learning_rate=2.0)
    assert rates(config) == [2.0] * 8
    assert rates(replace(config, schedule="linear")) == pytest.approx(
        [2.0 * (1 - step / 8) for step in range(8)]
    )
    warm = replace(config, schedule="cosine", warmup_updates=3)
    assert rates(warm) == pytest.approx(
        [2.0 * step / 3 for step in range(3)]
        + [1 + math.cos(math.pi * step / 5) for step in range(5)]
    )
    assert rates(replace(config, warmup_updates=2)) == [0.0, 1.0, *[2.0] * 6]


@pytest.mark.parametrize(("max_norm", "scale"), [(None, 1.0), (10.0, 1.0), (1.0, 0.2)])
def test_a_gradient_is_scaled_to_the_bound_and_measured_before(max_norm, scale):
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    for weight, value in zip(weights, (3.0, -4.0, None), strict=True):
        weight.grad = None if value is None else torch.full((1,), value)
    assert clip_gradient(weights, max_norm) == pytest.approx(5.0)
    assert float(weights[0].grad) == pytest.approx(3.0 * scale, rel=1e-6)
    assert float(weights[1].grad) == pytest.approx(-4.0 * scale, rel=1e-6)


def test_a_gradient_that_is_not_finite_is_left_and_reported():
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([1.0, float("nan")])
    with pytest.raises(FloatingPointError, match="the gradient is not finite; lower the learning"):
        clip_gradient([weight], 1.0)
    assert float(weight.grad[0]) == 1.0
