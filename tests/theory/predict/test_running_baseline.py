"""Running means: what earlier rewards leave, and what present ones take away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.running_baseline import (
    newest_weight,
    predicted_baseline_gradient,
    predicted_kept_share,
)


def test_weight_starts_as_a_plain_mean():
    assert newest_weight(4, forgetting=0.0).tolist() == [1.0, 0.5, 1 / 3, 0.25]
    assert newest_weight(4, forgetting=0.5).tolist() == [1.0, 0.5, 0.5, 0.5]


@given(st.integers(1, 30), st.integers(1, 16), st.floats(0, 1))
def test_earlier_rewards_cost_nothing_and_present_ones_at_most_all(rounds, group_size, forgetting):
    how = {"group_size": group_size, "forgetting": forgetting}
    assert (predicted_kept_share(rounds, **how, is_included=False) == 1.0).all()
    kept = predicted_kept_share(rounds, **how, is_included=True)
    assert kept[0] == pytest.approx((group_size - 1) / group_size)
    assert (np.diff(kept) >= 0.0).all()
    assert (kept <= 1.0 - forgetting / group_size + 1e-15).all()


def test_a_constant_weight_keeps_the_known_share():
    kept = predicted_kept_share(20, group_size=1, forgetting=0.1, is_included=True)
    assert kept[9:] == pytest.approx(0.9)


def test_gradient_is_the_share_of_p_q():
    how = {"group_size": 2, "forgetting": 0.3, "is_included": True}
    found = predicted_baseline_gradient([0.0, -50.0], 3, **how)
    share = predicted_kept_share(3, **how)
    np.testing.assert_allclose(found[0], 0.25 * share, rtol=1e-14)
    np.testing.assert_allclose(found[1], np.exp(-50.0) * share, rtol=1e-12)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`forgetting` must be in \[0, 1\]"):
        newest_weight(3, forgetting=1.5)
    with pytest.raises(ValueError, match="`num_rounds` must be at least 1"):
        newest_weight(0, forgetting=0.5)
    with pytest.raises(ValueError, match="`group_size` must be at least 1"):
        predicted_kept_share(3, group_size=0, forgetting=0.5, is_included=True)
