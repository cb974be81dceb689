"""Entropy slopes, noise drift, and the line between reward and entropy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from theory.predict.entropy import (
    predicted_entropy_slope,
    predicted_exponential_fit,
    predicted_noise_entropy_drift,
    predicted_reward_from_entropy,
)
from theory.predict.trust_region_start import predicted_early_log_prob

LOGITS = st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=6)


def entropy_of(logits):
    prob = softmax(logits)
    return -prob @ np.log(prob)


@given(LOGITS)
def test_a_common_shift_and_a_uniform_policy_have_no_slope(logits):
    prob = softmax(np.array(logits))
    assert predicted_entropy_slope(prob, np.ones_like(prob)) == pytest.approx(0.0, abs=1e-12)
    uniform = np.full_like(prob, 1.0 / len(prob))
    assert predicted_entropy_slope(uniform, np.array(logits)) == pytest.approx(0.0, abs=1e-12)


@given(LOGITS)
def test_sharpening_the_policy_loses_entropy(logits):
    logits = np.array(logits)
    assert predicted_entropy_slope(softmax(logits), logits) <= 1e-12


@given(LOGITS)
def test_noise_drift_is_the_mean_second_derivative(logits):
    logits = np.array(logits)
    prob, width = softmax(logits), 1e-3
    drift = 0.0
    for arm, share in enumerate(prob):
        score = np.eye(len(prob))[arm] - prob
        risen, fallen = (entropy_of(logits + sign * width * score) for sign in (1, -1))
        drift += share * 0.5 * (risen + fallen - 2.0 * entropy_of(logits)) / width**2
    assert predicted_noise_entropy_drift(prob) == pytest.approx(drift, abs=1e-5)


def test_noise_lowers_the_entropy_of_most_policies_but_not_of_all():
    rng = np.random.default_rng(0)
    drifts = [predicted_noise_entropy_drift(rng.dirichlet(np.ones(8))) for _ in range(2000)]
    assert 0.5 < np.mean(np.array(drifts) < 0.0) < 1.0


@given(st.floats(0.0, 1.0), st.floats(5.0, 1e4))
def test_reward_is_read_off_the_entropy(pass_rate, log_num_wrong):
    log_num_correct = np.log(3.0)
    binary = -sum(one * np.log(one) if one > 0.0 else 0.0 for one in (pass_rate, 1.0 - pass_rate))
    nats = binary + pass_rate * log_num_correct + (1.0 - pass_rate) * log_num_wrong
    read = predicted_reward_from_entropy(nats, pass_rate, log_num_correct, log_num_wrong)
    assert read == pytest.approx(pass_rate, abs=1e-9)


def test_an_exponential_law_explains_itself_and_not_a_long_line():
    nats = np.linspace(0.0, 3.0, 40)
    assert predicted_exponential_fit(nats, 2.0 - 0.1 * np.exp(nats)) == pytest.approx(1.0)
    assert predicted_exponential_fit(100.0 * nats, 1.0 - nats / 3.0) < 0.2


@given(st.floats(-1000.0, -100.0))
def test_the_start_of_a_trust_region_halves_the_distance_to_the_bound(log_prob):
    path = predicted_early_log_prob(log_prob, [0, 1, 2], 0.01) - np.log(0.01)
    np.testing.assert_allclose(path[1:], path[:-1] / 2.0, rtol=1e-12)
    assert path[0] == pytest.approx(log_prob - np.log(0.01))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: predicted_entropy_slope([0.5, 0.5], [1.0]), "`direction` must be of the shape"),
        (lambda: predicted_reward_from_entropy(1.0, 0.5, 2.0, 2.0), "`log_num_wrong` must be diff"),
        (lambda: predicted_exponential_fit([1.0, 2.0], [0.1, 0.2]), "`points` must be"),
        (lambda: predicted_early_log_prob(-1.0, [1], 0.01), "the regime of the start"),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
