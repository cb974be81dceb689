"""Bandit problems: counts and masses by logarithm, arms by number, rewards by class."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.arm_spaces import rare_correct
from banditlab.kernels import ClassKernel
from banditlab.problems import LOG_EXACT_COUNT, MAX_DENSE_ARMS, BanditProblem
from banditlab.reward_laws import Bernoulli, Deterministic, FixedPerArm, Gaussian, Rademacher

FIELDS = {
    "log_count": np.log([[3.0, 7.0]]),
    "log_mass": np.log([[0.2, 0.8]]),
    "reward": [[1.0, 0.0]],
}


def problem_of_counts(counts, **fields) -> BanditProblem:
    log_count = np.log(np.array(counts, dtype=float))
    return BanditProblem(
        **{
            "log_count": log_count,
            "log_mass": np.full(log_count.shape, -math.log(log_count.shape[1])),
            "reward": np.zeros(log_count.shape),
            **fields,
        }
    )


@given(st.lists(st.integers(1, 2**52), min_size=1, max_size=6))
def test_counts_up_to_2_to_the_52_come_back_as_the_same_integers(counts):
    """As logarithms tell them apart: to a few units from 1e13 on, exactly below."""
    found = problem_of_counts([counts]).count()[0]
    np.testing.assert_array_equal(found, np.rint(found))
    np.testing.assert_allclose(found, counts, rtol=2e-14, atol=0.0)
    is_small = np.array(counts) < 10**12
    np.testing.assert_array_equal(found[is_small], np.array(counts)[is_small])


def test_a_count_is_read_as_the_nearest_integer_once_and_for_all():
    problem = problem_of_counts([[3.0, 7.0]], log_count=[[math.log(3.0) + 1e-10, math.log(7.0)]])
    np.testing.assert_array_equal(problem.log_count, np.log([[3.0, 7.0]]))


def test_huge_counts_stay_logarithms():
    problem = rare_correct(100_000, 0.05)
    assert problem.log_count[0, 1] == 100_000 * math.log(10.0)
    np.testing.assert_array_equal(problem.count(), [[1.0, np.inf]])
    # A huge count need not be a whole number: there float64 has no others.
    fields = {**FIELDS, "log_count": [[0.0, LOG_EXACT_COUNT + 0.1]]}
    assert BanditProblem(**fields).log_count[0, 1] == LOG_EXACT_COUNT + 0.1


def test_arms_are_numbered_class_by_class_in_each_context():
    problem = problem_of_counts([[3, 7, 1], [1, 2, 8]])
    np.testing.assert_array_equal(
        problem.arm_class(), [[0, 0, 0] + [1] * 7 + [2], [0] + [1] * 2 + [2] * 8]
    )
    assert problem.arm_class().shape == (2, 11)


def test_contexts_and_classes_are_counted_and_all_are_trained_on_by_default():
    problem = problem_of_counts([[3, 7, 1], [1, 2, 8]])
    assert (problem.num_contexts, problem.num_classes, problem.num_train) == (2, 3, 2)
    assert problem_of_counts([[1, 1]] * 3, num_train=1).num_train == 1


def test_one_law_serves_all_classes_and_a_problem_knows_its_kind():
    one = problem_of_counts([[1, 1, 1]], reward_law=Bernoulli())
    assert one.reward_law == (Bernoulli(),) * 3
    assert (one.has_random_reward, one.has_fixed_arm_rewards) == (True, False)
    mixed = problem_of_counts([[1, 1]], reward_law=[Deterministic(), FixedPerArm(Gaussian())])
    assert (mixed.has_random_reward, mixed.has_fixed_arm_rewards) == (True, True)
    certain = problem_of_counts([[1, 1]])
    assert (certain.has_random_reward, certain.has_fixed_arm_rewards) == (False, False)


@given(seed=st.integers(0, 2**32 - 1))
def test_each_class_is_paid_by_its_own_law(seed):
    rng = np.random.default_rng(seed)
    laws = (Deterministic(), Bernoulli(), Rademacher(), Gaussian(0.5))
    # Means that the other classes' laws would refuse.
    reward = np.array([[5.0, 0.3, -0.4, 100.0], [-7.0, 0.9, 0.2, -100.0]])
    problem = problem_of_counts([[9, 9, 9, 9]] * 2, reward=reward, reward_law=laws)
    contexts = rng.integers(0, 2, (3, 5))
    arm_class = rng.integers(0, 4, (3, 5, 6))
    uniform = rng.random((3, 5, 6))
    found = problem.draw_reward(contexts, arm_class, uniform)
    for index in np.ndindex(arm_class.shape):
        law = laws[arm_class[index]]
        mean = reward[contexts[index[:2]], arm_class[index]]
        assert found[index] == law.draw(mean, uniform[index])


def test_one_law_for_all_pays_as_the_same_law_for_each():
    rng = np.random.default_rng(0)
    reward = np.array([[0.3, 0.9]])
    arm_class, uniform = rng.integers(0, 2, (2, 1, 50)), rng.random((2, 1, 50))
    contexts = np.zeros((2, 1), dtype=int)
    one = problem_of_counts([[9, 9]], reward=reward, reward_law=Bernoulli())
    expected = (uniform < reward[0][arm_class]).astype(float)
    np.testing.assert_array_equal(one.draw_reward(contexts, arm_class, uniform), expected)
    certain = problem_of_counts([[9, 9]], reward=reward)
    np.testing.assert_array_equal(
        certain.draw_reward(contexts, arm_class, uniform), reward[0][arm_class]
    )


def test_a_problem_keeps_copies_of_what_it_was_given():
    fields = {name: np.array(value) for name, value in FIELDS.items()}
    problem = BanditProblem(**fields)
    for value in fields.values():
        value[...] = np.nan
    assert np.isfinite(problem.log_count + problem.log_mass + problem.reward).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_mass": [0.0]}, r"`log_mass` must be of shape \[P, C\], got shape \(1,\). Give one"),
        ({"reward": [[1.0, 0.0, 0.0]]}, r"`reward` must be of the shape of `log_count`, \(1, 2\)"),
        ({"log_mass": [[0.0]]}, r"`log_mass` must be of the shape of `log_count`, \(1, 2\), got"),
        ({"log_count": [[-2.0, 1.0]]}, r"`log_count` must be finite and at least 0.*from -2 to 1"),
        (
            {"log_count": [[-math.inf, 1.0]]},
            r"`log_count` must be finite and at least 0.*-inf to 1\. Leave empty classes out",
        ),
        ({"log_count": [[0.0, math.inf]]}, r"`log_count` must be finite.*values from 0 to inf"),
        ({"log_count": [[0.0, math.nan]]}, r"`log_count` must be finite.*values from nan to nan"),
        (
            {"log_count": np.log([[3.0, 7.5]])},
            r"`log_count` must be the logarithm of a whole number of arms, got a count of 7\.5\. "
            "Round the counts first",
        ),
        (
            {"log_mass": [[-math.inf, 0.0]]},
            r"`log_mass` must be finite: every class has a probability.*Leave classes of prob",
        ),
        ({"log_mass": [[math.nan, 0.0]]}, r"`log_mass` must be finite"),
        (
            {"log_mass": np.log([[0.2, 0.7]])},
            r"`log_mass` must be the logarithm of probabilities that sum to 1 in each context, got "
            r"a context with sum exp\(-0\.105\)\. Subtract",
        ),
        ({"log_mass": np.log([[0.4, 1.2]])}, r"`log_mass` must be the logarithm of probabilities"),
        ({"reward": [[1.0, math.nan]]}, r"`reward` must be finite, got a NaN or an inf.*Check the"),
        ({"reward": [[-math.inf, 0.0]]}, r"`reward` must be finite"),
        ({"num_train": 2}, r"`num_train` must be a whole number between 1 and the .*, 1, got 2"),
        ({"num_train": 0}, r"`num_train` must be a whole number between 1.*At least one context"),
        ({"num_train": 0.5}, r"`num_train` must be a whole number between 1 and .*, got 0\.5"),
        (
            {"reward_law": [Bernoulli()] * 3},
            r"`reward_law` must be one law, or one for each of the 2 classes, got 3 laws\. Repeat",
        ),
        ({"reward_law": []}, r"`reward_law` must be one law, or one for each.*got 0 laws"),
    ],
)
def test_inconsistent_problems_are_refused(changes, message):
    with pytest.raises(ValueError, match=rf"^BanditProblem: {message}"):
        BanditProblem(**{**FIELDS, **changes})


def test_a_fraction_of_the_contexts_cannot_be_trained_on():
    with pytest.raises(ValueError, match=r"`num_train` must be a whole number.*got 1\.5"):
        problem_of_counts([[1, 1]] * 2, num_train=1.5)


@pytest.mark.parametrize("shape", [(0, 2), (1, 0)])
def test_no_contexts_or_no_classes_are_refused(shape):
    with pytest.raises(
        ValueError, match=r"`log_count` must be of at least one context and one class, got shape"
    ):
        BanditProblem(np.zeros(shape), np.zeros(shape), np.zeros(shape))


def test_any_context_with_wrong_masses_is_found():
    """Also where another context errs the other way, so that the total is right."""
    with pytest.raises(ValueError, match=r"that sum to 1 in each context, got .*sum exp\(0\.223\)"):
        problem_of_counts([[1, 1]] * 2, log_mass=np.log([[0.5, 0.75], [0.4, 0.4]]))


def test_means_that_a_law_cannot_have_are_refused_class_by_class():
    reward = [[1.0, 5.0]]
    problem_of_counts([[1, 1]], reward=reward, reward_law=[Bernoulli(), Gaussian()])
    with pytest.raises(ValueError, match=r"^Bernoulli: `reward` must be in \[0, 1\], got.*5 to 5"):
        problem_of_counts([[1, 1]], reward=reward, reward_law=[Gaussian(), Bernoulli()])


def test_a_kernel_that_does_not_fit_is_refused():
    kernel = ClassKernel(1.0, within_context=np.eye(3))
    with pytest.raises(ValueError, match=r"`within_context` must be of shape \[2, 2\]"):
        BanditProblem(**FIELDS, kernel=kernel)


def test_too_many_arms_cannot_be_numbered():
    with pytest.raises(
        ValueError,
        match=rf"^arm_class: `log_count` must be small enough for at most {MAX_DENSE_ARMS} arms.*"
        "Use the lumped policy",
    ):
        rare_correct(12, 0.1).arm_class()


def test_contexts_of_different_size_cannot_be_numbered_together():
    with pytest.raises(
        ValueError, match=r"^arm_class: `log_count` must be such that all.*got 3 to 4 arms\. Use"
    ):
        problem_of_counts([[1, 2], [1, 3]]).arm_class()
