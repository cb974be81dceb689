"""p-values are uniform under true statements, small errors are found, Holm keeps its promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, kstest, norm

from theory.verify.measurement import Measurement
from theory.verify.statistics import (
    distances,
    furthest,
    holm,
    normal_quantile,
    p_value,
)


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
    ("z", [0.3, 0.6], lambda rng: Measurement.share(rng.binomial(40_000, [0.3, 0.6]), 40_000)),
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


def test_a_bound_is_judged_from_one_side():
    measured = Measurement.estimates([1.0], [0.1])
    assert p_value("expected_bound", np.array([0.8]), measured) == pytest.approx(norm.sf(2.0))
    assert p_value("expected_bound", np.array([1.2]), measured) == pytest.approx(norm.cdf(2.0))


@pytest.mark.parametrize(("num_trials", "share"), [(4000, 1e-3), (4000, 0.025), (20_000, 0.005)])
def test_rare_shares_of_hits_keep_their_level_far_out(num_trials, share):
    # Sums over all outcomes: the exact probability of a p-value below the level.
    hits = np.arange(num_trials + 1)
    chance = binom.pmf(hits, num_trials, share)
    is_likely = chance > 1e-12
    for level in (1e-3, 1e-5):
        alarm = sum(
            mass
            for count, mass in zip(hits[is_likely], chance[is_likely], strict=True)
            if p_value("z", np.array([share]), Measurement.share(count, num_trials)) < level
        )
        assert alarm <= level


def test_shares_that_do_not_sum_to_one_are_no_prediction():
    measured = Measurement.shares([50, 50])
    assert p_value("shares", np.array([0.75, 0.75]), measured) == 0.0


def test_the_furthest_quantity_is_told_also_of_shares():
    measured = Measurement.shares([500, 300, 200])
    assert furthest("shares", np.array([0.5, 0.4, 0.1]), measured) == 2
    estimates = Measurement.estimates([1.0, np.nan, 3.0], 1.0)
    assert furthest("z", np.array([1.0, 1.0, 0.0]), estimates) == 1


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
