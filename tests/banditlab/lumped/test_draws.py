"""Draws at the ends of the cumulative weights, and rewards that drawn arms keep."""

import numpy as np
import pytest

from banditlab.lumped.draws import draw_arms
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD, Momentum
from banditlab.problems import BanditProblem
from banditlab.reward_laws import FixedPerArm, Gaussian
from tests.banditlab.lumped.lockstep import KERNELS, three_class_problem

ONE = np.zeros((1, 1), dtype=int)


@pytest.mark.parametrize(
    ("reward", "is_success", "expected"),
    [([1.0, 0.0, 0.0], 1, 0), ([0.0, 1.0, 1.0], 0, 0), ([0.0, 1.0, 0.0], 1, 1), ([0.0] * 3, -1, 2)],
)
def test_a_target_at_the_very_end_is_the_last_class_that_may_be_drawn(reward, is_success, expected):
    """A uniform of 1, as rounding could make of a target: the class has weight, and exists."""
    problem = BanditProblem(
        log_count=np.log([[5.0, 20.0, 15.0]]),
        log_mass=np.log([[0.2, 0.5, 0.3]]),
        reward=np.array([reward]),
    )
    state = LumpedSoftmax(problem, 1, SGD(0.1))._state
    wanted = np.full((1, 1, 2), is_success)
    arm_class, slot = draw_arms(state, ONE, np.array([[[1.0, 0.0]]]), wanted)
    first = 1 if expected == 1 else 0
    assert arm_class.ravel().tolist() == [expected, first]
    assert slot.ravel().tolist() == [-1, -1]


def test_each_context_draws_from_its_own_policy():
    """Masses (.2, .5, .3) and (.1, .3, .6), in two runs, before and after one run moved."""
    policy = LumpedSoftmax(three_class_problem(KERNELS["tabular"], [[5, 70, 25]] * 2), 2, SGD(1.0))
    contexts = np.array([[0, 1], [1, 0]])
    uniform = np.zeros((2, 2, 5, 2))
    uniform[..., 0] = [0.05, 0.15, 0.35, 0.45, 0.75]
    first, second = [0, 0, 1, 1, 2], [0, 1, 1, 2, 2]
    found = policy.sample(contexts, uniform).arm_class
    np.testing.assert_array_equal(found, [[first, second], [second, first]])
    draw = policy.sample(np.array([[1], [1]]), np.full((2, 1, 1, 2), 0.9))
    policy.accumulate(draw, np.array([[[50.0]], [[0.0]]]))
    policy.move()
    again = policy.sample(contexts, uniform)
    np.testing.assert_array_equal(again.arm_class, [[first, [2] * 5], [second, first]])
    np.testing.assert_array_equal(again.slot[0], [[-1] * 5, [0] * 5])


@pytest.mark.parametrize(("law", "size"), [(None, 0), (FixedPerArm(Gaussian(1.0)), 4)])
def test_a_draw_keeps_rewards_only_where_arms_have_their_own(law, size):
    problem = three_class_problem(KERNELS["tabular"], [[5, 70, 25]], law)
    draw = LumpedSoftmax(problem, 1, SGD(0.1)).sample(ONE, np.full((1, 1, 4, 2), 0.5))
    assert draw.kept_reward.size == size
    assert np.isnan(draw.kept_reward).all()


def test_an_arm_of_a_huge_class_keeps_its_reward_when_it_gets_a_slot():
    problem = BanditProblem(
        log_count=np.full((1, 2), 2302.0),
        log_mass=np.log([[0.5, 0.5]]),
        reward=[[1.0, 0.0]],
        reward_law=FixedPerArm(Gaussian(1.0)),
    )
    policy = LumpedSoftmax(problem, 1, SGD(3000.0))
    draw = policy.sample(ONE, np.zeros((1, 1, 1, 2)))
    paid = policy.reward(draw, np.full((1, 1, 1), 0.9)).item()
    assert paid == pytest.approx(1.0 + 1.2815515655446004)
    policy.accumulate(draw, np.ones((1, 1, 1)))
    policy.move()
    assert policy.reward(draw, np.full((1, 1, 1), 0.1)).item() == paid
    policy.release(draw)
    again = policy.sample(ONE, np.full((1, 1, 1, 2), 0.999))
    assert again.slot.item() == 0
    assert policy.reward(again, np.full((1, 1, 1), 0.1)).item() == paid
    np.testing.assert_allclose(policy.expected_reward(), paid, rtol=1e-12)


