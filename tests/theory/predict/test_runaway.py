"""Ratios that run away without a clip: the closed form against its recursion and its equation."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from theory.predict.runaway import predicted_runaway_learning_rate, predicted_unclipped_log_ratio


def recursion(step: float, advantage: float, epochs: int) -> float:
    log_ratio = 0.0
    for _ in range(epochs):
        log_ratio += step * advantage * np.exp(log_ratio)
    return log_ratio


@pytest.mark.parametrize("advantage", [0.8, -0.5])
def test_the_log_ratio_solves_its_equation(advantage):
    epochs = np.linspace(0.0, 11.0, 12)
    solution = solve_ivp(
        lambda _, y: 0.1 * advantage * np.exp(y),
        (0, 11),
        [0.0],
        t_eval=epochs,
        method="DOP853",
        rtol=1e-12,
        atol=1e-14,
    )
    predicted = predicted_unclipped_log_ratio(0.1, advantage, epochs)
    np.testing.assert_allclose(predicted, solution.y[0], rtol=1e-7, atol=1e-12)
    wrong = predicted_unclipped_log_ratio(0.2, advantage, epochs[:6])
    assert np.abs(wrong - solution.y[0][:6]).max() > 0.1


def test_the_recursion_of_small_steps_approaches_it():
    errors = [
        abs(recursion(0.8 / n, 1.0, n) - predicted_unclipped_log_ratio(0.8 / n, 1.0, n))
        for n in (100, 200, 400)
    ]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2.0, rel=0.1)


def test_it_runs_away_at_the_predicted_learning_rate():
    rate = predicted_runaway_learning_rate(
        900.0, num_rollouts=64, inner_epochs=50, largest_advantage=0.7
    )
    step = rate * 900.0 / 64
    assert predicted_unclipped_log_ratio(step, 0.7, 50) == np.inf
    assert np.isfinite(predicted_unclipped_log_ratio(0.99 * step, 0.7, 50))
    assert recursion(step, 0.7, 50) > 2.0 * recursion(0.7 * step, 0.7, 50)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`step` must be a finite number above 0"):
        predicted_unclipped_log_ratio(0.0, 1.0, 1)
    with pytest.raises(ValueError, match="`inner_epochs` must be at least 0"):
        predicted_unclipped_log_ratio(0.1, 1.0, [-1])
    with pytest.raises(ValueError, match="`own_kernel` must be a finite number above 0"):
        predicted_runaway_learning_rate(0.0, num_rollouts=1, inner_epochs=1, largest_advantage=1.0)
