"""What a run of the suite found: counts, a table, and for each failure code that shows it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from tabulate import tabulate

from banditlab.testing.check import Check
from banditlab.testing.promises import Promises
from banditlab.testing.search import Failure

Outcome = Literal["passed", "failed", "skipped", "expected failure", "unexpected pass"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Result:
    """The outcome of one check on one rule.

    Attributes:
        check: the check.
        outcome: how it ended.
        reason: why it was skipped, or was expected to fail; empty otherwise.
        failure: what failed, on the smallest example found.
        seconds: time that it took.
    """

    check: Check
    outcome: Outcome
    reason: str = ""
    failure: Failure | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """What the suite found of one rule.

    Attributes:
        name: the rule.
        kind: "weight", "loss", "advantage" or "rule".
        promises: what it was held to.
        code: Python that binds the name `rule`.
        results: one for each check.
    """

    name: str
    kind: str
    promises: Promises
    code: str
    results: tuple[Result, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Outcome -> number of checks; every outcome is there."""
        found = Counter(result.outcome for result in self.results)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def is_success(self) -> bool:
        """Whether nothing failed unexpectedly and nothing passed that was expected to fail."""
        return not (self.counts["failed"] or self.counts["unexpected pass"])

    def named(self, outcome: Outcome) -> tuple[str, ...]:
        """Names of the checks with an outcome."""
        return tuple(result.check.name for result in self.results if result.outcome == outcome)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON can write it."""
        return {
            "rule": self.name,
            "kind": self.kind,
            "promises": {name: _plain(value) for name, value in self.promises.changed().items()},
            "counts": self.counts,
            "checks": [self._entry(result) for result in self.results],
        }

    def _entry(self, result: Result) -> dict[str, Any]:
        entry = {"check": result.check.name, "outcome": result.outcome, "reason": result.reason}
        if result.failure is not None:
            entry |= {
                "message": result.failure.message,
                "consequence": result.check.consequence,
                "example": example_code(self.code, result),
            }
        return entry

    def table(self, *, is_long: bool = False) -> str:
        """Counts, and each check that did not simply pass.

        Args:
            is_long: whether to list the checks that passed or were skipped too.

        Returns:
            Text of several lines.
        """
        told = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.items())
        lines = [f"{self.name} ({self.kind}): {told}"]
        rows = [
            (result.check.name, result.outcome, _remark(result))
            for result in self.results
            if is_long or result.outcome not in ("passed", "skipped")
        ]
        if rows:
            widths = [None, None, 80]
            lines.append(tabulate(rows, ("check", "outcome", ""), maxcolwidths=widths))
        return "\n".join(lines)

    def details(self) -> str:
        """For each unexpected failure the reason, the consequence and a minimal example."""
        return "\n\n".join(
            _detail(self.code, result) for result in self.results if result.outcome == "failed"
        )

    def __str__(self) -> str:
        details = self.details()
        return self.table() + (f"\n\n{details}" if details else "")


def _remark(result: Result) -> str:
    if result.outcome in ("failed", "expected failure") and result.failure is not None:
        expected = f" (expected: {result.reason})" if result.reason else ""
        return f"{result.failure.message}{expected}"
    return result.reason


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return list(value) if isinstance(value, tuple) else "declared"


def _detail(code: str, result: Result) -> str:
    check = result.check
    lines = [
        f"{check.name}: {result.failure.message}.",
        f"  Property: {check.reason}",
        f"  In training: {check.consequence}",
        "  Minimal example:",
    ]
    lines += [f"    {line}" for line in example_code(code, result).splitlines()]
    return "\n".join(lines)


def example_code(code: str, result: Result) -> str:
    """Runnable Python that fails as the check did, on the smallest example found.

    Args:
        code: Python that binds the name `rule`.
        result: a result with a failure.

    Returns:
        The code; the last line raises `CheckFailure` with the message in its comment.
    """
    failure = result.failure
    values = {name: _literal(value) for name, value in failure.example.items()}
    names = ["check_example"]
    names += ["TokenBatch"] if any("TokenBatch" in value for value in values.values()) else []
    lines = [f"from banditlab.testing import {', '.join(sorted(names, key=str.lower))}", code]
    given = "".join(f"    {name}={value},\n" for name, value in values.items())
    lines.append(f'check_example(\n    rule,\n    "{result.check.name}",\n{given})')
    lines.append(f"# CheckFailure: {failure.message}")
    for word, value in (("found", failure.found), ("expected", failure.expected)):
        if value is not None:
            lines.append(f"# {word}: {_short(value)}")
    return "\n".join(lines)


def _literal(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    if isinstance(value, tuple):
        return f"({', '.join(_literal(part) for part in value)},)"
    return repr(value)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=6, max_line_width=10**6).replace("\n", "")
    return str(value)


def merged_counts(reports: Mapping[str, Report]) -> dict[str, int]:
    """Sum of the counts of several reports."""
    return {
        outcome: sum(report.counts[outcome] for report in reports.values()) for outcome in OUTCOMES
    }
