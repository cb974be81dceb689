"""Given successes under SGD, whose log-odds are known without Adam."""

import numpy as np
import pytest

from banditlab.optimizers import SGD
from banditlab.rules import get_rule
from theory.predict.take_off import predicted_take_off_mean
from theory.verify.experiments.adam import lone_success, measure_take_off, play


def test_a_lone_success_is_in_its_round():
    assert lone_success(3, 2).tolist() == [[False, False, True, False]]
    rise = play(SGD(0.5), lone_success(3, 2))
    np.testing.assert_allclose(rise, [[0.0, 0.0, 0.5, 0.5]], atol=1e-12)


def test_take_off_under_sgd_is_that_of_its_factor():
    found = measure_take_off(
        SGD(2.0), get_rule("raw_reward"), success_prob=1e-9, group_size=1, num_resting=1
    )
    assert found == pytest.approx(predicted_take_off_mean(2.0), abs=1e-6)


def test_too_small_steps_do_not_take_off():
    with pytest.raises(FloatingPointError, match="measure_take_off: 1000 successes"):
        measure_take_off(
            SGD(1e-9), get_rule("raw_reward"), success_prob=1e-9, group_size=1, num_resting=1
        )
