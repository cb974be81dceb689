import pytest

from banditlab.rules import RULES
from banditlab.testing import (
    CHECKS,
    CheckFailure,
    Promises,
    TokenBatch,
    check_example,
    check_update_rule,
)
from banditlab.testing.run import PROFILES
from tests.banditlab.testing.teeth.correct import undeclared


def halved(log_prob, old_log_prob, advantage):
    return 0.5 * advantage + 0.0 * log_prob


def test_every_check_runs_by_default_in_its_order():
    seen = []
    report = check_update_rule(
        lambda reward: reward * 1.0, progress=lambda check: seen.append(check.name)
    )
    assert seen == list(CHECKS)
    assert [result.check.name for result in report.results] == list(CHECKS)


def test_what_fails_is_raised_with_its_details():
    with pytest.raises(
        AssertionError, match=r"(?s)halved \(weight\): .*is 0.5 instead of 1"
    ) as told:
        check_update_rule(halved)
    assert "In training: " in str(told.value)
    assert "check_example(" in str(told.value)


def test_an_expected_failure_that_passes_is_raised_too():
    with pytest.raises(AssertionError, match="1 unexpected pass"):
        check_update_rule(
            undeclared, checks=["determinism"], expected_failed_checks={"determinism": "it was so"}
        )


def test_a_report_is_given_where_nothing_is_to_be_raised():
    report = check_update_rule(halved, on_fail="report")
    assert report.named("failed") == ("on_policy_weight_is_advantage",)
    assert not report.is_success


def test_a_promise_makes_it_right():
    assert check_update_rule(halved, promises=Promises(on_policy_scale=0.5)).is_success


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"checks": ["determinsm"]},
            r"`checks` must be .*, got 'determinsm'. Did you mean 'det",
        ),
        ({"expected_failed_checks": {"x": "y"}}, r"`checks` must be a known check, got 'x'"),
        ({"profile": "long"}, r"`profile` must be a known profile, got 'long'"),
        ({"on_fail": "warn"}, r"`on_fail` must be a known word, got 'warn'"),
    ],
)
def test_unknown_words_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"check_update_rule: {message}"):
        check_update_rule(undeclared, **settings)


def test_the_search_profile_draws_more(monkeypatch):
    asked = []

    def recorder(check, subject, *, examples, seed):
        asked.append((examples, seed))

    monkeypatch.setattr("banditlab.testing.run.run_check", recorder)
    for profile in ("ci", "search"):
        check_update_rule(undeclared, checks=["determinism"], profile=profile, seed=7)
    assert asked == [
        (CHECKS["determinism"].examples, 7),
        (CHECKS["determinism"].examples * PROFILES["search"], 7),
    ]


def test_an_example_is_run_by_the_name_of_its_check():
    stale = TokenBatch.of([[0.0]], [[-1.0]], [1.0])
    with pytest.raises(CheckFailure, match=r"^the weight\[0, 0\] is 1 instead of 2.71828$") as told:
        check_example(halved_promise, "gradient_of_objective", batch=stale)
    assert told.value.found[0, 0] == 1.0
    fresh = TokenBatch.of([[0.0]], [[0.0]], [1.0])
    check_example(halved_promise, "gradient_of_objective", batch=fresh)
    with pytest.raises(CheckFailure, match=r"is 0.5 instead of 1"):
        check_example(halved, "on_policy_weight_is_advantage", batch=fresh)
    scaled = Promises(on_policy_scale=0.5)
    check_example(halved, "on_policy_weight_is_advantage", batch=fresh, promises=scaled)


def halved_promise(log_prob, old_log_prob, advantage):
    return advantage + 0.0 * log_prob


halved_promise.banditlab_promises = Promises(
    objective=lambda log_prob, old_log_prob, advantage: (log_prob - old_log_prob).exp() * advantage
)


def test_lists_stand_for_arrays_and_orders_stay_lists():
    def reversed_sign(reward):
        return -reward

    with pytest.raises(CheckFailure, match=r"rewards \[0.0, 1.0\] have advantages \[-0.0, -1.0\]"):
        check_example(reversed_sign, "better_reward_no_less_advantage", reward=[[0.0, 1.0]])
    check_example(RULES["group_mean"], "group_permutation", reward=[[0.0, 1.0]], order=[1, 0, 2, 3])
    bandit = ([-0.5, -0.9327521295671885], [0.0, 1.0])
    check_example(
        RULES["leave_one_out"], "expected_gradient_as_declared", bandit=bandit, group_size=2
    )


def test_whole_numbers_stand_for_rewards_too():
    check_example(RULES["group_mean"], "rewards_untouched", reward=[[0, 1]])


def test_an_unknown_check_is_refused():
    with pytest.raises(ValueError, match=r"check_example: `check` must be a known check, got 'x'"):
        check_example(halved, "x")
