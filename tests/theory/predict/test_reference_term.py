"""Updates by reference terms: numerical gradients of the divergences, the base policy, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from theory.predict.reference_term import (
    REFERENCE_TERMS,
    predicted_reference_update,
    predicted_sample_update,
    predicted_weight_moment,
)


def reverse(prob, ref):
    return prob @ np.log(prob / ref)


def forward(prob, ref):
    return ref @ np.log(ref / prob)


def half_square(prob, ref):
    return prob @ np.log(prob / ref) ** 2 / 2.0


DESCENDED = {
    "k1 in the loss": lambda prob, ref: 0.0,
    "k2 in the loss": reverse,
    "k3 in the loss": forward,
    "k1 in the loss, with ratio": reverse,
    "k2 in the loss, with ratio": half_square,
    "k3 in the loss, with ratio": reverse,
    "k1 in the reward": reverse,
    "k2 in the reward": lambda prob, ref: half_square(prob, ref) - reverse(prob, ref),
    "k3 in the reward": lambda prob, ref: reverse(prob, ref) - forward(prob, ref),
}


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_each_term_descends_its_divergence(seed):
    logits, ref_logits = np.random.default_rng(seed).normal(size=(2, 4))
    ref = softmax(ref_logits)
    assert set(DESCENDED) == set(REFERENCE_TERMS)
    for term, divergence in DESCENDED.items():
        shift = 1e-5 * np.eye(4)
        slope = [
            (divergence(softmax(logits + one), ref) - divergence(softmax(logits - one), ref)) / 2e-5
            for one in shift
        ]
        found = predicted_reference_update(term, softmax(logits), ref)
        np.testing.assert_allclose(found, -np.array(slope), atol=1e-8)


@pytest.mark.parametrize("term", REFERENCE_TERMS)
def test_nothing_is_pulled_at_the_reference(term):
    prob = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(predicted_reference_update(term, prob, prob), 0.0, atol=1e-16)
    assert predicted_weight_moment(prob, prob) == 0.0


@given(st.floats(0.01, 0.99), st.integers(0, 2))
def test_a_sample_at_the_reference_does_not_feel_the_term(advantage, arm):
    prob = np.array([0.5, 0.3, 0.2])
    with_term, without = (
        predicted_sample_update(prob, prob, arm, advantage=advantage, coefficient=coefficient)
        for coefficient in (0.5, 0.0)
    )
    np.testing.assert_array_equal(with_term, without)


def test_samples_average_to_the_update():
    prob, ref = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    mean = sum(
        chance * predicted_sample_update(prob, ref, arm, advantage=0.0, coefficient=2.0)
        for arm, chance in enumerate(prob)
    )
    np.testing.assert_allclose(mean, 2.0 * (ref - prob), atol=1e-15)


def test_weight_of_a_failure_is_that_of_a_success_where_the_term_stops_learning():
    coefficient, failed = 1e-4, 0.9e-4
    prob, ref = np.array([1.0 - failed, failed]), np.array([0.1, 0.9])
    assert coefficient * (ref[1] / prob[1] - 1.0) == pytest.approx(1.0, rel=1e-3)
    moment = predicted_weight_moment(prob, ref)
    assert moment == pytest.approx((prob[0] - ref[0]) ** 2 / prob.prod())


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`term` must be a known reference term"):
        predicted_reference_update("k4 in the loss", [0.5, 0.5], [0.5, 0.5])
    with pytest.raises(ValueError, match="`prob` must be a vector of positive probabilities"):
        predicted_reference_update("k3 in the loss", [1.0, 0.0], [0.5, 0.5])
    with pytest.raises(ValueError, match="`ref_prob` must be of as many arms as prob"):
        predicted_weight_moment([0.5, 0.5], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match="`arm` must be below 2"):
        predicted_sample_update([0.5, 0.5], [0.5, 0.5], 2, advantage=1.0, coefficient=0.1)
