"""Names of reference terms, and times by quadrature."""

import numpy as np
import pytest

from banditlab.reference import ReferenceTerm
from banditlab.rules import get_rule
from theory.predict.learning_curves import predicted_raw_time
from theory.verify.experiments.reference_term import (
    KERNEL,
    measure_final_log_odds,
    measure_times,
    named_term,
    rule_with,
)


def test_names_of_terms():
    assert named_term("k2 in the reward", 0.1) == ReferenceTerm(0.1, "k2", "reward")
    corrected = ReferenceTerm(0.1, "k3", "loss", is_ratio_corrected=True)
    assert named_term("k3 in the loss, with ratio", 0.1) == corrected


def test_times_without_a_term_are_those_of_the_closed_form():
    log_odds = np.array([-1.0, 1.0, 2.0])
    found = measure_times(get_rule("raw_reward"), log_odds, -2.0)
    np.testing.assert_allclose(found, predicted_raw_time(-2.0, log_odds, kernel=KERNEL), rtol=1e-10)


def test_the_end_lies_where_the_two_pulls_are_equal():
    final = measure_final_log_odds(rule_with("k2", 0.5), 0.0, 1, width=10.0)
    assert final == pytest.approx(2.0, abs=1e-10)
