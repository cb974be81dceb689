"""What the measurements say of rules whose semantics we chose, and of what is missing."""

from functools import partial

import numpy as np
import pytest

from banditlab import advantages, weights
from banditlab.testing.peers.curve import measure_curve
from banditlab.testing.peers.measure_advantage import measure_advantage
from banditlab.testing.peers.measure_loss import measure_loss
from banditlab.testing.peers.peer import Peer
from banditlab.testing.peers.table import (
    elementwise_weight_at,
    measure_peer,
    torch_advantage,
)

_LOSS = {"level": "token", "average": "token_mean", "is_detached": False, "pads": "where"}


def _loss(**changed):
    """A clipped loss in torch, by our own hand, with a choice of semantics."""
    torch = pytest.importorskip("torch")
    how = {**_LOSS, **changed}

    def loss(log_prob, old_log_prob, advantage, mask):
        log_ratio = log_prob - old_log_prob
        if how["pads"] == "where":
            log_ratio = torch.where(mask, log_ratio, 0.0)
            advantage = torch.where(mask, advantage, 0.0)
        counted = mask.to(log_prob.dtype)
        lengths = counted.sum(1, keepdim=True).clamp(min=1.0)
        if how["level"] != "token":
            log_ratio = (log_ratio * counted).sum(1, keepdim=True).expand_as(log_prob)
            log_ratio = log_ratio / lengths if how["level"] == "sequence_geometric" else log_ratio
        ratio = log_ratio.exp()
        value = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        if how["is_detached"]:
            value = ratio.clamp(0.8, 1.2).detach() * advantage * torch.where(mask, log_prob, 0.0)
        value = value * counted
        return -{
            "token_mean": lambda: value.sum() / counted.sum(),
            "sequence_mean": lambda: (value / lengths).sum(1).mean(),
            "sequence_sum": lambda: value.sum(1).mean(),
            "sum": lambda: value.sum(),
            "responses x padded length": lambda: value.sum() / value.numel(),
        }[how["average"]]()

    return loss


@pytest.mark.parametrize(
    "average",
    ["token_mean", "sequence_mean", "sequence_sum", "sum", "responses x padded length"],
)
def test_the_average_is_told_from_lengths(average):
    assert measure_loss(_loss(average=average))["averaging"] == average


@pytest.mark.parametrize("level", ["token", "sequence_geometric"])
def test_the_level_is_told_from_two_ratios(level):
    assert measure_loss(_loss(level=level))["level"] == level


def test_the_clip_is_found_by_bisection():
    found = measure_loss(_loss())
    assert found["silent_plus"] == [[pytest.approx(1.2, rel=1e-9), None]]
    assert found["silent_minus"] == [[None, pytest.approx(0.8, rel=1e-9)]]
    assert found["on_policy_scale"] == 1.0


def test_a_stop_gradient_is_seen():
    assert measure_loss(_loss())["is_gradient_of_value"] is True
    assert measure_loss(_loss(is_detached=True))["is_gradient_of_value"] is False


def test_nan_in_padding_is_seen_where_a_product_masks():
    assert measure_loss(_loss())["nan_in_padding_harms"] == []
    harmful = measure_loss(_loss(pads="product"))["nan_in_padding_harms"]
    assert harmful == ["log_prob", "old_log_prob", "advantage"]


def test_padding_and_coupling_are_seen():
    assert (
        measure_loss(_loss(average="responses x padded length"))["is_padding_length_harmless"]
        is False
    )
    plain, whitened = _loss(), _loss()

    def coupled(log_prob, old_log_prob, advantage, mask):
        return whitened(log_prob, old_log_prob, advantage * (1.0 + old_log_prob.mean() ** 2), mask)

    assert measure_loss(plain)["is_coupled"] is False
    assert measure_loss(coupled)["is_coupled"] is True


def test_the_dual_clip_is_a_second_silent_range():
    weight = partial(weights.dual_clipped_weight, clip_low=0.2, clip_high=0.2, dual_clip=3.0)
    found = measure_curve(elementwise_weight_at(weight))
    assert found["silent_minus"] == [
        [None, pytest.approx(0.8, rel=1e-9)],
        [pytest.approx(3.0, rel=1e-9), None],
    ]


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("eps", [1e-4, 1e-6, 1e-8])
def test_ddof_and_eps_are_solved_from_numbers(ddof, eps):
    function = partial(advantages.standardized, ddof=ddof, eps=eps)
    found = measure_advantage(function, function)
    assert (found["ddof"], found["eps"]) == (ddof, f"std + {eps:.3g}")


@pytest.mark.parametrize(
    ("divisor", "told"),
    [
        (lambda std: np.sqrt(std**2 + 1e-8), "sqrt(var + 1e-08)"),
        (lambda std: np.maximum(std, 1e-6), "max(std, 1e-06)"),
    ],
)
def test_other_forms_of_the_divisor_are_told_apart(divisor, told):
    def function(reward):
        std = reward.std(axis=-1, keepdims=True, ddof=1)
        return (reward - reward.mean(axis=-1, keepdims=True)) / divisor(std)

    with np.errstate(all="ignore"):
        assert measure_advantage(function, function)["eps"] == told


def test_the_expected_scale_is_exact():
    found = measure_advantage(advantages.group_mean, advantages.group_mean)
    assert found["expected_scale"] == pytest.approx([2 / 3, 2 / 3], rel=1e-12)


def test_a_missing_library_is_told_with_its_remedy():
    row = measure_peer(Peer("no-such-library", "1.0", "rule", "loss", lambda: None))
    assert row.problem == (
        "no-such-library is not installed. Remedy: pip install no-such-library==1.0, or make "
        "test-peers."
    )


def test_a_library_that_does_not_load_is_told():
    def load():
        raise AttributeError("no attribute 'core_algos'")

    row = measure_peer(Peer("numpy", "0.1", "rule", "loss", load))
    assert "numpy/rule does not load (AttributeError" in row.problem
    assert "written for numpy 0.1" in row.problem


def test_torch_advantages_take_numpy():
    pytest.importorskip("torch")
    found = torch_advantage(lambda reward: 2 * reward)(np.array([[1.0, 0.0]]))
    np.testing.assert_array_equal(found, [[2.0, 0.0]])
