"""The suite as a pytest: one test for each rule and check."""

from collections.abc import Iterable, Mapping
from typing import Any

from banditlab.testing.check import Check, CheckFailure, CheckSkipped
from banditlab.testing.checks import CHECKS
from banditlab.testing.kinds import make_subject
from banditlab.testing.report import Result, example_code
from banditlab.testing.search import run_check
from banditlab.testing.source import name_of
from banditlab.testing.subject import Subject
from banditlab.validation import require_known


class RuleCheck:
    """One check, called with a rule; it skips, passes, or raises `CheckFailure`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, rule: Any, *, seed: int = 0) -> None:
        """Run the check on a rule.

        Args:
            rule: as in `check_update_rule`.
            seed: of the examples.

        Raises:
            CheckFailure: the rule fails; the message holds a minimal example.
        """
        import pytest

        try:
            require_check(CHECKS[self.name], make_subject(rule), seed=seed)
        except CheckSkipped as skipped:
            pytest.skip(str(skipped))


def require_check(check: Check, subject: Subject, *, seed: int = 0) -> None:
    """Run one check; a failure is told as a test tells it.

    Args:
        check: the check.
        subject: the rule under check.
        seed: of the examples.

    Raises:
        CheckFailure: the rule fails; the message holds the consequence and a minimal example.
        CheckSkipped: the check says nothing of this rule.
    """
    failure = run_check(check, subject, examples=check.examples, seed=seed)
    if failure is None:
        return
    code = example_code(subject.code, Result(check, "failed", failure=failure))
    raise CheckFailure(
        f"{failure.message}.\n{check.consequence}\n\n{code}", failure.found, failure.expected
    )


def parametrize_with_checks(
    rules: Iterable[Any],
    *,
    expected_failed_checks: Mapping[str, Mapping[str, str]] | None = None,
    checks: Iterable[str] | None = None,
) -> Any:
    """Decorator that runs a test function `test(rule, check)` on every rule and check.

    Args:
        rules: score weights, losses, advantage estimators or `UpdateRule`s.
        expected_failed_checks: name of a rule -> check -> why it fails. Such a test must fail: it
            is marked xfail with strict=True.
        checks: names of the checks; all by default.

    Returns:
        The decorator, a `pytest.mark.parametrize`.

    Raises:
        ValueError: a check is unknown, or a failure is expected of a rule that is not there.

    Examples:
        >>> from banditlab import RULES
        >>> @parametrize_with_checks([RULES["clip"]])
        ... def test_my_rules(rule, check):
        ...     check(rule)
    """
    import pytest

    rules, names = list(rules), list(checks or CHECKS)
    expected = {key: dict(value) for key, value in (expected_failed_checks or {}).items()}
    rule_names = [name_of(rule) for rule in rules]
    for rule_name, reasons in expected.items():
        require_known(
            "parametrize_with_checks", "expected_failed_checks", rule_name, rule_names, "rule"
        )
        for name in reasons:
            require_known(
                "parametrize_with_checks", "expected_failed_checks", name, CHECKS, "check"
            )
    for name in names:
        require_known("parametrize_with_checks", "checks", name, CHECKS, "check")
    cases = []
    for rule, rule_name in zip(rules, rule_names, strict=True):
        for name in names:
            reason = expected.get(rule_name, {}).get(name)
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            cases.append(pytest.param(rule, RuleCheck(name), marks=marks, id=f"{rule_name}-{name}"))
    return pytest.mark.parametrize(("rule", "check"), cases)
