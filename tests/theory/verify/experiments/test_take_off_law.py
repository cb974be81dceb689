"""Races of rare arms: clocks in units of 1/p0, winners, and the loser's whole number of steps."""

import numpy as np

from banditlab.rules import get_rule
from theory.verify.experiments.take_off_law import (
    measure_take_off_shares,
    race_two_arms,
    rare_prompts,
    take_off_times,
)

RAW = get_rule("raw_reward")


def test_prompts_are_copies_of_one():
    problem = rare_prompts(1e-6, num_prompts=3, num_correct=4)
    assert problem.log_mass.shape == (3, 2)
    np.testing.assert_allclose(problem.log_mass[:, 0], np.log(1e-6))
    np.testing.assert_allclose(problem.count()[:, 0], 4.0)


def test_time_is_the_same_whatever_the_unit():
    how = {"step_size": 2.0, "num_runs": 200}
    times = [
        take_off_times(np.random.default_rng(3), RAW, success_prob=prob, **how)
        for prob in (1e-9, 1e-60)
    ]
    np.testing.assert_allclose(*times, rtol=1e-6)


def test_loser_rises_by_whole_steps_and_the_likelier_arm_wins_more_often():
    is_won, rise = race_two_arms(
        np.random.default_rng(0), RAW, success_probs=(2e-12, 1e-12), step_size=1.0, num_runs=2_000
    )
    steps = np.rint(rise)
    assert np.abs(rise - steps).max() < 0.01
    assert steps.min() == 0.0
    assert abs(is_won.mean() - 0.7657) < 4.0 * 0.0095


def test_shares_count_every_run():
    measured = measure_take_off_shares(
        np.random.default_rng(0),
        RAW,
        np.array([0.5, 2.0]),
        success_prob=1e-9,
        step_size=1.0,
        num_runs=300,
    )
    assert measured.num_samples == 300
    assert measured.value.shape == (3,)
    np.testing.assert_allclose(measured.value.sum(), 1.0)
