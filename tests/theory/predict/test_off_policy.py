"""Off-policy limits: imitation, the tilt of untapered negatives, the catalogue's figures."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from theory.predict.off_policy import (
    predicted_imitated_policy,
    predicted_positive_share,
    predicted_tapered_decay,
    predicted_untapered_limit,
)


@st.composite
def arms(draw, low: float):
    reward = draw(st.lists(st.floats(low, 2.0), min_size=2, max_size=7))
    mass = np.array([draw(st.floats(0.05, 1.0)) for _ in reward])
    return mass / mass.sum(), np.array(reward)


@given(arms(0.1))
def test_imitation_and_the_untapered_limit_agree_where_all_rewards_are_positive(arms):
    policy, speed = predicted_untapered_limit(*arms)
    np.testing.assert_allclose(policy, predicted_imitated_policy(*arms), atol=1e-12)
    np.testing.assert_allclose(speed, 0.0, atol=1e-12)


@given(arms(-2.0))
def test_untapered_limit_moves_along_the_gradient_and_keeps_the_sum_of_logits(arms):
    behaviour, reward = arms
    pull = behaviour * reward
    assume(pull.sum() > 1e-3)
    policy, speed = predicted_untapered_limit(behaviour, reward)
    assert policy.sum() == pytest.approx(1.0)
    assert (policy >= 0.0).all()
    np.testing.assert_allclose(speed, pull - policy * pull.sum(), atol=1e-12)
    assert speed.sum() == pytest.approx(0.0, abs=1e-12)
    # What dies falls behind what lives.
    assert (speed[policy == 0.0] <= speed[policy > 0.0].max() + 1e-12).all()


def test_tapered_decay_has_the_known_figure():
    behaviour = np.array([0.5, 0.3, 0.2])
    reward = np.array([1.0, 1.0, -0.2])
    assert predicted_tapered_decay(behaviour, reward) == pytest.approx([2.0 / 3.0])


def test_share_is_p_without_baseline_and_falls_with_it():
    assert predicted_positive_share(0.3, 0.0) == pytest.approx(0.3)
    assert predicted_positive_share(0.5, 0.5) == pytest.approx(0.25)
    np.testing.assert_array_equal(predicted_positive_share([0.0, 1.0], 0.7), [0.0, 1.0])


def test_wrong_inputs_are_refused_in_a_sentence():
    half = [0.5, 0.5]
    with pytest.raises(ValueError, match="`reward` must be above 0, the regime of imitation"):
        predicted_imitated_policy(half, [1.0, 0.0])
    with pytest.raises(ValueError, match="`reward` must be of the shape of `behaviour`"):
        predicted_imitated_policy(half, [1.0])
    with pytest.raises(ValueError, match="`behaviour` must be positive and of sum 1"):
        predicted_imitated_policy([0.5, 0.6], [1.0, 1.0])
    with pytest.raises(ValueError, match="of mean above 0 under the behaviour policy"):
        predicted_untapered_limit(half, [1.0, -1.0])
    with pytest.raises(ValueError, match="above 0 for some arms and not for others"):
        predicted_tapered_decay(half, [1.0, 1.0])
    with pytest.raises(ValueError, match="`baseline` must be between -1 and 1"):
        predicted_positive_share(0.5, 1.0)
    with pytest.raises(ValueError, match="`success_prob` must be between 0 and 1"):
        predicted_positive_share(1.5, 0.0)
