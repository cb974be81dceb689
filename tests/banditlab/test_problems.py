import math

import numpy as np
import pytest

from banditlab.kernels import ClassKernel, log_odds_kernel
from banditlab.problems import BanditProblem, from_pass_rates, rare_correct


def test_counts_come_back_as_integers_and_huge_ones_stay_logarithms():
    problem = BanditProblem(
        log_count=np.log([[3.0, 7.0]]), log_mass=np.log([[0.2, 0.8]]), reward=[[1.0, 0.0]]
    )
    np.testing.assert_array_equal(problem.arm_class(), [[0, 0, 0] + [1] * 7])
    assert rare_correct(100_000, 0.05).log_count[0, 1] == 100_000 * math.log(10.0)


def test_from_pass_rates_moves_log_odds_by_the_shared_kernel():
    problem = from_pass_rates(np.array([0.2, 0.5]), np.array([0.4]), shared_kernel=12.0)
    assert (problem.num_contexts, problem.num_train) == (3, 2)
    push = np.array([1.0, 0.0]) - np.array([0.2, 0.8])
    change = problem.kernel.across_contexts @ push
    assert change[0] - change[1] == pytest.approx(12.0 * 0.8, rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"success_prob": 0.0}, r"`success_prob` must be in \(0, 1\), got 0.0"),
        ({"success_prob": 1.5}, r"`success_prob` must be in \(0, 1\), got 1.5"),
        ({"log10_arms": -1.0}, r"`log10_arms` must be a finite number in \[0, inf\]"),
        ({"num_correct": 0}, r"`num_correct` must be at least 1, got 0"),
    ],
)
def test_impossible_arm_spaces_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        rare_correct(**{"log10_arms": 3.0, "success_prob": 0.1, **arguments})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_mass": np.log([[0.2, 0.7]])}, r"`log_mass` must be the logarithm of probabilities"),
        ({"reward": [[1.0, math.nan]]}, r"`reward` must be finite"),
        ({"reward": [[1.0, 0.0, 0.0]]}, r"`reward` must be of the shape of `log_count`"),
        ({"log_count": [[-2.0, 1.0]]}, r"`log_count` must be finite and at least 0"),
        ({"num_train": 2}, r"`num_train` must be between 1 and the number of contexts, 1"),
        ({"log_mass": [0.0]}, r"`log_mass` must be of shape \[P, C\]"),
    ],
)
def test_inconsistent_problems_are_refused(changes, message):
    fields = {
        "log_count": np.log([[3.0, 7.0]]),
        "log_mass": np.log([[0.2, 0.8]]),
        "reward": [[1.0, 0.0]],
    }
    with pytest.raises(ValueError, match=message):
        BanditProblem(**{**fields, **changes})


def test_pass_rates_of_zero_or_one_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"must be in \(0, 1\).*Smooth measured rates"):
        from_pass_rates(np.array([0.0, 0.5]), shared_kernel=1.0)


def test_too_many_arms_cannot_be_numbered():
    with pytest.raises(ValueError, match=r"arm_class: `log_count` must be small enough"):
        rare_correct(12, 0.1).arm_class()


def test_a_kernel_that_is_not_positive_semi_definite_is_refused_with_its_eigenvalue():
    kernel = ClassKernel(self_part=1.0, within_context=np.array([[0.0, 2.0], [2.0, 0.0]]))
    with pytest.raises(ValueError, match=r"positive semi-definite.*smallest eigenvalue -1.9"):
        rare_correct(3, 0.1, kernel=ClassKernel(0.1, kernel.within_context))


def test_the_class_matrix_decides_not_the_matrix_of_all_arms():
    # Negative within a class of 10 arms: allowed as long as self_part / 10 outweighs it.
    def kernel(strength: float) -> ClassKernel:
        return ClassKernel(1.0, within_context=np.diag([0.0, -strength]))

    rare_correct(1, 0.1, kernel=kernel(0.099))
    with pytest.raises(ValueError, match=r"smallest eigenvalue -0.001"):
        rare_correct(1, 0.1, kernel=kernel(0.101))


def test_kernels_of_the_wrong_size_or_asymmetric_are_refused():
    with pytest.raises(ValueError, match=r"`within_context` must be of shape \(2, 2\)"):
        rare_correct(1, 0.1, kernel=ClassKernel(1.0, within_context=np.eye(3)))
    with pytest.raises(ValueError, match=r"`across_contexts` must be a symmetric matrix"):
        ClassKernel(1.0, across_contexts=np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match=r"`across_contexts` must be finite"):
        ClassKernel(1.0, across_contexts=np.diag([1.0, np.inf]))


def test_a_negative_shared_kernel_is_refused():
    with pytest.raises(ValueError, match=r"log_odds_kernel: `strength` must be a finite number"):
        log_odds_kernel(-1.0)
