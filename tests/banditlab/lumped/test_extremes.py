"""Sums that are conserved, and arms that nearly vanish, come back, or are pushed beyond float64."""

import re

import numpy as np
import pytest

from banditlab.arm_spaces import rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.problems import BanditProblem
from tests.banditlab.lumped.lockstep import (
    KERNELS,
    three_class_problem,
)


@pytest.mark.parametrize("optimizer", [SGD(0.4), Momentum(0.2)])
def test_the_sum_of_logits_is_conserved(optimizer):
    """Theory P1, over all 10^6 arms: untouched ones times their number, and those with a slot."""
    problem = rare_correct(6, 0.3, num_correct=50)
    policy = LumpedSoftmax(problem, 3, optimizer)
    rng = np.random.default_rng(0)
    for _ in range(30):
        draw = policy.sample(np.zeros((3, 1), int), rng.random((3, 1, 8, 2)))
        policy.accumulate(draw, rng.normal(size=(3, 1, 8)))
        policy.move()
        policy.release(draw)
    state = policy._state
    num_untouched = np.exp(problem.log_count) - state.num_touched
    total = (num_untouched * state.own).sum(axis=1) + state.slots.displacement.sum(axis=1)
    np.testing.assert_allclose(total, 0.0, atol=1e-12)
    decayed = LumpedSoftmax(problem, 1, Adam(0.1))
    draw = decayed.sample(np.zeros((1, 1), int), rng.random((1, 1, 8, 2)))
    decayed.accumulate(draw, np.ones((1, 1, 8)))
    decayed.move()
    state = decayed._state
    num_untouched = np.exp(problem.log_count) - state.num_touched
    assert abs((num_untouched * state.own).sum() + state.slots.displacement.sum()) > 1e-3


@pytest.mark.parametrize("log10_arms", [12, 1000, 100_000])
def test_probabilities_sum_to_one_at_any_number_of_arms(log10_arms):
    problem = rare_correct(log10_arms, 0.05)
    policy = LumpedSoftmax(problem, 50, SGD(0.5))
    rng = np.random.default_rng(0)
    for _ in range(30):
        draw = policy.sample(np.zeros((50, 1), int), rng.random((50, 1, 8, 2)))
        policy.accumulate(draw, rng.normal(size=(50, 1, 8)))
        policy.move()
        policy.release(draw)
    np.testing.assert_allclose(policy.class_mass().sum(axis=-1), 1.0, rtol=1e-12)
    # Only classes of up to e^100 arms keep what they drew.
    assert (policy.num_touched() > 0).all() == (log10_arms < 40)


def one_prompt(num_runs: int) -> np.ndarray:
    return np.zeros((num_runs, 1), dtype=int)


def test_success_probability_1e_300_neither_underflows_nor_drifts():
    policy = LumpedSoftmax(rare_correct(100_000, 1e-300), 3, SGD(20.0), takes_arms=True)
    for _ in range(5):
        draw = policy.place(one_prompt(3), np.zeros((3, 1, 4), dtype=int))
        policy.accumulate(draw, np.full((3, 1, 4), 0.25))
        policy.move()
    # Each step adds step_size to the correct logit while its probability is nil.
    log_odds = np.log(policy.class_mass()[:, 0, 0])
    np.testing.assert_allclose(log_odds, -300 * np.log(10.0) + 5 * 20.0, rtol=1e-12)


@pytest.mark.parametrize("takes_arms", [True, False])
@pytest.mark.parametrize("total", [2301.0, 3000.0])
def test_an_arm_of_a_huge_class_that_is_pushed_up_is_not_forgotten(takes_arms, total):
    """One arm of e^2302 moved in three steps is where one step of three times the size puts it.

    Its probability underflows until the last step; a drawn one then gets a slot.
    """
    problem = BanditProblem(
        log_count=np.full((1, 2), 2302.0), log_mass=np.log([[0.5, 0.5]]), reward=[[1.0, 0.0]]
    )
    policy = LumpedSoftmax(problem, 1, SGD(total / 3), takes_arms=takes_arms)
    if takes_arms:
        draw = policy.place(one_prompt(1), np.zeros((1, 1, 1), dtype=int))
    else:
        draw = policy.sample(one_prompt(1), np.zeros((1, 1, 1, 2)))
    for _ in range(3):
        policy.accumulate(draw, np.ones((1, 1, 1)))
        policy.move()
    # log(probability of the arm / mass of the rest) = log(1/2) - 2302 + total.
    weight = np.exp(min(total - 2302.0, 700.0)) / 2
    expected = (0.5 + weight) / (1 + weight)
    np.testing.assert_allclose(policy.class_mass()[0, 0, 0], expected, rtol=1e-9)
    np.testing.assert_allclose(
        policy.relative_log_prob(draw).item(), total - np.log1p(weight), rtol=1e-9
    )
    assert policy.num_touched().item() == 1


