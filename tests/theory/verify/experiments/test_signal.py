"""Groups without a signal, and mixed ones: waits, and what is conditioned on."""

import numpy as np
import pytest

from banditlab.rules import get_rule
from theory.verify.experiments.conditional_advantage import mixed_advantage
from theory.verify.experiments.running_baseline import over_updated_mean
from theory.verify.experiments.signal import is_silent, measure_groups_per_used_group


def test_waits_are_counted_across_blocks():
    turns = iter(range(100))

    def every_third(reward):
        # Blocks of 4 groups, of which 0, 3, 6, ... of the whole sequence are used.
        return (4 * next(turns) + np.arange(4)) % 3 == 0

    found = measure_groups_per_used_group(
        np.random.default_rng(0), get_rule("grpo"), [(0.0, 2)], 4, every_third
    )
    # Groups 0, 3, 6, 9: the first wait is 1, the others 3.
    assert found.value == pytest.approx((1 + 3 * 3) / 4)


def test_unanimous_groups_are_silent_and_mixed_ones_are_not():
    arms = np.array([[0, 0, 0], [1, 1, 1], [0, 1, 1]])
    assert is_silent(get_rule("grpo"), 0.5, 3, 3, arms=arms).tolist() == [True, True, False]
    raw = is_silent(get_rule("raw_reward"), 0.5, 3, 3, arms=arms)
    assert raw.tolist() == [False, True, False]


def test_pairs_with_a_signal_have_advantages_of_one_half():
    for reward, advantage in ((1.0, 0.5), (0.0, -0.5)):
        assert mixed_advantage(get_rule("group_mean"), -1.3, 2, reward) == pytest.approx(advantage)


def test_a_first_round_over_the_updated_mean_is_over_the_group_mean():
    reward = np.array([[1.0, 0.0, 0.0, 1.0, 1.0]])
    how = {"forgetting": 0.3, "initial_baseline": 0.7}
    advantage, state = over_updated_mean(reward, np.array([[0.7, 0.0]]), **how)
    np.testing.assert_allclose(advantage, reward - 0.6)
    np.testing.assert_allclose(state, [[0.6, 5.0]])
