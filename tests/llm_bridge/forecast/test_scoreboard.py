"""The scoreboard on curves whose score is worked out by hand."""

import numpy as np
import pytest

from llm_bridge.forecast.scoreboard import (
    evaluated_band,
    fit_time_scale,
    score_cell,
    score_pairs,
    summarize,
)
from tests.llm_bridge.forecast.made import ADAMW, INNER, SGD, forecast_of, observed_of

OBSERVED = observed_of([[0.3, 0.4, 0.5, 0.6], [0.3, 0.5, 0.7, 0.8]])


def forecasts_of(drifting, constant=(0.3, 0.6, 0.8, 0.9), no_change=(0.3, 0.3, 0.3, 0.3)):
    curves = {"drifting": drifting, "constant": constant, "no_change": no_change}
    return {name: forecast_of(curve, predictor=name) for name, curve in curves.items()}


def test_a_cell_is_scored_by_the_mean_curve():
    score = score_cell(forecasts_of([0.31, 0.48, 0.6, 0.7]), OBSERVED)
    # The mean over runs is .45, .6, .7 and only .48 is off; the base is no prediction.
    assert score.rmse == pytest.approx(np.sqrt(0.03**2 / 3))
    assert score.rmse_constant == pytest.approx(np.sqrt((0.15**2 + 0.2**2 + 0.2**2) / 3))
    assert score.rmse_no_change == pytest.approx(np.sqrt((0.15**2 + 0.3**2 + 0.4**2) / 3))
    assert score.skill_constant == pytest.approx(1.0 - 0.03**2 / (0.15**2 + 0.2**2 + 0.2**2))
    assert score.skill_no_change == pytest.approx(1.0 - 0.03**2 / (0.15**2 + 0.3**2 + 0.4**2))
    # Unbiased over seeds: differences of .1, .2, .2 have variances of half their squares.
    pooled = np.sqrt((0.1**2 + 0.2**2 + 0.2**2) / 2 / 3)
    assert score.rmse_in_seed_sd == pytest.approx(score.rmse / pooled)
    assert score.seed_sd == pytest.approx(0.2 / np.sqrt(2.0))
    assert (score.base, score.final, score.predicted_final) == pytest.approx((0.3, 0.7, 0.7))
    assert (score.cell, score.learning_rate, score.num_runs) == ("mean", 0.05, 2)
    assert not score.is_simulation_stopped


def test_half_times_are_compared():
    score = score_cell(forecasts_of([0.3, 0.3, 0.5, 0.7]), OBSERVED)
    # Half of the gain is reached at .5: predicted at 8, observed between 4 (.45) and 8 (.6).
    assert score.half_time_ratio == pytest.approx(8.0 / (4.0 + 4.0 * 0.05 / 0.15))


def test_a_curve_that_hardly_moves_has_no_half_time():
    flat = observed_of([0.3, 0.31, 0.33, 0.34])
    assert score_cell(forecasts_of([0.3, 0.4, 0.5, 0.6]), flat).half_time_ratio is None
    moves = observed_of([0.3, 0.31, 0.33, 0.36])
    assert score_cell(forecasts_of([0.3, 0.4, 0.5, 0.6]), moves).half_time_ratio is not None
    # A forecast that foresees no gain is no exception.
    assert np.isnan(score_cell(forecasts_of([0.3, 0.3, 0.3, 0.3]), moves).half_time_ratio)


def test_coverage_counts_evaluations_of_runs():
    sure = [[0.3, 0.4, 0.5, 0.6]] * 50
    runs = observed_of([[0.9, 0.4, 0.5, 0.9], [0.9, 0.1, 0.5, 0.6]], num_samples=10**6)
    band = evaluated_band(np.array(sure), 10**6)
    inside = (runs.pass_rate >= band[0]) & (runs.pass_rate <= band[1])
    assert inside[:, 0].tolist() == [False, False]
    assert score_cell(forecasts_of(sure), runs).coverage == inside[:, 1:].mean()
    assert inside[:, 1:].sum() == 4


