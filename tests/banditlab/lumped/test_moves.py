"""When a step takes the short way, and which arms it gives a slot."""

import numpy as np
import pytest

from banditlab.lumped import moves
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD, Momentum
from tests.banditlab.lumped.lockstep import KERNELS, three_class_problem


def drawn(policy):
    rng = np.random.default_rng(0)
    return policy.sample(np.array([[1], [0]]), rng.random((2, 1, 4, 2)))


@pytest.mark.parametrize(
    ("optimizer", "kernel", "is_short"),
    [
        (SGD(0.1), "tabular", True),
        (SGD(0.1, decay=0.1), "tabular", False),
        (Momentum(0.1), "tabular", False),
        (SGD(0.1), "within", False),
        (SGD(0.1), "across", False),
    ],
)
def test_a_plain_step_moves_slots_the_short_way(optimizer, kernel, is_short, monkeypatch):
    """Without state, decay and kernel nothing moves but what was drawn, at the speed of memory."""
    problem = three_class_problem(KERNELS[kernel], [[5, 70, 25], [1, 49, 50]])
    policy, took = LumpedSoftmax(problem, 2, optimizer), []
    long_way = moves._move_slots
    monkeypatch.setattr(moves, "_move_slots", lambda *words: took.append(1) or long_way(*words))
    policy.accumulate(drawn(policy), np.ones((2, 1, 4)))
    policy.move()
    assert took == ([] if is_short else [1])


@pytest.mark.parametrize(("keeps_draws", "at_once"), [(False, 0), (True, 4)])
def test_an_arm_gets_its_slot_with_its_first_coefficient_or_at_once(keeps_draws, at_once):
    """Four different arms in each of two rows; a coefficient of 0 moves nothing."""
    problem = three_class_problem(KERNELS["tabular"], [[500, 7000, 2500]] * 2)
    policy = LumpedSoftmax(problem, 2, SGD(0.1), keeps_draws=keeps_draws)
    draw = drawn(policy)
    coefficient = np.zeros((2, 1, 4))
    for num_moved, of_row in ((0, 0), (1, 1), (3, 3)):
        coefficient[..., :of_row] = 1.0
        policy.accumulate(draw, coefficient)
        policy.move()
        expected = np.zeros((2, 2))
        expected[[0, 1], [1, 0]] = max(at_once, num_moved)
        np.testing.assert_array_equal(policy.num_touched(), expected)
