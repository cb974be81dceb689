"""Reward laws: exact means over a grid of uniforms, and what each law refuses."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.problems import BanditProblem
from banditlab.reward_laws import (
    Bernoulli,
    Deterministic,
    FixedPerArm,
    Gaussian,
    NoisyVerifier,
    Rademacher,
)

LAWS = {
    "deterministic": Deterministic(),
    "bernoulli": Bernoulli(),
    "rademacher": Rademacher(),
    "gaussian": Gaussian(0.7),
    "fixed gaussian": FixedPerArm(Gaussian(0.7)),
    "fixed bernoulli": FixedPerArm(Bernoulli()),
    "noisy verifier": NoisyVerifier(0.75, 0.125),
}
ENDS = np.array([0.0, 2.0**-54, 2.0**-53, 0.5, 1.0 - 2.0**-53])


def grid(num: int) -> np.ndarray:
    """Midpoints of equal cells of [0, 1): the average over them is an integral over uniforms."""
    return (np.arange(num) + 0.5) / num


def mean_over_uniforms(law, mean: float) -> float:
    uniform = grid(2**16)
    return float(law.draw(np.full_like(uniform, mean), uniform).mean())


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_the_mean_of_draws_is_the_observed_mean(name, mean):
    """Exactly, since all rates are multiples of 2^-16; the Gaussian to the grid's rounding."""
    law = LAWS[name]
    observed = law.observed_mean(np.array([mean]))[0]
    assert mean_over_uniforms(law, mean) == pytest.approx(observed, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("sixteenths", range(17))
def test_means_between_the_ends_are_those_of_the_class(sixteenths):
    mean = sixteenths / 16
    for law in (Bernoulli(), Rademacher(), Gaussian(2.0), FixedPerArm(Bernoulli())):
        assert mean_over_uniforms(law, mean) == pytest.approx(mean, abs=1e-12)
    assert mean_over_uniforms(Rademacher(), -mean) == pytest.approx(-mean, abs=1e-12)


@dataclass(frozen=True)
class RademacherOfTheMean(Rademacher):
    def draw(self, mean, uniform):
        return np.where(uniform < mean, 1.0, -1.0)


@dataclass(frozen=True)
class BernoulliOfTheComplement(Bernoulli):
    def draw(self, mean, uniform):
        return (uniform >= mean).astype(float)


@pytest.mark.parametrize("mutant", [RademacherOfTheMean(), BernoulliOfTheComplement()])
def test_laws_with_another_mean_are_seen(mutant):
    assert abs(mean_over_uniforms(mutant, 0.25) - 0.25) > 0.1


@pytest.mark.parametrize("sd", [0.1, 1.0, 30.0])
def test_gaussian_rewards_have_their_standard_deviation(sd):
    uniform = grid(2**20)
    found = Gaussian(sd).draw(np.full_like(uniform, 5.0), uniform)
    # The grid cuts the tails beyond 2^-21, which hold 1e-5 of the variance.
    assert found.std() == pytest.approx(sd, rel=3e-5)
    fourth = ((found - 5.0) ** 4).mean() / sd**4
    assert fourth == pytest.approx(3.0, rel=2e-3)
    # The mutant: sd taken as the variance.
    if sd != 1.0:
        assert abs(Gaussian(np.sqrt(sd)).draw(0.0, uniform).std() / sd - 1.0) > 0.5


@pytest.mark.parametrize("name", LAWS)
def test_draws_stay_finite_at_the_ends_of_the_uniforms(name):
    law = LAWS[name]
    for mean in (0.0, 1.0):
        assert np.isfinite(law.draw(np.full(ENDS.shape, mean), ENDS)).all()


def test_certain_outcomes_are_certain_at_the_ends_too():
    np.testing.assert_array_equal(Bernoulli().draw(np.zeros(5), ENDS), np.zeros(5))
    np.testing.assert_array_equal(Bernoulli().draw(np.ones(5), ENDS), np.ones(5))
    np.testing.assert_array_equal(Rademacher().draw(-np.ones(5), ENDS), -np.ones(5))
    np.testing.assert_array_equal(Rademacher().draw(np.ones(5), ENDS), np.ones(5))
    perfect = NoisyVerifier(1.0, 0.0)
    np.testing.assert_array_equal(perfect.draw(np.ones(5), ENDS), np.ones(5))
    np.testing.assert_array_equal(perfect.draw(np.zeros(5), ENDS), np.zeros(5))


@pytest.mark.parametrize("name", LAWS)
def test_draws_keep_shape_and_inputs(name):
    mean, uniform = np.zeros((2, 3, 4)), np.full((2, 3, 4), 0.3)
    found = LAWS[name].draw(mean, uniform)
    assert (found.shape, found.dtype) == ((2, 3, 4), np.float64)
    assert (mean == 0.0).all()
    assert (uniform == 0.3).all()


@given(
    true_positive=st.integers(0, 64),
    false_positive=st.integers(0, 64),
    success=st.integers(1, 63),
)
def test_a_noisy_verifier_pulls_by_the_difference_of_its_rates(
    true_positive, false_positive, success
):
    """P23: acceptance m = FPR + J p, and E[reward ([correct] - p)] = J p q with J = TPR - FPR."""
    law = NoisyVerifier(true_positive / 64, false_positive / 64)
    p = success / 64
    mean_of_correct, mean_of_wrong = (mean_over_uniforms(law, truth) for truth in (1.0, 0.0))
    gap = (true_positive - false_positive) / 64
    accepted = p * mean_of_correct + (1 - p) * mean_of_wrong
    assert accepted == pytest.approx(false_positive / 64 + gap * p, abs=1e-14)
    pull = p * (1 - p) * mean_of_correct - (1 - p) * p * mean_of_wrong
    assert pull == pytest.approx(gap * p * (1 - p), abs=1e-14)
    # The mutant: false positives pull nothing.
    if false_positive:
        assert abs(pull - true_positive / 64 * p * (1 - p)) > 1e-5


def test_which_laws_are_random_and_which_belong_to_an_arm():
    kinds = {name: (law.is_random, law.is_per_arm) for name, law in LAWS.items()}
    assert kinds == {
        "deterministic": (False, False),
        "bernoulli": (True, False),
        "rademacher": (True, False),
        "gaussian": (True, False),
        "fixed gaussian": (True, True),
        "fixed bernoulli": (True, True),
        "noisy verifier": (True, False),
    }


def test_laws_compare_by_value_so_that_classes_share_them():
    assert Gaussian(2.0) == Gaussian(2.0) != Gaussian(1.0)
    assert len({FixedPerArm(Gaussian(1.0)), FixedPerArm(Gaussian()), Bernoulli()}) == 2


def test_a_fixed_reward_is_drawn_as_its_law_draws():
    mean, uniform = np.full(100, 0.5), grid(100)
    for law in (Gaussian(0.3), Bernoulli(), Rademacher()):
        np.testing.assert_array_equal(FixedPerArm(law).draw(mean, uniform), law.draw(mean, uniform))


@pytest.mark.parametrize("law", [Deterministic(), FixedPerArm(Gaussian())])
def test_a_fixed_reward_needs_a_law_per_pull(law):
    with pytest.raises(ValueError, match=r"^FixedPerArm: `law` must be a law drawn per pull.*got"):
        FixedPerArm(law)


def test_a_fixed_reward_must_be_the_truth_on_average():
    """An arm's kept reward counts in the pass rate, which a verifier's error must not enter."""
    message = r"^FixedPerArm: `law` must be a law whose observed mean is the true one, got NoisyV"
    with pytest.raises(ValueError, match=message):
        FixedPerArm(NoisyVerifier(0.9, 0.1)).require_fit(np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match=message):
        BanditProblem(
            np.zeros((1, 2)),
            np.log([[0.5, 0.5]]),
            np.array([[1.0, 0.0]]),
            reward_law=FixedPerArm(NoisyVerifier(0.9, 0.1)),
        )


@pytest.mark.parametrize(
    ("law", "means", "message"),
    [
        (Bernoulli(), [0.2, 1.1], r"^Bernoulli: `reward` must be in \[0, 1\], got.*0\.2 to 1\.1"),
        (Bernoulli(), [-0.1, 0.5], r"^Bernoulli: `reward` must be in \[0, 1\], got.*-0\.1 to 0\.5"),
        (Bernoulli(), [float("nan")], r"^Bernoulli: `reward` must be in \[0, 1\], got.*nan to nan"),
        (Rademacher(), [-1.5, 0.5], r"^Rademacher: `reward` must be in \[-1, 1\], got.*-1\.5 to"),
        (FixedPerArm(Bernoulli()), [2.0], r"^Bernoulli: `reward` must be in \[0, 1\].*another law"),
        (NoisyVerifier(0.9, 0.1), [0.5], r"^NoisyVerifier: `reward` must be 0 or 1, got.*0\.5 to"),
    ],
)
def test_means_that_a_law_cannot_have_are_refused(law, means, message):
    with pytest.raises(ValueError, match=message):
        law.require_fit(np.array(means))


def test_means_that_a_law_can_have_are_taken():
    Deterministic().require_fit(np.array([-1e9, 7.0]))
    Gaussian().require_fit(np.array([-1e9, 7.0]))
    Bernoulli().require_fit(np.array([0.0, 0.3, 1.0]))
    Rademacher().require_fit(np.array([-1.0, 0.3, 1.0]))
    NoisyVerifier(0.9, 0.1).require_fit(np.array([0.0, 1.0]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Gaussian(0.0), r"^Gaussian: `sd` must be a finite number in \(0, inf\], got 0\.0"),
        (lambda: Gaussian(-1.0), r"^Gaussian: `sd` must be a finite number in \(0, inf\], got -1"),
        (lambda: Gaussian(float("inf")), r"^Gaussian: `sd` must be a finite number"),
        (
            lambda: NoisyVerifier(1.2, 0.1),
            r"^NoisyVerifier: `true_positive_rate` must be a finite number in \[0, 1\], got 1\.2",
        ),
        (
            lambda: NoisyVerifier(0.9, -0.1),
            r"^NoisyVerifier: `false_positive_rate` must be a finite number in \[0, 1\], got -0\.1",
        ),
    ],
)
def test_impossible_laws_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
