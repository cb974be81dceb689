"""The slowest escape from a wrong arm under a baseline: limits, refusals."""

import numpy as np
import pytest

from theory.predict.escape import predicted_longest_escape


def test_longest_escape_is_the_time_of_the_flow_for_small_steps():
    rounds = predicted_longest_escape(0.05, [2.0, 4.0], -0.1)
    start = np.array([2.0, 4.0])
    flow = (np.exp(start) + start - 1.0) / (2.0 * 0.05 * 0.1)
    np.testing.assert_allclose(rounds, flow, rtol=2e-3)
    np.testing.assert_array_equal(predicted_longest_escape(5.0, [2.0, 3.0], -0.1), [10, 24])


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`wrong_advantage` must be below 0, got 0\.1"):
        predicted_longest_escape(1.0, 2.0, 0.1)
    with pytest.raises(ValueError, match="`log_odds` must be above 0, against the better arm"):
        predicted_longest_escape(1.0, -2.0, -0.1)
