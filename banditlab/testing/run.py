"""Run the suite on a rule."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from banditlab.testing.check import Check, CheckFailure, CheckSkipped
from banditlab.testing.checks import CHECKS
from banditlab.testing.kinds import make_subject
from banditlab.testing.promises import Promises
from banditlab.testing.report import Report, Result
from banditlab.testing.search import failure_on, run_check
from banditlab.testing.subject import Kind, Subject
from banditlab.validation import require_known

Profile = Literal["ci", "search"]
PROFILES: Mapping[Profile, int] = {"ci": 1, "search": 40}
"""Profile -> factor on the number of examples of each check."""


def check_update_rule(
    rule: Any,
    *,
    kind: Kind | None = None,
    promises: Promises | None = None,
    expected_failed_checks: Mapping[str, str] | None = None,
    checks: Iterable[str] | None = None,
    profile: Profile = "ci",
    seed: int = 0,
    on_fail: Literal["raise", "report"] = "raise",
    code: str = "",
    progress: Callable[[Check], None] | None = None,
) -> Report:
    """Run the checks on an update rule.

    Args:
        rule: a score weight, a torch loss, an advantage estimator or an `UpdateRule`.
        kind: which of these; told by its signature by default.
        promises: what it promises; by default what it carries by `@promises`, what is known of
            banditlab's own parts, or the default contract.
        expected_failed_checks: check -> why it fails; such a check must fail.
        checks: names of the checks to run; all by default.
        profile: "ci" takes seconds, "search" 40 times as many examples.
        seed: of the examples.
        on_fail: "raise" raises where the report is no success, "report" never does.
        code: Python that binds the name `rule`, for the minimal examples.
        progress: called with each check before it runs.

    Returns:
        The report.

    Raises:
        AssertionError: the report is no success, and on_fail is "raise".
        TypeError: the rule is of no known kind, or returns something else.
        ValueError: a name is unknown, a shape is wrong, or the rule raises on plain input.

    Examples:
        >>> from banditlab import RULES
        >>> report = check_update_rule(RULES["clip"], checks=["batch_independence"])
        >>> report.counts["passed"], report.counts["failed"]
        (1, 0)
    """
    expected = dict(expected_failed_checks or {})
    for name in (*expected, *(checks or ())):
        require_known("check_update_rule", "checks", name, CHECKS, "check")
    require_known("check_update_rule", "profile", profile, PROFILES, "profile")
    require_known("check_update_rule", "on_fail", on_fail, ("raise", "report"), "word")
    subject = make_subject(rule, kind=kind, promises=promises, code=code)
    results = []
    for check in (CHECKS[name] for name in (checks or CHECKS)):
        if progress is not None:
            progress(check)
        results.append(_result(check, subject, expected, profile, seed))
    report = Report(subject.name, subject.kind, subject.promises, subject.code, tuple(results))
    if on_fail == "raise" and not report.is_success:
        raise AssertionError(str(report))
    return report


def _result(
    check: Check, subject: Subject, expected: Mapping[str, str], profile: Profile, seed: int
) -> Result:
    start = time.perf_counter()
    reason = expected.get(check.name, "")
    failure = None
    try:
        failure = run_check(check, subject, examples=check.examples * PROFILES[profile], seed=seed)
    except CheckSkipped as skipped:
        # A check that says nothing does not fail either, which was expected.
        outcome = "unexpected pass" if reason else "skipped"
        reason = f"expected to fail ({reason}), but skipped: {skipped}" if reason else str(skipped)
    else:
        outcome = {
            (True, True): "expected failure",
            (True, False): "failed",
            (False, True): "unexpected pass",
            (False, False): "passed",
        }[failure is not None, bool(reason)]
    return Result(check, outcome, reason, failure, time.perf_counter() - start)


def check_example(
    rule: Any,
    check: str,
    *,
    kind: Kind | None = None,
    promises: Promises | None = None,
    **example: Any,
) -> None:
    """Run one check on one example, as the minimal example of a report does.

    Args:
        rule: as in `check_update_rule`.
        check: name of the check.
        kind: as in `check_update_rule`.
        promises: as in `check_update_rule`.
        **example: values of the check's parameters; lists stand for arrays.

    Raises:
        CheckFailure: the check fails on the example.
        TypeError: the rule is of no known kind.
        ValueError: the check is unknown.
    """
    require_known("check_example", "check", check, CHECKS, "check")
    arrays = {name: _array(value) for name, value in example.items()}
    subject = make_subject(rule, kind=kind, promises=promises)
    failure = failure_on(CHECKS[check], subject, arrays)
    if failure is not None:
        raise CheckFailure(failure.message, failure.found, failure.expected)


def _array(value: Any) -> Any:
    """Lists of floats back to the arrays that they were; orders of indices stay lists."""
    if isinstance(value, tuple):
        return tuple(_array(part) for part in value)
    if isinstance(value, list) and not all(isinstance(entry, int) for entry in value):
        return np.array(value, dtype=np.float64)
    return value
