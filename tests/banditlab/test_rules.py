import pickle
from dataclasses import replace

import numpy as np
import pytest

from banditlab.advantages import raw
from banditlab.dual import DualAscent
from banditlab.reference import ReferenceTerm
from banditlab.rules import (
    RULES,
    advantage_and_state,
    get_rule,
    group_advantage,
    initial_state,
    score_weight,
    shaped_reward,
)
from banditlab.weights import ratio_variance_weight

STATEFUL = ("running_mean", "reward_history")
REWARD = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.mark.parametrize("name", RULES)
def test_every_entry_is_complete_and_named_by_its_key(name):
    rule = RULES[name]
    assert rule.name == name
    assert rule.formula.isascii()
    assert rule.source
    assert all(isinstance(value, int | float) for value in rule.hyper.values())
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize("name", RULES)
def test_every_rule_gives_advantages_of_the_reward_s_shape(name):
    rule = RULES[name]
    reward = np.zeros((2, 3, rule.smallest_group + rule.extra_rollouts))
    reward[0, :, 0] = 1.0
    state = initial_state(rule, (2, 3))
    assert (state is None) == (name not in STATEFUL)
    for _ in range(3):
        advantage, next_state = advantage_and_state(rule, reward, state)
        assert advantage.shape == reward.shape
        assert next_state is None or next_state.shape == state.shape
        state = next_state


@pytest.mark.parametrize("name", RULES)
def test_every_hyperparameter_can_be_set_and_is_shown(name):
    rule = RULES[name]
    for hyper, value in rule.hyper.items():
        other = {"ddof": 0, "history": 12, "extra_rollouts": 3, "dual_clip": 5.0}.get(hyper, 0.11)
        changed = get_rule(name, **{hyper: other})
        assert changed.hyper == {**rule.hyper, hyper: other}
        assert f"{hyper}={other:g}" in repr(changed)
        assert RULES[name].hyper[hyper] == value
        assert pickle.loads(pickle.dumps(changed)) == changed


def test_an_unknown_rule_names_the_nearest_and_all():
    with pytest.raises(ValueError, match=r"Did you mean 'grpo'\? There are: raw_reward, .*clip"):
        get_rule("gprpo")


def test_an_unknown_hyperparameter_names_those_of_the_rule():
    with pytest.raises(ValueError, match=r"a hyperparameter of clip.*It has: clip_low, clip_high"):
        get_rule("clip", epsilon=0.2)
    for name in ("bound", "coefficient"):
        with pytest.raises(ValueError, match=rf"`{name}` must be a hyperparameter of grpo, got"):
            get_rule("grpo", **{name: 0.2})


def test_rules_print_pickle_and_do_not_change():
    rule = get_rule("clip", clip_high=0.28)
    assert repr(rule) == "clip(clip_low=0.2, clip_high=0.28)"
    assert repr(pickle.loads(pickle.dumps(rule))) == repr(rule)
    assert RULES["clip"].hyper["clip_high"] == 0.2
    with pytest.raises(TypeError):
        rule.weight_hyper["clip_low"] = 0.1


def test_a_rule_prints_its_reference_and_takes_another():
    assert repr(RULES["grpo_k3"]) == "grpo_k3(ddof=1, eps=1e-06, coefficient=0.001, k3 in the loss)"
    assert "k3 in the loss with ratio" in repr(RULES["grpo_k3_corrected"])
    rule = get_rule("clip").with_reference(ReferenceTerm(0.01, "k2", "loss"))
    assert rule.hyper == {"clip_low": 0.2, "clip_high": 0.2, "coefficient": 0.01}
    assert rule.with_hyper(coefficient=0.5).reference == ReferenceTerm(0.5, "k2", "loss")
    assert rule.with_reference(None) == RULES["clip"]


