"""Every broken rule is rejected for its own reason, by code that runs, and no correct one is."""

import re

import pytest

from banditlab.rules import RULES
from banditlab.testing import CHECKS, CheckFailure, check_update_rule
from banditlab.testing.report import example_code
from tests.banditlab.testing.teeth import BROKEN
from tests.banditlab.testing.teeth.correct import CORRECT
from tests.banditlab.testing.teeth.messages import MESSAGES

KINDS = ("weight", "loss", "advantage", "rule")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_rejected_for_its_own_reason(name):
    broken = BROKEN[name]
    report = check_update_rule(
        broken.rule, checks=broken.caught_by, on_fail="report", code=broken.code
    )
    assert report.named("failed") == tuple(broken.caught_by), report.table(is_long=True)
    for result in report.results:
        message = result.failure.message
        assert re.search(broken.caught_by[result.check.name], message)
        assert " raised " not in message
        with pytest.raises(CheckFailure) as raised:
            exec(example_code(report.code, result), {})
        assert str(raised.value) == message


@pytest.mark.parametrize("name", CORRECT)
def test_the_correct_rule_beside_it_passes_everything(name):
    report = check_update_rule(CORRECT[name])
    assert report.counts["failed"] == 0
    assert report.counts["passed"] >= 14


@pytest.mark.parametrize("name", RULES)
def test_every_rule_of_the_registry_passes_everything(name):
    report = check_update_rule(RULES[name])
    assert report.counts["failed"] == 0
    assert report.counts["passed"] >= 29


def test_every_check_rejects_some_broken_rule():
    assert {check for broken in BROKEN.values() for check in broken.caught_by} == set(CHECKS)


def test_every_check_says_something_of_a_correct_rule():
    """Else a check that rejects everything would pass for one with teeth."""
    beside = {id(broken.instead_of) for broken in BROKEN.values()}
    unchecked = [name for name, rule in CORRECT.items() if id(rule) not in beside]
    assert unchecked == []


def test_there_are_broken_rules_of_every_kind():
    kinds = [broken.kind for broken in BROKEN.values()]
    assert len(BROKEN) >= 120
    assert {kind: kinds.count(kind) >= 10 for kind in KINDS} == dict.fromkeys(KINDS, True)


def test_records_are_kept_under_their_own_names():
    assert set(MESSAGES) == set(CHECKS)
    for broken in BROKEN.values():
        names = {}
        exec(broken.code, names)
        assert names["rule"] is broken.rule
        assert broken.reason.endswith(".")
