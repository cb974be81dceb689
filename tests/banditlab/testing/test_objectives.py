"""The published objectives, by autograd, against the weights, which are written without them."""

import functools

import numpy as np
import pytest
import torch

from banditlab import weights
from banditlab.testing import objectives
from banditlab.testing.known import promises_of_weight

WIDTHS = {"clip_low": 0.2, "clip_high": 0.28}
CASES = {
    weights.policy_gradient_weight: (objectives.importance_weighted, {}),
    weights.clipped_weight: (objectives.clipped, WIDTHS),
    weights.dual_clipped_weight: (objectives.dual_clipped, {**WIDTHS, "dual_clip": 3.0}),
    weights.cispo_weight: (objectives.cispo, {"clip_low": 1.0, "clip_high": 0.28}),
    weights.topr_weight: (objectives.topr, {}),
    weights.ratio_variance_weight: (objectives.ratio_variance, {"multiplier": 0.5}),
    weights.bounded_ratio_variance_weight: (
        objectives.bounded_ratio_variance,
        {"multiplier": 0.5},
    ),
}


def samples(size=512):
    rng = np.random.default_rng(0)
    old_log_prob = -rng.exponential(3.0, size)
    return old_log_prob + rng.normal(0.0, 0.8, size), old_log_prob, rng.normal(0.0, 1.0, size)


def autograd_weight(objective, log_prob, old_log_prob, advantage):
    leaf = torch.tensor(log_prob, requires_grad=True)
    objective(leaf, torch.tensor(old_log_prob), torch.tensor(advantage)).sum().backward()
    return leaf.grad.numpy()


@pytest.mark.parametrize("weight", CASES)
def test_autograd_of_each_objective_is_its_weight_and_no_other(weight):
    arrays = samples()
    for other, (objective, hyper) in CASES.items():
        expected = autograd_weight(functools.partial(objective, **hyper), *arrays)
        found = weight(*arrays, **CASES[weight][1])
        is_same = np.allclose(found, expected, rtol=1e-10, atol=1e-13)
        assert is_same == (other is weight), other


def test_the_samples_lie_on_both_sides_of_every_clip():
    log_prob, old_log_prob, advantage = samples()
    ratio = np.exp(log_prob - old_log_prob)
    for is_side in (advantage > 0, advantage < 0):
        for low, high in ((0.0, 0.72), (0.72, 0.8), (0.8, 1.2), (1.2, 1.28), (1.28, 3), (3, 99)):
            assert ((ratio > low) & (ratio < high) & is_side).any(), (low, high)


@pytest.mark.parametrize("weight", CASES)
def test_what_is_known_of_a_weight_is_its_objective_and_hyperparameters(weight):
    objective, hyper = CASES[weight]
    known = promises_of_weight(weight, hyper)
    arrays = tuple(torch.tensor(array) for array in samples())
    np.testing.assert_array_equal(known.objective(*arrays), objective(*arrays, **hyper))


def test_values_of_the_clipped_objectives():
    """By hand: ratio, advantage, clipped, dual clipped at 3."""
    for ratio, advantage, clipped, dual in (
        (1.0, 2.0, 2.0, 2.0),
        (2.0, 1.0, 1.28, 1.28),
        (0.5, 1.0, 0.5, 0.5),
        (0.5, -1.0, -0.8, -0.8),
        (2.0, -1.0, -2.0, -2.0),
        (4.0, -1.0, -4.0, -3.0),
        (4.0, 1.0, 1.28, 1.28),
    ):
        arrays = [torch.tensor([value]) for value in (np.log(ratio), 0.0, advantage)]
        assert objectives.clipped(*arrays, **WIDTHS).item() == pytest.approx(clipped)
        found = objectives.dual_clipped(*arrays, **WIDTHS, dual_clip=3.0).item()
        assert found == pytest.approx(dual)


@pytest.mark.parametrize(
    ("estimator", "value"),
    [("k1", np.log(2.0)), ("k2", np.log(2.0) ** 2 / 2), ("k3", 0.5 - 1.0 + np.log(2.0))],
)
def test_values_of_the_estimators(estimator, value):
    """The policy is twice as likely as the reference."""
    log_prob, ref_log_prob = torch.tensor(0.0), torch.tensor(-np.log(2.0))
    found = objectives.kl_estimate(log_prob, ref_log_prob, estimator).item()
    assert found == pytest.approx(value)
