"""Failures of the likeliest wrong arm: the gain and its rise, and rules that see no failure."""

import numpy as np
import pytest

from banditlab.rules import get_rule
from theory.verify.experiments.failures import (
    largest_odds_gain,
    log_odds_along_failures,
    measure_log_ratio_change,
    measure_shares_after_failure,
)

NEGATIVE, RAW = get_rule("negative_reward"), get_rule("raw_reward")
PROB = np.array([0.1, 0.2, 0.3, 0.4])


def test_raw_reward_sees_no_failure():
    path = log_odds_along_failures(
        RAW, success_prob=0.1, log10_wrong=2.0, step_size=1.0, num_failures=3
    )
    np.testing.assert_allclose(path, path[0], rtol=1e-12)
    assert largest_odds_gain(RAW, PROB, step_size=1.0, num_failures=3) == pytest.approx(1.0)
    shares = measure_shares_after_failure(RAW, PROB, failed=3, step_size=1.0)
    np.testing.assert_allclose(shares.value, PROB[:3] / PROB[:3].sum())


def test_gain_is_larger_before_the_rise_is_divided_out():
    how = {"step_size": 0.1, "num_failures": 60}
    net = largest_odds_gain(NEGATIVE, PROB, **how)
    gross = largest_odds_gain(NEGATIVE, PROB, **how, is_net_of_rise=False)
    wrong = PROB[1:]
    assert 1.0 < net <= wrong.mean() / np.exp(np.log(wrong).mean())
    assert gross > net


def test_changes_are_relative_to_the_first_arm_left():
    change = measure_log_ratio_change(NEGATIVE, PROB, failed=3, step_size=2.0).value
    np.testing.assert_allclose(change, 2.0 * (PROB[1:3] - PROB[0]), rtol=1e-12)