def test_runs_that_agree_and_a_single_run_have_no_spread():
    for curves in ([[0.3, 0.0, 0.0, 0.0]] * 2, [[0.3, 0.4, 0.5, 0.6]]):
        score = score_cell(forecasts_of([0.3, 0.4, 0.5, 0.6]), observed_of(curves))
        assert np.isnan(score.rmse_in_seed_sd)


def test_a_perfect_simple_predictor_leaves_no_skill_to_measure():
    observed = observed_of([0.3, 0.3, 0.3, 0.3])
    score = score_cell(forecasts_of([0.3, 0.4, 0.4, 0.4]), observed)
    assert np.isnan(score.skill_no_change)
    assert score.skill_constant > 0.0


@pytest.mark.parametrize("update", [(0, 4, 8, 13), (0, 3, 8, 12)])
def test_evaluations_must_meet_the_forecast(update):
    with pytest.raises(ValueError, match="`observed` must be evaluated at updates that the fore"):
        score_cell(forecasts_of([0.3, 0.4, 0.5, 0.6]), observed_of([0.3] * 4, update=update))


def test_one_evaluation_is_no_curve():
    with pytest.raises(ValueError, match=r"evaluated at two updates or more, got updates \[12\]"):
        score_cell(forecasts_of([0.3, 0.4, 0.5, 0.6]), observed_of([0.6], update=[12]))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.2])
def test_a_known_stretch_of_time_is_found(scale):
    update = np.arange(41)
    forecast = forecast_of(0.3 + 0.01 * update, update=update)
    seen = np.array([0, 5, 10, 15])
    found, stretched = fit_time_scale(forecast, observed_of(0.3 + 0.01 * scale * seen, update=seen))
    # The grid of 801 scales between .1 and 10 has steps of .6 %.
    assert found == pytest.approx(scale, rel=0.003)
    np.testing.assert_allclose(stretched, 0.3 + 0.01 * scale * seen, atol=0.002)


def test_only_the_first_updates_are_fitted():
    update = np.arange(61)
    forecast = forecast_of(0.3 + 0.01 * update, update=update)
    late = observed_of([0.3, 0.35, 0.4, 0.9], update=[0, 5, 10, 15])
    assert fit_time_scale(forecast, late)[0] == pytest.approx(1.0, rel=0.003)
    # With no evaluation that early, the first one is taken alone.
    rare = observed_of([0.3, 0.7, 0.9], update=[0, 20, 40])
    assert fit_time_scale(forecast, rare)[0] == pytest.approx(2.0, rel=0.003)


def test_the_band_covers_nine_evaluations_in_ten():
    """Runs differ and an evaluation reads each with binomial noise; both are in the band.

    z of the covered share at 6 standard errors: a false alarm once in 5e8 for other seeds. A band
    of the runs alone covers less than 60 %, one at the quantiles .1 and .9 just 80 %.
    """
    rng = np.random.default_rng(0)
    num = 40_000
    rates = rng.normal(0.5, 0.02, (2 * num, 1))
    samples = 400
    low, high = evaluated_band(rates[:num], samples)
    read = rng.binomial(samples, rates[num:]) / samples
    # Readings are whole numbers: those on an edge count half, as the quantiles cut them.
    inside = ((read > low) & (read < high)).mean() + 0.5 * ((read == low) | (read == high)).mean()
    # The readings, and the two quantiles of the band, each over num runs; an edge is 1 % wide.
    error = np.sqrt(0.9 * 0.1 / num * 2.0)
    assert abs(inside - 0.9) < 6.0 * error + 0.01
    without_noise = np.quantile(rates[:num], (0.05, 0.95), axis=0)
    assert ((read >= without_noise[0]) & (read <= without_noise[1])).mean() < 0.8
    narrow = np.quantile(read, (0.1, 0.9))
    assert abs(((read > narrow[0]) & (read < narrow[1])).mean() - 0.9) > 6.0 * error + 0.01


def test_the_band_depends_on_the_number_of_responses():
    rates = np.full((2000, 1), 0.5)
    widths = [np.diff(evaluated_band(rates, n), axis=0).item() for n in (400, 1600)]
    assert widths[0] == pytest.approx(2 * 1.645 * 0.025, rel=0.1)
    assert widths[0] / widths[1] == pytest.approx(2.0, rel=0.15)


