"""The ascent on given samples: where it stops, and when it cannot."""

import numpy as np
import pytest

from banditlab.rules import get_rule
from theory.verify.experiments.penalty_optimum import ascended_ratio, measure_least_multiplier

ADVANTAGE, PROB = np.array([1.0, 0.2, -0.6]), np.array([0.2, 0.5, 0.3])


def test_all_arms_in_their_shares_reach_the_centred_optimum():
    rule = get_rule("variance_penalty", multiplier=0.9)
    found = ascended_ratio(rule, ADVANTAGE, PROB, PROB)
    centred = ADVANTAGE - PROB @ ADVANTAGE
    np.testing.assert_allclose(found, 1.0 + centred / 1.8, atol=1e-12)


def test_an_arm_without_samples_makes_room():
    rule = get_rule("variance_penalty", multiplier=0.9)
    found = ascended_ratio(rule, ADVANTAGE, PROB, np.array([0.5, 0.5, 0.0]))
    np.testing.assert_allclose(found[:2], 1.0 + ADVANTAGE[:2] / 1.8, atol=1e-12)
    assert PROB @ found == pytest.approx(1.0)


def test_ascent_that_does_not_settle_says_so():
    # On the threshold itself the worst arm dies more slowly than geometrically.
    threshold = float(PROB @ ADVANTAGE - ADVANTAGE.min()) / 2.0
    rule = get_rule("variance_penalty", multiplier=threshold)
    with pytest.raises(FloatingPointError, match="no convergence in 6000 steps"):
        ascended_ratio(rule, ADVANTAGE, PROB, PROB)


def test_threshold_does_not_depend_on_where_the_line_is_drawn():
    rule = get_rule("variance_penalty")
    first, second = (
        measure_least_multiplier(rule, ADVANTAGE, PROB, pair).value for pair in ((0.5, 1.0), (2, 7))
    )
    np.testing.assert_allclose(first, second, rtol=1e-12)
