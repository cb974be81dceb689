"""Stuck times: roots, the catalogue's figures, limits, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.stuck import (
    predicted_learning_rate_threshold,
    predicted_regret_growth,
    predicted_stuck_exponent,
    predicted_stuck_mean,
)

COIN = {"reward": [1.0, 0.0], "prob": [0.9, 0.1], "wrong_mean": 0.6}


@pytest.mark.parametrize(
    ("step_size", "law", "figure"),
    [
        (0.4, {"reward": 1.0, "prob": 1.0, "wrong_mean": 0.8}, 0.580),
        (0.3, {"reward": 1.0, "prob": 1.0, "wrong_mean": 0.8}, 0.774),
        (0.6, COIN, 0.729),
        (0.1, {"reward": 2.0, "prob": 1.0, "wrong_mean": 1.8}, 0.536),
        (1.0, {"reward": [1.0, -1.0], "prob": [0.75, 0.25]}, 0.549),
        (0.8, {"reward": [1.0, -1.0], "prob": [0.65, 0.35], "num_wrong": 4}, 0.619),
        (1.0, {"reward": [1.0, -1.0], "prob": [0.7, 0.3], "num_wrong": 19}, 0.805),
    ],
)
def test_exponent_has_the_figures_of_the_catalogue(step_size, law, figure):
    assert predicted_stuck_exponent(step_size, **law) == pytest.approx(figure, abs=6e-4)


@pytest.mark.parametrize(("reward", "figure"), [(1.0, 0.2321), (2.0, 0.0536)])
def test_threshold_has_the_figures_of_the_catalogue(reward, figure):
    threshold = predicted_learning_rate_threshold(reward, 1.0, wrong_mean=reward - 0.2)
    assert threshold == pytest.approx(figure, abs=5e-5)


@given(st.floats(0.01, 0.9), st.integers(1, 50))
def test_threshold_of_signs_against_silence_has_its_closed_form(mean, num_wrong):
    law = {"reward": [1.0, -1.0], "prob": [0.5 + 0.5 * mean, 0.5 - 0.5 * mean]}
    threshold = predicted_learning_rate_threshold(**law, num_wrong=num_wrong)
    share = num_wrong / (num_wrong + 1)
    assert threshold == pytest.approx(share * math.log1p(2 * mean / (1 - mean)), rel=1e-9)


@given(st.floats(0.05, 2.0), st.floats(0.1, 3.0), st.integers(1, 50))
def test_threshold_of_gaussian_noise_against_silence_has_its_closed_form(mean, sd, num_wrong):
    threshold = predicted_learning_rate_threshold(mean, 1.0, noise_sd=sd, num_wrong=num_wrong)
    expected = 2.0 * mean / sd**2 * num_wrong / (num_wrong + 1)
    assert threshold == pytest.approx(expected, rel=1e-9)


@given(st.floats(1e-5, 1e-3), st.floats(0.2, 0.8))
def test_small_gaps_have_the_threshold_gap_over_second_moment(gap, mean):
    threshold = predicted_learning_rate_threshold(
        [1.0, 0.0], [mean, 1.0 - mean], wrong_mean=mean - gap
    )
    assert threshold == pytest.approx(gap / mean, rel=10.0 * gap / mean)


@given(st.floats(0.1, 0.7), st.floats(0.0, 3.0))
def test_a_constant_added_to_rewards_lowers_the_threshold(gap, shift):
    low, high = (
        predicted_learning_rate_threshold(1.0 + b, 1.0, wrong_mean=1.0 - gap + b)
        for b in (shift, shift + 1.0)
    )
    assert high < low


def test_without_anything_that_raises_the_odds_there_is_no_threshold():
    assert predicted_learning_rate_threshold([1.0, 0.0], [0.3, 0.7]) == math.inf
    assert predicted_learning_rate_threshold([1.0, -1.0], [1.0, 0.0]) == math.inf


def test_exponent_is_one_where_the_mean_becomes_infinite():
    threshold = predicted_learning_rate_threshold(**COIN)
    assert predicted_stuck_exponent(threshold, **COIN) == pytest.approx(1.0, rel=1e-12)
    means = [predicted_stuck_mean((1.0 - gap) * threshold, **COIN) for gap in (1e-3, 1e-4)]
    assert means[1] / means[0] == pytest.approx(10.0, rel=1e-2)
    assert predicted_regret_growth(2.0 * threshold, **COIN) == pytest.approx(0.5, rel=1e-12)


@given(st.floats(1e-6, 1e-4))
def test_small_steps_take_the_time_of_the_flow(step_size):
    assert predicted_stuck_mean(step_size, **COIN) * 2.0 * step_size * 0.3 == pytest.approx(
        1.0, rel=10.0 * step_size
    )


def test_the_exponential_moment_vanishes_at_the_threshold():
    threshold = predicted_learning_rate_threshold([1.0, 0.2], [0.5, 0.5], wrong_mean=0.3)
    moment = 2.0 * threshold * 0.3 + np.exp(-2.0 * threshold * np.array([1.0, 0.2])).mean()
    assert moment == pytest.approx(1.0, abs=1e-12)


def test_wrong_inputs_are_refused_in_a_sentence():
    threshold = predicted_learning_rate_threshold(**COIN)
    with pytest.raises(ValueError, match="`step_size` must be below the learning rate threshold"):
        predicted_stuck_mean(1.01 * threshold, **COIN)
    with pytest.raises(ValueError, match="`step_size` must be above the learning rate threshold"):
        predicted_regret_growth(0.99 * threshold, **COIN)
    with pytest.raises(ValueError, match="`wrong_mean` must be at least 0 and below the best"):
        predicted_learning_rate_threshold(0.5, 1.0, wrong_mean=0.6)
    with pytest.raises(ValueError, match="`num_wrong` must be 1, or more where wrong arms always"):
        predicted_learning_rate_threshold(0.5, 1.0, wrong_mean=0.1, num_wrong=3)
    with pytest.raises(ValueError, match="`prob` must be probabilities of sum 1"):
        predicted_learning_rate_threshold([1.0, 0.0], [0.5, 0.6])
    with pytest.raises(ValueError, match="`reward` must be finite and of the shape of prob"):
        predicted_learning_rate_threshold([1.0, 0.0], [1.0])
