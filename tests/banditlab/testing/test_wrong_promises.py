"""A correct loss fails where it promises something else: the promises have teeth too."""

from dataclasses import replace

import pytest

from banditlab.advantages import group_mean
from banditlab.rules import RULES
from banditlab.testing import check_update_rule, objectives
from banditlab.testing.kinds import make_subject
from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.messages import MESSAGES


@pytest.mark.parametrize(
    ("rule", "promised", "check"),
    [
        (correct.clip_token_mean, {"objective": objectives.importance_weighted}, "gradient_of_obj"),
        (correct.clip_token_mean, {"clip_high": 0.1}, "clip_begins_where_declared"),
        (correct.clip_token_mean, {"clip_low": 0.3}, "clip_begins_where_declared"),
        (correct.clip_token_mean, {"dual_clip": 3.0}, "dual_clip_zeroes_likely_bad_samples"),
        (correct.clip_token_mean, {"averaging": "sequence_mean"}, "on_policy_weight_is_advantage"),
        (correct.clip_token_mean, {"averaging": "sequence_sum"}, "on_policy_weight_is_advantage"),
        (correct.clip_token_mean, {"averaging": "sum"}, "microbatch_split"),
        (correct.clip_token_mean, {"on_policy_scale": 0.5}, "on_policy_weight_is_advantage"),
        (correct.clip_token_mean, {"level": "sequence_geometric"}, "gradient_of_objective"),
        (correct.clip_token_mean, {"multiplier": 0.1}, "penalty_pulls_back"),
        (correct.clip_sequence_mean, {"averaging": "token_mean"}, "vectorised_equals_per_sample"),
        (correct.clip_constant_length, {"max_tokens": 9}, "on_policy_weight_is_advantage"),
        (correct.gspo, {"level": "token"}, "gradient_of_objective"),
        (correct.gspo, {"level": "sequence"}, "on_policy_weight_is_advantage"),
        (correct.cispo_loss, {"objective": objectives.topr}, "gradient_of_objective"),
        (correct.cispo_loss, {"clip_low": 0.2, "clip_high": 0.28}, "clip_zeroes_outward_side"),
        (correct.reinforce_loss, {"objective": objectives.importance_weighted}, "gradient_of_obj"),
        (correct.variance_penalty_loss, {"multiplier": None, "objective": None}, "no_advantage"),
        (correct.rank, {"reward_scale": "followed"}, "reward_scale_as_declared"),
        (correct.rank, {"reward_shift": "followed"}, "reward_shift_as_declared"),
        (correct.rank, {"expected_scale": 1.0}, "expected_gradient_as_declared"),
        (group_mean, {"singleton_group": "raw"}, "singleton_group_as_declared"),
        (group_mean, {"unit_deviation": "sample"}, "unit_deviation_as_declared"),
        (RULES["batch_mean"], {"couples_groups": False}, "groups_independent"),
        (RULES["leave_one_out"], {"expected_scale": 2.0}, "expected_gradient_as_declared"),
        (correct.normalised_by_the_batch, {"couples_samples": False}, "batch_independence"),
    ],
)
def test_a_wrong_promise_is_found(rule, promised, check):
    (name,) = [known for known in MESSAGES if known.startswith(check)]
    right = make_subject(rule).promises
    assert check_update_rule(rule, checks=[name], promises=right).is_success
    report = check_update_rule(
        rule, checks=[name], promises=replace(right, **promised), on_fail="report"
    )
    assert report.named("failed") == (name,)
    assert " raised " not in report.results[0].failure.message