def test_a_released_draw_stays_where_it_was_and_one_that_is_held_moves():
    problem = BanditProblem(
        log_count=np.full((1, 2), 2302.0), log_mass=np.log([[0.5, 0.5]]), reward=[[1.0, 0.0]]
    )
    policy = LumpedSoftmax(problem, 1, Momentum(1.0, momentum=0.5))
    released, held = (policy.sample(ONE, np.zeros((1, 1, 1, 2))) for _ in range(2))
    for draw, coefficient in ((released, 2.0), (held, 1.0)):
        policy.accumulate(draw, np.full((1, 1, 1), coefficient))
    policy.move()
    policy.release(released)
    other = policy.sample(ONE, np.zeros((1, 1, 1, 2)))
    policy.accumulate(other, np.zeros((1, 1, 1)))
    policy.move()
    # Of two steps of momentum 1/2 after one gradient: 1, and 1 + 1/2.
    assert policy.relative_log_prob(released).item() == pytest.approx(2.0, rel=1e-12)
    assert policy.relative_log_prob(held).item() == pytest.approx(1.5, rel=1e-12)
    assert policy.relative_log_prob(other).item() == pytest.approx(0.0, abs=1e-12)


def test_arms_of_two_huge_classes_get_slots_with_what_is_their_own():
    """Drawn in the order of classes 1, 0, 1: slots are by class, each with its displacement."""
    problem = BanditProblem(
        log_count=np.full((1, 2), 200.0), log_mass=np.log([[0.5, 0.5]]), reward=[[1.0, 0.0]]
    )
    policy = LumpedSoftmax(problem, 1, Momentum(150.0))
    draw = policy.sample(ONE, np.array([[[[0.9, 0.1], [0.1, 0.2], [0.8, 0.3]]]]))
    assert draw.arm_class.ravel().tolist() == [1, 0, 1]
    pushed = np.array([1.0, 1.1, 1.2])
    policy.accumulate(draw, pushed[None, None])
    policy.move()
    slots, slot = policy._state.slots, draw.slot.ravel()
    assert sorted(slot) == [0, 1, 2]
    np.testing.assert_array_equal(slots.arm_class[0, slot], [1, 0, 1])
    np.testing.assert_allclose(slots.displacement[0, slot], 150.0 * pushed, rtol=1e-12)
    np.testing.assert_allclose(np.abs(slots.state["velocity"][0, slot]), pushed, rtol=1e-12)


@pytest.mark.parametrize("kernel", ["tabular", "within", "across", "both"])
def test_only_rows_that_are_drawn_or_moved_are_renewed(kernel, monkeypatch):
    """Two contexts, one of them drawn: the other waits until it is read."""
    policy = LumpedSoftmax(
        three_class_problem(KERNELS[kernel], [[5, 70, 25], [1, 49, 50]]), 1, SGD(0.3)
    )
    state, renewed = policy._state, []
    refresh = type(state).refresh
    every = np.arange(2)

    def recorded(self, rows):
        renewed.extend(every[rows].tolist())
        refresh(self, rows)

    monkeypatch.setattr(type(state), "refresh", recorded)
    rng = np.random.default_rng(0)
    for _ in range(3):
        draw = policy.sample(ONE, rng.random((1, 1, 8, 2)))
        policy.accumulate(draw, rng.normal(size=(1, 1, 8)))
        policy.move()
        policy.release(draw)
    assert set(renewed) <= {0}
    assert not state.is_stale[0]
    renewed.clear()
    policy.class_mass()
    assert set(renewed) == ({1} if state.has_across else set())
