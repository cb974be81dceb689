"""docs/checks.md: every check with its reason, every broken rule with the checks that reject it."""

from collections.abc import Mapping, Sequence

from banditlab.testing import CHECKS, check_update_rule
from tests.banditlab.testing.teeth import BROKEN
from tests.banditlab.testing.teeth.record import Broken

_HEAD = """# The checks

What `banditlab check` and `check_update_rule` hold a rule to. This page is written by
`python -m tests.banditlab.testing.teeth`; a test sees that it says what the code says.

A check that has nothing to say of a rule (no mask, no clip declared, no advantage) is skipped with
the reason. What a rule declares, and the contract that holds where it declares nothing, is in
`banditlab.testing.Promises`.
"""


def rejections(broken: Broken) -> tuple[str, ...]:
    """Names of all checks that reject a broken rule, in the order of the suite."""
    return check_update_rule(broken.rule, on_fail="report").named("failed")


def checks_section() -> str:
    """One entry for each check."""
    lines = [f"## {len(CHECKS)} checks", "", "| check | what must hold | catches | without it |"]
    lines.append("| --- | --- | --- | --- |")
    lines += [
        f"| `{check.name}` | {_cell(check.reason)} | {_cell(check.catches)} "
        f"| {_cell(check.consequence)} |"
        for check in CHECKS.values()
    ]
    return "\n".join(lines)


def broken_row(broken: Broken, rejected_by: Sequence[str]) -> str:
    """One row: the mistake, and in bold the checks that must reject it."""
    shown = [f"**`{name}`**" if name in broken.caught_by else f"`{name}`" for name in rejected_by]
    reason = _cell(broken.reason)
    return f"| `{broken.name}` | {broken.kind} | {reason} | {', '.join(shown)} |"


def document(rejected_by: Mapping[str, Sequence[str]]) -> str:
    """The whole page.

    Args:
        rejected_by: name of a broken rule -> checks that reject it.

    Returns:
        Markdown.
    """
    lines = [
        f"## {len(BROKEN)} broken rules",
        "",
        "Each stands beside a correct rule, under its promises, and differs by one mistake. The "
        "checks in bold\nmust reject it, for the reason that they are named after; the others do "
        "too, at seed 0.",
        "",
        "| rule | kind | mistake | rejected by |",
        "| --- | --- | --- | --- |",
        *(broken_row(BROKEN[name], checks) for name, checks in rejected_by.items()),
    ]
    return "\n".join([_HEAD, checks_section(), "", *lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
