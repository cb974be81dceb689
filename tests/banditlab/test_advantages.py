import re

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from banditlab.advantages import (
    batch_mean,
    batch_standardized,
    constant_baseline,
    group_mean,
    leave_one_out,
    raw,
    signed,
    standardized,
    standardized_or_raw,
)

GROUPS = arrays(
    np.float64,
    array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=9),
    elements=st.sampled_from([0.0, 1.0, 0.5, -1.0]),
)


@given(GROUPS)
def test_group_mean_is_centred_and_leave_one_out_scales_it(reward):
    size = reward.shape[-1]
    np.testing.assert_allclose(group_mean(reward).sum(axis=-1), 0.0, atol=1e-12)
    others = (reward.sum(axis=-1, keepdims=True) - reward) / (size - 1)
    np.testing.assert_allclose(leave_one_out(reward), reward - others, atol=1e-12)
    # The mutant: leave-one-out without its factor G/(G - 1).
    if np.ptp(reward) > 0 and reward.ndim == 1:
        assert not np.allclose(group_mean(reward), reward - others)


@given(GROUPS, st.floats(0.1, 10), st.floats(-5, 5))
def test_standardized_without_eps_ignores_shift_and_scale(reward, scale, shift):
    plain = standardized(reward, ddof=1, eps=0.0)
    moved = standardized(scale * reward + shift, ddof=1, eps=0.0)
    is_flat = np.ptp(reward, axis=-1) == 0
    np.testing.assert_allclose(plain[~is_flat], moved[~is_flat], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(plain[is_flat], 0.0)


@pytest.mark.parametrize("convert", [np.asarray, torch.asarray, array_api_strict.asarray])
@pytest.mark.parametrize("value", [0.1, 0.7, 1.1, -0.3])
def test_a_unanimous_group_gets_exactly_zero_whatever_its_mean_is_rounded_to(value, convert):
    for size in (3, 6, 7, 10, 11):
        group = np.full((2, size), value)
        group[1, 0] = 5.0
        reward = convert(group)
        for advantage in (
            group_mean(reward),
            leave_one_out(reward),
            standardized(reward, ddof=1, eps=0.0),
            standardized(reward, ddof=0, eps=1e-6),
        ):
            np.testing.assert_array_equal(np.asarray(advantage)[0], 0.0)
            assert (np.asarray(advantage)[1] != 0.0).all()


def test_eps_breaks_the_invariance_under_scale():
    reward = np.array([1.0, 0.0, 0.0, 1.0])
    difference = standardized(reward, ddof=0, eps=1e-4) - standardized(
        0.01 * reward, ddof=0, eps=1e-4
    )
    assert np.abs(difference).max() > 1e-6


def test_ddof_is_the_factor_of_bessel():
    reward = np.array([1.0, 0.0, 0.0, 0.0])
    ratio = standardized(reward, ddof=1, eps=0.0) / standardized(reward, ddof=0, eps=0.0)
    np.testing.assert_allclose(ratio, np.sqrt(3 / 4), rtol=1e-14)


@pytest.mark.parametrize("advantage", [group_mean, leave_one_out])
def test_a_shift_of_all_rewards_changes_nothing(advantage):
    reward = np.array([[1.0, 0.0, 0.25], [0.5, 0.5, 0.0]])
    np.testing.assert_allclose(advantage(reward + 3.0), advantage(reward), atol=1e-15)
    assert not np.allclose(raw(reward + 3.0), raw(reward))


def test_raw_returns_a_new_array():
    reward = np.ones(3)
    advantage = raw(reward)
    advantage[0] = 5.0
    assert reward[0] == 1.0


@pytest.mark.parametrize("convert", [torch.asarray, array_api_strict.asarray])
def test_other_namespaces_give_the_same_numbers(convert):
    reward = np.random.default_rng(0).random((4, 8))
    for advantage in (raw, group_mean, leave_one_out, signed, batch_mean):
        np.testing.assert_allclose(
            np.asarray(advantage(convert(reward))), advantage(reward), rtol=1e-13, atol=1e-15
        )
    for advantage in (standardized, standardized_or_raw, batch_standardized):
        np.testing.assert_allclose(
            np.asarray(advantage(convert(reward), ddof=1, eps=1e-6)),
            advantage(reward, ddof=1, eps=1e-6),
            rtol=1e-12,
        )
    np.testing.assert_allclose(
        np.asarray(constant_baseline(convert(reward), baseline=0.3)), reward - 0.3, rtol=1e-13
    )


@pytest.mark.parametrize(
    "advantage", [group_mean, leave_one_out, lambda reward: standardized(reward, ddof=1, eps=1e-6)]
)
def test_a_group_of_one_is_refused(advantage):
    with pytest.raises(ValueError, match=r"`reward` must be of group size 2 or more.*raw_reward"):
        advantage(np.ones((5, 1)))


def test_ddof_and_eps_are_checked():
    with pytest.raises(ValueError, match=r"`ddof` must be 0 or 1, got 2"):
        standardized(np.ones(3), ddof=2, eps=0.0)
    with pytest.raises(ValueError, match=r"`eps` must be a finite number in \[0, inf\], got -1.0"):
        standardized(np.ones(3), ddof=1, eps=-1.0)


def test_ddof_and_eps_are_checked_by_all_that_take_them():
    for advantage in (standardized_or_raw, batch_standardized):
        with pytest.raises(ValueError, match=r"standardized: `ddof` must be 0 or 1, got 2"):
            advantage(np.ones((2, 2)), ddof=2, eps=0.0)
    with pytest.raises(ValueError, match=r"standardized_or_raw: `eps` must be a finite number"):
        standardized_or_raw(np.ones((2, 1)), ddof=1, eps=-1.0)


def test_signed_punishes_the_wrong_and_constant_shifts_all():
    reward = np.array([1.0, 0.0, 0.25])
    np.testing.assert_array_equal(signed(reward), [1.0, -1.0, -0.5])
    np.testing.assert_array_equal(constant_baseline(reward, baseline=0.25), [0.75, -0.25, 0.0])
    with pytest.raises(ValueError, match=r"constant_baseline: `baseline` must be a finite number"):
        constant_baseline(reward, baseline=float("nan"))


def test_batch_mean_is_over_prompts_and_rollouts():
    """The mutants: a mean over the group only, and one over all runs."""
    reward = np.array([[[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]])
    expected = reward - np.array([1 / 3, 1.0])[:, None, None]
    np.testing.assert_allclose(batch_mean(reward), expected, rtol=1e-14)
    assert not np.allclose(group_mean(reward), expected)
    assert not np.allclose(reward - reward.mean(), expected)
    np.testing.assert_allclose(
        batch_standardized(reward, ddof=1, eps=1e-6)[0],
        expected[0] / (reward[0].std(ddof=1) + 1e-6),
        rtol=1e-14,
    )
    assert (batch_standardized(reward, ddof=0, eps=0.0)[1] == 0.0).all()


@pytest.mark.parametrize("convert", [np.asarray, torch.asarray, array_api_strict.asarray])
def test_a_unanimous_batch_gets_exactly_zero(convert):
    reward = convert(np.full((3, 7), 0.1))
    assert (np.asarray(batch_mean(reward)) == 0.0).all()
    assert (np.asarray(batch_standardized(reward, ddof=1, eps=0.0)) == 0.0).all()


@pytest.mark.parametrize("reward", [np.ones(8), np.ones((5, 1, 1))])
def test_a_batch_of_one_or_without_axis_is_refused(reward):
    for advantage in (batch_mean, lambda r: batch_standardized(r, ddof=1, eps=0.0)):
        with pytest.raises(ValueError, match=r"`reward` must be of shape \[\*, P, G\] with two"):
            advantage(reward)


def test_a_single_rollout_keeps_its_raw_reward_and_a_group_does_not():
    """The mutant is verl's reward / (1 + eps)."""
    single = np.array([[1.0], [0.0]])
    np.testing.assert_array_equal(standardized_or_raw(single, ddof=1, eps=1e-6), single)
    assert not np.array_equal(single / (1 + 1e-6), single)
    group = np.array([[1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(
        standardized_or_raw(group, ddof=1, eps=1e-6), standardized(group, ddof=1, eps=1e-6)
    )


def population(values, ddof):
    """Mean and standard deviation, in plain Python."""
    mean = sum(values) / len(values)
    return mean, (sum((value - mean) ** 2 for value in values) / (len(values) - ddof)) ** 0.5


@pytest.mark.parametrize("convert", [np.asarray, torch.asarray, array_api_strict.asarray])
@pytest.mark.parametrize(("ddof", "eps"), [(0, 0.0), (1, 0.0), (0, 0.25), (1, 0.25)])
def test_each_group_is_standardized_by_its_own_deviation_and_eps(ddof, eps, convert):
    """The mutants: one deviation for all groups, and eps taken from the deviation."""
    groups = [[1.0, 0.0, 0.0, 4.0], [0.5, 0.25, 0.25, 0.0]]
    expected = [
        [(reward - mean) / (deviation + eps) for reward in group]
        for group in groups
        for mean, deviation in [population(group, ddof)]
    ]
    found = np.asarray(standardized(convert(np.array(groups)), ddof=ddof, eps=eps))
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert not np.allclose(
        found, (groups - np.mean(groups, axis=1, keepdims=True)) / np.std(groups)
    )


def test_a_batch_of_two_rewards_is_enough_whichever_axis_they_are_on():
    for shape in ((2, 1), (1, 2), (1, 1, 2)):
        reward = np.array([1.0, 0.0]).reshape(shape)
        np.testing.assert_array_equal(batch_mean(reward).ravel(), [0.5, -0.5])
    many = np.array([[0.0], [3.0], [0.0]])
    np.testing.assert_array_equal(batch_mean(many), [[-1.0], [2.0], [-1.0]])


@pytest.mark.parametrize("prompts", [1, 2])
def test_the_group_is_the_last_axis_and_not_the_one_after_the_first(prompts):
    """A group of two of one prompt or two: standardized; [P, 1, 2] has an axis of one beside it."""
    reward = np.tile([1.0, 0.0], (prompts, 1, 1))
    np.testing.assert_array_equal(
        standardized_or_raw(reward, ddof=0, eps=0.0), np.tile([1.0, -1.0], (prompts, 1, 1))
    )
    single = np.tile([[1.0], [0.5]], (prompts, 1, 1))
    np.testing.assert_array_equal(standardized_or_raw(single, ddof=0, eps=0.0), single)
    np.testing.assert_array_equal(standardized_or_raw(np.array([0.5]), ddof=0, eps=0.0), [0.5])


GROUP_ADVICE = "A group baseline needs several rollouts; raise the group size or use raw_reward."
BATCH_ADVICE = "A batch baseline needs several rollouts; raise the batch or the group size."


@pytest.mark.parametrize(
    ("reward", "size"), [(np.ones((5, 1)), 1), (np.array(1.0), 0), (torch.asarray(1.0), 0)]
)
@pytest.mark.parametrize("advantage", [group_mean, leave_one_out, standardized])
def test_too_small_a_group_is_answered_in_full(advantage, reward, size):
    settings = {"ddof": 1, "eps": 0.0} if advantage is standardized else {}
    message = (
        f"{advantage.__name__}: `reward` must be of group size 2 or more on its last axis,"
        f" got group size {size}. {GROUP_ADVICE}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        advantage(reward, **settings)


@pytest.mark.parametrize("reward", [np.ones(8), np.ones((5, 1, 1))])
@pytest.mark.parametrize("advantage", [batch_mean, batch_standardized])
def test_too_small_a_batch_is_answered_in_full(advantage, reward):
    settings = {"ddof": 1, "eps": 0.0} if advantage is batch_standardized else {}
    message = (
        f"{advantage.__name__}: `reward` must be of shape [*, P, G] with two rewards or more on its"
        f" last two axes, got shape {reward.shape}. {BATCH_ADVICE}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        advantage(reward, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"ddof": 2, "eps": 0.0},
            "`ddof` must be 0 or 1, got 2. Use 0 for the population and 1 for the unbiased standard"
            " deviation.",
        ),
        (
            {"ddof": 1, "eps": -1.0},
            "`eps` must be a finite number in [0, inf], got -1.0. It keeps the division finite;"
            " 1e-6 is usual.",
        ),
    ],
)
@pytest.mark.parametrize("advantage", [standardized, batch_standardized])
def test_a_wrong_ddof_or_eps_is_answered_in_full(advantage, settings, message):
    message = f"{advantage.__name__}: {message}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        advantage(np.ones((2, 2)), **settings)


def test_a_baseline_that_is_no_number_is_answered_in_full():
    message = (
        "constant_baseline: `baseline` must be a finite number in [-inf, inf], got inf."
        " The mean reward expected is usual."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        constant_baseline(np.ones(3), baseline=float("inf"))
