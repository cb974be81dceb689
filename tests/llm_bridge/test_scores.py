"""Gradients of single responses and of the mean reward, against autograd."""

import pytest

from banditlab.rules import get_rule
from llm_bridge.forward import token_log_prob
from llm_bridge.scores import mean_gradient, score_gradients
from llm_bridge.surrogate import accumulate_gradient
from tests.llm_bridge.gradients import (
    TEMPERATURE,
    flat_grad,
    gradient_of,
    make_setting,
    relative_error,
)
from tests.llm_bridge.test_rollout import all_rows


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


def test_an_advantage_of_another_shape_is_refused():
    model, rollout, advantage = make_setting()
    with pytest.raises(ValueError, match=r"mean_gradient: `advantage` must be of shape"):
        mean_gradient(model, rollout, advantage.flatten())
