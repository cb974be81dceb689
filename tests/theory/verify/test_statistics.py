"""p-values are uniform under true statements, small errors are found, Holm keeps its promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from theory.verify.measurement import Measurement
from theory.verify.statistics import (
    distances,
    holm,
    normal_quantile,
    p_value,
    smallest_found_error,
    tilted,
)

LEVEL = 1e-3 / 60


def p_values_of(statistic, predicted, draw, num=2000):
    rng = np.random.default_rng(7)
    return [p_value(statistic, np.asarray(predicted), draw(rng)) for _ in range(num)]


def correlated(rng):
    shared = rng.standard_normal((40, 1))
    return Measurement.mean_of_runs(shared + 0.5 * rng.standard_normal((40, 3)))


SHARES = np.array([0.5, 0.3, 0.15, 0.05])
TRUE_CASES = [
    ("z", [0.0], lambda rng: Measurement.mean_of_runs(rng.standard_normal(12))),
    ("z", np.zeros(5), lambda rng: Measurement.estimates(rng.standard_normal(5), 1.0)),
    ("z", np.zeros(3), correlated),
    ("shares", SHARES, lambda rng: Measurement.shares(rng.multinomial(4000, SHARES))),
    ("expected_bound", [0.0], lambda rng: Measurement.mean_of_runs(rng.standard_normal(12))),
]


@pytest.mark.parametrize(("statistic", "predicted", "draw"), TRUE_CASES)
def test_p_values_of_true_statements_are_uniform(statistic, predicted, draw):
    # One fixed seed; another one would raise a false alarm in 0.1 % of cases.
    assert kstest(p_values_of(statistic, predicted, draw), "uniform").pvalue > 1e-3


def test_p_values_without_correlation_would_not_be_uniform():
    def independent(rng):
        measured = correlated(rng)
        return Measurement.estimates(measured.value, measured.standard_error, measured.degrees)

    assert kstest(p_values_of("z", np.zeros(3), independent), "uniform").pvalue < 1e-6


def test_distances_of_each_statistic():
    measured = Measurement.estimates([1.0, 3.0], [0.5, 0.25])
    predicted = np.array([2.0, 2.0])
    np.testing.assert_allclose(distances("difference", predicted, measured), [1.0, 1.0])
    np.testing.assert_allclose(distances("z", predicted, measured), [2.0, 4.0])
    np.testing.assert_allclose(distances("bound", predicted, measured), [-0.5, 0.5])
    np.testing.assert_allclose(distances("expected_bound", predicted, measured), [-2.0, 4.0])


def test_shares_far_off_have_a_finite_distance_and_impossible_ones_an_infinite_one():
    measured = Measurement.shares([90_000, 10_000])
    distance = distances("shares", np.array([0.1, 0.9]), measured)
    # Two cells are one binomial share: (0.9 - 0.1) / sqrt(0.1 * 0.9 / N).
    assert distance == pytest.approx(0.8 / np.sqrt(0.09 / 1e5), rel=1e-3)
    assert distances("shares", np.array([1.0, 0.0]), measured) == pytest.approx(np.inf)
    assert np.isnan(distances("shares", np.array([np.nan, 0.5]), measured)).all()


@given(st.floats(0.0, 37.0))
def test_normal_quantile_inverts_the_two_sided_p_value(z):
    assert normal_quantile(np.log(2.0) + norm.logsf(z)) == pytest.approx(z, abs=1e-9)


@pytest.mark.parametrize("size", [1, 4])
def test_smallest_found_error_is_found_from_both_sides_of_the_truth(size):
    measured = Measurement.estimates(np.full(size, 10.0), 0.05)
    predicted = np.full(size, 10.0)
    error = smallest_found_error("z", predicted, measured, LEVEL)
    # On an unbiased measurement the planted error is past the level with as much room as chance.
    assert p_value("z", predicted * (1.0 + 0.51 * error), measured) < LEVEL
    assert p_value("z", predicted * (1.0 + 0.49 * error), measured) > LEVEL
    assert smallest_found_error("difference", predicted, measured, LEVEL) is None


def test_smallest_found_error_of_shares_is_missed_as_rarely_as_a_true_one_is_rejected():
    level, num = 1e-2, 20_000
    error = smallest_found_error("shares", SHARES, Measurement.shares(SHARES * num), level)
    rng = np.random.default_rng(3)
    wrong = tilted(SHARES, error)
    assert wrong.sum() == pytest.approx(1.0)
    found = [
        p_value("shares", wrong, Measurement.shares(rng.multinomial(num, SHARES))) < level
        for _ in range(2000)
    ]
    assert np.mean(found) > 0.98
    few = Measurement.shares(np.array([1, 1, 1, 1]))
    assert smallest_found_error("shares", SHARES, few, level) == np.inf


def test_a_measurement_that_is_no_number_is_rejected():
    assert p_value("z", np.ones(1), Measurement.estimates([np.nan], 1.0)) == 0.0


def test_holm_steps_down_and_stops_at_the_first_that_is_allowed():
    np.testing.assert_array_equal(holm([0.03, 0.001, 0.02, 0.9], 0.05), [False, True, False, False])
    np.testing.assert_array_equal(holm([0.012, 0.001, 0.02], 0.05), [True, True, True])
    assert holm([], 0.05).size == 0


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_holm_rejects_all_that_bonferroni_rejects_and_nothing_above_the_level(p_values):
    p_values = np.array(p_values)
    rejected = holm(p_values, 0.05)
    assert rejected[p_values < 0.05 / len(p_values)].all()
    assert not rejected[p_values >= 0.05].any()


def test_holm_keeps_the_family_wise_rate():
    rng = np.random.default_rng(11)
    num_families, level = 20_000, 0.05
    alarms = sum(holm(rng.random(60), level).any() for _ in range(num_families))
    spread = np.sqrt(level * (1.0 - level) / num_families)
    # Exactly 1 - (1 - level/60)^60 = .0488 here; |z| < 4, false alarm rate 6e-5.
    assert abs(alarms / num_families - 0.0488) < 4.0 * spread
