"""Growth of an isolated success: the catalogue's figures, the bounds, the penalty's fixed ratio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.clip_growth import (
    predicted_isolated_ratios,
    predicted_largest_ratio,
    predicted_rounds_with_success,
    predicted_unclipped_bound,
)

gains = st.floats(1e-3, 0.5)
widths = st.floats(0.05, 1.0)


@pytest.mark.parametrize(("gain", "ratio"), [(0.125, 1.30557), (0.5, 1.64872)])
def test_final_ratio_has_the_known_figure(gain, ratio):
    assert predicted_isolated_ratios(gain, 9, clip_high=0.2)[-1] == pytest.approx(ratio, abs=1e-5)


@given(gains, widths, st.integers(1, 60))
def test_ratio_stays_within_both_bounds_and_stops_past_the_clip(gain, width, num_epochs):
    ratios = predicted_isolated_ratios(gain, num_epochs, clip_high=width)
    assert ratios[-1] <= predicted_largest_ratio(gain, width) * (1.0 + 1e-12)
    if gain * num_epochs <= width / (1.0 + width):
        assert ratios[-1] <= 1.0 + width
        assert ratios[-1] <= predicted_unclipped_bound(gain, num_epochs)
    past = ratios[ratios > 1.0 + width]
    assert (past == past[:1]).all()


def test_bounds_are_attained():
    gain = np.log(1.2) * (1.0 - 1e-13)
    attained = predicted_isolated_ratios(gain, 3, clip_high=0.2)[-1]
    assert attained == pytest.approx(float(predicted_largest_ratio(gain, 0.2)), rel=1e-12)
    slow = predicted_isolated_ratios(1e-5, 20_000)[-1]
    assert slow == pytest.approx(float(predicted_unclipped_bound(1e-5, 20_000)), rel=1e-5)


@given(gains, st.floats(0.1, 2.0))
def test_penalty_leads_to_its_fixed_ratio_where_the_inner_loop_is_stable(gain, multiplier):
    fixed = 1.0 + 0.5 / multiplier
    slow = min(gain, 0.5 / (multiplier * fixed**2))
    ratios = predicted_isolated_ratios(slow, 4_000, multiplier=multiplier)
    assert ratios[-1] == pytest.approx(fixed, rel=1e-6)


@given(gains, st.floats(-40.0, 5.0), st.sampled_from([1.0, 10.0, np.inf]))
def test_ratio_is_that_of_the_softmax(gain, log_odds, num_wrong):
    ratios = predicted_isolated_ratios(gain, 4, log_odds=log_odds, num_wrong=num_wrong)
    old, score, ratio = log_odds, log_odds, 1.0
    for expected in ratios:
        score += gain * (1.0 + 1.0 / num_wrong) * ratio / (1.0 + np.exp(score))
        ratio = np.exp(score - old) * (1.0 + np.exp(old)) / (1.0 + np.exp(score))
        assert expected == pytest.approx(ratio, rel=1e-9)


def test_rare_arms_are_the_limit_of_small_probabilities():
    limit = predicted_isolated_ratios(0.1, 5, clip_high=0.3)
    small = predicted_isolated_ratios(0.1, 5, clip_high=0.3, log_odds=-600.0)
    np.testing.assert_allclose(small, limit, rtol=1e-14)


def test_rounds_of_the_catalogue_come_from_the_final_ratio_and_not_from_its_bound():
    log_ratio = 100.0 * np.log(10.0)
    for width, rounds, by_bound in ((0.2, 1175.0, 1117.0), (0.28, 850.0, 846.0)):
        final = predicted_isolated_ratios(0.02, 60, clip_high=width)[-1]
        assert predicted_rounds_with_success(log_ratio, np.log(final)) == rounds
        bound = predicted_largest_ratio(0.02, width)
        assert predicted_rounds_with_success(log_ratio, np.log(bound)) == by_bound


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`gain` must be a finite number above 0"):
        predicted_isolated_ratios(0.0, 1)
    with pytest.raises(ValueError, match="`num_epochs` must be an integer of at least 1"):
        predicted_isolated_ratios(0.1, 0)
    with pytest.raises(ValueError, match="`clip_high` must be at least 0"):
        predicted_isolated_ratios(0.1, 1, clip_high=-0.1)
    with pytest.raises(ValueError, match="`multiplier` must be at least 0"):
        predicted_isolated_ratios(0.1, 1, multiplier=-1.0)
    with pytest.raises(ValueError, match="`num_wrong` must be at least 1"):
        predicted_isolated_ratios(0.1, 1, num_wrong=0.0)
    with pytest.raises(ValueError, match="`gain` must be finite and at least 0"):
        predicted_largest_ratio(-1.0, 0.2)
    with pytest.raises(ValueError, match="`clip_high` must be at least 0"):
        predicted_largest_ratio(0.1, -0.2)
    with pytest.raises(ValueError, match=r"`gain \* num_epochs` must be in \[0, 1\)"):
        predicted_unclipped_bound(0.1, 10)
    with pytest.raises(ValueError, match="`log_factor` must be above 0"):
        predicted_rounds_with_success(1.0, 0.0)
    with pytest.raises(ValueError, match="`log_ratio` must be a finite number above 0"):
        predicted_rounds_with_success(0.0, 1.0)
