"""The overshooting inner loop, against its map iterated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.penalty_overshoot import (
    predicted_deepest_clipped_fall,
    predicted_ratio_cycle,
    predicted_return_epochs,
    predicted_second_log_ratio,
)


def iterate(log_ratio: float, step: float, advantage: float, multiplier: float) -> float:
    ratio = math.exp(log_ratio)
    return log_ratio + step * ratio * (advantage - 2.0 * multiplier * (ratio - 1.0))


@given(st.floats(1.001, 1.249), st.floats(0.1, 3.0), st.floats(0.2, 5.0))
def test_cycle_maps_onto_itself(excess, advantage, multiplier):
    fixed = 1.0 + advantage / (2.0 * multiplier)
    step = excess / (multiplier * fixed**2)
    low, high = predicted_ratio_cycle(step, advantage, multiplier)
    assert low < fixed < high or excess > 1.1
    assert math.exp(iterate(math.log(low), step, advantage, multiplier)) == pytest.approx(high)
    assert math.exp(iterate(math.log(high), step, advantage, multiplier)) == pytest.approx(low)


def test_cycle_opens_at_the_limit_of_stability():
    low, high = predicted_ratio_cycle(1.0001 / (2.0 * 1.25**2), 1.0, 2.0)
    assert low == pytest.approx(1.25, abs=0.02)
    assert high == pytest.approx(1.25, abs=0.02)
    assert high > low


def test_second_epoch_is_two_of_the_map():
    expected = iterate(iterate(0.0, 0.7, 1.0, 2.0), 0.7, 1.0, 2.0)
    assert predicted_second_log_ratio(0.7, 1.0, 2.0) == pytest.approx(expected)


@given(st.floats(-7.5, -3.0), st.floats(0.3, 1.0))
def test_return_takes_the_epochs_of_the_map(start, step):
    log_ratio, count = start, 0
    while log_ratio < 0.0:
        log_ratio, count = iterate(log_ratio, step, 1.0, 2.0), count + 1
    predicted = predicted_return_epochs(start, step=step, advantage=1.0, multiplier=2.0)
    assert abs(count - predicted) < 2.0


def test_the_clip_lets_nothing_fall():
    assert predicted_deepest_clipped_fall() == 1.0


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"is between 1 and 1\.25, got an excess of 0\.3125"):
        predicted_ratio_cycle(0.1, 1.0, 2.0)
    with pytest.raises(ValueError, match="`advantage` must be a finite number above 0"):
        predicted_second_log_ratio(0.1, -1.0, 2.0)
    with pytest.raises(ValueError, match="the regime of a ratio that was thrown down"):
        predicted_return_epochs(np.log(0.9), step=0.1, advantage=1.0, multiplier=2.0)
