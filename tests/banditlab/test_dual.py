"""The dual step, and theory P39: its fixed point and when it is stable."""

import re

import array_api_strict
import numpy as np
import pytest
import torch

from banditlab.dual import DualAscent, multiplier_step

PROB = np.array([0.1, 0.2, 0.3, 0.4])
REWARD = np.array([1.0, 0.3, 0.0, 0.7])
BOUND = 0.01


def deviation():
    mean = PROB @ REWARD
    return np.sqrt(PROB @ (REWARD - mean) ** 2)


def exact_ratio_variance(multiplier):
    """Variance of the ratio that maximises the penalised objective exactly (theory P37)."""
    ratio = 1 + (REWARD - PROB @ REWARD) / (2 * multiplier)
    assert (ratio >= 0).all(), "the interior form of the optimum"
    return PROB @ (ratio - 1) ** 2


def ascend(multiplier, dual_step_size, num_steps, step=multiplier_step):
    path = [multiplier]
    for _ in range(num_steps):
        variance = np.array([exact_ratio_variance(path[-1])])
        moved = step(np.array([path[-1]]), variance, bound=BOUND, dual_step_size=dual_step_size)
        path.append(float(moved[0]))
    return np.array(path)


def test_the_fixed_point_is_the_deviation_over_twice_the_root_of_the_bound():
    fixed = deviation() / (2 * np.sqrt(BOUND))
    # A linear rate of 1 - 2 * 0.4 = 0.2 leaves nothing after 60 steps.
    path = ascend(1.3 * fixed, 0.4 * fixed / BOUND, 60)
    np.testing.assert_allclose(path[-1], fixed, rtol=1e-12)
    # The mutant: sd / sqrt(bound).
    assert abs(path[-1] / (2 * fixed) - 1) > 0.1


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 1.1, 1.3])
def test_the_rate_at_the_fixed_point_is_one_minus_twice_the_share(share):
    """dual_step_size * bound = share * multiplier*; the mutant rate is 1 - share."""
    fixed = deviation() / (2 * np.sqrt(BOUND))
    path = ascend(fixed * (1 + 1e-6), share * fixed / BOUND, 1)
    rate = (path[1] - fixed) / (path[0] - fixed)
    assert rate == pytest.approx(1 - 2 * share, abs=1e-5)
    assert abs(rate - (1 - share)) > 0.1


@pytest.mark.parametrize(("share", "is_stable"), [(0.9, True), (0.99, True), (1.01, False)])
def test_it_is_stable_if_and_only_if_step_times_bound_is_below_the_fixed_point(share, is_stable):
    fixed = deviation() / (2 * np.sqrt(BOUND))
    path = ascend(fixed * (1 + 1e-3), share * fixed / BOUND, 400)
    error = np.abs(path[-2:] - fixed).max() / fixed
    assert (error < 2e-6) if is_stable else (error > 1e-2)


def test_a_step_of_the_swapped_sign_runs_away_from_the_fixed_point():
    def swapped(multiplier, ratio_variance, *, bound, dual_step_size):
        return np.maximum(0, multiplier - dual_step_size * (ratio_variance - bound))

    fixed = deviation() / (2 * np.sqrt(BOUND))
    path = ascend(1.01 * fixed, 0.1 * fixed / BOUND, 40, step=swapped)
    assert path[-1] > 1.3 * fixed


@pytest.mark.parametrize("convert", [np.asarray, torch.asarray, array_api_strict.asarray])
def test_the_multiplier_never_falls_below_zero(convert):
    multiplier, variance = np.array([[0.5, 0.1], [0.0, 0.2]]), np.array([[0.2, 0.0], [0.0, 0.05]])
    arrays = convert(multiplier), convert(variance)
    found = multiplier_step(*arrays, bound=0.1, dual_step_size=2.0)
    assert isinstance(found, type(arrays[0]))
    np.testing.assert_allclose(np.asarray(found), [[0.7, 0.0], [0.0, 0.1]], atol=1e-15)
    np.testing.assert_array_equal(np.asarray(arrays[0]), multiplier)


@pytest.mark.parametrize(
    ("multiplier", "variance", "settings", "message"),
    [
        (np.ones(2), np.ones(1), {}, r"`ratio_variance` must be of the shape of `multiplier`"),
        (np.ones(1), np.array([np.inf]), {}, r"`ratio_variance` must be finite and at least 0"),
        (np.array([np.nan]), np.ones(1), {}, r"`multiplier` must be finite and at least 0"),
        (np.ones(1), np.ones(1), {"bound": 0.0}, r"`bound` must be a finite number in \(0, inf\]"),
        (np.ones(1), np.ones(1), {"dual_step_size": -1.0}, r"`dual_step_size` must be a finite"),
    ],
)
def test_wrong_dual_steps_are_refused(multiplier, variance, settings, message):
    settings = {"bound": 0.1, "dual_step_size": 1.0, **settings}
    with pytest.raises(ValueError, match=f"multiplier_step: {message}"):
        multiplier_step(multiplier, variance, **settings)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"DualAscent: `initial` must be a finite number in \[0"):
        DualAscent(bound=0.1, dual_step_size=1.0, initial=-0.1)
    with pytest.raises(ValueError, match=r"DualAscent: `bound` must be a finite number in \(0"):
        DualAscent(bound=float("nan"), dual_step_size=1.0, initial=0.1)
    with pytest.raises(TypeError, match=r"DualAscent: `bound` must be a real number, got str"):
        DualAscent(bound="0.1", dual_step_size=1.0, initial=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"initial": -0.1},
            "DualAscent: `initial` must be a finite number in [0, inf], got -0.1. A negative price"
            " would reward divergence; 0 begins without a penalty.",
        ),
        (
            {"bound": 0.0},
            "DualAscent: `bound` must be a finite number in (0, inf], got 0.0. It is the ratio"
            " variance allowed; 0.01 is a cautious step.",
        ),
        (
            {"dual_step_size": -1.0},
            "DualAscent: `dual_step_size` must be a finite number in (0, inf], got -1.0. Stable"
            " below multiplier / bound; try 1.",
        ),
    ],
)
def test_wrong_settings_are_answered_in_full(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DualAscent(**{"bound": 0.1, "dual_step_size": 1.0, "initial": 0.1, **settings})


def test_a_policy_that_ran_away_is_answered_in_full():
    message = (
        "multiplier_step: `ratio_variance` must be finite and at least 0 throughout, got an array"
        " with other entries. A policy that ran away gives infinite ratios; lower its step size."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        multiplier_step(np.ones(1), np.array([np.inf]), bound=0.1, dual_step_size=1.0)


@pytest.mark.parametrize(("one", "other"), [(np.ones, torch.ones), (torch.ones, np.ones)])
def test_arrays_of_two_libraries_are_refused(one, other):
    with pytest.raises(TypeError, match="Multiple namespaces for array inputs"):
        multiplier_step(one(2), other(2), bound=0.1, dual_step_size=1.0)
