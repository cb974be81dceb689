"""What kind of rule a thing is, and the sentences that say what was expected."""

import functools

import numpy as np
import pytest
import torch

from banditlab.rules import RULES
from banditlab.testing import Promises, check_update_rule, promises
from banditlab.testing.kinds import infer_kind, make_subject
from banditlab.weights import clipped_weight
from tests.banditlab.testing.teeth.correct import masked_weight, reinforce_loss


def weight(log_prob, old_log_prob, advantage):
    return (log_prob - old_log_prob + 1.0) * advantage


def named_otherwise(new, old, adv):
    return (new - old + 1.0) * adv


def advantage_of(reward):
    return reward * 1.0


def with_defaults(log_prob, old_log_prob, advantage, clip=0.2, *, scale=1.0, **rest):
    return weight(log_prob, old_log_prob, advantage)


def loss_with_keyword_mask(log_prob, old_log_prob, advantage, *, mask):
    return reinforce_loss(log_prob, old_log_prob, advantage, mask)


def loss_with_default_mask(log_prob, old_log_prob, advantage, mask=None):
    return reinforce_loss(log_prob, old_log_prob, advantage, mask)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (RULES["clip"], "rule"),
        (weight, "weight"),
        (named_otherwise, "weight"),
        (with_defaults, "weight"),
        (masked_weight, "weight"),
        (functools.partial(clipped_weight, clip_low=0.2, clip_high=0.2), "weight"),
        (reinforce_loss, "loss"),
        (loss_with_keyword_mask, "loss"),
        (loss_with_default_mask, "loss"),
        (advantage_of, "advantage"),
        (lambda values: values, "advantage"),
    ],
)
def test_the_kind_is_told_by_type_and_signature(rule, kind):
    assert infer_kind(rule) == kind
    assert make_subject(rule).kind == kind


def test_a_kind_that_is_given_goes_before_the_signature():
    def single(array):
        return array * 1.0

    assert make_subject(single, kind="advantage").kind == "advantage"
    assert make_subject(reinforce_loss, kind="loss").takes_mask


def test_arguments_are_passed_by_name_in_any_order():
    def shuffled(advantage, mask, old_log_prob, log_prob):
        return reinforce_loss(log_prob, old_log_prob, advantage, mask)

    assert check_update_rule(shuffled).is_success

    def swapped(advantage, log_prob, old_log_prob):
        return weight(log_prob, old_log_prob, advantage)

    names = ["on_policy_weight_is_advantage", "sample_permutation"]
    assert check_update_rule(swapped, checks=names).is_success


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (3.0, TypeError, r"must be a callable or an UpdateRule, got float. A weight takes"),
        (
            lambda one, two: one,
            TypeError,
            r"must have a signature of a known kind, got <lambda>\(one, two\). A weight takes "
            r"\(log_prob, old_log_prob, advantage\), a loss also takes mask, an advantage takes "
            r"\(reward\); or say which with kind= \(--kind\), one of weight, loss, advantage, rule",
        ),
        (lambda: 0, TypeError, r"must have a signature of a known kind, got <lambda>\(\)"),
        (lambda mask: 0, TypeError, r"must have a signature of a known kind, got <lambda>\(mask\)"),
        (
            clipped_weight,
            TypeError,
            r"must have a value for every hyperparameter, got clipped_weight without clip_low, "
            r"clip_high. Pass functools.partial\(clipped_weight, clip_low=..., clip_high=...\), or "
            r"--set clip_low=VALUE",
        ),
        (map, TypeError, r"must be a callable whose signature can be read, got map. Wrap it in a"),
        (
            lambda log_prob, old_log_prob, advantage: advantage.sum(),
            ValueError,
            r"the weight of <lambda> must be of the shape of its inputs, \(2, 3\), got \(\).*"
            r"declare kind='loss' \(--kind loss\) and take a mask",
        ),
        (
            lambda log_prob, old_log_prob, advantage: 1.0,
            TypeError,
            r"the weight of <lambda> must be an array of the shape of its inputs, got float.*is a "
            r"loss if it also takes a mask",
        ),
        (
            lambda reward: reward.mean(),
            ValueError,
            r"the advantage of <lambda> must be of the shape of its inputs, \(2, 3\), got \(\)",
        ),
        (lambda reward: None, TypeError, r"the advantage of <lambda> must be an array .*NoneType"),
        (
            lambda log_prob, old_log_prob, advantage: {}["key"],
            ValueError,
            r"must accept arrays of shape \[N, T\], got <lambda>, which raised in every array "
            r"namespace tried \(numpy: KeyError: 'key'; torch: KeyError.*declare "
            r"namespaces=\('torch',\)",
        ),
        (
            lambda reward: reward.no_such_attribute,
            ValueError,
            r"must accept reward \[P, G\], got <lambda>, which raised .*AttributeError",
        ),
        (
            lambda log_prob, old_log_prob, advantage, mask: float(advantage.mean()),
            TypeError,
            r"the loss of <lambda> must be a torch tensor with one number, got float. Average it "
            r"over the mask, or declare kind='weight' \(--kind weight\)",
        ),
        (
            lambda log_prob, old_log_prob, advantage, mask: (log_prob * advantage).mean().detach(),
            ValueError,
            r"the loss of <lambda> must depend on log_prob by its graph, got a tensor that is "
            r"detached from it. Take out .detach\(\)",
        ),
        (
            lambda log_prob, old_log_prob, advantage, mask: (
                old_log_prob.clone().requires_grad_() * advantage
            ).mean(),
            ValueError,
            r"must depend on log_prob by its graph",
        ),
    ],
)
def test_what_cannot_be_checked_is_told_in_a_sentence(rule, error, message):
    with pytest.raises(error, match=f"check_update_rule: .*{message}"):
        check_update_rule(rule)


