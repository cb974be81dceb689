"""Experiments on rare successes: the raw reward, for which the answers are known."""

import numpy as np
import pytest
from scipy.special import logit

from banditlab.rules import get_rule
from theory.predict import take_off
from theory.verify.experiments.first_success import (
    measure_discovery,
    measure_growth_of_wrong_odds,
    measure_no_success,
    measure_still_waiting,
    measure_take_off,
)

RAW = get_rule("raw_reward")


@pytest.mark.parametrize("rate", [0.3, 1e-3])
def test_mean_time_to_the_first_success_of_raw_reward_is_geometric(rate):
    assert measure_discovery(RAW, logit(rate), 1.0).value == pytest.approx([rate], rel=1e-6)


def test_raw_reward_waits_with_a_constant_chance():
    rng = np.random.default_rng(0)
    how = {"log_odds": logit(0.02), "num_rollouts": 50, "step_size": 1.0, "num_runs": 4}
    # Its failures move nothing, so that every run has the same chance.
    with pytest.raises(ValueError, match="quantity 0 the same in all 4 runs"):
        measure_still_waiting(rng, RAW, **how)
    alone = measure_no_success(RAW, 0.02, 50, 1.0).value
    np.testing.assert_allclose(alone, 0.98 ** np.arange(1, 51))


def test_raw_reward_takes_off_by_its_law():
    rng = np.random.default_rng(0)
    measured = measure_take_off(rng, RAW, success_prob=2e-3, step_size=2.0, num_runs=200)
    law = take_off.predicted_take_off_mean(2.0)
    assert abs(measured.value[0] - law) < 4.0 * measured.standard_error[0]


def test_failures_of_raw_reward_leave_the_odds_alone():
    assert measure_growth_of_wrong_odds(RAW, 1.0, (1, 2)).value == pytest.approx([0.0, 0.0])
