"""Mixed groups: the catalogue's figures, the threshold, limits at both ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict.conditional_advantage import (
    predicted_exact_pass_rate,
    predicted_mixed_advantage,
    predicted_mixed_baseline_bias,
    published_exact_pass_rate,
)

SIZES = st.integers(2, 64)


@pytest.mark.parametrize(("p", "advantage"), [(0.2, 0.70001), (0.6, 0.36008), (0.743, 0.25700)])
def test_success_has_the_known_figure(p, advantage):
    found = predicted_mixed_advantage("group_mean", logit(p), group_size=8)[0]
    assert found == pytest.approx(advantage, abs=6e-6)


@given(st.floats(-30, 30), SIZES)
def test_exchanging_success_and_failure_mirrors_everything(log_odds, group_size):
    there = predicted_mixed_advantage("group_mean", log_odds, group_size=group_size)
    back = predicted_mixed_advantage("group_mean", -log_odds, group_size=group_size)
    np.testing.assert_allclose(there, -back[::-1], rtol=1e-10)
    bias = predicted_mixed_baseline_bias(log_odds, group_size=group_size)
    mirrored = predicted_mixed_baseline_bias(-log_odds, group_size=group_size)
    assert bias == pytest.approx(-mirrored, abs=1e-14)
    assert bias * log_odds <= 0.0


@given(st.floats(-6, 6), SIZES)
def test_advantages_of_a_mixed_group_add_up_to_nothing(log_odds, group_size):
    # Weighted by how many successes and failures a mixed group has.
    p, q = expit(log_odds), expit(-log_odds)
    successes, failures = p * (1.0 - p ** (group_size - 1)), q * (1.0 - q ** (group_size - 1))
    for rule in ("group_mean", "leave_one_out"):
        one, other = predicted_mixed_advantage(rule, log_odds, group_size=group_size)
        assert successes * one + failures * other == pytest.approx(0.0, abs=1e-12)


@given(SIZES, st.floats(0.01, 5))
def test_the_threshold_separates_under_from_overestimation(group_size, away):
    at = logit(predicted_exact_pass_rate(group_size))
    for log_odds, sign in ((at - away, -1.0), (at + away, 1.0)):
        one = predicted_mixed_advantage("group_mean", log_odds, group_size=group_size)[0]
        assert sign * (one - expit(-log_odds)) > 0.0
    loo = predicted_mixed_advantage("leave_one_out", at, group_size=group_size)[0]
    assert loo > expit(-at)


def test_one_half_is_the_threshold_of_pairs_only():
    assert predicted_exact_pass_rate(2) == published_exact_pass_rate(2) == 0.5
    assert predicted_exact_pass_rate(8) == pytest.approx(0.742997, abs=1e-6)
    assert predicted_exact_pass_rate(10**6) > 0.9999


def test_rare_successes_stand_alone():
    # The only success of its group: mean reward 1/G, advantage (G - 1)/G.
    success, failure = predicted_mixed_advantage("group_mean", -200.0, group_size=8)
    assert success == pytest.approx(7 / 8, rel=1e-12)
    assert failure == pytest.approx(-1 / 8, rel=1e-12)
    assert predicted_mixed_baseline_bias(-200.0, group_size=8) == pytest.approx(1 / 8, rel=1e-12)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`rule` must be a known rule over the mean"):
        predicted_mixed_advantage("grpo", 0.0, group_size=4)
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        predicted_mixed_baseline_bias(0.0, group_size=1)
    for threshold in (predicted_exact_pass_rate, published_exact_pass_rate):
        with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
            threshold(1)
