"""The calibration finds claims that are too tight or too loose, and passes calibrated ones."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.theory.verify.made_up import made_up_claim, sampled_claim
from theory.verify.calibration import (
    assess,
    calibrated_claims,
    largest_gap,
    pool_p_values,
    root_mean_square,
)
from theory.verify.catalogue import CLAIMS

NAMES = [f"P0-{index}" for index in range(10)]


def p_values_of_spread(spread: float) -> np.ndarray:
    z = spread * np.random.default_rng(5).standard_normal((10, 30))
    return 2.0 * norm.sf(np.abs(z))


def test_uniform_p_values_pass():
    calibration = assess(NAMES, p_values_of_spread(1.0))
    assert calibration.pooled > 0.01
    assert calibration.suspects() == []
    np.testing.assert_allclose(root_mean_square(calibration.p_values), 1.0, atol=0.4)


@pytest.mark.parametrize("spread", [0.3, 2.5])
def test_tight_and_loose_claims_are_found_and_named(spread):
    calibration = assess(NAMES, p_values_of_spread(spread))
    assert calibration.pooled < 1e-6
    assert calibration.suspects() == NAMES
    one = np.vstack([p_values_of_spread(spread)[:1], p_values_of_spread(1.0)[1:]])
    assert assess(NAMES, one).suspects() == NAMES[:1]


def test_p_values_are_those_of_a_quarter_of_the_quick_size():
    sizes = []
    claim = sampled_claim(num_runs=400)

    def experiment(rng, size):
        sizes.append(size)
        return claim.experiment(rng, size)

    values = pool_p_values([sampled_claim(num_runs=400, experiment=experiment)], range(3))
    assert values.shape == (1, 3)
    assert sizes == [100, 100, 100]
    assert len(set(values.ravel())) == 3


def test_only_sampled_equalities_that_hold_are_calibrated():
    known = sampled_claim(id="P0-known", expected_verdict="rejected", evidence="it is 2")
    bound = sampled_claim(id="P0-bound", statistic="expected_bound")
    chosen = calibrated_claims([made_up_claim(1.0, 3.0), sampled_claim(id="P0-z"), known, bound])
    assert [claim.id for claim in chosen] == ["P0-z"]
    assert len(calibrated_claims(CLAIMS)) >= 9


def test_the_band_is_that_of_kolmogorov_and_smirnov():
    gaps = []
    rng = np.random.default_rng(2)
    for _ in range(4000):
        ordered, share = np.sort(rng.random(200)), np.arange(1, 201) / 200
        gaps.append(max(np.abs(ordered - share).max(), np.abs(ordered - share + 1 / 200).max()))
    assert np.mean(np.array(gaps) > largest_gap(200, 0.1)) == pytest.approx(0.1, abs=0.02)


def test_nothing_to_assess_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`p_values` must be at least one"):
        assess([], np.empty((0, 30)))
