"""The take-off law: factors per rule, moments, the catalogue's figures, direct simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.take_off import (
    predicted_log_odds_factor,
    predicted_take_off_mean,
    predicted_take_off_rollouts,
    predicted_take_off_variance,
)

STEP = {"step_size": 4.0, "group_size": 8}


@pytest.mark.parametrize(
    ("rule", "how", "mean"),
    [
        ("raw_reward", {}, 2.5415),
        ("leave_one_out", {}, 2.5415),
        ("group_mean", {}, 2.822),
        ("grpo", {"ddof": 0, "eps": 0.0}, 1.363),
    ],
)
def test_mean_has_the_known_figure(rule, how, mean):
    factor = predicted_log_odds_factor(rule, **STEP, **how)
    assert predicted_take_off_mean(factor) == pytest.approx(mean, abs=5e-4)


def test_factors_of_the_rules():
    assert predicted_log_odds_factor("raw_reward", **STEP) == 0.5
    assert predicted_log_odds_factor("group_mean", **STEP) == pytest.approx(0.5 * 7 / 8)
    population = predicted_log_odds_factor("grpo", **STEP, ddof=0, eps=0.0)
    assert population == pytest.approx(0.5 * np.sqrt(7.0))
    sample = predicted_log_odds_factor("grpo", **STEP, ddof=1, eps=0.0)
    assert sample == pytest.approx(0.5 * 7.0 / np.sqrt(8.0))
    two = predicted_log_odds_factor("grpo", step_size=1.0, group_size=2, ddof=0, eps=0.0)
    assert two == predicted_log_odds_factor("leave_one_out", step_size=1.0, group_size=2)


def test_moments_are_those_of_the_sum_of_exponentials():
    factor = 0.5
    rng = np.random.default_rng(0)
    waits = rng.exponential(size=(40_000, 80)) * np.exp(-factor * np.arange(80))
    total = waits.sum(axis=1)
    error = total.std() / np.sqrt(len(total))
    assert abs(total.mean() - predicted_take_off_mean(factor)) < 4.0 * error
    # The mutant of continuous growth, 1/log f, is far away on the same draws.
    assert abs(total.mean() - 1.0 / factor) > 8.0 * error
    spread = (total - total.mean()) ** 2
    error = spread.std() / np.sqrt(len(total))
    assert abs(spread.mean() - predicted_take_off_variance(factor)) < 4.0 * error


@given(st.floats(1e-12, 1e-3))
def test_small_steps_take_the_time_of_continuous_growth(factor):
    assert predicted_take_off_mean(factor) * factor == pytest.approx(1.0, rel=factor)
    assert predicted_take_off_variance(factor) * 2.0 * factor == pytest.approx(1.0, rel=2 * factor)


@given(st.floats(40.0, 600.0))
def test_large_steps_take_the_time_to_the_first_success(factor):
    assert predicted_take_off_mean(factor) == pytest.approx(1.0, abs=1e-15)
    assert predicted_take_off_variance(factor) == pytest.approx(1.0, abs=1e-15)


def test_rollouts_from_log_odds():
    rollouts = predicted_take_off_rollouts([-100.0 * np.log(10.0), np.log(1e-3 / 0.999)], 0.5)
    np.testing.assert_allclose(rollouts, [2.5414941e100, 2.5414941e3], rtol=1e-7)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`rule` must be a known rule with a take-off factor"):
        predicted_log_odds_factor("clip", **STEP)
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_log_odds_factor("grpo", step_size=0.0, group_size=8)
    with pytest.raises(ValueError, match="`ddof` must be 0 or 1"):
        predicted_log_odds_factor("grpo", **STEP, ddof=3)
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        predicted_log_odds_factor("group_mean", step_size=1.0, group_size=1)
    for function in (predicted_take_off_mean, predicted_take_off_variance):
        with pytest.raises(ValueError, match=r"`log_odds_factor` must be .*raise the odds"):
            function(0.0)
    with pytest.raises(ValueError, match="`log_odds` must be below 0, a rare arm"):
        predicted_take_off_rollouts(0.5, 0.5)
