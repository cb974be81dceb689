"""Effective share of stale samples: fresh data, chi-squared, crossovers, refusals."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import log_expit, log_softmax

from theory.predict.effective_samples import (
    predicted_crossover_distance,
    predicted_effective_share,
    predicted_two_class_share,
)
from theory.predict.stale_data import STALE_RULES

ADVANTAGE = np.array([0.5, -0.5])


def log_probs(log_odds):
    return np.array([log_expit(log_odds), log_expit(-log_odds)])


@pytest.mark.parametrize("rule", STALE_RULES)
@given(st.floats(-20.0, 20.0))
def test_every_fresh_sample_counts(rule, log_odds):
    prob = log_probs(log_odds)
    assert predicted_effective_share(rule, prob, prob, ADVANTAGE) == pytest.approx(1.0)


@given(st.floats(-5.0, 5.0), st.floats(-3.0, 3.0))
def test_share_of_importance_weights_is_that_of_chi_squared(old, distance):
    old, new = log_probs(old), log_probs(old + distance)
    share = predicted_effective_share("policy_gradient", old, new, ADVANTAGE)
    assert 1.0 / share == pytest.approx(np.exp(2.0 * new - old).sum(), rel=1e-9)


def test_clip_that_has_dropped_a_class_keeps_the_share_of_the_other():
    old = log_probs(-2.0)
    for distance, share in ((0.5, np.exp(old[1])), (9.0, 0.0)):
        clipped = predicted_effective_share("clip", old, log_probs(-2.0 + distance), ADVANTAGE)
        assert clipped == pytest.approx(share)


@given(st.floats(-12.0, -2.5), st.floats(0.3, 1.0))
def test_penalty_has_more_than_the_clip_up_to_the_crossover_and_less_beyond(old, multiplier):
    distance = predicted_crossover_distance(old, baseline=0.5, multiplier=multiplier)
    for factor, sign in ((0.98, 1.0), (1.02, -1.0)):
        shares = [
            predicted_effective_share(
                rule,
                log_probs(old),
                log_probs(old + factor * distance),
                ADVANTAGE,
                multiplier=multiplier if rule == "variance_penalty" else 0.5,
            )
            for rule in ("variance_penalty", "clip")
        ]
        assert sign * (shares[0] - shares[1]) > 0.0


@pytest.mark.parametrize("rule", STALE_RULES)
@given(st.floats(-6.0, 6.0), st.floats(-3.0, 3.0), st.floats(0.05, 0.95), st.floats(0.0, 2.0))
def test_closed_forms_for_two_classes_are_those_of_any_arms(rule, start, distance, baseline, price):
    how = {"multiplier": price} if rule == "variance_penalty" else {}
    old, new = (np.array([log_expit(one), log_expit(-one)]) for one in (start, start + distance))
    ratio = np.exp(new - old)
    # At a kink rounding decides whether the clip still counts a sample.
    assume(np.abs(ratio[:, None] - np.array([0.8, 1.2])).min() > 1e-9)
    share = predicted_effective_share(rule, old, new, [1.0 - baseline, -baseline], **how)
    closed = predicted_two_class_share(rule, start, distance, baseline=baseline, **how)
    assert closed == pytest.approx(float(share), rel=1e-7, abs=1e-9)


def test_wrong_inputs_are_refused_in_a_sentence():
    prob = log_softmax(np.zeros(2))
    with pytest.raises(ValueError, match="`advantage` must be different from 0"):
        predicted_effective_share("clip", prob, prob, [1.0, 0.0])
    with pytest.raises(ValueError, match="`baseline` must be in"):
        predicted_crossover_distance(-2.0, baseline=0.0, multiplier=0.5)
    with pytest.raises(ValueError, match="`multiplier` must be such that the clip has dropped"):
        predicted_crossover_distance(-2.0, baseline=0.5, multiplier=5.0)
    with pytest.raises(ValueError, match="`rule` must be a known rule for stale data"):
        predicted_two_class_share("ppo", 0.0, 0.1, baseline=0.5)
