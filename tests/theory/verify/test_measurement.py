"""Measurements: means, shares and joins, with their errors."""

import numpy as np
import pytest

from theory.verify.measurement import Measurement


def test_mean_of_runs_has_its_standard_error():
    measurement = Measurement.mean_of_runs([1.0, 2.0, 3.0, 6.0])
    assert measurement.value == pytest.approx([3.0])
    assert measurement.standard_error == pytest.approx([np.sqrt(14.0 / 3.0 / 4.0)])
    assert measurement.degrees == 3.0
    assert measurement.correlation is None
    assert measurement.samples.shape == (4, 1)


def test_mean_of_rows_keeps_their_correlation():
    first, other = np.random.default_rng(0).standard_normal((2, 5000))
    measurement = Measurement.mean_of_runs(np.stack([first, 3.0 * other - 4.0 * first], axis=1))
    np.testing.assert_allclose(measurement.correlation, [[1.0, -0.8], [-0.8, 1.0]], atol=0.02)


def test_exact_values_are_flat_and_without_error():
    measurement = Measurement.exact([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(measurement.value, [1.0, 2.0, 3.0, 4.0])
    assert not measurement.standard_error.any()


def test_share_has_its_binomial_error_and_never_none():
    measurement = Measurement.share([30, 0], 100)
    np.testing.assert_allclose(measurement.value, [0.3, 0.0])
    smooth = 31.0 / 102.0
    assert measurement.standard_error[0] == pytest.approx(np.sqrt(smooth * (1 - smooth) / 100))
    assert measurement.standard_error[1] > 0.0


def test_shares_sum_to_one_and_know_their_number():
    measurement = Measurement.shares([10, 30, 60])
    np.testing.assert_allclose(measurement.value, [0.1, 0.3, 0.6])
    assert measurement.num_samples == 100


def test_joined_takes_the_fewest_degrees_of_freedom():
    rng = np.random.default_rng(1)
    few, many = (Measurement.mean_of_runs(rng.standard_normal(n)) for n in (10, 100))
    joined = Measurement.joined(few, many)
    assert joined.degrees == 9.0
    assert joined.value.shape == (2,)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`value` must be of more than 3 runs for 2 quantities"):
        Measurement.mean_of_runs(np.zeros((3, 2)))
    correlated = Measurement.mean_of_runs(np.random.default_rng(0).standard_normal((9, 2)))
    with pytest.raises(ValueError, match="`parts` must be of independent quantities"):
        Measurement.joined(correlated)
    with pytest.raises(ValueError, match="all of them shares of hits or none"):
        Measurement.joined(Measurement.share(1, 10), Measurement.estimates(1.0, 0.1))
    with pytest.raises(ValueError, match="`value` must be different from run to run"):
        Measurement.mean_of_runs(np.ones(9))
    collinear = np.random.default_rng(0).random((9, 1)) * np.array([1.0, -1.0])
    with pytest.raises(ValueError, match="none of which follows from the others"):
        Measurement.mean_of_runs(collinear)
    for counts in ([5], [0, 0]):
        with pytest.raises(ValueError, match="`counts` must be of two cells or more"):
            Measurement.shares(counts)


def test_joined_shares_of_hits_keep_their_trials():
    joined = Measurement.joined(Measurement.share(3, 10), Measurement.share([4, 5], 20))
    np.testing.assert_array_equal(joined.num_trials, [10, 20, 20])
