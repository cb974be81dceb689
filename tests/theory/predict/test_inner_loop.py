"""Rounds of inner epochs: one epoch, no clip, no penalty, the penalty's optimum, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict.drift import predicted_class_gradient
from theory.predict.inner_loop import (
    INNER_RULES,
    predicted_inner_log_odds,
    predicted_round_log_odds,
)

RUN = {"step_size": 0.5, "kernel": 1.3, "group_size": 8, "inner_epochs": 5}
LOG_ODDS = st.floats(-30.0, 30.0)


@pytest.mark.parametrize("rule", INNER_RULES)
@given(LOG_ODDS)
def test_the_first_inner_epoch_is_the_step_of_the_group_mean(rule, log_odds):
    moved = predicted_inner_log_odds(rule, log_odds, **RUN)[0] - log_odds
    gradient = predicted_class_gradient("group_mean", log_odds, group_size=8)
    assert moved == pytest.approx(0.5 * 1.3 * gradient, rel=1e-9, abs=1e-13)


@given(LOG_ODDS)
def test_a_clip_that_never_binds_and_a_penalty_of_no_price_are_no_rules_of_their_own(log_odds):
    plain = predicted_inner_log_odds("group_mean", log_odds, **RUN)
    wide = predicted_inner_log_odds("clip", log_odds, **RUN, clip_low=1.0, clip_high=1e30)
    free = predicted_inner_log_odds("variance_penalty", log_odds, **RUN, multiplier=0.0)
    np.testing.assert_allclose(wide, plain, rtol=1e-14)
    np.testing.assert_allclose(free, plain, rtol=1e-14)


@given(st.floats(0.2, 0.8), st.floats(0.8, 5.0))
def test_many_small_epochs_reach_the_optimum_of_the_penalty(pass_rate, multiplier):
    share = 7.0 / 8.0
    how = RUN | {"step_size": 0.5 * min(pass_rate, 1 - pass_rate), "inner_epochs": 4000}
    end = predicted_inner_log_odds(
        "variance_penalty", logit(pass_rate), **how, multiplier=multiplier
    )[-1]
    optimum = pass_rate + share * pass_rate * (1.0 - pass_rate) / (2.0 * multiplier)
    assert expit(end) == pytest.approx(optimum, abs=1e-6)


def test_a_clipped_round_ends_one_step_past_the_clip_and_an_unclipped_one_goes_on():
    how = RUN | {"inner_epochs": 300, "step_size": 0.05}
    clipped, plain = (
        expit(predicted_inner_log_odds(rule, -3.0, **how)) / expit(-3.0)
        for rule in ("clip", "group_mean")
    )
    # The wrong arms, whose ratio stays near 1, go on pulling with the small weight p0.
    assert 1.2 < clipped[-1] < 1.35
    assert plain[-1] > 3.0


def test_rounds_start_where_the_last_one_ended():
    path = predicted_round_log_odds("clip", -2.0, num_rounds=3, **RUN)
    again = predicted_round_log_odds("clip", path[1], num_rounds=1, **RUN)
    assert path[2] == again[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_size": 0.0}, "`step_size` must be a finite number above 0"),
        ({"kernel": -1.0}, "`kernel` must be a finite number above 0"),
        ({"group_size": 1}, "`group_size` must be at least 2, got 1"),
        ({"inner_epochs": 0}, "`inner_epochs` must be at least 1, got 0"),
        ({"multiplier": -0.1}, "`multiplier` must be at least 0, got -0.1"),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(changes, message):
    with pytest.raises(ValueError, match=message):
        predicted_inner_log_odds("clip", 0.0, **{**RUN, **changes})
    with pytest.raises(ValueError, match="`rule` must be a known rule with an inner loop"):
        predicted_inner_log_odds("raw", 0.0, **RUN)
    with pytest.raises(ValueError, match="`num_rounds` must be at least 1"):
        predicted_round_log_odds("clip", 0.0, num_rounds=0, **RUN)
