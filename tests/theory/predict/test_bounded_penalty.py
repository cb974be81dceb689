"""The bounded penalty's overshoot, against its map iterated and its weight scanned."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.bounded_penalty import (
    predicted_bounded_contraction,
    predicted_bounded_second_log_ratio,
    predicted_deepest_bounded_fall,
    predicted_largest_weight,
)
from theory.predict.stability import predicted_fixed_ratio

PRICES, ADVANTAGES = st.floats(0.1, 3.0), st.floats(0.1, 4.0)


def weight(log_ratio, advantage: float, multiplier: float):
    ratio = np.exp(log_ratio)
    return np.minimum(ratio, 1.0 / ratio) * (advantage - 2.0 * multiplier * (ratio - 1.0))


@given(st.floats(-5.0, 5.0), PRICES)
def test_the_largest_weight_is_filled_and_never_exceeded(advantage, multiplier):
    scanned = np.abs(weight(np.linspace(-30.0, 30.0, 2001), advantage, multiplier)).max()
    found = float(predicted_largest_weight(advantage, multiplier))
    assert scanned == pytest.approx(found, rel=1e-9)


@given(st.floats(0.05, 0.95), st.floats(-0.9, 2.0), PRICES)
def test_a_small_deviation_shrinks_as_predicted(excess, share, multiplier):
    advantage, step = 2.0 * multiplier * share, excess / multiplier
    fixed = float(np.log(predicted_fixed_ratio(advantage, multiplier)))
    # Off the kink at ratio 1, which the fixed ratio of advantage 0 lies on.
    deviation = math.copysign(1e-7, share) if abs(share) > 1e-3 else 0.0
    after = deviation + step * weight(fixed + deviation, advantage, multiplier)
    predicted = float(predicted_bounded_contraction(step, advantage, multiplier))
    assert after == pytest.approx(predicted * deviation, abs=1e-10)


@given(st.floats(0.01, 20.0), ADVANTAGES, PRICES)
def test_no_epoch_falls_deeper(step, advantage, multiplier):
    log_ratio, lowest = 0.0, 0.0
    for _ in range(60):
        log_ratio += step * float(weight(log_ratio, advantage, multiplier))
        lowest = min(lowest, log_ratio)
    deepest = math.log(predicted_deepest_bounded_fall(step, advantage, multiplier))
    assert -lowest <= deepest + 1e-9


def test_the_deepest_fall_is_the_one_from_ratio_times_pull():
    """It starts at ratio* times the pull, c = 2 multiplier step; from elsewhere it ends higher."""
    step, advantage, multiplier = 4.0, 1.0, 0.5
    start = math.log(2.0 * 2.0 * multiplier * step)
    lowest = 1.0 / predicted_deepest_bounded_fall(step, advantage, multiplier)
    for off, is_deepest in ((0.0, True), (0.3, False), (-0.3, False)):
        landing = start + off + step * float(weight(start + off, advantage, multiplier))
        assert (math.exp(landing) == pytest.approx(lowest, rel=1e-9)) == is_deepest
        assert math.exp(landing) > lowest * (1.0 - 1e-9)


def test_the_second_epoch_is_two_of_the_map():
    first = 0.7 * 1.5
    expected = first + 0.7 * float(weight(first, 1.5, 0.8))
    assert predicted_bounded_second_log_ratio(0.7, 1.5, 0.8) == pytest.approx(expected, rel=1e-12)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`multiplier` must be a finite number above 0"):
        predicted_largest_weight(1.0, 0.0)
    with pytest.raises(ValueError, match="`step` must be a finite number above 0"):
        predicted_bounded_contraction(0.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="`advantage` must be a finite number above 0"):
        predicted_bounded_second_log_ratio(0.1, -1.0, 0.5)
    with pytest.raises(ValueError, match=r"`advantage` must be above -2 \* multiplier = -1"):
        predicted_bounded_contraction(0.1, -1.5, 0.5)
    with pytest.raises(ValueError, match="`step` must be a finite number above 0"):
        predicted_deepest_bounded_fall(-1.0, 1.0, 0.5)
