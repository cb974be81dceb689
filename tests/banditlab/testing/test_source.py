"""What a rule is called, and the Python that binds it."""

import functools

import pytest

from banditlab.reference import ReferenceTerm
from banditlab.rules import RULES
from banditlab.testing import CheckFailure, Promises, check_update_rule, objectives
from banditlab.testing.report import example_code
from banditlab.testing.source import code_of, code_with, name_of
from banditlab.weights import clipped_weight, policy_gradient_weight, topr_weight


class Rules:
    @staticmethod
    def nested(reward):
        return reward * 1.0


def local():
    def inner(reward):
        return reward

    return inner


CLIP = functools.partial(clipped_weight, clip_low=0.1, clip_high=0.3)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (RULES["clip"], "clip"),
        (topr_weight, "topr_weight"),
        (CLIP, "clipped_weight(clip_low=0.1, clip_high=0.3)"),
        (functools.partial(max, 1), "max(1)"),
        (lambda reward: reward, "<lambda>"),
        (Rules(), "Rules"),
    ],
)
def test_names(rule, name):
    assert name_of(rule) == name


@pytest.mark.parametrize("rule", [RULES["clip"], topr_weight, Rules.nested])
def test_code_binds_the_rule_itself(rule):
    names = {}
    exec(code_of(rule), names)
    assert names["rule"] == rule


def test_hyperparameters_that_differ_are_in_the_code():
    names = {}
    changed = RULES["clip"].with_hyper(clip_high=0.28)
    code = code_of(changed)
    exec(code, names)
    assert names["rule"].hyper == changed.hyper
    assert "clip_low" not in code


def test_code_of_a_partial():
    names = {}
    exec(code_of(CLIP), names)
    assert names["rule"].func is clipped_weight
    assert names["rule"].keywords == CLIP.keywords


@pytest.mark.parametrize(
    "rule",
    [
        lambda reward: reward,
        local(),
        functools.partial(clipped_weight, 1.0),
        functools.partial(local(), reward=1.0),
        RULES["clip"].with_reference(ReferenceTerm(0.1, "k2", "loss")),
        Rules(),
    ],
)
def test_what_cannot_be_imported_is_left_to_the_reader(rule):
    assert code_of(rule).startswith("rule = ...  # the rule that was checked")


def test_another_rule_under_a_known_name_is_not_taken_for_it():
    from dataclasses import replace

    other = replace(RULES["clip"], weight=topr_weight, weight_hyper={})
    assert code_of(other).startswith("rule = ...")


def test_without_kind_and_promises_the_code_stays():
    assert code_with("rule = 1", None, None) == "rule = 1"


@pytest.mark.parametrize("kind", [None, "weight"])
def test_an_example_is_held_to_the_promises_that_were_given(kind):
    """The weight is right, and what is promised of it is not: only the promise fails it."""
    wrong = functools.partial(objectives.ratio_variance, multiplier=0.5)
    declared = Promises(objective=wrong, multiplier=0.5)
    report = check_update_rule(
        policy_gradient_weight,
        kind=kind,
        promises=declared,
        checks=["gradient_of_objective"],
        on_fail="report",
    )
    code = example_code(report.code, report.results[0])
    assert ("kind='weight'" in code) == (kind is not None)
    with pytest.raises(CheckFailure, match=r"^the weight\[") as failed:
        exec(code, {})
    assert str(failed.value) == report.results[0].failure.message


def test_promises_that_cannot_be_imported_are_left_to_the_reader():
    declared = Promises(objective=lambda log_prob, old_log_prob, advantage: log_prob)
    code = code_with(code_of(topr_weight), None, declared)
    assert "promises = ...  # those given; a function in them cannot be imported" in code
    assert "promises=promises" in code
