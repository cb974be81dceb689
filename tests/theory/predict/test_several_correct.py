"""Several correct arms: one arm alone, huge and small steps, the catalogue's figures, an urn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.predict.several_correct import (
    predicted_first_take_off_mean,
    predicted_first_take_off_survival,
    predicted_loser_successes,
    predicted_win_probability,
)
from theory.predict.take_off import predicted_take_off_mean
from theory.predict.take_off_law import predicted_take_off_survival

log_factors = st.floats(0.2, 6.0)


@given(log_factors)
@settings(max_examples=20)
def test_one_arm_takes_off_as_alone(log_factor):
    mean = predicted_first_take_off_mean(1, log_factor)
    assert mean == pytest.approx(predicted_take_off_mean(log_factor), rel=1e-7)
    time = np.linspace(0.0, 9.0, 5)
    np.testing.assert_allclose(
        predicted_first_take_off_survival(time, 1, log_factor),
        predicted_take_off_survival(time, log_factor),
    )


@given(log_factors, st.integers(1, 200))
@settings(max_examples=20)
def test_splitting_the_correct_mass_never_speeds_it_up(log_factor, num_correct):
    one, more = (predicted_first_take_off_mean(num, log_factor) for num in (1, num_correct))
    assert more >= one * (1.0 - 1e-7)


def test_huge_steps_take_the_first_success_whoever_has_it():
    assert predicted_first_take_off_mean(50, 60.0) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize(
    ("num_correct", "log_factor", "figure", "error"),
    [(10, 1.0, 4.668, 0.13), (300, 1.0, 47.65, 1.4), (300, 0.3, 341.2, 5.6)],
)
def test_mean_is_within_four_errors_of_the_catalogue(num_correct, log_factor, figure, error):
    assert abs(predicted_first_take_off_mean(num_correct, log_factor) - figure) < error


@given(st.floats(1.0, 20.0))
@settings(max_examples=20)
def test_one_success_decides_in_proportion_to_the_prior(ratio):
    assert predicted_win_probability(ratio, 60.0) == pytest.approx(ratio / (1.0 + ratio), abs=1e-8)


@given(log_factors)
@settings(max_examples=20)
def test_equal_arms_win_equally_often(log_factor):
    assert predicted_win_probability(1.0, log_factor) == pytest.approx(0.5, abs=1e-7)


def test_small_steps_favour_the_likelier_arm():
    wins = [predicted_win_probability(2.0, log_factor) for log_factor in (0.15, 0.3, 1.0, 4.0)]
    assert (np.diff(wins) < 0.0).all()
    assert 0.96 < wins[0] < 1.0


def test_loser_of_equal_arms_has_the_known_law():
    law = predicted_loser_successes(1.0, 1.0, 4)
    np.testing.assert_allclose(law[:4], [0.5951, 0.2544, 0.0951, 0.0346], atol=1.5e-3)
    assert law.sum() == pytest.approx(1.0)


def test_race_is_that_of_an_urn_drawn_step_by_step():
    rng = np.random.default_rng(1)
    num, log_factor, ratio = 20_000, 1.0, 2.0
    hits = np.zeros((num, 2), dtype=np.int64)
    for _ in range(40):
        odds = ratio * np.exp(log_factor * (hits[:, 0] - hits[:, 1]))
        is_first = rng.random(num) < odds / (1.0 + odds)
        hits[np.arange(num), 1 - is_first.astype(np.int64)] += 1
    share = (hits[:, 0] > hits[:, 1]).mean()
    win = predicted_win_probability(ratio, log_factor)
    assert abs(share - win) < 4.0 * np.sqrt(win * (1.0 - win) / num)
    law = predicted_loser_successes(ratio, log_factor, 3)
    counts = np.bincount(np.minimum(hits.min(axis=1), 3), minlength=4)
    assert (np.abs(counts / num - law) < 4.0 * np.sqrt(law / num)).all()


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`num_correct` must be an integer of at least 1"):
        predicted_first_take_off_mean(0, 1.0)
    with pytest.raises(ValueError, match="`num_correct` must be an integer of at least 1"):
        predicted_first_take_off_survival(1.0, 0, 1.0)
    with pytest.raises(ValueError, match="`prior_ratio` must be a finite number of at least 1"):
        predicted_win_probability(0.5, 1.0)
    with pytest.raises(ValueError, match="`most_successes` must be an integer of at least 1"):
        predicted_loser_successes(1.0, 1.0, 0)
    with pytest.raises(ValueError, match=r"`log_odds_factor` must be .* at least 0.15"):
        predicted_win_probability(2.0, 0.05)