def test_an_arm_of_a_huge_class_that_was_pushed_up_is_drawn_again():
    problem = BanditProblem(
        log_count=np.full((1, 2), 2302.0), log_mass=np.log([[0.5, 0.5]]), reward=[[1.0, 0.0]]
    )
    policy = LumpedSoftmax(problem, 1, SGD(3000.0))
    draw = policy.sample(one_prompt(1), np.zeros((1, 1, 1, 2)))
    policy.accumulate(draw, np.ones((1, 1, 1)))
    policy.move()
    policy.release(draw)
    assert policy.sample(one_prompt(1), np.full((1, 1, 1, 2), 0.999)).slot.item() == 0


def test_given_and_drawn_arms_do_not_mix():
    drawing = LumpedSoftmax(rare_correct(2, 0.3), 1, SGD(0.1))
    message = (
        "LumpedSoftmax.place: `takes_arms` must be True, got False. A policy either draws all its"
        " arms or is given all of them; create another one."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        drawing.place(one_prompt(1), np.zeros((1, 1, 2), int))
    given_arms = LumpedSoftmax(rare_correct(2, 0.3), 1, SGD(0.1), takes_arms=True)
    with pytest.raises(
        ValueError, match=r"^LumpedSoftmax.sample: `takes_arms` must be False, got True"
    ):
        given_arms.sample(one_prompt(1), np.zeros((1, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"^LumpedSoftmax.place: `arms` must be between 0 and 100"):
        given_arms.place(one_prompt(1), np.full((1, 1, 2), 101))


def test_a_kernel_with_adam_is_refused():
    problem = three_class_problem(KERNELS["within"], [[5, 20, 15]])
    with pytest.raises(ValueError, match=r"LumpedSoftmax: `optimizer` must be SGD or momentum"):
        LumpedSoftmax(problem, 1, Adam(0.1))


@pytest.mark.parametrize("counts", [[1, 1, 1], [2, 3, 4], [1, 10**9, 10**14]])
def test_conditioned_draws_have_the_law_of_what_they_are_conditioned_on(counts):
    """Shares of classes among successes and failures, |z| < 4 each (4e-4 in all)."""
    policy = LumpedSoftmax(three_class_problem(KERNELS["tabular"], [counts]), 1, SGD(0.4))
    rng = np.random.default_rng(3)
    for _ in range(10):
        draw = policy.sample(one_prompt(1), rng.random((1, 1, 8, 2)))
        policy.accumulate(draw, rng.normal(size=(1, 1, 8)))
        policy.move()
        policy.release(draw)
    mass = policy.class_mass()[0, 0]
    wanted = np.tile([1, 0, -1], 20_000)[None, None]
    drawn = policy.sample(one_prompt(1), rng.random((*wanted.shape, 2)), wanted).arm_class[0, 0]
    assert set(drawn[wanted[0, 0] == 0]) == {1}
    for kind, chance in ((1, mass[0] / (mass[0] + mass[2])), (-1, mass[0])):
        of_kind = drawn[wanted[0, 0] == kind]
        error = np.sqrt(chance * (1 - chance) / of_kind.size)
        assert abs((of_kind == 0).mean() - chance) < 4 * error


@pytest.mark.parametrize(
    ("log_count", "optimizer"),
    [(111.0, Momentum(11.0, momentum=0.9)), (130.0, Adam(28.0)), (105.0, SGD(111.0))],
)
def test_a_released_arm_that_coasts_on_is_not_forgotten(log_count, optimizer):
    """One push, then moves without gradient: whether the draw is held or not, the same policy."""
    problem = BanditProblem(
        log_count=np.array([[0.0, log_count]]), log_mass=np.log([[0.5, 0.5]]), reward=[[0.0, 1.0]]
    )
    ends = []
    for is_released in (True, False):
        policy = LumpedSoftmax(problem, 1, optimizer)
        draw = policy.sample(one_prompt(1), np.full((1, 1, 1, 2), 0.9))
        policy.accumulate(draw, np.ones((1, 1, 1)))
        policy.move()
        if is_released:
            policy.release(draw)
        for _ in range(60):
            other = policy.sample(one_prompt(1), np.zeros((1, 1, 1, 2)))
            policy.accumulate(other, np.zeros((1, 1, 1)))
            policy.move()
            policy.release(other)
        ends.append(policy.collision().item())
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9)
    assert ends[0] > 1e-3


def test_weights_stay_near_one_and_collision_a_number_after_any_step():
    policy = LumpedSoftmax(rare_correct(3, 0.5), 1, SGD(800.0))
    draw = policy.sample(one_prompt(1), np.zeros((1, 1, 1, 2)))
    for _ in range(2):
        policy.accumulate(draw, np.full((1, 1, 1), 0.5))
    policy.move()
    np.testing.assert_allclose(policy.collision(), 1.0, rtol=1e-12)
    policy = LumpedSoftmax(rare_correct(6, 0.01, num_correct=2), 5, SGD(1.0))
    rng = np.random.default_rng(0)
    for _ in range(400):
        draw = policy.sample(one_prompt(5), rng.random((5, 1, 8, 2)))
        policy.accumulate(draw, policy._state.reward.take(draw.class_index) / 8)
        policy.move()
        policy.release(draw)
    assert (policy._state.weight_sum < 16.0).all()
    assert (policy.expected_reward() > 0.99).all()


@pytest.mark.parametrize(
    ("coefficient", "expected"),
    [([2000.0, 0.0, 0.0], [1.0, 0.0]), ([0.0, 0.0, 4000.0], [0.5, 0.5])],
)
def test_a_plain_step_may_carry_all_weights_out_of_their_range(coefficient, expected):
    """To infinity, or to nothing: two arms of probability 1/2 beside a slot of about e^-10000."""
    problem = BanditProblem(
        log_count=np.log([[1.0, 1.0, 5.0]]),
        log_mass=np.array([[np.log(0.5), np.log(0.5), -10_000.0]]),
        reward=[[1.0, 0.0, 0.0]],
    )
    policy = LumpedSoftmax(problem, 1, SGD(1.0), takes_arms=True)
    for pushed in ([0.0, 0.0, 1e-3], coefficient):
        draw = policy.place(one_prompt(1), np.array([[[0, 1, 2]]]))
        policy.accumulate(draw, np.array([[pushed]]))
        policy.move()
        policy.release(draw)
    assert policy.num_touched().item() == 1
    np.testing.assert_allclose(policy.class_mass()[0, 0], [*expected, 0.0], rtol=1e-12)
    moved = np.array(coefficient[:2]) - sum(coefficient) / 2
    found = policy._state.own[0, :2]
    np.testing.assert_allclose(found, moved, rtol=1e-3)


def test_runs_far_apart_do_not_share_the_unit_of_their_weights():
    """The slot of one run is carried to e^20000, all weights of the other one to e^-2000."""
    problem = BanditProblem(
        log_count=np.log([[1.0, 1.0, 5.0]]),
        log_mass=np.array([[np.log(0.5), np.log(0.5), -10_000.0]]),
        reward=[[1.0, 0.0, 0.0]],
    )
    policy = LumpedSoftmax(problem, 2, SGD(1.0), takes_arms=True)
    for pushed in ([1e-3, 1e-3], [30_000.0, 4000.0]):
        draw = policy.place(one_prompt(2), np.full((2, 1, 1), 2))
        policy.accumulate(draw, np.array(pushed)[:, None, None])
        policy.move()
        policy.release(draw)
    expected = [[[0.0, 0.0, 1.0]], [[0.5, 0.5, 0.0]]]
    np.testing.assert_allclose(policy.class_mass(), expected, atol=1e-12)


def test_coefficients_of_one_draw_add_up():
    policy = LumpedSoftmax(rare_correct(1000, 0.5), 1, SGD(1.0))
    draw = policy.sample(one_prompt(1), np.array([[[[0.9, 0.3]]]]))
    for _ in range(2):
        policy.accumulate(draw, np.ones((1, 1, 1)))
    policy.move()
    # Displacement 2 of an arm without mass, and -1 of the correct one of mass 1/2.
    expected = 2.0 - np.log(0.5 + 0.5 * np.exp(-1.0))
    np.testing.assert_allclose(policy.relative_log_prob(draw).item(), expected, rtol=1e-12)


def test_arms_are_numbered_in_each_context_apart():
    problem = BanditProblem(
        log_count=np.log([[1.0, 2.0], [1.0, 9.0]]),
        log_mass=np.log([[0.5, 0.5]] * 2),
        reward=[[1.0, 0.0]] * 2,
    )
    policy = LumpedSoftmax(problem, 1, SGD(1.0), takes_arms=True)
    assert policy.place(np.array([[1]]), np.array([[[5]]])).arm_class.item() == 1
    message = (
        "LumpedSoftmax.place: `arms` must be below the number of arms of its context, got values"
        " from 3 to 4. Arms are numbered class by class from 0."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        policy.place(np.array([[0, 1]]), np.array([[[3], [4]]]))
