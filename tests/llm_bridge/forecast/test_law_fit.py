"""The law of the kernel: exact on laws without noise, and the choice between them."""

import numpy as np
import pytest

from llm_bridge.forecast.law_fit import fit_law, fit_score_exponent

RATES = np.array([0.3, 0.36, 0.41, 0.47, 0.52])
ERRORS = np.array([0.2, 0.3, 0.1, 0.4, 0.2])


def line(rates, kernel=15.0, ceiling=0.8):
    return kernel * (ceiling - rates) / (ceiling - 0.3)


def test_a_line_without_noise_is_found_exactly():
    found = fit_law(RATES, line(RATES), ERRORS)
    assert found.law.form == "ceiling"
    assert found.law.kernel == pytest.approx(15.0, rel=1e-12)
    assert found.law.ceiling == pytest.approx(0.8, rel=1e-12)
    assert found.law.base_pass_rate == 0.3
    assert found.ceiling_misfit == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("exponent", [1.0, 2.5])
def test_a_power_law_without_noise_is_found_exactly(exponent):
    kernels = 15.0 * (0.3 / RATES) ** exponent
    found = fit_law(RATES, kernels, np.full(5, 1e-3))
    assert found.law.form == "power"
    assert found.law.kernel == pytest.approx(15.0, rel=1e-12)
    # The sign is turned once: the fit's slope in log-log is minus the exponent.
    assert found.law.exponent == pytest.approx(exponent, rel=1e-10)


def test_both_laws_agree_with_their_points():
    for kernels, error in ((line(RATES), ERRORS), (15.0 * (0.3 / RATES) ** 2, np.full(5, 1e-3))):
        law = fit_law(RATES, kernels, error).law
        np.testing.assert_allclose(law.strength(RATES), kernels, rtol=1e-10)


def misfit_of(bend: float) -> tuple[str, float]:
    """Three points, the middle one moved so far off the line of the others."""
    rates, kernels = np.array([0.3, 0.4, 0.5]), np.array([15.0, 12.0 - bend, 9.0])
    found = fit_law(rates, kernels, np.full(3, 0.2))
    return found.law.form, found.ceiling_misfit


def test_the_ceiling_is_kept_within_two_standard_errors_and_no_further():
    # The least-squares line takes a third of the bend up: residual bend * sqrt(2 / 3).
    bend = 2.0 * 0.2 / np.sqrt(2.0 / 3.0)
    form, misfit = misfit_of(0.99 * bend)
    assert (form, misfit) == ("ceiling", pytest.approx(1.98, rel=1e-9))
    form, misfit = misfit_of(1.01 * bend)
    assert (form, misfit) == ("power", pytest.approx(2.02, rel=1e-9))


def test_points_count_by_their_errors():
    kernels = line(RATES)
    kernels[3] += 1.0
    unsure = np.array([1.0, 1.0, 1.0, 1e6, 1.0])
    assert fit_law(RATES, kernels, unsure).law.ceiling == pytest.approx(0.8, rel=1e-6)
    assert fit_law(RATES, kernels, np.ones(5)).law.ceiling > 0.83


def test_a_kernel_that_rises_is_taken_as_its_weighted_mean():
    kernels, errors = np.array([10.0, 10.5, 11.0]), np.array([0.5, 1.0, 2.0])
    found = fit_law(np.array([0.3, 0.4, 0.5]), kernels, errors)
    weights = np.array([4.0, 1.0, 0.25])
    assert found.law.form == "constant"
    assert found.law.kernel == pytest.approx(kernels @ weights / weights.sum(), rel=1e-12)
    assert found.law.kernel != pytest.approx(kernels.mean(), rel=1e-3)


def test_one_point_is_constant_and_two_have_no_misfit():
    one = fit_law(np.array([0.3]), np.array([12.0]), np.array([0.5]))
    assert (one.law.form, one.law.kernel, one.ceiling_misfit) == ("constant", 12.0, None)
    two = fit_law(RATES[:2], line(RATES[:2]), ERRORS[:2])
    assert two.law.form == "ceiling"
    assert two.law.ceiling == pytest.approx(0.8, rel=1e-10)
    assert two.ceiling_misfit is None


@pytest.mark.parametrize(
    ("kernel", "error", "match"),
    [
        ([1.0, -2.0], [0.1, 0.1], "`kernel, kernel_se` must be above 0, got kernels from -2"),
        ([1.0, 2.0], [0.1, 0.0], "must be above 0, got kernels from 1, errors from 0"),
        ([1.0], [0.1, 0.1], r"`kernel` must be of the shape of `pass_rate`, \(2,\), got \(1,\)"),
    ],
)
def test_what_cannot_be_fitted_is_refused(kernel, error, match):
    with pytest.raises(ValueError, match=match):
        fit_law(np.array([0.3, 0.4]), np.array(kernel), np.array(error))


def test_a_power_of_the_pass_rate_gives_its_exponent():
    rates = np.array([0.2, 0.3, 0.5, 0.9])
    assert fit_score_exponent(rates, list(300.0 * rates**-1.5)) == pytest.approx(1.5, rel=1e-10)
    assert fit_score_exponent(rates, list(300.0 * rates**0.5)) == pytest.approx(-0.5, rel=1e-10)
    # A place without such responses is left out; two places are no trend.
    assert fit_score_exponent(rates, [10.0, None, 4.0, 2.0 / 0.9]) == pytest.approx(1.0, rel=1e-10)
    assert fit_score_exponent(rates, [10.0, None, None, 2.0]) == 0.0
