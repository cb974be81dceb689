"""Group baselines at the corner: moves, moments, roots, the catalogue's figures."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.group_stuck import (
    predicted_gaussian_group_exponent,
    predicted_group_escape,
    predicted_group_move,
    predicted_group_moves,
    predicted_group_stuck_exponent,
)

MOVE = {"step_size": 1.0, "group_size": 5, "gap": 0.5}


def exponent(rule: str, correct: float, wrong: float, **how: float) -> float:
    return predicted_group_stuck_exponent(*predicted_group_moves(rule, correct, wrong, **how))


@pytest.mark.parametrize(
    ("rule", "rewards", "group_size", "step_size", "figure", "gaussian"),
    [
        ("grpo", (0.6, 0.4), 4, 2.0, 0.754, 0.679),
        ("leave_one_out", (0.6, 0.4), 4, 3.0, 0.816, 0.741),
        ("grpo", (0.55, 0.4), 8, 4.0, 0.571, 0.513),
    ],
)
def test_exponent_has_the_figures_of_the_catalogue(
    rule, rewards, group_size, step_size, figure, gaussian
):
    prob, move = predicted_group_moves(rule, *rewards, step_size=step_size, group_size=group_size)
    assert predicted_group_stuck_exponent(prob, move) == pytest.approx(figure, abs=6e-4)
    assert 2.0 * (prob @ move) / (prob @ move**2) == pytest.approx(gaussian, abs=6e-4)


def test_escape_has_the_figure_of_the_catalogue():
    move = predicted_group_move("leave_one_out", **MOVE)
    assert move == pytest.approx(0.2, rel=1e-12)
    assert predicted_group_escape(move)[0] == pytest.approx(5.517, abs=5e-4)


@given(st.integers(2, 64), st.floats(0.1, 10.0), st.floats(0.01, 2.0))
def test_moves_of_the_rules(group_size, step_size, gap):
    how = {"step_size": step_size, "group_size": group_size, "gap": gap}
    own = predicted_group_move("leave_one_out", **how)
    assert own == pytest.approx(2.0 * step_size * gap / group_size, rel=1e-12)
    share = (group_size - 1) / group_size
    assert predicted_group_move("group_mean", **how) == pytest.approx(share * own, rel=1e-12)
    population = predicted_group_move("grpo", **how, ddof=0, eps=0.0)
    root = math.sqrt(group_size - 1)
    assert population == pytest.approx(2.0 * step_size * root / group_size, rel=1e-12)
    sample = predicted_group_move("grpo", **how, ddof=1, eps=0.0)
    assert sample == pytest.approx(population * math.sqrt(share), rel=1e-12)


@given(st.floats(0.01, 20.0))
def test_escape_is_a_sum_of_geometric_series(move):
    steps = np.exp(-move * np.arange(int(60.0 / move) + 2))
    mean, variance = predicted_group_escape(move)
    assert mean == pytest.approx(steps.sum(), rel=1e-9)
    assert variance == pytest.approx((steps**2).sum(), rel=1e-9)


@pytest.mark.parametrize("rule", ["group_mean", "leave_one_out", "grpo"])
def test_moves_are_a_law_that_certain_rewards_make_one_move(rule):
    how = {"step_size": 2.0, "group_size": 6}
    prob, move = predicted_group_moves(rule, 1.0, 0.0, **how, ddof=1, eps=1e-6)
    assert prob.sum() == pytest.approx(1.0, rel=1e-12)
    certain = predicted_group_move(rule, **how, gap=1.0)
    assert prob @ move == pytest.approx(certain, rel=1e-12)
    assert predicted_group_stuck_exponent(prob, move) == math.inf


@given(st.floats(1.0, 8.0), st.integers(2, 12))
def test_exponent_is_inverse_to_the_step_size(factor, group_size):
    one, more = (
        exponent("grpo", 0.7, 0.3, step_size=step, group_size=group_size) for step in (1.0, factor)
    )
    assert one / more == pytest.approx(factor, rel=1e-9)


def test_gaussian_exponent_is_the_root_of_its_moment():
    alpha = predicted_gaussian_group_exponent(3.0, 4, 0.2, 0.5)
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    move = 2.0 * 3.0 / 4 * (0.2 + 0.5 * math.sqrt(4 / 3) * node)
    assert (weight @ np.exp(-alpha * move)) / weight.sum() == pytest.approx(1.0, abs=1e-10)
    assert predicted_group_stuck_exponent(weight / weight.sum(), move) == pytest.approx(
        alpha, rel=1e-8
    )


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`rule` must be a known rule with a group baseline"):
        predicted_group_move("raw_reward", **MOVE)
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2, got 1"):
        predicted_group_moves("grpo", 0.6, 0.4, step_size=1.0, group_size=1)
    with pytest.raises(ValueError, match="`wrong_prob` must be at least 0 and below correct_prob"):
        predicted_group_moves("grpo", 0.4, 0.6, step_size=1.0, group_size=4)
    with pytest.raises(ValueError, match="`move` must be above 0 on average"):
        predicted_group_stuck_exponent([0.5, 0.5], [1.0, -2.0])
    with pytest.raises(ValueError, match="`move` must be a finite number above 0"):
        predicted_group_escape(0.0)
    with pytest.raises(ValueError, match="`noise_sd` must be a finite number above 0"):
        predicted_gaussian_group_exponent(1.0, 4, 0.2, 0.0)
