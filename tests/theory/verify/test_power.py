"""The smallest found error: missed as rarely as a true prediction is rejected."""

import numpy as np
import pytest
from scipy.stats import norm

from theory.verify.measurement import Measurement
from theory.verify.power import planted, smallest_found_error, tilted
from theory.verify.statistics import p_value

LEVEL = 1e-2
SHARES = np.array([0.5, 0.3, 0.15, 0.05])
TRUTH = np.array([10.0, 4.0])


def correlated(rng):
    shared = rng.standard_normal((12, 1))
    return Measurement.mean_of_runs(TRUTH + shared + 0.5 * rng.standard_normal((12, 2)))


CASES = [
    ("z", TRUTH[:1], lambda rng: Measurement.mean_of_runs(10.0 + rng.standard_normal(8))),
    ("z", TRUTH, lambda rng: Measurement.estimates(TRUTH + 0.1 * rng.standard_normal(2), 0.1)),
    ("z", TRUTH, correlated),
    ("z", np.array([0.2]), lambda rng: Measurement.share(rng.binomial(5000, 0.2), 5000)),
    ("shares", SHARES, lambda rng: Measurement.shares(rng.multinomial(20_000, SHARES))),
]


@pytest.mark.parametrize(("statistic", "truth", "draw"), CASES)
def test_an_error_of_that_size_is_missed_as_rarely_as_a_true_prediction_is_rejected(
    statistic, truth, draw
):
    rng, missed = np.random.default_rng(4), 0
    num = 4000
    # The error is that of a typical measurement; planted into every other one.
    errors = [smallest_found_error(statistic, truth, draw(rng), LEVEL) for _ in range(200)]
    error, index = float(np.median([one[0] for one in errors])), errors[0][1]
    wrong = planted(statistic, truth, error, index)[0]
    for _ in range(num):
        missed += p_value(statistic, wrong, draw(rng)) >= LEVEL
    # Half the level, .005, but for the spread of standard errors; 4 SE of 4000 trials are .0045.
    assert missed / num < 0.02
    half = planted(statistic, truth, 0.5 * error, index)[0]
    found = np.mean([p_value(statistic, half, draw(rng)) < LEVEL for _ in range(500)])
    assert found < 0.8


def test_the_quantity_known_least_well_decides_and_is_the_one_planted():
    measured = Measurement.estimates([10.0, 10.0], [0.01, 0.2])
    predicted = np.array([10.0, 10.0])
    error, index = smallest_found_error("z", predicted, measured, 1e-5)
    assert index == 1
    for wrong in planted("z", predicted, error, index):
        assert wrong[0] == 10.0
        assert p_value("z", wrong, measured) < 1e-5
    for wrong in planted("z", predicted, 0.45 * error, index):
        assert p_value("z", wrong, measured) > 1e-5


def test_few_runs_need_larger_errors_than_the_normal_law_says():
    many, few = (Measurement.estimates([1.0], [0.01], degrees) for degrees in (np.inf, 7.0))
    errors = [smallest_found_error("z", np.ones(1), one, 1e-5)[0] for one in (many, few)]
    assert errors[0] == pytest.approx(2.0 * norm.isf(5e-6) * 0.01)
    assert errors[1] > 2.0 * errors[0]


def test_a_bound_tells_by_how_much_the_measurement_lets_it_be_lowered():
    measured = Measurement.estimates([0.6], [0.001])
    error, _ = smallest_found_error("expected_bound", np.ones(1), measured, 1e-3)
    assert error == pytest.approx(1.0 - 0.6 + norm.isf(1e-3) * 0.001)
    assert p_value("expected_bound", np.array([1.0 - 1.01 * error]), measured) < 1e-3


def test_exact_statistics_have_none():
    assert smallest_found_error("difference", np.ones(1), Measurement.exact(1.0), 1e-3) is None


def test_tilted_shares_sum_to_one():
    wrong = tilted(SHARES, 0.1)
    assert wrong.sum() == pytest.approx(1.0)
    assert wrong[0] == pytest.approx(0.55)
    np.testing.assert_allclose(wrong[1:] / SHARES[1:], 0.9)
