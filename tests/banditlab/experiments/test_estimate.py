import numpy as np
import pytest

from banditlab.arm_spaces import rare_correct
from banditlab.experiments.estimate import Estimate, _slope, estimate
from banditlab.rules import RULES
from banditlab.sequence.problem import uniform_sequences
from banditlab.simulate import Simulation, SimulationConfig


def config(**changes):
    settings = {"num_runs": 5, "num_steps": 40, "group_size": 4, "step_size": 0.1}
    return SimulationConfig(**(settings | changes))


def test_it_tries_no_more_rounds_than_there_are():
    found = estimate(rare_correct(10, 0.1), RULES["grpo"], config(num_steps=3))
    assert found.num_rounds <= 5
    assert 0.0 < found.seconds <= found.upper_seconds


def test_it_sees_the_arms_that_are_touched():
    problem, rule = rare_correct(9, 0.5), RULES["grpo"]
    found = estimate(problem, rule, config(num_steps=60), budget_seconds=60.0)
    simulation = Simulation(problem, rule, config(num_steps=60))
    num_touched = []
    for _ in range(found.num_rounds):
        simulation.advance()
        num_touched.append(simulation.policy.num_touched().sum(axis=1).mean())
    half = (found.num_rounds - 2) // 2
    growth = (num_touched[-1] - num_touched[1 + half]) / (found.num_rounds - 2 - half)
    assert found.touched_per_round == pytest.approx(growth, rel=1e-12)
    assert "newly touched arms per run and round" in str(found)


def test_memory_grows_with_what_is_held():
    problem, rule = rare_correct(9, 0.5), RULES["grpo"]
    short = estimate(problem, rule, config())
    long = estimate(problem, rule, config(num_steps=40_000), budget_seconds=0.1)
    # Curves alone: seven metrics, five runs, one step in 1, held twice.
    curve_bytes = 2 * 8 * 7 * 5 * 40_000
    assert long.peak_bytes - short.peak_bytes > curve_bytes
    many = estimate(problem, rule, config(num_runs=5000, num_steps=3))
    assert many.peak_bytes > 2 * short.peak_bytes


def test_sequences_have_no_slots():
    problem = uniform_sequences(3, 4, [[[1]]])
    found = estimate(problem, RULES["grpo"], config(policy="sequence", num_steps=5))
    assert found.touched_per_round == 0.0
    assert str(Estimate(1.0, 2.0, 2**21, 5, 0.0)) == (
        "estimate from 5 rounds: 1.0 s (up to 2.0 s), memory up to 2 MiB"
    )


def test_the_cost_of_a_touched_arm_is_found_and_none_where_there_is_none():
    touched = np.arange(40.0)
    noise = 1e-4 * np.random.default_rng(0).standard_normal(40)
    slope, error = _slope(touched, 0.1 + 0.002 * touched + noise)
    assert abs(slope - 0.002) < 4 * error
    assert error < 1e-5
    flat, error = _slope(touched, 0.1 + noise)
    assert abs(flat) < 4 * error
    assert _slope(np.full(5, 3.0), np.arange(5.0)) == (0.0, 0.0)
