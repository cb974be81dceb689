"""Rules named in pytest's settings are tests, and behave as tests do."""

import subprocess
import sys
from pathlib import Path

import pytest

from banditlab import RULES
from banditlab.testing import check_update_rule
from banditlab.testing.checks import CHECKS

pytest_plugins = ["pytester"]

FEW = ("determinism", "shape_kept", "rewards_untouched", "on_policy_weight_is_advantage")
MINE = """
from banditlab import policy_gradient_weight, group_mean

def good(log_prob, old_log_prob, advantage):
    return policy_gradient_weight(log_prob, old_log_prob, advantage)

def scaled(log_prob, old_log_prob, advantage):
    return 0.2 * policy_gradient_weight(log_prob, old_log_prob, advantage)

def wrong(log_prob):
    raise ArithmeticError("no")
"""


@pytest.fixture(scope="module", autouse=True)
def _libraries_are_loaded():
    """Pytester forgets the modules that an inner run imports; torch cannot be imported twice."""
    check_update_rule(RULES["clip"], checks=FEW)


@pytest.fixture
def project(pytester, monkeypatch):
    """A repository with rules, settings and one test of its own, and few checks."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    few = {name: CHECKS[name] for name in FEW}
    monkeypatch.setattr("banditlab.testing.checks.CHECKS", few)
    pytester.makepyfile(mine=MINE, test_own="def test_own(): pass", other_name=MINE)

    def configure(rules=("mine.py:good",), expected=()):
        pytester.makepyprojecttoml(
            f"[tool.pytest.ini_options]\nbanditlab_rules = {list(rules)}\n"
            f"banditlab_expected_failures = {list(expected)}\n"
        )
        return pytester

    return configure


def test_every_check_of_a_rule_is_a_test(project):
    result = project().runpytest("-v", "-rs")
    result.assert_outcomes(passed=4, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*collected 5 items*",
            "banditlab::good::determinism PASSED*",
            "SKIPPED [[]1[]] pyproject.toml:1: it has no advantage estimator",
        ]
    )


def test_a_failure_shows_the_example_and_no_traceback(project):
    result = project(["mine.py:scaled"]).runpytest()
    result.assert_outcomes(passed=3, skipped=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*scaled: on_policy_weight_is_advantage*",
            "the weight at ratio 1[[]0, 0[]] is 0.2 instead of 1.",
            "The learning rate is silently multiplied*",
            "rule = find_rule('mine.py:scaled')",
            "check_example(",
            "FAILED banditlab::scaled::on_policy_weight_is_advantage - *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*banditlab/testing/*.py*")


def test_expected_failures_must_fail(project):
    names = ["mine.py:scaled", "mine.py:good"]
    expected = [
        "scaled::on_policy_weight_is_advantage: on purpose: a fifth",
        "mine.py:good::determinism: it throws dice",
    ]
    result = project(names, expected).runpytest("-rx")
    result.assert_outcomes(passed=5, skipped=2, failed=1, xfailed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*it throws dice*"])
    result.stdout.fnmatch_lines(["XFAIL banditlab::scaled::on_policy*on purpose: a fifth"])


@pytest.mark.parametrize(
    ("words", "outcomes", "deselected"),
    [
        (["-k", "determinism"], {"passed": 1}, 4),
        (["-k", "good and not determinism"], {"passed": 2, "skipped": 1}, 2),
        (["-m", "banditlab"], {"passed": 3, "skipped": 1}, 1),
        (["-m", "not banditlab"], {"passed": 1}, 4),
        (["--deselect", "banditlab::good::determinism"], {"passed": 3, "skipped": 1}, 1),
        (["test_own.py"], {"passed": 1}, 0),
        (["test_own.py::test_own"], {"passed": 1}, 0),
        (["."], {"passed": 4, "skipped": 1}, 0),
        (["--strict-markers", "--strict-config"], {"passed": 4, "skipped": 1}, 0),
    ],
)
def test_checks_are_chosen_as_tests_are(project, words, outcomes, deselected):
    result = project().runpytest(*words)
    result.assert_outcomes(**outcomes, deselected=deselected)


def test_the_option_adds_a_rule_even_to_named_files(project):
    result = project().runpytest("test_own.py", "--banditlab-rule", "mine.py:scaled")
    result.assert_outcomes(passed=3, skipped=1, failed=1)
    result = project().runpytest("--banditlab-rule", "mine.py:good", "-k", "determinism")
    result.assert_outcomes(passed=1, deselected=4)


def test_collect_only_lists_and_runs_nothing(project):
    result = project(["mine.py:scaled"]).runpytest("--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["banditlab::scaled::determinism", "5 tests collected*"])


def test_the_first_failure_stops_and_is_run_again(project):
    pytester = project(["mine.py:scaled", "mine.py:good"])
    pytester.runpytest("-x", "-k", "on_policy").assert_outcomes(failed=1, deselected=7)
    pytester.runpytest("--lf").assert_outcomes(failed=1, deselected=8)


def test_rules_of_one_name_are_told_apart(project):
    result = project(["mine.py:good", "other_name.py:good"]).runpytest("-v", "-k", "determinism")
    result.assert_outcomes(passed=2, deselected=7)
    result.stdout.fnmatch_lines(["banditlab::other_name.py:good::determinism PASSED*"])


@pytest.mark.parametrize(
    ("rules", "expected", "message"),
    [
        (["mine.py:god"], [], "*`banditlab_rules` must be an object that mine.py has*'good'*"),
        (["mine.py:wrong"], [], "*got wrong, which raised in every array namespace*"),
        (["clp"], [], "*must be a known rule, got 'clp'. Did you mean 'clip'*"),
        (["mine.py:good"], ["god::determinism: x"], "*lines RULE::CHECK: REASON*are: good."),
        (["mine.py:good"], ["good::determinism"], "*lines RULE::CHECK: REASON, got 'good::det*"),
        (["mine.py:good"], ["good::determinsm: x"], "*known check*mean 'determinism'*"),
    ],
)
def test_bad_settings_are_answered_without_a_traceback(project, rules, expected, message):
    result = project(rules, expected).runpytest()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([message])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_repository_without_rules_sees_nothing_of_it(pytester):
    pytester.makepyfile("def test_own(): pass")
    result = pytester.runpytest("-q")
    result.assert_outcomes(passed=1)


def test_the_suite_as_a_decorator(pytester):
    pytester.makepyfile(
        """
        from banditlab.testing import parametrize_with_checks
        from banditlab import get_rule, policy_gradient_weight

        def scaled(log_prob, old_log_prob, advantage):
            return 0.2 * policy_gradient_weight(log_prob, old_log_prob, advantage)

        @parametrize_with_checks(
            [get_rule("clip"), scaled],
            checks=["on_policy_weight_is_advantage", "rewards_untouched"],
            expected_failed_checks={"scaled": {"on_policy_weight_is_advantage": "a fifth"}},
        )
        def test_mine(rule, check):
            check(rule)
        """
    )
    pytester.runpytest().assert_outcomes(passed=2, skipped=1, xfailed=1)


def test_loading_it_imports_neither_the_suite_nor_an_array_library():
    code = (
        "import pytest, sys\nbefore = set(sys.modules)\nimport banditlab.testing.pytest_plugin\n"
        "heavy = {'hypothesis', 'numpy', 'scipy', 'torch', 'banditlab.testing.checks'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_plugin_is_found_by_its_entry_point():
    from importlib.metadata import entry_points

    (entry,) = (found for found in entry_points(group="pytest11") if found.name == "banditlab")
    assert Path(entry.load().__file__).name == "pytest_plugin.py"
