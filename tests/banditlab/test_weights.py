"""Each weight by hand and at its edges; the suite that every rule passes is in testing/."""

import functools
import math

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from banditlab.testing import check_update_rule
from banditlab.testing.objectives import dual_clipped
from banditlab.testing.source import name_of
from banditlab.weights import (
    bounded_ratio_variance_weight,
    cispo_weight,
    clipped_weight,
    dual_clipped_weight,
    policy_gradient_weight,
    ratio_variance_weight,
    topr_weight,
)


def samples(seed: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log_prob, old_log_prob and advantage with ratios on both sides of every clip."""
    rng = np.random.default_rng(seed)
    old_log_prob = -rng.exponential(3.0, size)
    log_prob = old_log_prob + rng.normal(0.0, 0.8, size)
    return log_prob, old_log_prob, rng.normal(0.0, 1.0, size)


def autograd_weight(objective, *arrays):
    leaf, *rest = (torch.tensor(array) for array in arrays)
    leaf.requires_grad_()
    objective(leaf, *rest).sum().backward()
    return leaf.grad.numpy()


@given(
    log_ratio=st.floats(-20, 20),
    advantage=st.floats(-5, 5),
    clip_low=st.floats(0, 1),
    clip_high=st.floats(0, 3),
)
def test_clip_is_zero_exactly_beyond_the_outward_side(log_ratio, advantage, clip_low, clip_high):
    log_prob = np.array([log_ratio])
    weight = clipped_weight(
        log_prob, np.zeros(1), np.array([advantage]), clip_low=clip_low, clip_high=clip_high
    )[0]
    ratio = float(np.exp(log_ratio))
    is_outward = (advantage > 0 and ratio > 1 + clip_high) or (
        advantage < 0 and ratio < 1 - clip_low
    )
    assert weight == (0.0 if is_outward else ratio * advantage)


def test_a_sample_on_the_kink_still_counts():
    ratio = np.array([1.5, 0.5])
    weight = clipped_weight(
        np.log(ratio), np.zeros(2), np.array([1.0, -1.0]), clip_low=0.5, clip_high=0.5
    )
    np.testing.assert_allclose(weight, [1.5, -0.5])


def test_shapes_must_be_equal_for_every_weight():
    column, row = np.zeros((3, 1)), np.zeros(3)
    for weight in (
        policy_gradient_weight,
        functools.partial(clipped_weight, clip_low=0.2, clip_high=0.2),
        functools.partial(dual_clipped_weight, clip_low=0.2, clip_high=0.2, dual_clip=3.0),
        functools.partial(cispo_weight, clip_low=0.2, clip_high=0.2),
        topr_weight,
        functools.partial(ratio_variance_weight, multiplier=0.1),
        functools.partial(bounded_ratio_variance_weight, multiplier=0.1),
    ):
        with pytest.raises(ValueError, match=r"`old_log_prob` must be of the shape of `log_prob`"):
            weight(column, row, column)


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"clip_low": 1.5, "clip_high": 0.2}, r"`clip_low` must be a finite number in \[0, 1\]"),
        (
            {"clip_low": 0.2, "clip_high": -0.1},
            r"`clip_high` must be a finite number in \[0, inf\]",
        ),
        ({"clip_low": float("nan"), "clip_high": 0.2}, r"`clip_low` must be a finite number"),
    ],
)
def test_impossible_widths_are_refused(hyper, message):
    for weight in (clipped_weight, cispo_weight):
        with pytest.raises(ValueError, match=f"{weight.__name__}: {message}"):
            weight(np.zeros(1), np.zeros(1), np.ones(1), **hyper)


def test_a_width_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"`clip_low` must be a real number, got str"):
        clipped_weight(np.zeros(1), np.zeros(1), np.ones(1), clip_low="0.2", clip_high=0.2)


def test_a_negative_multiplier_is_refused():
    with pytest.raises(ValueError, match=r"`multiplier` must be a finite number in \[0, inf\]"):
        ratio_variance_weight(np.zeros(1), np.zeros(1), np.ones(1), multiplier=-1.0)


@pytest.mark.parametrize("dual_clip", [1.0, 0.5, float("inf")])
def test_a_dual_clip_that_would_silence_fresh_samples_is_refused(dual_clip):
    with pytest.raises(ValueError, match=r"`dual_clip` must be a finite number in \(1, inf\]"):
        dual_clipped_weight(
            np.zeros(1), np.zeros(1), np.ones(1), clip_low=0.2, clip_high=0.2, dual_clip=dual_clip
        )


def test_a_multiplier_per_sample_equals_one_number_per_sample():
    log_prob, old_log_prob, advantage = samples(8, 12)
    multiplier = np.linspace(0.0, 2.0, 12)
    expected = [
        ratio_variance_weight(*(array[i : i + 1] for array in arrays), multiplier=float(price))[0]
        for i, price in enumerate(multiplier)
        for arrays in [(log_prob, old_log_prob, advantage)]
    ]
    for convert in (np.asarray, torch.asarray, array_api_strict.asarray):
        arrays = [convert(array) for array in (log_prob, old_log_prob, advantage, multiplier)]
        found = ratio_variance_weight(*arrays[:3], multiplier=arrays[3])
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-14)
    # The mutant: one multiplier for all samples.
    assert not np.allclose(
        ratio_variance_weight(log_prob, old_log_prob, advantage, multiplier=1.0), expected
    )


@pytest.mark.parametrize(
    ("multiplier", "message"),
    [
        (np.array([0.1]), r"`multiplier` must be of the shape of `log_prob`, \(3,\), got \(1,\)"),
        (np.array([0.1, -0.1, 0.0]), r"`multiplier` must be finite and at least 0 throughout"),
        (np.array([0.1, np.nan, 0.0]), r"`multiplier` must be finite and at least 0 throughout"),
        (float("inf"), r"`multiplier` must be a finite number in \[0, inf\], got inf"),
    ],
)
def test_multipliers_of_wrong_shape_or_value_are_refused(multiplier, message):
    with pytest.raises(ValueError, match=f"ratio_variance_weight: {message}"):
        ratio_variance_weight(np.zeros(3), np.zeros(3), np.ones(3), multiplier=multiplier)


def test_a_multiplier_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"`multiplier` must be a real number, got str"):
        ratio_variance_weight(np.zeros(1), np.zeros(1), np.ones(1), multiplier="0.1")


@given(log_ratio=st.floats(-20, 20), advantage=st.floats(-5, 5), multiplier=st.floats(0.0, 4.0))
def test_the_bounded_penalty_is_the_penalty_over_the_square_of_a_ratio_above_one(
    log_ratio, advantage, multiplier
):
    arrays = np.array([log_ratio]), np.zeros(1), np.array([advantage])
    found = bounded_ratio_variance_weight(*arrays, multiplier=multiplier)
    ratio = max(math.exp(log_ratio), 1.0)
    expected = ratio_variance_weight(*arrays, multiplier=multiplier) / ratio**2
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


def test_the_bounded_penalty_pulls_back_by_at_most_twice_the_multiplier():
    """Also where the ratio itself is 1e304; the mutant is the penalty without its bound."""
    log_ratio = np.linspace(-700.0, 700.0, 1401)
    arrays = log_ratio, np.zeros_like(log_ratio), np.zeros_like(log_ratio)
    pull = bounded_ratio_variance_weight(*arrays, multiplier=0.7)
    assert -1.4 <= pull.min() < -1.39
    assert 0.0 <= pull.max() < 1.4 / 4.0
    free = ratio_variance_weight(*(array[600:800] for array in arrays), multiplier=0.7)
    assert free.min() < -1e30


@given(log_ratio=st.floats(-700, 700), advantage=st.floats(-5, 5))
def test_topr_imitates_good_samples_and_tapers_bad_ones(log_ratio, advantage):
    """Also where the ratio itself would be 1e304: the taper does not overflow."""
    weight = topr_weight(np.array([log_ratio]), np.zeros(1), np.array([advantage]))[0]
    taper = 1.0 if advantage >= 0 else min(1.0, math.exp(min(log_ratio, 0.0)))
    np.testing.assert_allclose(weight, taper * advantage, rtol=1e-14)


@given(
    log_ratio=st.floats(-20, 20),
    advantage=st.floats(-5, 5),
    clip_low=st.floats(0, 1),
    clip_high=st.floats(0, 3),
)
def test_cispo_silences_no_sample(log_ratio, advantage, clip_low, clip_high):
    weight = cispo_weight(
        np.array([log_ratio]),
        np.zeros(1),
        np.array([advantage]),
        clip_low=clip_low,
        clip_high=clip_high,
    )[0]
    bounded = min(max(math.exp(log_ratio), 1 - clip_low), 1 + clip_high)
    np.testing.assert_allclose(weight, bounded * advantage, rtol=1e-14)


def test_dual_clip_is_clip_but_for_bad_samples_that_became_likely():
    ratio = np.array([2.9, 3.1, 3.1, 0.5])
    advantage = np.array([-1.0, -1.0, 1.0, -1.0])
    widths = {"clip_low": 0.2, "clip_high": 0.2}
    arrays = np.log(ratio), np.zeros(4), advantage
    np.testing.assert_allclose(clipped_weight(*arrays, **widths), [-2.9, -3.1, 0.0, 0.0])
    np.testing.assert_allclose(
        dual_clipped_weight(*arrays, **widths, dual_clip=3.0), [-2.9, 0.0, 0.0, 0.0]
    )


def test_dual_clip_asks_for_the_sign_where_the_clip_is_wider():
    """With dual_clip above 1 + clip_high, good samples past it are silenced by the clip already."""
    widths = {"clip_low": 0.2, "clip_high": 3.0}
    arrays = samples(9, 512)
    found = dual_clipped_weight(*arrays, **widths, dual_clip=2.0)
    objective = functools.partial(dual_clipped, **widths, dual_clip=2.0)
    np.testing.assert_allclose(found, autograd_weight(objective, *arrays), rtol=1e-10, atol=1e-13)
    ratio = np.exp(arrays[0] - arrays[1])
    without_sign = np.where(ratio > 2.0, 0.0, clipped_weight(*arrays, **widths))
    assert np.abs(found - without_sign).max() > 1.0


@pytest.mark.parametrize(
    "weight",
    [
        policy_gradient_weight,
        functools.partial(clipped_weight, clip_low=0.2, clip_high=0.28),
        functools.partial(dual_clipped_weight, clip_low=0.2, clip_high=0.2, dual_clip=3.0),
        functools.partial(cispo_weight, clip_low=0.5, clip_high=0.28),
        topr_weight,
        functools.partial(ratio_variance_weight, multiplier=0.7),
        functools.partial(bounded_ratio_variance_weight, multiplier=0.7),
    ],
    ids=name_of,
)
def test_each_weight_is_the_gradient_of_its_published_objective(weight):
    check_update_rule(weight, checks=["gradient_of_objective"])
