"""Constructors of bandit problems: their masses, counts and rewards, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banditlab.arm_spaces import explicit_rewards, from_pass_rates, rare_correct, zipf
from banditlab.kernels import ClassKernel
from banditlab.problems import LOG_EXACT_COUNT
from banditlab.reward_laws import Deterministic, Gaussian

PROBLEMS = {
    "rare": lambda: rare_correct(3, 0.1),
    "rare, huge": lambda: rare_correct(100_000, 1e-300, num_correct=7),
    "explicit": lambda: explicit_rewards(np.linspace(0, 1, 1000), np.linspace(-50, 9, 1000)),
    "zipf, small": lambda: zipf(1, 0.5, correct_share=0.3),
    "zipf": lambda: zipf(50, 1.0, correct_share=0.01),
    "zipf, flat": lambda: zipf(100_000, 0.0, correct_share=0.3),
    "zipf, huge": lambda: zipf(100_000, 1.0, correct_share=1e-3),
    "zipf, steep": lambda: zipf(1000, 2.5, correct_share=0.5, num_bins=100),
    "pass rates": lambda: from_pass_rates(
        np.linspace(0.001, 0.999, 50), np.array([1e-9]), shared_kernel=3.0
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_masses_sum_to_one(name):
    mass = np.exp(PROBLEMS[name]().log_mass)
    np.testing.assert_allclose(mass.sum(axis=1), 1.0, rtol=0, atol=1e-12)


# rare_correct


def test_rare_correct_says_what_it_was_told():
    problem = rare_correct(3, 0.1, num_correct=5)
    np.testing.assert_array_equal(problem.count(), [[5, 1000]])
    np.testing.assert_allclose(np.exp(problem.log_mass), [[0.1, 0.9]], rtol=1e-15)
    np.testing.assert_array_equal(problem.reward, [[1.0, 0.0]])
    assert (problem.kernel, problem.reward_law) == (ClassKernel(), (Deterministic(),) * 2)
    law = Gaussian(0.5)
    assert rare_correct(3, 0.1, reward_law=law).reward_law == (law, law)
    kernel = ClassKernel(0.0, within_context=np.eye(2))
    assert rare_correct(3, 0.1, kernel=kernel).kernel is kernel


@pytest.mark.parametrize(("log10_arms", "count"), [(3.3, 1995), (0, 1), (0.3, 2), (0.1, 1)])
def test_wrong_arms_are_rounded_to_a_whole_number(log10_arms, count):
    assert rare_correct(log10_arms, 0.1).count()[0, 1] == count


@pytest.mark.parametrize("log10_arms", [16, 17.123, 300, 400, 100_000, 1e12])
def test_counts_beyond_float64_stay_logarithms(log10_arms):
    problem = rare_correct(log10_arms, 0.05)
    assert problem.log_count[0, 1] == log10_arms * math.log(10.0)
    assert problem.count()[0, 1] == np.inf


@pytest.mark.parametrize("success_prob", [1e-300, 1e-17, 0.5, 1.0 - 2.0**-53])
def test_extreme_success_probabilities_keep_their_digits(success_prob):
    log_mass = rare_correct(100_000, success_prob).log_mass[0]
    assert math.exp(log_mass[0]) == pytest.approx(success_prob, rel=1e-13, abs=0.0)
    assert -math.expm1(log_mass[1]) == pytest.approx(success_prob, rel=1e-13, abs=0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"success_prob": 0.0}, r"`success_prob` must be in \(0, 1\), got 0\.0\. At 0 or 1"),
        ({"success_prob": 1.0}, r"`success_prob` must be in \(0, 1\), got 1\.0"),
        ({"success_prob": -0.5}, r"`success_prob` must be in \(0, 1\), got -0\.5"),
        ({"success_prob": math.nan}, r"`success_prob` must be in \(0, 1\), got nan"),
        ({"log10_arms": -1.0}, r"`log10_arms` must be a finite number in \[0, inf\], got -1\.0"),
        ({"log10_arms": math.inf}, r"`log10_arms` must be a finite number.*as a power of ten"),
        ({"num_correct": 0}, r"`num_correct` must be a whole number of at least 1, got 0\. With"),
        ({"num_correct": 1.5}, r"`num_correct` must be a whole number of at least 1, got 1\.5"),
        ({"num_correct": math.inf}, r"`num_correct` must be a whole number of at least 1, got inf"),
        ({"num_correct": math.nan}, r"`num_correct` must be a whole number of at least 1, got nan"),
    ],
)
def test_impossible_arm_spaces_are_refused(arguments, message):
    with pytest.raises(ValueError, match=rf"^rare_correct: {message}"):
        rare_correct(**{"log10_arms": 3.0, "success_prob": 0.1, **arguments})


def test_a_number_of_arms_that_is_no_number_is_refused():
    with pytest.raises(
        TypeError, match=r"^rare_correct: `log10_arms` must be a real number, got s"
    ):
        rare_correct("3", 0.1)


# explicit_rewards


@given(logits=st.lists(st.floats(-30, 30), min_size=2, max_size=8), shift=st.floats(-5, 5))
def test_explicit_rewards_are_a_softmax_of_single_arms(logits, shift):
    reward = np.arange(len(logits)) / 7
    problem = explicit_rewards(reward, np.array(logits) + shift)
    mass = np.exp(np.array(logits) - max(logits))
    np.testing.assert_allclose(np.exp(problem.log_mass[0]), mass / mass.sum(), rtol=1e-12)
    np.testing.assert_array_equal(problem.count(), np.ones((1, len(logits))))
    np.testing.assert_array_equal(problem.reward, reward[None])


def test_explicit_rewards_start_alike_and_pay_by_one_law():
    problem = explicit_rewards([1.0, 0.9, 0.1], reward_law=Gaussian(0.5))
    np.testing.assert_allclose(np.exp(problem.log_mass), np.full((1, 3), 1 / 3), rtol=1e-15)
    assert problem.reward_law == (Gaussian(0.5),) * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([1.0],),
            r"^explicit_rewards: `reward` must be a vector of at least two arms, got shape ",
        ),
        (([[1.0, 0.0]],), r"`reward` must be a vector of at least two arms, got shape \(1, 2\)"),
        ((1.0,), r"`reward` must be a vector of at least two arms, got shape \(\)\. A bandit of"),
        (
            ([1.0, 0.0], [0.0, 0.0, 0.0]),
            r"^explicit_rewards: `logits` must be of the shape of `reward`, \(2,\), got \(3,\)",
        ),
        (([1.0, 0.0], [math.nan, 0.0]), r"^BanditProblem: `log_mass` must be finite"),
        (([1.0, 0.0], [-math.inf, 0.0]), r"^BanditProblem: `log_mass` must be finite"),
        (([1.0, math.nan],), r"^BanditProblem: `reward` must be finite"),
    ],
)
def test_impossible_reward_vectors_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        explicit_rewards(*arguments)


# zipf


def middle_ranks(problem) -> tuple[np.ndarray, np.ndarray]:
    """Log of the middle rank and of the probability of one arm, of each bin of small counts."""
    count = problem.count()[0]
    log_prob = (problem.log_mass - problem.log_count)[0]
    # Correct and wrong arms of a bin have the same probability.
    bins = np.unique(log_prob.round(9))[::-1]
    size = np.array([count[np.isclose(log_prob, value, atol=1e-8)].sum() for value in bins])
    last = size.cumsum()
    return 0.5 * (np.log(last - size + 1) + np.log(last)), bins


@given(
    log10_arms=st.floats(1.0, 15.0),
    exponent=st.floats(0.05, 3.0),
    correct_share=st.floats(0.05, 0.95),
    num_bins=st.integers(1, 60),
)
@settings(max_examples=60)
def test_the_probability_of_an_arm_follows_the_power_of_its_rank(
    log10_arms, exponent, correct_share, num_bins
):
    problem = zipf(log10_arms, exponent, correct_share=correct_share, num_bins=num_bins)
    log_rank, log_prob = middle_ranks(problem)
    if log_rank.size > 1:
        slope = np.diff(log_prob) / np.diff(log_rank)
        np.testing.assert_allclose(slope, -exponent, rtol=1e-5)


def test_the_power_law_holds_at_counts_that_float64_cannot_hold():
    problem = zipf(1000, 1.3, correct_share=0.5, num_bins=10)
    log_prob = (problem.log_mass - problem.log_count)[0, ::2]
    slope = np.diff(log_prob)[1:] / (100 * math.log(10.0))
    np.testing.assert_allclose(slope, -1.3, rtol=1e-12)
    # The mutant: mass per bin instead of per arm.
    assert abs(np.diff(problem.log_mass[0, ::2])[-1] / (100 * math.log(10.0)) + 1.3) > 0.9


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0, 2.0])
def test_with_a_bin_for_each_rank_it_is_zipf_s_law_itself(exponent):
    problem = zipf(2, exponent, correct_share=0.2, num_bins=20_000)
    np.testing.assert_array_equal(problem.count(), np.ones((1, 100)))
    mass = np.arange(1.0, 101.0) ** -exponent
    np.testing.assert_allclose(np.exp(problem.log_mass[0]), mass / mass.sum(), rtol=1e-12)
    assert problem.reward.sum() == 20


@pytest.mark.parametrize("log10_arms", [1.0, 1.5, 2.0, 3.0, 4.4, 6.0, 9.0])
@pytest.mark.parametrize("correct_share", [0.05, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("num_bins", [1, 5, 24, 200])
def test_no_arm_is_lost_and_the_share_is_right_to_half_an_arm(log10_arms, correct_share, num_bins):
    problem = zipf(log10_arms, 1.0, correct_share=correct_share, num_bins=num_bins)
    count, num_arms = problem.count()[0], round(10**log10_arms)
    assert count.sum() == num_arms
    num_correct = count @ problem.reward[0]
    assert abs(num_correct - correct_share * num_arms) <= 0.5
    assert (count >= 1).all()


def test_the_first_ranks_have_the_mass_that_zipf_s_law_gives_them():
    """Within 5 %, what bins of 24 cost: the mutants are arms lost from the first bins."""
    for log10_arms in (1, 2, 3, 4):
        problem = zipf(log10_arms, 1.0, correct_share=0.1)
        first = np.exp((problem.log_mass - problem.log_count).max())
        assert first == pytest.approx(1 / (1 / np.arange(1, 10**log10_arms + 1)).sum(), rel=0.05)


def test_each_wide_bin_has_the_same_share_of_correct_arms():
    problem = zipf(60, 1.0, correct_share=0.02, num_bins=12)
    assert problem.num_classes == 24
    log_count = problem.log_count[0].reshape(12, 2)
    share = np.exp(log_count[:, 0] - np.logaddexp(*log_count.T))
    np.testing.assert_allclose(share, 0.02, rtol=1e-6)
    np.testing.assert_array_equal(problem.reward[0].reshape(12, 2), [[1.0, 0.0]] * 12)
    log_prob = (problem.log_mass[0] - problem.log_count[0]).reshape(12, 2)
    np.testing.assert_allclose(log_prob[:, 0], log_prob[:, 1], rtol=1e-12)
    assert np.logaddexp.reduce(log_count.ravel()) == pytest.approx(60 * math.log(10), rel=1e-14)


def test_counts_of_zipf_go_over_into_logarithms_without_a_step():
    """Bins below and above 2^52 arms: their widths stay equal in log(rank)."""
    problem = zipf(30, 1.0, correct_share=0.5, num_bins=60)
    log_last = np.logaddexp.accumulate(problem.log_count[0])[1::2]
    assert log_last[0] < LOG_EXACT_COUNT < log_last[-1]
    np.testing.assert_allclose(np.diff(log_last)[10:], 0.5 * math.log(10.0), rtol=1e-6)


def test_a_kernel_of_zipf_is_checked_against_its_classes():
    with pytest.raises(ValueError, match=r"`within_context` must be of shape \[48, 48\]"):
        zipf(50, 1.0, correct_share=0.1, kernel=ClassKernel(1.0, within_context=np.eye(2)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log10_arms": 0.5}, r"`log10_arms` must be a finite number in \[1, inf\], got 0\.5"),
        ({"exponent": -1.0}, r"`exponent` must be a finite number in \[0, inf\], got -1\.0\. Try"),
        ({"exponent": math.nan}, r"`exponent` must be a finite number"),
        ({"correct_share": 0.0}, r"`correct_share` must be in \(0, 1\), got 0\.0\. At 0 or 1"),
        ({"correct_share": 1.0}, r"`correct_share` must be in \(0, 1\), got 1\.0"),
        (
            {"log10_arms": 1.0, "correct_share": 0.01},
            r"`correct_share` must be large enough for at least one correct arm, got 0\.01\. Raise",
        ),
        ({"num_bins": 0}, r"`num_bins` must be at least 1, got 0\. 24 is usual"),
    ],
)
def test_impossible_power_laws_are_refused(arguments, message):
    with pytest.raises(ValueError, match=rf"^zipf: {message}"):
        zipf(**{"log10_arms": 50.0, "exponent": 1.0, "correct_share": 0.1, **arguments})
