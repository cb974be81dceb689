"""Discovery of prompts: the catalogue's figures, the power law, and independent events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, gamma

from theory.predict.prompt_discovery import (
    predicted_discovery_counts,
    predicted_undiscovered_share,
)


def test_share_has_the_known_figures():
    share = predicted_undiscovered_share([10, 100, 1_000, 10_000], 0.4, 30.0)
    np.testing.assert_allclose(share, [0.8904, 0.5545, 0.2421, 0.0974], atol=5e-5)


@given(st.floats(0.1, 3.0), st.floats(0.5, 50.0))
def test_many_visits_leave_a_power(prior_success, prior_failure):
    share = predicted_undiscovered_share(1e8, prior_success, prior_failure)
    power = gamma(prior_success + prior_failure) / gamma(prior_failure) * 1e8**-prior_success
    assert share == pytest.approx(power, rel=1e-4)


@given(st.floats(0.1, 3.0), st.floats(0.5, 50.0))
def test_first_visit_fails_by_the_mean(prior_success, prior_failure):
    share = predicted_undiscovered_share([0, 1], prior_success, prior_failure)
    mean = prior_success / (prior_success + prior_failure)
    np.testing.assert_allclose(share, [1.0, 1.0 - mean], rtol=1e-9)


@given(st.lists(st.floats(-8.0, 3.0), min_size=1, max_size=8), st.integers(0, 20))
def test_counts_have_the_moments_of_independent_events(log_odds, num_visits):
    law = predicted_discovery_counts(log_odds, num_visits)
    missed = (1.0 - expit(np.array(log_odds))) ** num_visits
    count = np.arange(len(law))
    mean = law @ count
    assert law.sum() == pytest.approx(1.0)
    assert mean == pytest.approx((1.0 - missed).sum(), abs=1e-9)
    assert law @ count**2 - mean**2 == pytest.approx((missed * (1.0 - missed)).sum(), abs=1e-9)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`prior_success` must be a finite number above 0"):
        predicted_undiscovered_share(1, 0.0, 1.0)
    with pytest.raises(ValueError, match="`prior_failure` must be a finite number above 0"):
        predicted_undiscovered_share(1, 1.0, 0.0)
    with pytest.raises(ValueError, match="`num_visits` must be at least 0"):
        predicted_discovery_counts([0.0], -1)
