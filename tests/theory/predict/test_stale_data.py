"""Stale data: limits of the moments, the on-policy gradient, the four weights, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from theory.predict.stale_data import (
    STALE_RULES,
    predicted_stale_moments,
    predicted_stale_update,
    score_weight,
)

log_odds = st.floats(-30.0, 5.0)
baselines = st.floats(0.05, 0.95)


@pytest.mark.parametrize("rule", STALE_RULES)
@given(log_odds, baselines)
def test_fresh_data_have_the_on_policy_gradient(rule, old, baseline):
    mean, second = predicted_stale_moments(rule, old, 0.0, baseline=baseline)
    spread = expit(old) * expit(-old)
    assert mean == pytest.approx(spread, rel=1e-9)
    variance = expit(-old) * (1.0 - baseline) ** 2 + expit(old) * baseline**2
    assert second == pytest.approx(spread * variance, rel=1e-9)


@given(log_odds, st.floats(-4.0, 8.0), baselines)
def test_importance_weights_are_unbiased_at_any_distance(old, distance, baseline):
    mean, _ = predicted_stale_moments("policy_gradient", old, distance, baseline=baseline)
    assert mean == pytest.approx(expit(old + distance) * expit(-old - distance), rel=1e-9)


@given(log_odds, st.floats(0.0, 6.0), baselines)
def test_mean_is_that_of_the_weights(old, distance, baseline):
    ratio = expit(old + distance) / expit(old), expit(-old - distance) / expit(-old)
    new = expit(old + distance)
    for rule in STALE_RULES:
        right = score_weight(rule, ratio[0], 1.0 - baseline)
        wrong = score_weight(rule, ratio[1], -baseline)
        expected = expit(old) * right * (1.0 - new) - expit(-old) * wrong * new
        mean, second = predicted_stale_moments(rule, old, distance, baseline=baseline)
        # Terms of the penalty are large and cancel.
        assert mean == pytest.approx(expected, rel=1e-7, abs=1e-9 * (1.0 + ratio[0] ** 2))
        assert second >= mean**2 * (1.0 - 1e-9)


def test_a_rare_success_that_is_clipped_leaves_the_failures():
    fresh, few, none = (
        predicted_stale_moments("clip", -9.0, distance, baseline=0.25)[0]
        / predicted_stale_moments("policy_gradient", -9.0, distance, baseline=0.25)[0]
        for distance in (0.1, 0.3, 9.0)
    )
    assert (fresh, few, none) == (pytest.approx(1.0), pytest.approx(0.25), 0.0)


def test_topr_never_turns_and_the_penalty_does():
    distance = np.linspace(0.0, 6.0, 25)
    topr, _ = predicted_stale_moments("topr", -4.0, distance, baseline=0.5)
    assert (topr > 0.0).all()
    penalty, _ = predicted_stale_moments("variance_penalty", -4.0, distance, baseline=0.5)
    assert (penalty[distance < 0.69] > 0.0).all()
    assert (penalty[distance > 0.75] < 0.0).all()


def test_update_of_the_policy_gradient_is_the_on_policy_one():
    prob, old = np.array([0.2, 0.3, 0.5]), np.array([0.1, 0.6, 0.3])
    reward = np.array([1.0, 0.0, 0.0])
    update = predicted_stale_update("policy_gradient", old, prob, reward, group_size=4)
    np.testing.assert_allclose(update, 0.75 * prob * (reward - 0.2), atol=1e-15)
    for rule in STALE_RULES:
        assert abs(predicted_stale_update(rule, old, prob, reward, group_size=4).sum()) < 1e-15


def test_wrong_inputs_are_refused_in_a_sentence():
    prob = np.array([0.5, 0.5])
    with pytest.raises(ValueError, match="`rule` must be a known rule for stale data"):
        score_weight("clp", 1.0, 1.0)
    with pytest.raises(ValueError, match="`baseline` must be strictly between 0 and 1"):
        predicted_stale_moments("clip", 0.0, 0.0, baseline=1.0)
    with pytest.raises(ValueError, match="`reward` must be 0 or 1"):
        predicted_stale_update("clip", prob, prob, [0.5, 1.0], group_size=2)
    with pytest.raises(ValueError, match="`group_size` must be at least 2"):
        predicted_stale_update("clip", prob, prob, [0.0, 1.0], group_size=1)
    with pytest.raises(ValueError, match="`old_prob` must be of the shape of the others"):
        predicted_stale_update("clip", [0.0, 1.0], prob, [0.0, 1.0], group_size=2)
