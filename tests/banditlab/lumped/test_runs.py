"""A run does not depend on the number of runs, nor a long row on how its weights are renewed."""

import numpy as np
import pytest

from banditlab.arm_spaces import rare_correct, zipf
from banditlab.config import SimulationConfig
from banditlab.rules import get_rule
from banditlab.simulate import simulate


def run(problem, rule, num_runs=3, **changes):
    fields = {"num_steps": 40, "group_size": 8, "step_size": 0.5, "seed": 7, "num_runs": num_runs}
    return simulate(problem, get_rule(rule), SimulationConfig(**{**fields, **changes})).curves


@pytest.mark.parametrize("rule", ["raw_reward", "grpo", "variance_penalty_dual", "reward_history"])
@pytest.mark.parametrize("log10_arms", [1, 2, 6, 100_000])
@pytest.mark.parametrize(
    "changes",
    [{"inner_epochs": 2}, {"optimizer": "adam", "step_size": 0.1}, {"rollout_ages": (0, 2)}],
)
def test_a_run_is_the_same_whatever_the_number_of_runs(rule, log10_arms, changes):
    problem = rare_correct(log10_arms, 0.2, num_correct=9)
    alone, many = (run(problem, rule, num_runs, **changes) for num_runs in (1, 40))
    for name, curve in alone.items():
        np.testing.assert_array_equal(curve, many[name][:1])


def test_long_rows_are_the_same_whatever_the_number_of_runs():
    """Above 2,048 moved arms a row is scaled, not recomputed, by what it holds itself."""
    problem = rare_correct(5, 0.9, num_correct=4000)
    alone, many = (
        run(problem, "raw_reward", num_runs, group_size=512, num_steps=12) for num_runs in (1, 3)
    )
    np.testing.assert_array_equal(alone["entropy"], many["entropy"][:1])


def test_scaling_long_rows_equals_recomputing_them(monkeypatch):
    problem = rare_correct(4, 0.9, num_correct=4000)
    how = {"group_size": 512, "num_steps": 60, "step_size": 3.0, "record_every": 20}
    scaled = run(problem, "raw_reward", **how)
    monkeypatch.setattr("banditlab.lumped.slot_moves._LONG_ROW", 10**9)
    exact = run(problem, "raw_reward", **how)
    for name, curve in exact.items():
        np.testing.assert_allclose(scaled[name], curve, rtol=1e-11, atol=1e-12)


def test_zipf_classes_of_all_sizes_sum_to_one_and_learn():
    problem = zipf(80, 1.1, correct_share=0.2)
    curves = run(problem, "grpo", num_steps=300, step_size=4.0)
    assert (curves["pass_rate"][:, -1] > curves["pass_rate"][:, 0] + 0.1).all()
