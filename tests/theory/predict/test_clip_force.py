"""The clip's pull back under noise, and verifiers that err."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from theory.predict.clip_force import predicted_clip_entropy_slope, predicted_clip_force
from theory.predict.drift import predicted_class_gradient
from theory.predict.noisy_verifier import predicted_noisy_class_gradient

LOGITS = st.lists(st.floats(-3.0, 3.0), min_size=4, max_size=4)


@given(LOGITS)
def test_no_force_on_fresh_samples_and_none_without_a_clip(logits):
    old, new = softmax(np.zeros(4)), softmax(np.array(logits))
    fresh = predicted_clip_force(new, new, clip_low=0.2, clip_high=0.2)
    np.testing.assert_array_equal(fresh, np.zeros(4))
    free = predicted_clip_force(old, new, clip_low=1.0, clip_high=np.inf)
    np.testing.assert_array_equal(free, np.zeros(4))


@given(LOGITS)
def test_the_force_points_back_to_the_old_policy(logits):
    old, new = softmax(np.zeros(4)), softmax(np.array(logits))
    force = predicted_clip_force(old, new, clip_low=0.2, clip_high=0.2)
    assert force.sum() == pytest.approx(0.0, abs=1e-12)
    assert force @ np.log(new / old) <= 1e-12


@given(LOGITS, LOGITS)
def test_the_entropy_slope_is_half_a_covariance_with_what_moved(old_logits, logits):
    old, new = softmax(np.array(old_logits)), softmax(np.array(logits))
    moved = (new > 1.2 * old).astype(float) - (new < 0.8 * old)
    weight = new * (np.log(new) - new @ np.log(new))
    slope = predicted_clip_entropy_slope(old, new, clip_low=0.2, clip_high=0.2)
    covariance = new @ (moved * weight) - (new @ moved) * (new @ weight)
    assert slope == pytest.approx(0.5 * covariance, abs=1e-12)


@given(LOGITS)
def test_from_a_uniform_policy_each_side_can_only_raise_the_entropy(logits):
    old, new = np.full(4, 0.25), softmax(np.array(logits))
    for widths in ({"clip_low": 1.0, "clip_high": 0.2}, {"clip_low": 0.2, "clip_high": np.inf}):
        assert predicted_clip_entropy_slope(old, new, **widths) >= -1e-12


@given(st.floats(0.55, 0.95), st.floats(0.3, 0.7))
def test_a_rare_arm_that_rose_and_a_likely_one_that_fell_narrow_the_policy(share, fall):
    old, new = (np.array([one, 1.0 - one]) for one in (share, 0.5 + fall * (share - 0.5)))
    risen, fallen = new[1] / old[1] - 1.0, 1.0 - new[0] / old[0]
    for widths in (
        {"clip_low": 1.0, "clip_high": 0.9 * risen},
        {"clip_low": 0.9 * fallen, "clip_high": np.inf},
    ):
        assert predicted_clip_entropy_slope(old, new, **widths) < 0.0


@pytest.mark.parametrize("rule", ["raw_reward", "grpo", "leave_one_out"])
@given(st.floats(-20.0, 20.0))
def test_a_perfect_verifier_leaves_the_clean_gradient(rule, log_odds):
    how = {"group_size": 4}
    noisy = predicted_noisy_class_gradient(
        rule, log_odds, true_positive_rate=1.0, false_positive_rate=0.0, **how
    )
    clean = predicted_class_gradient(rule, log_odds, **how)
    assert noisy == pytest.approx(clean, rel=1e-9)


@given(st.floats(-5.0, 5.0), st.floats(0.05, 0.95))
def test_a_verifier_that_cannot_tell_teaches_nothing(log_odds, rate):
    rates = {"true_positive_rate": rate, "false_positive_rate": rate}
    gradient = predicted_noisy_class_gradient("grpo", log_odds, group_size=8, **rates)
    assert gradient == pytest.approx(0.0, abs=1e-15)


@given(st.floats(-5.0, 5.0))
def test_groups_of_two_see_the_covariance_alone(log_odds):
    rates = {"true_positive_rate": 0.7, "false_positive_rate": 0.2}
    grpo = predicted_noisy_class_gradient("grpo", log_odds, group_size=2, ddof=0, eps=0.0, **rates)
    assert grpo == pytest.approx(0.5 * expit(log_odds) * expit(-log_odds), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: predicted_clip_force([0.5, 0.5], [1.0], clip_low=0.2, clip_high=0.2),
            "`prob` must be of the shape",
        ),
        (
            lambda: predicted_clip_force([0.5, 0.5], [0.5, 0.5], clip_low=1.2, clip_high=0.2),
            r"`clip_low` must be in \[0, 1\]",
        ),
        (
            lambda: predicted_noisy_class_gradient(
                "grpo", 0.0, true_positive_rate=1.2, false_positive_rate=0.1, group_size=4
            ),
            r"`true_positive_rate` must be in \[0, 1\]",
        ),
        (
            lambda: predicted_noisy_class_gradient(
                "grpo", 0.0, true_positive_rate=1.0, false_positive_rate=1.0, group_size=4
            ),
            "sometimes pays and sometimes does not",
        ),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