# Cells of one group; finals .8, .6 and .59, of which the last two are not told apart.
CELLS = (SGD, INNER, ADAMW)
RUNS = {
    "mean": observed_of([[0.3, 0.5, 0.6, 0.79], [0.3, 0.5, 0.6, 0.81]]),
    "clipped": observed_of([[0.3, 0.6, 0.7, 0.58], [0.3, 0.6, 0.7, 0.62]]),
    "adam": observed_of([[0.3, 0.6, 0.7, 0.57], [0.3, 0.6, 0.7, 0.61]]),
}


def test_separated_pairs_of_a_group_are_ranked():
    forecasts = [
        forecast_of([0.3, 0.5, 0.6, 0.7], SGD),
        forecast_of([0.3, 0.5, 0.6, 0.75], INNER),
        forecast_of([0.3, 0.6, 0.7, 0.1], ADAMW),
    ]
    pairs = score_pairs(forecasts, RUNS)
    # AdamW is of another group; speed of the two others is .6333 and .6333.
    (pair,) = pairs
    assert (pair.group, pair.quantity) == ("4x4 sgd", "final pass rate")
    assert (pair.better, pair.worse) == ("mean", "clipped")
    assert pair.difference == pytest.approx(0.2)
    # Variances of two runs that differ by .02 and .04, each over two runs.
    assert pair.standard_error == pytest.approx(np.sqrt((0.02**2 / 2 + 0.04**2 / 2) / 2))
    assert pair.predicted_difference == pytest.approx(-0.05)
    assert not pair.is_ranked_rightly


def test_order_of_the_cells_does_not_matter_and_speed_counts():
    swift = {**RUNS, "clipped": observed_of([[0.3, 0.7, 0.8, 0.58], [0.3, 0.7, 0.8, 0.62]])}
    forecasts = [
        forecast_of([0.3, 0.5, 0.6, 0.8], SGD),
        forecast_of([0.3, 0.7, 0.7, 0.75], INNER),
    ]
    for order in (forecasts, forecasts[::-1]):
        pairs = {pair.quantity: pair for pair in score_pairs(order, swift)}
        assert (pairs["speed"].better, pairs["speed"].worse) == ("clipped", "mean")
        assert pairs["speed"].difference == pytest.approx((2.1 - 1.9) / 3)
        assert pairs["speed"].predicted_difference == pytest.approx((2.15 - 1.9) / 3)
        assert pairs["final pass rate"].predicted_difference == pytest.approx(0.05)
        assert all(pair.is_ranked_rightly for pair in pairs.values())


def test_pairs_within_two_standard_errors_and_single_runs_are_left_out():
    forecasts = [forecast_of([0.3, 0.5, 0.6, 0.8], cell) for cell in (SGD, INNER)]
    near = {"mean": RUNS["clipped"], "clipped": RUNS["adam"]}
    assert score_pairs(forecasts, near) == []
    alone = {**RUNS, "clipped": observed_of([0.3, 0.6, 0.7, 0.2])}
    assert score_pairs(forecasts, alone) == []
    assert score_pairs(forecasts, {"mean": RUNS["mean"]}) == []


def test_the_summary_counts():
    good = score_cell(forecasts_of([0.3, 0.45, 0.6, 0.7]), OBSERVED)
    slow = score_cell(forecasts_of([0.3, 0.3, 0.3, 0.7]), OBSERVED)
    flat = score_cell(forecasts_of([0.3, 0.4, 0.5, 0.6]), observed_of([0.3] * 4))
    pairs = score_pairs(
        [forecast_of([0.3, 0.5, 0.6, x], c) for x, c in ((0.7, SGD), (0.75, INNER))], RUNS
    )
    found = summarize([good, slow, flat], pairs)
    assert found == {
        "num_cells": 3,
        "num_rmse_at_most_0.05": 1,
        "mean_rmse": pytest.approx(np.mean([good.rmse, slow.rmse, flat.rmse])),
        "num_that_move": 2,
        "num_half_time_within_1.5": 1,
        "num_separated_pairs": 1,
        "num_ranked_rightly": 0,
        "num_positive_skill_over_both": 1,
        "mean_coverage": pytest.approx(np.mean([good.coverage, slow.coverage, flat.coverage])),
    }
