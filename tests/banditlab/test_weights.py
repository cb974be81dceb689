import functools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.rules import RULES, get_rule, group_advantage, score_weight
from banditlab.weights import clipped_weight, policy_gradient_weight, ratio_variance_weight
from tests.banditlab.broken_rules import BROKEN
from tests.banditlab.published import OBJECTIVES
from tests.banditlab.weight_checks import CHECKS


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", RULES)
def test_every_rule_passes_every_check(name, check):
    CHECKS[check](functools.partial(score_weight, RULES[name]), OBJECTIVES[name])


@pytest.mark.parametrize("broken", BROKEN, ids=lambda rule: rule.__name__)
def test_each_broken_rule_is_rejected_by_its_check(broken):
    name, check = BROKEN[broken]
    with pytest.raises((AssertionError, TypeError, RuntimeError)):
        CHECKS[check](broken, OBJECTIVES[name])


@given(
    log_ratio=st.floats(-20, 20),
    advantage=st.floats(-5, 5),
    clip_low=st.floats(0, 1),
    clip_high=st.floats(0, 3),
)
def test_clip_is_zero_exactly_beyond_the_outward_side(log_ratio, advantage, clip_low, clip_high):
    log_prob = np.array([log_ratio])
    weight = clipped_weight(
        log_prob, np.zeros(1), np.array([advantage]), clip_low=clip_low, clip_high=clip_high
    )[0]
    ratio = float(np.exp(log_ratio))
    is_outward = (advantage > 0 and ratio > 1 + clip_high) or (
        advantage < 0 and ratio < 1 - clip_low
    )
    assert weight == (0.0 if is_outward else ratio * advantage)


def test_a_sample_on_the_kink_still_counts():
    ratio = np.array([1.5, 0.5])
    weight = clipped_weight(
        np.log(ratio), np.zeros(2), np.array([1.0, -1.0]), clip_low=0.5, clip_high=0.5
    )
    np.testing.assert_allclose(weight, [1.5, -0.5])


def test_shapes_must_be_equal_for_every_weight():
    column, row = np.zeros((3, 1)), np.zeros(3)
    for weight in (
        policy_gradient_weight,
        functools.partial(clipped_weight, clip_low=0.2, clip_high=0.2),
        functools.partial(ratio_variance_weight, multiplier=0.1),
    ):
        with pytest.raises(ValueError, match=r"`old_log_prob` must be of the shape of `log_prob`"):
            weight(column, row, column)


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"clip_low": 1.5, "clip_high": 0.2}, r"`clip_low` must be a finite number in \[0, 1\]"),
        (
            {"clip_low": 0.2, "clip_high": -0.1},
            r"`clip_high` must be a finite number in \[0, inf\]",
        ),
        ({"clip_low": float("nan"), "clip_high": 0.2}, r"`clip_low` must be a finite number"),
    ],
)
def test_impossible_widths_are_refused(hyper, message):
    with pytest.raises(ValueError, match=message):
        clipped_weight(np.zeros(1), np.zeros(1), np.ones(1), **hyper)


def test_a_width_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"`clip_low` must be a real number, got str"):
        clipped_weight(np.zeros(1), np.zeros(1), np.ones(1), clip_low="0.2", clip_high=0.2)


def test_a_negative_multiplier_is_refused():
    with pytest.raises(ValueError, match=r"`multiplier` must be a finite number in \[0, inf\]"):
        ratio_variance_weight(np.zeros(1), np.zeros(1), np.ones(1), multiplier=-1.0)


def test_an_unknown_rule_names_the_nearest_and_all():
    with pytest.raises(ValueError, match=r"Did you mean 'grpo'\? There are: raw_reward, .*clip"):
        get_rule("gprpo")


def test_an_unknown_hyperparameter_names_those_of_the_rule():
    with pytest.raises(ValueError, match=r"a hyperparameter of clip.*It has: clip_low, clip_high"):
        get_rule("clip", epsilon=0.2)


def test_rules_print_pickle_and_do_not_change():
    rule = get_rule("clip", clip_high=0.28)
    assert repr(rule) == "clip(clip_low=0.2, clip_high=0.28)"
    assert repr(pickle.loads(pickle.dumps(rule))) == repr(rule)
    assert RULES["clip"].hyper["clip_high"] == 0.2
    with pytest.raises(TypeError):
        rule.weight_hyper["clip_low"] = 0.1


def test_grpo_defaults_are_those_of_the_published_code():
    reward = np.array([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    expected = (reward - reward.mean()) / (reward.std(ddof=1) + 1e-6)
    np.testing.assert_allclose(group_advantage(RULES["grpo"], reward), expected, rtol=1e-14)