def test_grpo_defaults_are_those_of_the_published_code():
    reward = np.array([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    expected = (reward - reward.mean()) / (reward.std(ddof=1) + 1e-6)
    np.testing.assert_allclose(group_advantage(RULES["grpo"], reward), expected, rtol=1e-14)


def test_a_group_of_one_is_for_some_rules_only():
    single = np.array([[1.0], [0.0]])
    for rule in RULES.values():
        if rule.initial_state is not None:
            continue
        # A batch baseline compares prompts instead.
        draw = np.repeat(single, 1 + rule.extra_rollouts, axis=1)
        if rule.smallest_group == 1:
            assert group_advantage(rule, draw).shape == draw.shape
        else:
            with pytest.raises(ValueError, match=r"must be of group size 2 or more"):
                group_advantage(rule, draw)
    for name in ("grpo_or_raw", "grpo_k3"):
        np.testing.assert_array_equal(group_advantage(RULES[name], single), single)


def test_extra_rollouts_serve_the_statistics_and_lower_the_smallest_group():
    rule = RULES["extra_rollouts"]
    assert (rule.extra_rollouts, rule.smallest_group) == (7, 1)
    assert rule.with_hyper(extra_rollouts=0).smallest_group == 2
    assert "extra_rollouts" not in rule.with_hyper(extra_rollouts=0).hyper
    assert get_rule("leave_one_out", extra_rollouts=3).smallest_group == 1
    draw = np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    trained = group_advantage(rule, draw)[:, :1]
    np.testing.assert_allclose(trained, (1 - 0.25) / (draw.std(ddof=1) + 1e-6), rtol=1e-14)


@pytest.mark.parametrize("count", [-1, 2.0, True])
def test_extra_rollouts_must_be_a_count(count):
    with pytest.raises(ValueError, match=r"UpdateRule: `extra_rollouts` must be a whole number"):
        get_rule("extra_rollouts", extra_rollouts=count)


@pytest.mark.parametrize("name", STATEFUL)
def test_a_rule_with_memory_is_refused_where_there_is_none(name):
    with pytest.raises(ValueError, match=rf"group_advantage: `rule` .*got {name}.*and_state`"):
        group_advantage(RULES[name], REWARD)
    with pytest.raises(ValueError, match=rf"`state` must be given for {name}, got None.*initial"):
        advantage_and_state(RULES[name], REWARD, None)


def test_a_state_for_a_rule_without_memory_is_refused():
    with pytest.raises(ValueError, match=r"`state` must be None for grpo, got a state"):
        advantage_and_state(RULES["grpo"], REWARD, np.zeros((2, 2)))


def test_the_state_is_that_of_the_rule_s_own_hyperparameters():
    rule = get_rule("reward_history", history=5)
    state = initial_state(rule, (2,))
    assert state.shape == (2, 6)
    assert advantage_and_state(rule, REWARD, state)[1].shape == (2, 6)
    with pytest.raises(ValueError, match=r"`state` must be of shape \(2, 9\)"):
        advantage_and_state(RULES["reward_history"], REWARD, state)


def test_the_reward_is_shaped_only_where_the_term_is_in_the_reward():
    old_log_prob, ref_log_prob = np.log(REWARD + 1), np.zeros_like(REWARD)
    rule = get_rule("leave_one_out_k1", coefficient=0.5)
    np.testing.assert_allclose(
        shaped_reward(rule, REWARD, old_log_prob, ref_log_prob), REWARD - 0.5 * old_log_prob
    )
    for name in set(RULES) - {"leave_one_out_k1"}:
        assert shaped_reward(RULES[name], REWARD) is REWARD


def test_log_probs_that_a_reference_needs_must_be_there():
    zeros = np.zeros_like(REWARD)
    rule = RULES["leave_one_out_k1"]
    with pytest.raises(ValueError, match=r"shaped_reward: `ref_log_prob` must be given for leave_"):
        shaped_reward(rule, REWARD, zeros)
    with pytest.raises(ValueError, match=r"shaped_reward: `old_log_prob` must be given for leave_"):
        shaped_reward(rule, REWARD, None, zeros)
    with pytest.raises(ValueError, match=r"shaped_reward: `old_log_prob` must be of the shape of"):
        shaped_reward(rule, REWARD, zeros[0], zeros)
    with pytest.raises(ValueError, match=r"score_weight: `ref_log_prob` must be given for grpo_k3"):
        score_weight(RULES["grpo_k3"], zeros, zeros, REWARD)


def test_the_multiplier_is_the_dual_s_and_begins_with_its_initial_one():
    log_prob, old_log_prob = np.array([-1.0, -2.0]), np.array([-1.3, -1.8])
    arrays = log_prob, old_log_prob, np.array([1.0, -1.0])
    rule = get_rule("variance_penalty_dual", initial=0.8)
    assert rule.dual == DualAscent(bound=0.1, dual_step_size=1.0, initial=0.8)
    for multiplier, expected in ((None, 0.8), (0.3, 0.3), (np.array([0.1, 0.9]),) * 2):
        np.testing.assert_array_equal(
            score_weight(rule, *arrays, multiplier=multiplier),
            ratio_variance_weight(*arrays, multiplier=expected),
        )
    with pytest.raises(ValueError, match=r"`multiplier` must be None for clip, which has no dual"):
        score_weight(RULES["clip"], *arrays, multiplier=0.3)
    with pytest.raises(ValueError, match=r"`multiplier` must be None for variance_penalty, which"):
        score_weight(RULES["variance_penalty"], *arrays, multiplier=0.3)


def test_parts_can_be_exchanged_for_an_experiment():
    rule = replace(get_rule("variance_penalty", multiplier=0.2), advantage=raw)
    np.testing.assert_array_equal(group_advantage(rule, REWARD), REWARD)
    assert rule.hyper == {"multiplier": 0.2}
