"""The suite as a pytest, run by a pytest within the pytest."""

import subprocess
import sys

import pytest

from banditlab.rules import RULES
from banditlab.testing import CHECKS, parametrize_with_checks
from banditlab.testing.parametrize import RuleCheck
from tests.banditlab.testing.teeth.correct import undeclared

RULES_FILE = """
from banditlab.testing import parametrize_with_checks


def halved(log_prob, old_log_prob, advantage):
    return 0.5 * advantage + 0.0 * log_prob


def right(log_prob, old_log_prob, advantage):
    return advantage + 0.0 * log_prob


CHECKS = ["on_policy_weight_is_advantage", "determinism", "gradient_of_objective"]


@parametrize_with_checks(
    [halved, right],
    checks=CHECKS,
    expected_failed_checks=EXPECTED,
)
def test_rules(rule, check):
    check(rule)
"""


def run_pytest(folder, expected):
    file = folder / "test_rules.py"
    file.write_text(RULES_FILE.replace("EXPECTED", repr(expected)))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-q", str(file)]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), "-c", "/dev/null"], capture_output=True, text=True
    )
    return done.returncode, done.stdout


def outcomes(text):
    """Outcome -> names of the tests, from the lines of -rA."""
    found = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if "test_rules[" in rest and word.isupper():
            name = rest.partition("test_rules[")[2].partition("]")[0]
            found.setdefault(word, set()).add(name)
    return found


def test_one_test_for_each_rule_and_check(tmp_path):
    code, text = run_pytest(tmp_path, {})
    assert code == 1
    assert outcomes(text) == {
        "FAILED": {"halved-on_policy_weight_is_advantage"},
        "PASSED": {
            "halved-determinism",
            "right-determinism",
            "right-on_policy_weight_is_advantage",
        },
    }
    assert "2 skipped" in text
    assert "it declares no objective" in text
    # The failure is told with its consequence and an example.
    assert "the weight at ratio 1[0, 0] is 0.5 instead of 1." in text
    assert CHECKS["on_policy_weight_is_advantage"].consequence in text
    assert "check_example(" in text


def test_an_expected_failure_is_an_xfail(tmp_path):
    expected = {"halved": {"on_policy_weight_is_advantage": "it is halved"}}
    code, text = run_pytest(tmp_path, expected)
    assert code == 0
    assert outcomes(text)["XFAIL"] == {"halved-on_policy_weight_is_advantage"}
    assert "it is halved" in text


def test_an_expected_failure_that_passes_fails(tmp_path):
    code, text = run_pytest(tmp_path, {"right": {"determinism": "it was random"}})
    assert code == 1
    assert outcomes(text)["FAILED"] == {
        "right-determinism",
        "halved-on_policy_weight_is_advantage",
    }
    assert "[XPASS(strict)] it was random" in text


def cases(**settings):
    mark = parametrize_with_checks([undeclared, RULES["clip"]], **settings)
    names, values = mark.args
    assert names == ("rule", "check")
    return values


def test_every_check_of_every_rule_by_default():
    assert [case.id for case in cases()] == [
        f"{rule}-{check}" for rule in ("undeclared", "clip") for check in CHECKS
    ]


def test_marks_are_strict_and_only_where_asked():
    expected = {"clip": {"determinism": "a reason"}}
    marked = [case for case in cases(expected_failed_checks=expected) if case.marks]
    (case,) = marked
    assert case.id == "clip-determinism"
    assert case.marks[0].kwargs == {"reason": "a reason", "strict": True}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"checks": ["x"]}, r"`checks` must be a known check, got 'x'"),
        (
            {"expected_failed_checks": {"clop": {"determinism": "y"}}},
            r"`expected_failed_checks` must be a known rule, got 'clop'. Did you mean 'clip'",
        ),
        (
            {"expected_failed_checks": {"clip": {"x": "y"}}},
            r"`expected_failed_checks` must be a known check, got 'x'",
        ),
    ],
)
def test_unknown_names_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"parametrize_with_checks: {message}"):
        cases(**settings)


def test_a_check_may_be_called_with_another_seed():
    RuleCheck("determinism")(undeclared, seed=5)
    with pytest.raises(pytest.skip.Exception, match="it takes no mask"):
        RuleCheck("padding_width")(undeclared)
