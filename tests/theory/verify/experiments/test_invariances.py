"""Given arms: the policy applies the kernel matrix, both policies have one sum, the mutant errs."""

import numpy as np

from banditlab.kernels import ClassKernel
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rules import get_rule
from banditlab.softmax import DenseSoftmax
from theory.verify.experiments.invariances import (
    GivenRun,
    MovesDrawnArmsOnly,
    kernel_matrix,
    measure_conserved_means,
    measure_log_probs,
    measure_lumped_means,
)

SPACE = BanditProblem(np.log([[2.0, 6.0]]), np.log([[0.3, 0.7]]), np.array([[1.0, 0.25]]))
RAW = GivenRun(get_rule("raw_reward"), step_size=0.5)


def test_kernel_matrix_is_what_a_step_of_the_policy_applies():
    kernel = ClassKernel(
        0.5, np.array([[0.6, -0.1], [-0.1, 0.3]]), np.array([[0.2, 0.0], [0.0, 0.1]])
    )
    problem = BanditProblem(SPACE.log_count, SPACE.log_mass, SPACE.reward, kernel=kernel)
    policy = DenseSoftmax(problem, 1, SGD(0.5))
    start, prob = policy.logits[0, 0].copy(), np.exp(policy.log_probs()[0, 0])
    RAW.play(policy, np.array([[1]]))
    score = np.eye(8)[1] - prob
    np.testing.assert_allclose(
        policy.logits[0, 0] - start, 0.5 * kernel_matrix(problem) @ score, atol=1e-15
    )


def test_lumped_and_dense_policies_have_the_same_mean_logit():
    how = {"group_size": 3, "num_rounds": 8}
    # Adam, under which the mean moves.
    runs = [GivenRun(get_rule("raw_reward"), "adam", 0.05)]
    lumped = measure_lumped_means(np.random.default_rng(1), runs, SPACE, **how)
    dense = measure_conserved_means(np.random.default_rng(1), runs, SPACE, **how)
    np.testing.assert_allclose(lumped.value, dense.value, atol=1e-10)
    assert abs(dense.value[0] - DenseSoftmax(SPACE, 1, SGD(1.0)).logits.mean()) > 1e-3


def test_the_mistaken_policy_moves_drawn_arms_only():
    policy = MovesDrawnArmsOnly(SPACE, 1, SGD(0.5))
    start = policy.logits.copy()
    RAW.play(policy, np.array([[1, 4]]))
    assert (np.flatnonzero(policy.logits != start) == [1, 4]).all()


def test_log_probs_are_read_without_moving_the_policy():
    arms = np.array([[0, 3], [1, 1]])
    probes = np.arange(8)
    found = measure_log_probs([RAW], SPACE, arms, probes).value.reshape(2, 8)
    np.testing.assert_allclose(found[0], found[1], atol=1e-14)
    assert found[0, 7] == found[0, 6]
    start = np.repeat(np.log([0.15, 0.7 / 6]), [2, 6])
    np.testing.assert_allclose(np.exp(start + found[0]).sum(), 1.0, rtol=1e-12)
