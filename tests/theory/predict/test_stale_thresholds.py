"""Distances at which stale data is dropped or turned against: definitions, limits, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from theory.predict.stale_data import class_ratios, predicted_stale_moments, score_weight
from theory.predict.stale_thresholds import (
    distance_to_success_ratio,
    predicted_clip_distances,
    predicted_flip_ratio,
    predicted_reversal_distance,
)


@given(st.floats(-20.0, 1.0), st.floats(0.05, 0.9), st.floats(0.05, 0.3))
def test_ratios_at_the_clips_distances_are_its_bounds(old, clip_low, clip_high):
    success, failure = predicted_clip_distances(old, clip_low=clip_low, clip_high=clip_high)
    assert class_ratios(old, success)[0] == pytest.approx(1.0 + clip_high)
    assert class_ratios(old, failure)[1] == pytest.approx(1.0 - clip_low, rel=1e-6)


def test_clip_distances_in_the_limits():
    rare = predicted_clip_distances(-30.0, clip_low=0.2, clip_high=0.2)
    assert rare[0] == pytest.approx(np.log(1.2))
    assert rare[1] == pytest.approx(30.0 + np.log(0.25), abs=1e-6)
    likely = predicted_clip_distances([3.0], clip_low=0.2, clip_high=0.2)
    assert np.isinf(likely[0])


@given(st.floats(-0.9, 5.0), st.floats(0.5, 5.0))
def test_weight_changes_its_sign_at_the_flip_ratio(advantage, multiplier):
    ratio = predicted_flip_ratio(advantage, multiplier)
    below, above = (
        score_weight("variance_penalty", factor * ratio, advantage, multiplier=multiplier)
        for factor in (1.0 - 1e-6, 1.0 + 1e-6)
    )
    assert below > 0.0 > above


@given(st.floats(-20.0, -1.0), st.floats(0.2, 5.0))
def test_mean_vanishes_at_the_reversal_whatever_the_baseline(old, multiplier):
    distance = predicted_reversal_distance(old, multiplier)
    for baseline in (0.1, 0.8):
        mean, _ = predicted_stale_moments(
            "variance_penalty", old, distance, baseline=baseline, multiplier=multiplier
        )
        assert abs(mean) < 1e-9 * expit(old)


def test_distance_to_a_ratio_and_back():
    distance = distance_to_success_ratio(-2.0, [0.5, 1.0, 3.0])
    np.testing.assert_allclose(class_ratios(-2.0, distance)[0], [0.5, 1.0, 3.0])


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`clip_low` must be in"):
        predicted_clip_distances(0.0, clip_low=1.0, clip_high=0.2)
    with pytest.raises(ValueError, match="`multiplier` must be a finite number above 0"):
        predicted_flip_ratio(1.0, 0.0)
    with pytest.raises(ValueError, match=r"`advantage` must be above -2 \* multiplier"):
        predicted_flip_ratio(-1.0, 0.5)
    with pytest.raises(ValueError, match="`ratio` must be below 1/p_old"):
        distance_to_success_ratio(0.0, 2.0)
