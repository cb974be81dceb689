"""Stability of the penalised inner loop: direct iteration decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.predict.stability import (
    is_batch_penalty_stable,
    is_inner_loop_stable,
    predicted_batch_contractions,
    predicted_contraction,
    predicted_fixed_ratio,
    predicted_largest_learning_rate,
)


def iterate(log_ratio, gram, advantage, multiplier, learning_rate, num_steps):
    path = [log_ratio]
    for _ in range(num_steps):
        ratio = np.exp(path[-1])
        weight = ratio * (advantage - 2.0 * multiplier * (ratio - 1.0))
        path.append(path[-1] + learning_rate * gram @ weight)
    return np.array(path)


@given(st.floats(0.2, 5.0), st.floats(-0.3, 2.0), st.floats(0.05, 1.8))
@settings(max_examples=60)
def test_isolated_sample_contracts_as_predicted(multiplier, advantage, strength):
    # strength is 2 multiplier step ratio*^2, so both signs of the factor occur, all stable.
    fixed = float(predicted_fixed_ratio(advantage, multiplier))
    step = strength / (2.0 * multiplier * fixed**2)
    start = np.array([np.log(fixed) + 1e-7])
    path = iterate(start, np.eye(1), np.array([advantage]), multiplier, step, 1)
    factor = (path[1] - np.log(fixed)) / (path[0] - np.log(fixed))
    predicted = predicted_contraction(step, advantage, multiplier)
    np.testing.assert_allclose(factor, predicted, atol=1e-4)
    assert is_inner_loop_stable(step, advantage, multiplier)
    assert not is_inner_loop_stable(step * 2.1 / strength, advantage, multiplier)


def test_known_fates_of_an_arm():
    # multiplier 2, advantage 1: ratio* = 1.25; c = 0.05 converges, 0.5 oscillates, 1 and 3 kill.
    advantage, multiplier = np.ones(1), 2.0
    ends = {}
    for step in (0.05, 0.5, 1.0, 3.0):
        path = iterate(np.zeros(1), np.eye(1), advantage, multiplier, step, 400)
        ends[step] = np.exp(path[-2:, 0])
        assert bool(is_inner_loop_stable(step, 1.0, multiplier)) == (step < 0.3)
    np.testing.assert_allclose(ends[0.05], 1.25, rtol=1e-10)
    assert abs(ends[0.5][0] - ends[0.5][1]) > 0.1
    assert ends[3.0].max() < 1e-3


def test_batch_contracts_as_predicted_and_a_batch_of_one_is_the_isolated_sample():
    rng = np.random.default_rng(0)
    score = rng.normal(size=(4, 9))
    gram = score @ score.T / 4.0
    advantage, multiplier = np.array([0.5, -0.4, 0.8, -0.1]), 0.9
    fixed = np.log(predicted_fixed_ratio(advantage, multiplier))
    learning_rate = 0.8 * predicted_largest_learning_rate(
        np.linalg.eigvalsh(gram)[-1], multiplier, largest_ratio=float(np.exp(fixed.max()))
    )
    factors = predicted_batch_contractions(
        gram, advantage, learning_rate=learning_rate, multiplier=multiplier
    )
    jacobian = np.empty((4, 4))
    for column in range(4):
        start = fixed + 1e-7 * np.eye(4)[column]
        path = iterate(start, gram, advantage, multiplier, learning_rate, 1)
        jacobian[:, column] = (path[1] - fixed) / 1e-7
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(jacobian).real), factors, atol=1e-5)
    # The rate with the largest fixed ratio is sufficient: no factor is beyond -1.
    assert factors[0] > -1.0
    single = predicted_batch_contractions(
        np.array([[2.0]]), np.array([0.5]), learning_rate=0.1, multiplier=0.9
    )
    np.testing.assert_allclose(single, predicted_contraction(0.2, 0.5, 0.9), rtol=1e-12)


@pytest.mark.parametrize("share", [0.97, 1.03])
def test_batch_near_ratio_one_is_stable_up_to_the_predicted_rate(share):
    rng = np.random.default_rng(1)
    score = rng.normal(size=(6, 30))
    gram = score @ score.T / 6.0
    multiplier = 0.5
    top = float(np.linalg.eigvalsh(gram)[-1])
    learning_rate = share * predicted_largest_learning_rate(top, multiplier)
    assert is_batch_penalty_stable(learning_rate, multiplier, top) == (share < 1.0)
    start = 1e-8 * rng.normal(size=6)
    path = iterate(start, gram, np.zeros(6), multiplier, learning_rate, 150)
    growth = np.linalg.norm(path[-1]) / np.linalg.norm(path[-51])
    assert (growth < 1.0) == (share < 1.0)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`multiplier` must be a finite number above 0"):
        predicted_fixed_ratio(1.0, 0.0)
    with pytest.raises(ValueError, match=r"`advantage` must be above -2 \* multiplier = -1"):
        predicted_fixed_ratio(-1.5, 0.5)
    with pytest.raises(ValueError, match="`step` must be above 0"):
        predicted_contraction(0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"`gram` must be of shape \[N, N\]"):
        predicted_batch_contractions(np.eye(2), np.ones(3), learning_rate=1.0, multiplier=1.0)
    with pytest.raises(ValueError, match="`gram` must be symmetric"):
        predicted_batch_contractions(
            np.array([[1.0, 0.5], [0.0, 1.0]]), np.ones(2), learning_rate=1.0, multiplier=1.0
        )
    with pytest.raises(ValueError, match="`learning_rate` must be a finite number above 0"):
        is_batch_penalty_stable(0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="`gram_top` must be a finite number above 0"):
        predicted_largest_learning_rate(0.0, 1.0)
    with pytest.raises(ValueError, match="`largest_ratio` must be a finite number above 0"):
        predicted_largest_learning_rate(1.0, 1.0, largest_ratio=0.0)
