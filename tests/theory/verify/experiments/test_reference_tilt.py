"""The ascent to the end of a round finds the tilt of any advantage, or says that it cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.rules import get_rule
from theory.verify.experiments.reference_tilt import after_round, measure_rounds

RULE = get_rule("grpo_k3_corrected", coefficient=0.5)


@given(st.floats(-6.0, 6.0), st.floats(-6.0, 6.0), st.floats(-2.0, 2.0))
def test_round_ends_at_the_tilt_of_the_reference(log_odds, ref_log_odds, gap):
    found = after_round(RULE, log_odds, ref_log_odds, np.array([gap, 0.0]))
    assert found == pytest.approx(ref_log_odds + gap / 0.5, abs=1e-10)


def test_mirror_rounds_move_their_reference():
    held, mirror = (
        measure_rounds(-1.0, 2, is_mirror=is_mirror, coefficient=4.0).value
        for is_mirror in (False, True)
    )
    assert held[0] == mirror[0]
    assert mirror[1] > held[1]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_ascent_that_does_not_settle_says_so():
    with pytest.raises(FloatingPointError, match="no convergence in 400 steps"):
        after_round(RULE, 0.0, 0.0, np.array([2000.0, 0.0]))
