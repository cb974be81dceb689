"""Rounds of successes: round by round and from event to event agree, failures are drawn."""

import numpy as np

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.rules import get_rule
from theory.verify.experiments.success_times import (
    first_success_rounds,
    measure_first_success_shares,
    success_paths,
    success_times,
)

RAW = get_rule("raw_reward")
ARMS = explicit_rewards(np.array([1.0, 0.0, 0.0]), np.log([0.2, 0.5, 0.3]))
RUN = {"step_size": 1.0, "num_successes": 3, "num_runs": 2_000}


def test_both_ways_take_equally_long():
    probs, last = success_paths(np.random.default_rng(0), RAW, ARMS, **RUN)
    jumped = success_times(np.random.default_rng(1), RAW, ARMS, **RUN)
    error = np.hypot(last.std(), jumped.std()) / np.sqrt(RUN["num_runs"])
    assert abs(last.mean() - jumped.mean()) < 4.0 * error
    assert np.ptp(probs, axis=0).max() < 1e-12


def test_first_success_of_a_likely_arm_and_of_none_in_time():
    likely = rare_correct(1.0, 1.0 - 1e-12)
    first = first_success_rounds(
        np.random.default_rng(0), RAW, likely, step_size=1.0, num_rounds=5, num_runs=10
    )
    assert (first == 1).all()
    rare = rare_correct(1.0, 1e-12)
    measured = measure_first_success_shares(
        np.random.default_rng(0), RAW, rare, np.array([2, 5]), step_size=1.0, num_runs=10
    )
    np.testing.assert_array_equal(measured.value, [0.0, 0.0, 1.0])
