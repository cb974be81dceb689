"""One step of any size: the catalogue's figure, small and huge steps, rules that coincide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict.drift import predicted_class_gradient
from theory.predict.one_step import RULES, class_gradients, predicted_next_pass_rate

LOG_ODDS, SIZES = st.floats(-8, 8), st.integers(2, 16)


def test_next_pass_rate_has_the_known_figure():
    found = predicted_next_pass_rate("raw_reward", logit(0.3), step_size=2.0)
    assert found == pytest.approx(0.400429, abs=5e-7)
    assert found - (0.3 + 2.0 * (0.3 * 0.7) ** 2) > 0.01


@given(LOG_ODDS, SIZES, st.sampled_from(RULES))
def test_small_steps_follow_the_mean_class_gradient(log_odds, group_size, rule):
    step, p = 1e-4, expit(log_odds)
    moved = predicted_next_pass_rate(rule, log_odds, step_size=step, group_size=group_size) - p
    if rule == "negative_reward":
        gradient = 2.0 * p * (1.0 - p)
    else:
        gradient = predicted_class_gradient(rule, log_odds, group_size=group_size)
    assert moved / step == pytest.approx(gradient * p * (1.0 - p), abs=2e-4)


@given(st.floats(-20, 2))
def test_huge_steps_make_every_success_certain(log_odds):
    p = expit(log_odds)
    found = predicted_next_pass_rate("raw_reward", log_odds, step_size=1e4)
    assert found == pytest.approx(p + (1.0 - p) * p, rel=1e-9)


@given(LOG_ODDS, st.floats(0.01, 50))
def test_fewer_wrong_arms_learn_faster(log_odds, step_size):
    found = [
        predicted_next_pass_rate("raw_reward", log_odds, step_size=step_size, num_wrong=count)
        for count in (1, 2, 100, np.inf)
    ]
    assert (np.diff(found) <= 1e-15).all()
    doubled = expit(log_odds + 2.0 * step_size * expit(-log_odds))
    two_arms = expit(log_odds) * doubled + expit(-log_odds) * expit(log_odds)
    assert found[0] == pytest.approx(two_arms, abs=1e-13)


@given(LOG_ODDS)
def test_pairs_under_grpo_are_leave_one_out(log_odds):
    grpo = class_gradients("grpo", log_odds, group_size=2, ddof=0, eps=0.0)
    np.testing.assert_array_equal(grpo, class_gradients("leave_one_out", log_odds, group_size=2))


@given(st.floats(-400, -50))
def test_rare_arms_keep_their_digits(log_odds):
    found = predicted_next_pass_rate("raw_reward", log_odds, step_size=1.0)
    # Tiny p: E[p'] = p + p (e p) + ..., and e p is nothing beside 1.
    assert found / np.exp(log_odds) == pytest.approx(1.0, rel=1e-12)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`rule` must be a known rule"):
        predicted_next_pass_rate("clip", 0.0, step_size=1.0)
    with pytest.raises(ValueError, match="`step_size` must be a finite number above 0"):
        predicted_next_pass_rate("raw_reward", 0.0, step_size=0.0)
    with pytest.raises(ValueError, match="`num_wrong` must be at least 1 for raw_reward, and inf"):
        predicted_next_pass_rate("grpo", 0.0, step_size=1.0, group_size=4, num_wrong=9)
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        predicted_next_pass_rate("group_mean", 0.0, step_size=1.0)
