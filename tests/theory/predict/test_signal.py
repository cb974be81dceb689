"""Groups without a signal: known figures, limits, both ends of the pass rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from theory.predict.signal import predicted_groups_per_used_group, predicted_silent_share


@pytest.mark.parametrize(("p", "group_size", "share"), [(0.3, 2, 0.58), (0.02, 16, 0.7238)])
def test_share_has_the_known_figure(p, group_size, share):
    found = predicted_silent_share("grpo", logit(p), group_size=group_size)
    assert found == pytest.approx(share, abs=5e-5)


def test_groups_per_used_group_have_the_known_figure():
    found = predicted_groups_per_used_group(logit(0.03), group_size=8)
    assert found == pytest.approx(1.0 / (1.0 - 0.97**8 - 0.03**8), rel=1e-12)
    assert predicted_groups_per_used_group(logit(0.9), group_size=2) == pytest.approx(1 / 0.18)


@given(st.floats(-300, 300), st.integers(2, 64))
def test_both_ends_are_alike_and_a_rare_signal_costs_one_over_its_probability(log_odds, group_size):
    found = predicted_groups_per_used_group(log_odds, group_size=group_size)
    mirrored = predicted_groups_per_used_group(-log_odds, group_size=group_size)
    assert found == pytest.approx(mirrored, rel=1e-12)
    assert found >= 1.0
    if abs(log_odds) > 40.0:
        rare = np.exp(-abs(log_odds))
        assert found * group_size * rare == pytest.approx(1.0, rel=1e-12)


@given(st.floats(-30, 30), st.integers(2, 32))
def test_only_failures_are_silent_under_raw_reward(log_odds, group_size):
    raw, mean, signed = (
        predicted_silent_share(rule, log_odds, group_size=group_size)
        for rule in ("raw_reward", "group_mean", "negative_reward")
    )
    all_pass = predicted_silent_share("raw_reward", -log_odds, group_size=group_size)
    assert mean == pytest.approx(raw + all_pass, abs=1e-15)
    assert signed == 0.0


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        predicted_silent_share("grpo", 0.0, group_size=1)
    with pytest.raises(ValueError, match="`rule` must be one of raw_reward"):
        predicted_silent_share("batch_mean", 0.0, group_size=2)
    with pytest.raises(ValueError, match="`log_odds` must be log-odds"):
        predicted_groups_per_used_group(np.inf, group_size=2)
