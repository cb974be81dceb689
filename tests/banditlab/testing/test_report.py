import json

import numpy as np
import pytest

from banditlab.rules import RULES
from banditlab.testing import CheckFailure, check_update_rule
from banditlab.testing.report import OUTCOMES, Report, example_code, merged_counts
from tests.banditlab.testing.teeth import BROKEN

CHECKED = (
    "gradient_of_objective",
    "clip_keeps_inward_side",
    "penalty_pulls_back",
    "batch_independence",
    "determinism",
)
BROKEN_CLIP = BROKEN["clip_that_ignores_the_sign"]


def make_report(**settings):
    settings = {"checks": CHECKED, "on_fail": "report", "code": BROKEN_CLIP.code} | settings
    return check_update_rule(BROKEN_CLIP.rule, **settings)


def test_counts_name_every_outcome():
    report = make_report(expected_failed_checks={"gradient_of_objective": "it has no sign"})
    assert report.counts == {
        "passed": 2,
        "failed": 1,
        "skipped": 1,
        "expected failure": 1,
        "unexpected pass": 0,
    }
    assert tuple(report.counts) == OUTCOMES
    assert report.named("failed") == ("clip_keeps_inward_side",)
    assert report.named("skipped") == ("penalty_pulls_back",)
    assert not report.is_success


def test_expected_failures_alone_are_a_success():
    reasons = dict.fromkeys(("gradient_of_objective", "clip_keeps_inward_side"), "it has no sign")
    report = make_report(expected_failed_checks=reasons)
    assert report.counts["expected failure"] == 2
    assert report.is_success
    assert check_update_rule(
        BROKEN_CLIP.rule, checks=CHECKED, expected_failed_checks=reasons
    ).is_success


@pytest.mark.parametrize("name", ["determinism", "penalty_pulls_back"])
def test_an_expected_failure_that_passes_or_is_skipped_is_no_success(name):
    report = make_report(checks=[name], expected_failed_checks={name: "it once did"})
    assert report.counts["unexpected pass"] == 1
    assert not report.is_success
    assert "it once did" in report.table()


def test_the_table_lists_what_did_not_simply_pass():
    report = make_report(expected_failed_checks={"gradient_of_objective": "it has no sign"})
    lines = report.table().splitlines()
    assert lines[0] == (
        "clip_that_ignores_the_sign (weight): 2 passed, 1 failed, 1 skipped, "
        "1 expected failure, 0 unexpected pass"
    )
    assert "(expected: it has no sign)" in " ".join(report.table().split())
    assert "determinism" not in report.table()
    long = report.table(is_long=True)
    assert all(name in long for name in CHECKED)
    assert "it declares no ratio-variance penalty" in long


def test_a_table_of_passes_is_one_line():
    report = check_update_rule(RULES["clip"], checks=["determinism"])
    assert report.table() == str(report)
    assert len(str(report).splitlines()) == 1


def test_details_tell_the_property_the_consequence_and_the_example():
    report = make_report()
    details = report.details()
    for result in report.results:
        is_told = result.outcome == "failed"
        assert (result.check.consequence in details) == is_told
        assert (f"{result.check.name}: " in details) == is_told
    assert (
        "Minimal example:\n    from banditlab.testing import check_example, TokenBatch" in details
    )
    assert str(report) == f"{report.table()}\n\n{details}"


def test_an_expected_failure_needs_no_details():
    reasons = dict.fromkeys(("gradient_of_objective", "clip_keeps_inward_side"), "it has no sign")
    report = make_report(expected_failed_checks=reasons)
    assert report.details() == ""
    assert str(report) == report.table()


def test_json_holds_counts_promises_and_examples_that_run():
    report = make_report()
    entry = json.loads(json.dumps(report.as_dict()))
    assert entry["rule"] == "clip_that_ignores_the_sign"
    assert entry["kind"] == "weight"
    assert entry["counts"] == report.counts
    assert entry["promises"]["clip_low"] == 0.2
    assert entry["promises"]["objective"] == "declared"
    assert entry["promises"]["namespaces"] == ["numpy", "torch", "array_api_strict"]
    assert [check["check"] for check in entry["checks"]] == list(CHECKED)
    failed = [check for check in entry["checks"] if check["outcome"] == "failed"]
    assert len(failed) == 2
    for check in failed:
        with pytest.raises(CheckFailure) as raised:
            exec(check["example"], {})
        assert str(raised.value) == check["message"]
        assert check["consequence"].endswith(".")


def test_the_example_ends_with_what_was_found_and_expected():
    report = make_report(checks=["gradient_of_objective"])
    (result,) = report.results
    lines = example_code(report.code, result).splitlines()
    assert lines[-3] == f"# CheckFailure: {result.failure.message}"
    assert lines[-2].startswith("# found: [[")
    assert lines[-1].startswith("# expected: [[")


def test_a_rule_without_a_name_is_left_for_the_reader_to_bind():
    report = check_update_rule(
        lambda log_prob, old_log_prob, advantage: -advantage,
        checks=["on_policy_weight_is_advantage"],
        on_fail="report",
    )
    code = example_code(report.code, report.results[0])
    assert "rule = ...  # the rule that was checked" in code
    assert compile(code, "<example>", "exec")


def test_counts_of_several_reports_add_up():
    reports = {"one": make_report(), "two": make_report(checks=["determinism"])}
    assert merged_counts(reports)["passed"] == 3
    assert merged_counts(reports)["failed"] == 2
    assert merged_counts({}) == dict.fromkeys(OUTCOMES, 0)


def test_seconds_are_recorded():
    report = make_report(checks=["determinism"])
    assert isinstance(report, Report)
    assert 0.0 < report.results[0].seconds < 60.0
    assert np.isfinite(report.results[0].seconds)
