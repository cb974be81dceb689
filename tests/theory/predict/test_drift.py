"""The class gradient of each rule: enumeration, limits, known figures, error messages."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict.drift import predicted_class_gradient, standardized_class_gradient

LOG_ODDS = st.floats(-30.0, 30.0)


def enumerated(rule: str, pass_rate: float, group_size: int, ddof: int, eps: float) -> float:
    total = 0.0
    for rewards in itertools.product([0.0, 1.0], repeat=group_size):
        reward = np.array(rewards)
        advantage = {
            "raw_reward": reward,
            "group_mean": reward - reward.mean(),
            "leave_one_out": (reward - reward.mean()) * group_size / (group_size - 1),
        }.get(rule)
        if advantage is None:
            std = reward.std(ddof=ddof)
            advantage = (reward - reward.mean()) / (std + eps) if std > 0.0 else 0.0 * reward
        prob = np.prod(np.where(reward == 1.0, pass_rate, 1.0 - pass_rate))
        total += prob * (advantage * (reward - pass_rate)).mean()
    return total


@pytest.mark.parametrize("rule", ["raw_reward", "group_mean", "leave_one_out", "grpo"])
@pytest.mark.parametrize("group_size", [2, 5])
@pytest.mark.parametrize(("ddof", "eps"), [(0, 0.0), (1, 1e-6), (1, 0.1)])
def test_gradient_equals_the_sum_over_all_reward_vectors(rule, group_size, ddof, eps):
    for pass_rate in (0.03, 0.5, 0.9):
        predicted = predicted_class_gradient(
            rule, logit(pass_rate), group_size=group_size, ddof=ddof, eps=eps
        )
        expected = enumerated(rule, pass_rate, group_size, ddof, eps)
        np.testing.assert_allclose(predicted, expected, rtol=1e-12)


def test_known_figures_of_the_finite_group():
    # S_8(0.1) = 0.209, where the infinite group has 0.300.
    value = standardized_class_gradient(logit(0.1), group_size=8, ddof=0, eps=0.0)
    assert value == pytest.approx(0.209, abs=5e-4)
    assert np.sqrt(0.1 * 0.9) == pytest.approx(0.3)


@given(LOG_ODDS)
def test_two_rollouts_make_grpo_leave_one_out(log_odds):
    grpo = standardized_class_gradient(log_odds, group_size=2, ddof=0, eps=0.0)
    loo = predicted_class_gradient("leave_one_out", log_odds, group_size=2)
    np.testing.assert_allclose(grpo, loo, rtol=1e-12)


@given(st.floats(-400.0, -30.0), st.integers(2, 64))
def test_rare_success_is_amplified_by_sqrt_of_group_less_one(log_odds, group_size):
    value = standardized_class_gradient(log_odds, group_size=group_size, ddof=0, eps=0.0)
    np.testing.assert_allclose(value, np.exp(log_odds) * np.sqrt(group_size - 1), rtol=1e-10)
    # The mutant p sqrt(G) is far off at every group size here.
    assert abs(value / (np.exp(log_odds) * np.sqrt(group_size)) - 1.0) > 5e-3


@given(LOG_ODDS, st.integers(2, 32), st.sampled_from(["group_mean", "leave_one_out", "grpo"]))
def test_gradient_is_the_same_for_failures_as_for_successes(log_odds, group_size, rule):
    one_way = predicted_class_gradient(rule, log_odds, group_size=group_size)
    other_way = predicted_class_gradient(rule, -log_odds, group_size=group_size)
    np.testing.assert_allclose(one_way, other_way, rtol=1e-9)


@given(st.floats(-4.0, 4.0))
def test_infinite_group_has_the_standard_deviation(log_odds):
    population = np.sqrt(expit(log_odds) * expit(-log_odds))
    errors = [
        population - standardized_class_gradient(log_odds, group_size=size, ddof=0, eps=0.0)
        for size in (1024, 4096)
    ]
    assert 0.0 < errors[1] < errors[0] < 0.02 * population


def test_sample_deviation_multiplies_by_a_constant():
    ratio = standardized_class_gradient(
        [-3.0, 0.0, 5.0], group_size=8, ddof=1, eps=0.0
    ) / standardized_class_gradient([-3.0, 0.0, 5.0], group_size=8, ddof=0, eps=0.0)
    np.testing.assert_allclose(ratio, np.sqrt(7.0 / 8.0), rtol=1e-13)


def test_clip_and_penalty_start_as_the_group_mean():
    for rule in ("clip", "variance_penalty"):
        np.testing.assert_array_equal(
            predicted_class_gradient(rule, [-1.0, 2.0], group_size=4),
            predicted_class_gradient("group_mean", [-1.0, 2.0], group_size=4),
        )


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`rule` must be a known rule, got 'grop'\. Did you"):
        predicted_class_gradient("grop", 0.0, group_size=4)
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        predicted_class_gradient("grpo", 0.0, group_size=1)
    with pytest.raises(ValueError, match=r"`log_odds` must be log-odds.*scipy.special.logit"):
        predicted_class_gradient("raw_reward", [0.0, np.inf])
    with pytest.raises(ValueError, match="`ddof` must be 0 or 1, got 2"):
        standardized_class_gradient(0.0, group_size=4, ddof=2)
    with pytest.raises(ValueError, match="`eps` must be at least 0"):
        standardized_class_gradient(0.0, group_size=4, eps=-1.0)