def test_a_loss_per_token_is_no_loss():
    def per_token(log_prob, old_log_prob, advantage, mask):
        return -log_prob * advantage

    with pytest.raises(TypeError, match=r"a torch tensor with one number, got shape \(2, 3\)"):
        make_subject(per_token, kind="loss")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"`kind` must be a known kind, got 'los'. Did you mean"):
        check_update_rule(weight, kind="los")


@pytest.mark.parametrize(
    ("rule", "kind", "message"),
    [
        (weight, "rule", r"must be an UpdateRule for kind 'rule', got function"),
        (RULES["clip"], "weight", r"must be a callable for kind 'weight', got UpdateRule"),
    ],
)
def test_a_kind_that_does_not_fit_is_refused(rule, kind, message):
    with pytest.raises(TypeError, match=message):
        check_update_rule(rule, kind=kind)


def test_promises_given_go_before_those_carried_and_those_known():
    carried = promises(on_policy_scale=2.0)(lambda log_prob, old_log_prob, advantage: 2 * advantage)
    assert make_subject(carried).promises.on_policy_scale == 2.0
    given = Promises(on_policy_scale=3.0)
    assert make_subject(carried, promises=given).promises is given
    assert make_subject(RULES["clip"], promises=given).promises is given
    assert make_subject(weight).promises == Promises()
    known = make_subject(functools.partial(clipped_weight, clip_low=0.1, clip_high=0.3)).promises
    assert (known.clip_low, known.clip_high) == (0.1, 0.3)


def test_namespaces_are_those_in_which_a_trial_call_succeeds():
    def numpy_only(log_prob, old_log_prob, advantage):
        if not isinstance(log_prob, np.ndarray):
            raise TypeError("an ndarray is needed")
        return np.exp(log_prob - old_log_prob) * advantage

    def torch_only(log_prob, old_log_prob, advantage):
        return torch.exp(log_prob - old_log_prob) * advantage

    assert make_subject(numpy_only).namespaces == ("numpy",)
    assert make_subject(torch_only).namespaces == ("torch",)
    assert make_subject(weight).namespaces == ("numpy", "torch", "array_api_strict")
    assert make_subject(reinforce_loss).namespaces == ("torch",)
    assert check_update_rule(numpy_only).counts["failed"] == 0
    assert check_update_rule(torch_only).counts["failed"] == 0


def test_a_namespace_that_is_declared_must_work():
    declared = Promises(namespaces=("numpy", "torch"))

    def numpy_only(log_prob, old_log_prob, advantage):
        return np.exp(np.asarray(log_prob) - np.asarray(old_log_prob)) * np.asarray(advantage)

    report = check_update_rule(
        numpy_only, promises=declared, checks=["namespace_kept"], on_fail="report"
    )
    assert report.named("failed") == ("namespace_kept",)


def test_a_rule_with_a_memory_remembers_a_right_and_a_wrong_answer():
    """running_mean: the prompt's baseline is then 1/2."""
    subject = make_subject(RULES["running_mean"])
    np.testing.assert_allclose(subject.advantage(np.array([[1.0, 0.0]])), [[0.5, -0.5]])
