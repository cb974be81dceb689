"""What failures teach: uniform pools, endless ones, limits of the push, the bound by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax

from theory.predict.failures import (
    predicted_first_success_survival,
    predicted_log_odds_after_failure,
    predicted_log_odds_after_failures,
    predicted_log_ratio_change,
    predicted_odds_gain_bound,
    predicted_pool_survival,
    predicted_proportional_shares,
)

pushes = st.floats(1e-3, 20.0)


@given(st.integers(2, 1000), pushes)
def test_uniform_pool(num_arms, push):
    after = predicted_log_odds_after_failure(-np.log(num_arms - 1.0), num_arms - 1, push)
    assert expit(after) == pytest.approx(1.0 / (num_arms - 1.0 + np.exp(-push)), rel=1e-12)


@given(st.floats(-20.0, 5.0), st.integers(1, 50), pushes)
def test_one_failure_is_one_step_of_the_softmax(log_odds, num_wrong, push):
    logits = np.concatenate([[log_odds + np.log(num_wrong)], np.zeros(num_wrong)])
    policy = softmax(logits)
    logits = logits + push * policy
    logits[1] -= push
    direct = logits[0] - np.log(np.exp(logits[1:]).sum())
    after = predicted_log_odds_after_failure(log_odds, num_wrong, push)
    assert after == pytest.approx(direct, abs=1e-9)


@given(st.floats(-20.0, 5.0), pushes)
def test_endless_arms_are_the_limit_of_many(log_odds, push):
    many, endless = predicted_log_odds_after_failure(log_odds, [1e15, np.inf], push)
    assert many == pytest.approx(endless, abs=1e-10)
    assert endless - log_odds == pytest.approx(push * expit(log_odds), abs=1e-9)


def test_failures_alone_reach_one_half_when_the_inverse_of_p_has_fallen():
    push, success_prob = 0.05, 1e-3
    path = predicted_log_odds_after_failures(logit(success_prob), 22_000, push)
    arrival = int(np.argmax(path > 0.0))
    # 1/p falls by push a failure: from 1000 to 2, but for terms of order log(1/p0).
    assert arrival == pytest.approx((1.0 / success_prob - 2.0) / push, rel=0.01)


def test_first_success_between_geometric_and_uniform():
    rounds, success_prob = np.array([0, 100, 500, 900]), 1e-3
    weak = predicted_first_success_survival(rounds, logit(success_prob), 1e-6)
    np.testing.assert_allclose(weak, (1.0 - success_prob) ** rounds, rtol=1e-5)
    uniform = predicted_first_success_survival(rounds, logit(success_prob), 1.0)
    np.testing.assert_allclose(uniform, 1.0 - success_prob * rounds, atol=3e-3)
    half = predicted_first_success_survival(rounds, logit(success_prob), 0.5)
    np.testing.assert_allclose(half, (1.0 - 0.5 * success_prob * rounds) ** 2, atol=2e-3)


def test_pool_without_replacement():
    np.testing.assert_allclose(predicted_pool_survival([0, 30, 40], 40), [1.0, 0.25, 0.0])


@given(st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=8))
def test_bound_is_one_for_equal_arms_and_above_it_for_others(wrong):
    bound = predicted_odds_gain_bound(wrong)
    weights = np.exp(wrong)
    assert bound == pytest.approx(weights.mean() / np.exp(np.mean(wrong)))
    assert bound >= 1.0 - 1e-12
    assert predicted_odds_gain_bound(np.zeros(5)) == pytest.approx(1.0)


def test_likelier_arms_gain_on_the_others_and_not_in_proportion():
    np.testing.assert_allclose(predicted_log_ratio_change([0.1, 0.2, 0.1], 2.0), [0.2, 0.0])
    np.testing.assert_allclose(predicted_proportional_shares([0.1, 0.3]), [0.25, 0.75])


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`num_wrong` must be at least 1"):
        predicted_log_odds_after_failure(-1.0, 0, 1.0)
    with pytest.raises(ValueError, match="`push` must be a finite number above 0"):
        predicted_log_odds_after_failure(-1.0, 5, 0.0)
    with pytest.raises(ValueError, match="`num_failures` must be an integer of at least 1"):
        predicted_log_odds_after_failures(-1.0, 0, 1.0)
    with pytest.raises(ValueError, match="`num_rounds` must be at most num_arms, 40"):
        predicted_pool_survival(41, 40)
    with pytest.raises(ValueError, match="`prob` must be probabilities of at least two arms"):
        predicted_log_ratio_change([0.1], 1.0)
    with pytest.raises(ValueError, match="`prob` must be above 0"):
        predicted_proportional_shares([0.1, 0.0])
