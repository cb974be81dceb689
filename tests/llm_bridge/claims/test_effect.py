"""Intervals cover what they should, and verdicts follow from them."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from llm_bridge.claims import effect as effects
from llm_bridge.claims.curve import Curve, final
from llm_bridge.claims.effect import (
    HOLDS,
    IN_PART,
    NOT_REPRODUCED,
    OPPOSITE,
    OUT_OF_REACH,
    REPRODUCED,
    UNDECIDED,
    Effect,
    Interval,
    expanded_level,
    judge,
    measure,
    resample,
    verdict,
)

INF = math.inf


def runs(*values):
    return [Curve(np.arange(2), np.arange(2), {"train": np.array([0.0, one])}) for one in values]


def test_the_level_tends_to_the_percentile_one_with_many_runs():
    assert expanded_level(100_000) == pytest.approx(0.025, rel=1e-3)
    assert expanded_level(5) == pytest.approx(norm.cdf(-math.sqrt(5 / 4) * 2.7764451), rel=1e-6)


def coverage(num_runs, level_of, monkeypatch, num_trials=600):
    """Share of normal samples whose interval for the mean holds the true one."""
    monkeypatch.setattr(effects, "NUM_RESAMPLES", 1000)
    rng, hits = np.random.default_rng(1), 0
    for _ in range(num_trials):
        _, resampled = resample(rng.normal(size=num_runs), "mean", rng)
        level = level_of(num_runs)
        low, high = np.quantile(resampled, [level, 1.0 - level], method="closest_observation")
        hits += low <= 0.0 <= high
    return hits / num_trials


def test_five_runs_are_covered_and_the_plain_percentile_interval_is_seen_to_be_too_narrow(
    monkeypatch,
):
    # 600 trials: the standard error of a share of .91 is .012.
    assert coverage(5, expanded_level, monkeypatch) > 0.88
    assert coverage(5, lambda num_runs: 0.025, monkeypatch) < 0.88


def test_a_spread_is_not_read_too_small():
    rng = np.random.default_rng(0)
    value, reflected = resample(rng.normal(size=6), "sd", rng)
    assert np.median(reflected) > value


def test_a_difference_and_a_ratio_have_the_values_of_their_cells():
    cells = {"one": runs(0.4, 0.6), "other": runs(0.2, 0.3)}
    rng = np.random.default_rng(0)
    difference = measure(Effect("", final("train"), "one", "other"), cells, rng)
    ratio = measure(Effect("", final("train"), "one", "other", compare="ratio"), cells, rng)
    alone = measure(Effect("", final("train"), "other"), cells, rng)
    assert difference.value == pytest.approx(0.25)
    assert ratio.value == pytest.approx(2.0)
    assert alone.value == pytest.approx(0.25)
    # Two runs have three distinct means: the interval ends at the outer ones.
    assert (difference.low, difference.high) == pytest.approx((0.1, 0.4))
    assert (ratio.low, ratio.high) == pytest.approx((0.4 / 0.3, 3.0))
    assert (alone.low, alone.high) == pytest.approx((0.2, 0.3))


def test_runs_that_are_equal_have_an_interval_of_no_width():
    same = {"one": runs(0.5, 0.5, 0.5), "other": runs(0.5, 0.5, 0.5)}
    found = measure(Effect("", final("train"), "one", "other"), same, np.random.default_rng(0))
    assert found == Interval(0.0, 0.0, 0.0)


def test_levels_that_neither_cell_reaches_say_nothing():
    never = {"one": runs(INF, INF), "other": runs(INF, INF)}
    found = measure(
        Effect("", final("train"), "one", "other", compare="ratio"),
        never,
        np.random.default_rng(0),
    )
    assert math.isnan(found.value)
    assert judge(found, (0.0, 1.0)) == UNDECIDED


@pytest.mark.parametrize(
    ("interval", "expected", "says"),
    [
        ((0.1, 0.05, 0.2), (0.0, INF), HOLDS),
        ((0.1, 0.05, INF), (0.0, INF), HOLDS),
        ((0.1, 0.05, 0.2), (-INF, 0.0), OPPOSITE),
        ((0.1, -0.05, 0.2), (0.0, INF), UNDECIDED),
        ((0.0, 0.0, 0.0), (0.0, INF), OPPOSITE),
        ((0.0, 0.0, 0.0), (0.0, 0.0), HOLDS),
        ((0.0, -0.02, 0.02), (-0.02, 0.02), HOLDS),
        ((0.0, -0.02, 0.03), (-0.02, 0.02), UNDECIDED),
        ((0.5, 0.03, 0.7), (-0.02, 0.02), OPPOSITE),
        ((INF, INF, INF), (1.0, INF), HOLDS),
        ((INF, INF, INF), (-INF, 1.0), OPPOSITE),
    ],
)
def test_an_interval_says_what_lies_on_its_side(interval, expected, says):
    assert judge(Interval(*interval), expected) == says


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        ([HOLDS, HOLDS], REPRODUCED),
        ([HOLDS, OPPOSITE], IN_PART),
        ([HOLDS, UNDECIDED], IN_PART),
        ([OPPOSITE, UNDECIDED], NOT_REPRODUCED),
        ([UNDECIDED], OUT_OF_REACH),
        ([], OUT_OF_REACH),
    ],
)
def test_a_verdict_follows_from_its_effects(judged, expected):
    assert verdict(judged) == expected


def test_paired_runs_that_are_alike_differ_by_exactly_nothing():
    cells = {"one": runs(0.1, 0.5, 0.9), "other": runs(0.1, 0.5, 0.9)}
    effect = Effect("", final("train"), "one", "other", paired=True)
    assert measure(effect, cells, np.random.default_rng(0)) == Interval(0.0, 0.0, 0.0)
    unpaired = measure(Effect("", final("train"), "one", "other"), cells, np.random.default_rng(0))
    assert unpaired.low < 0.0 < unpaired.high
    with pytest.raises(ValueError, match="as many in every cell"):
        measure(effect, {**cells, "other": runs(0.1, 0.5)}, np.random.default_rng(0))


def test_an_effect_of_several_cells_is_what_combine_makes_of_their_summaries():
    cells = {"one": runs(0.1, 0.3), "other": runs(0.7, 0.7), "third": runs(0.4, 0.4)}

    def largest_less_smallest(summaries):
        return summaries.max(axis=0) - summaries.min(axis=0)

    effect = Effect(
        "", final("train"), "one", others=("other", "third"), combine=largest_less_smallest
    )
    found = measure(effect, cells, np.random.default_rng(0))
    assert effect.cells == ("one", "other", "third")
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.4, 0.6))
