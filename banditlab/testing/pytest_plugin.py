"""Pytest plugin: the rules that a repository names become tests of it, one for each check.

In `pyproject.toml`, under `[tool.pytest.ini_options]`:

    banditlab_rules = ["my_package.rules:my_rule"]
    banditlab_expected_failures = ["my_rule::dtype_kept: it is written for float64"]

Every pytest of an environment loads this module, so it imports nothing but pytest.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_ROOT = "banditlab"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the two settings."""
    parser.getgroup(_ROOT).addoption(
        "--banditlab-rule",
        action="append",
        default=[],
        metavar="RULE",
        help="check this update rule too: a name, package.module:object or file.py:object",
    )
    parser.addini("banditlab_rules", "update rules to check, one a line", type="linelist")
    parser.addini(
        "banditlab_expected_failures",
        "checks that must fail, one a line: RULE::CHECK: REASON",
        type="linelist",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of the checks."""
    config.addinivalue_line("markers", "banditlab: a check of an update rule")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Add the checks to what the session collects from files."""
    report = yield
    if isinstance(collector, pytest.Session) and report.passed:
        config = collector.config
        references = config.getoption("--banditlab-rule")
        if _is_whole(config):
            references = [*config.getini("banditlab_rules"), *references]
        if references:
            rules = RulesCollector.from_parent(collector, name=_ROOT, references=references)
            report.result.append(rules)
    return report


def _is_whole(config: pytest.Config) -> bool:
    """Whether whole folders are collected, not files or tests that the command line names."""
    folder = config.invocation_params.dir
    return config.args_source is not config.ArgsSource.ARGS or all(
        Path(folder, word).is_dir() for word in config.args
    )


def _labels(config: pytest.Config) -> dict[str, str]:
    """Reference -> what its tests are called: the object, unless two rules share its name."""
    named = config.getoption("--banditlab-rule")
    references = dict.fromkeys([*config.getini("banditlab_rules"), *named])
    short = {reference: reference.rpartition(":")[2] for reference in references}
    names = list(short.values())
    return {
        reference: name if names.count(name) == 1 else reference
        for reference, name in short.items()
    }


def _expected(config: pytest.Config, labels: dict[str, str]) -> dict[str, dict[str, str]]:
    """Label of a rule -> check -> reason, from the settings."""
    expected: dict[str, dict[str, str]] = {label: {} for label in labels.values()}
    for line in config.getini("banditlab_expected_failures"):
        # A reference has one colon, and so may a reason have.
        rule, _, rest = line.partition("::")
        check, _, reason = (part.strip() for part in rest.partition(":"))
        label = labels.get(rule.strip(), rule.strip())
        if not (check and reason) or label not in expected:
            raise pytest.Collector.CollectError(
                "pytest: `banditlab_expected_failures` must be lines RULE::CHECK: REASON, got "
                f"{line!r}. The rules are: {', '.join(expected)}."
            )
        expected[label][check] = reason
    return expected


class RulesCollector(pytest.Collector):
    """All rules that are checked in this session."""

    def __init__(self, *, references: list[str], **node: Any) -> None:
        super().__init__(nodeid=_ROOT, **node)
        self.references = references

    def collect(self) -> list[pytest.Collector]:
        """One collector for each rule."""
        labels = _labels(self.config)
        expected = _expected(self.config, labels)
        return [
            RuleCollector.from_parent(
                self, name=label, reference=reference, expected=expected[label]
            )
            for reference, label in labels.items()
            if reference in self.references
        ]


class RuleCollector(pytest.Collector):
    """The checks of one rule."""

    def __init__(self, *, reference: str, expected: dict[str, str], **node: Any) -> None:
        super().__init__(**node)
        self.reference = reference
        self.expected = expected

    def collect(self) -> list[pytest.Item]:
        """One item for each check; a rule that cannot be found or called is an error."""
        from banditlab.extras import explain

        try:
            return list(self._items())
        except (ModuleNotFoundError, TypeError, ValueError) as error:
            raise self.CollectError(explain(error)) from error

    def _items(self) -> Iterator[pytest.Item]:
        from banditlab.find import find_rule
        from banditlab.testing.check import CheckFailure
        from banditlab.testing.checks import CHECKS
        from banditlab.testing.kinds import make_subject
        from banditlab.validation import require_known

        for name in self.expected:
            require_known("banditlab_expected_failures", self.name, name, CHECKS, "check")
        rule = find_rule(self.reference, asked=("pytest", "banditlab_rules"))
        found = f"from banditlab.find import find_rule\nrule = find_rule({self.reference!r})"
        subject = make_subject(rule, code=found)
        for name, check in CHECKS.items():
            item = CheckItem.from_parent(self, name=name, check=check, subject=subject)
            item.add_marker(pytest.mark.banditlab)
            if name in self.expected:
                reason = self.expected[name]
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True, raises=CheckFailure))
            yield item


class CheckItem(pytest.Item):
    """One check of one rule."""

    def __init__(self, *, check: Any, subject: Any, **node: Any) -> None:
        super().__init__(**node)
        self.check = check
        self.subject = subject

    def runtest(self) -> None:
        """Run the check."""
        from banditlab.testing.check import CheckSkipped
        from banditlab.testing.parametrize import require_check

        try:
            require_check(self.check, self.subject)
        except CheckSkipped as skipped:
            raise pytest.skip.Exception(str(skipped), _use_item_location=True) from None

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
        """The message and the minimal example; a traceback for what is no failed check."""
        from banditlab.testing.check import CheckFailure

        if isinstance(excinfo.value, CheckFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the rule was named, and what the report calls the check."""
        place = self.config.inipath or self.config.rootpath
        return place, 0, f"{self.parent.name}: {self.name}"
