"""Which rows a step moves, and the pending gradient against its definition, arm by arm."""

import numpy as np
import pytest

from banditlab.lumped.gradient import moving_rows, pending_gradient
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from tests.banditlab.lumped.lockstep import KERNELS, three_class_problem


def two_runs_of_two_contexts(kernel="tabular") -> LumpedSoftmax:
    problem = three_class_problem(KERNELS[kernel], [[5, 70, 25], [1, 49, 50]])
    return LumpedSoftmax(problem, 2, SGD(0.1), keeps_draws=True)


def drawn(policy, contexts, seed=0):
    contexts = np.array(contexts)
    rng = np.random.default_rng(seed)
    draw = policy.sample(contexts, rng.random((*contexts.shape, 4, 2)))
    return draw, rng.normal(size=(*contexts.shape, 4))


def test_rows_that_move_are_those_drawn_or_all_of_them():
    policy = two_runs_of_two_contexts()
    state = policy._state
    assert moving_rows(state, [drawn(policy, [[1], [0]])]).tolist() == [1, 2]
    several = [drawn(policy, [[1], [0]]), drawn(policy, [[1], [1]])]
    assert moving_rows(state, several).tolist() == [1, 2, 3]
    assert moving_rows(state, [drawn(policy, [[0, 1], [1, 1]])]) == slice(None)


@pytest.mark.parametrize("is_all", [True, False])
@pytest.mark.parametrize("kernel", ["tabular", "within"])
def test_the_gradient_is_the_sum_of_coefficient_times_arm_less_policy(kernel, is_all):
    policy = two_runs_of_two_contexts(kernel)
    state = policy._state
    pending = [drawn(policy, [[1], [0]], seed) for seed in (0, 1)]
    rows = slice(None) if is_all else np.array([1, 2])
    found = pending_gradient(state, pending, rows)
    every = np.arange(4)[rows]
    mass, inverse = policy.class_mass().reshape(4, 3), state.inverse_count
    total, own, score = np.zeros(4), np.zeros((4, 3)), np.zeros((4, 3))
    slots = np.zeros((4, state.slots.capacity))
    for draw, coefficient in pending:
        for (run, group, i), value in np.ndenumerate(coefficient):
            row, arm_class = draw.row[run, group], draw.arm_class[run, group, i]
            total[row] += value
            score[row, arm_class] += value
            if draw.slot[run, group, i] >= 0:
                slots[row, draw.slot[run, group, i]] += value
            else:
                own[row, arm_class] += value
    untouched = state.class_weight / state.weight_sum[:, None]
    own -= total[:, None] * untouched * inverse
    score -= total[:, None] * mass
    in_slots = slots - (total / state.weight_sum)[:, None] * state.slots.weight
    np.testing.assert_allclose(found.own, own[every], atol=1e-14)
    np.testing.assert_allclose(
        found.in_slots(state.slots.weight[rows]), in_slots[every], atol=1e-14
    )
    if kernel == "tabular":
        assert found.class_score.shape == (0, 3)
    else:
        np.testing.assert_allclose(found.class_score, score[every], atol=1e-14)
    assert (np.diff(found.row) >= 0).all()


def test_without_slots_no_draw_is_of_an_arm_with_one():
    problem = three_class_problem(KERNELS["tabular"], [[5, 70, 25], [1, 49, 50]])
    policy = LumpedSoftmax(problem, 2, SGD(0.1))
    found = pending_gradient(policy._state, [drawn(policy, [[1], [0]])], slice(None))
    assert found.row.shape == found.slot.shape == found.coefficient.shape == (0,)
