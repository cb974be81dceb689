"""Where a check says nothing, it says why: every skip is told with its reason."""

import re
from dataclasses import replace

import numpy as np
import pytest

from banditlab.rules import RULES
from banditlab.testing import CHECKS, Promises, check_update_rule, promises
from banditlab.testing.kinds import make_subject
from tests.banditlab.testing.teeth import correct

CLIP, GROUP = RULES["clip"], RULES["group_mean"]


@promises(namespaces=("numpy",))
def numpy_only(log_prob, old_log_prob, advantage):
    return np.exp(log_prob - old_log_prob) * advantage


def looks_at_values(log_prob, old_log_prob, advantage):
    if bool((advantage == 0.0).all()):
        return 0.0 * log_prob
    return correct.undeclared(log_prob, old_log_prob, advantage)


def raises_off_the_cpu(log_prob, old_log_prob, advantage):
    if getattr(log_prob, "is_meta", False) or getattr(log_prob, "is_cuda", False):
        raise TypeError("only the CPU is served")
    return correct.undeclared(log_prob, old_log_prob, advantage)


@pytest.mark.parametrize(
    ("check", "rule", "changed", "reason"),
    [
        ("gradient_of_objective", CLIP, {"objective": None}, "it declares no objective"),
        ("on_policy_weight_is_advantage", CLIP, {"on_policy_scale": None}, "no on-policy scale"),
        ("no_advantage_no_weight", CLIP, {"multiplier": 0.5}, "it declares a penalty"),
        ("no_advantage_no_weight", CLIP, {"on_policy_scale": None}, "it declares a penalty"),
        ("no_advantage_no_weight", CLIP, {}, "its objective says what happens"),
        ("clip_zeroes_outward_side", GROUP, {}, "it declares no clip"),
        ("clip_keeps_inward_side", GROUP, {}, "it declares no clip"),
        ("clip_begins_where_declared", GROUP, {}, "it declares no clip"),
        ("clip_keeps_inward_side", CLIP, {"multiplier": 0.5}, "its penalty may cancel"),
        ("dual_clip_zeroes_likely_bad_samples", CLIP, {}, "it declares no dual clip"),
        ("penalty_pulls_back", CLIP, {}, "it declares no ratio-variance penalty"),
        ("penalty_pulls_back", CLIP, {"multiplier": 0.0}, "it declares no ratio-variance penalty"),
        ("batch_independence", CLIP, {"couples_samples": True}, "the samples of a batch are coup"),
        ("microbatch_split", CLIP, {"couples_samples": True}, "the samples of a batch are coup"),
        ("vectorised_equals_per_sample", CLIP, {"couples_samples": True}, "samples .* are coupled"),
        ("shape_kept", CLIP, {"couples_samples": True}, "the samples of a batch are coupled"),
        ("device_kept", numpy_only, {}, "it is not written for torch"),
        ("device_kept", looks_at_values, {}, "it looks at values, which the meta device does not"),
        ("bfloat16_accuracy", numpy_only, {}, "it is not written for torch"),
        ("groups_independent", GROUP, {"couples_groups": True}, "the groups of a batch are coup"),
        ("groups_one_by_one", GROUP, {"couples_groups": True}, "the groups of a batch are coupled"),
        ("singleton_group_as_declared", GROUP, {"couples_groups": True}, "groups .* are coupled"),
        ("reward_shift_as_declared", GROUP, {"reward_shift": "unpromised"}, "nothing of a shift"),
        ("reward_scale_as_declared", GROUP, {"reward_scale": "unpromised"}, "nothing of a factor"),
        ("unit_deviation_as_declared", GROUP, {}, "it promises no standard deviation"),
        ("expected_gradient_as_declared", GROUP, {"expected_scale": None}, "no constant scale"),
        ("small_step_improves", GROUP, {"no_improvement": "it explores"}, "^it explores$"),
    ],
)
def test_a_check_that_says_nothing_says_why(check, rule, changed, reason):
    promised = replace(make_subject(rule).promises, **changed)
    report = check_update_rule(rule, promises=promised, checks=[check])
    (result,) = report.results
    assert result.outcome == "skipped"
    assert re.search(reason, result.reason)


@pytest.mark.parametrize(
    ("check", "rule"),
    [
        ("padding_width", correct.undeclared),
        ("group_permutation", correct.undeclared),
        ("dtype_kept", correct.gspo),
        ("determinism", correct.rank),
    ],
)
def test_a_check_of_another_kind_is_skipped(check, rule):
    assert check_update_rule(rule, checks=[check]).named("skipped") == (check,)


def test_another_error_on_the_device_is_the_rules_own():
    report = check_update_rule(raises_off_the_cpu, checks=["device_kept"], on_fail="report")
    (result,) = report.results
    assert result.failure.message == "raises_off_the_cpu raised TypeError: only the CPU is served"


def test_the_default_contract_skips_no_more_than_it_must():
    """A new check that skips for everything would be counted as harmless."""
    skipped = set(CHECKS)
    for rule in (CLIP, RULES["dual_clip"], RULES["variance_penalty"], RULES["grpo"]):
        skipped &= set(check_update_rule(rule).named("skipped"))
    loss = check_update_rule(correct.reinforce_loss, promises=Promises())
    assert skipped & set(loss.named("skipped")) == set()
