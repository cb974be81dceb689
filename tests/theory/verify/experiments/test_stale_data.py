"""Experiments on stale data: no staleness is banditlab's own expected update."""

import numpy as np
import pytest
from scipy.special import logit

from banditlab.expectation import expected_update
from banditlab.rules import get_rule
from theory.verify.experiments.stale_data import (
    measure_sampled_class_gradients,
    measure_stale_moments,
    measure_stale_updates,
    over_baseline,
    with_group_mean,
)
from theory.verify.experiments.stale_thresholds import measure_silencing

LOGITS = np.array([-0.5, 0.3, 0.0])
REWARD = np.array([1.0, 0.0, 0.0])


@pytest.mark.parametrize("name", ["group_mean", "clip", "variance_penalty", "topr"])
def test_groups_that_are_not_stale_give_the_expected_update(name):
    rule = with_group_mean(get_rule(name))
    measured = measure_stale_updates([rule], LOGITS, LOGITS, REWARD, 3).value
    np.testing.assert_allclose(measured, expected_update(rule, LOGITS, REWARD, 3), atol=1e-14)


def test_drawn_groups_agree_with_all_groups():
    now = LOGITS + np.array([0.3, 0.0, -0.2])
    rules = [get_rule("clip"), get_rule("variance_penalty")]
    exact = measure_stale_updates(rules, LOGITS, now, REWARD, 3).value.reshape(2, 3) @ REWARD
    drawn = measure_sampled_class_gradients(
        np.random.default_rng(0), rules, LOGITS, now, REWARD, group_size=3, num_runs=2_000
    )
    assert (np.abs(drawn.value - exact) < 4.0 * drawn.standard_error).all()


def test_moments_of_a_fresh_sample():
    rule = over_baseline(get_rule("clip"))
    mean, second = measure_stale_moments([rule], np.array([logit(0.2)]), np.zeros(1)).value
    assert mean == pytest.approx(0.16)
    assert second == pytest.approx(0.2 * (0.7 * 0.8) ** 2 + 0.8 * (0.3 * 0.2) ** 2)


def test_topr_is_never_silenced():
    with pytest.raises(ValueError, match="different signs"):
        measure_silencing(get_rule("topr"), -2.0, 1.0, is_success=True)
