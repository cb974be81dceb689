"""The score of each target as a table, its survivors with their reasons, and both as JSON."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

from benchmarks.mutation.equivalent import Equivalents
from benchmarks.mutation.mutants import Mutant
from benchmarks.mutation.targets import Target

LEAST_SCORE = 0.95
_BEGIN, _END = "<!-- made by make mutation -->", "<!-- end -->"


@dataclass(frozen=True)
class Result:
    """What became of the mutants of a target.

    Attributes:
        target: the target.
        total: number of mutants of its sources, of which all or a sample were run.
        mutants: those that were run.
        equivalents: the reasons.
    """

    target: Target
    total: int
    mutants: tuple[Mutant, ...]
    equivalents: Equivalents

    @property
    def survivors(self) -> list[Mutant]:
        """Mutants on which all tests pass."""
        return [mutant for mutant in self.mutants if not mutant.is_found]

    @property
    def missed(self) -> list[Mutant]:
        """Survivors that no reason says to be equivalent."""
        return [mutant for mutant in self.survivors if self.equivalents.reason(mutant) is None]

    @property
    def num_killed(self) -> int:
        """Number of mutants that a test finds."""
        return len(self.mutants) - len(self.survivors)

    @property
    def num_equivalent(self) -> int:
        """Number of survivors with a reason."""
        return len(self.survivors) - len(self.missed)

    @property
    def score(self) -> float:
        """Share of the mutants found, out of those that are not equivalent."""
        return self.num_killed / max(1, len(self.mutants) - self.num_equivalent)

    @property
    def raw_score(self) -> float:
        """Share of the mutants found, out of all that were run."""
        return self.num_killed / max(1, len(self.mutants))


def _row(name: str, results: Sequence[Result]) -> list[Any]:
    run, found = (
        sum(len(result.mutants) for result in results),
        sum(result.num_killed for result in results),
    )
    survived = sum(len(result.survivors) for result in results)
    equivalent = sum(result.num_equivalent for result in results)
    total = sum(result.total for result in results)
    shown = f"{run:,}" if run == total else f"{run:,} of {total:,}"
    scores = (found / max(1, run - equivalent), found / max(1, run))
    return [name, shown, found, survived, equivalent, *(f"{100 * score:.1f} %" for score in scores)]


def table(results: Sequence[Result]) -> str:
    """The table of scores.

    Args:
        results: of the targets.

    Returns:
        Markdown, one line for each target and one for all.
    """
    rows = [_row(f"`{result.target.sources}`", [result]) for result in results]
    if len(results) > 1:
        rows.append(_row("all", results))
    headers = ("module", "mutants", "killed", "survived", "equivalent", "score", "of all mutants")
    aligned = ("left", *("right",) * (len(headers) - 1))
    return tabulate(rows, headers, tablefmt="github", colalign=aligned, disable_numparse=True)


def _change(mutant: Mutant) -> str:
    return (
        f"`{mutant.function}`: `{mutant.was or '(nothing)'}` becomes `{mutant.now or '(nothing)'}`"
    )


def survivors(results: Sequence[Result]) -> str:
    """The survivors, grouped by the reason why they are equivalent.

    Args:
        results: of the targets.

    Returns:
        Markdown: those without a reason first.
    """
    parts = []
    for result in results:
        grouped: dict[str, list[Mutant]] = defaultdict(list)
        for mutant in result.missed:
            grouped["**Not equivalent: no test finds it**"].append(mutant)
        for mutant in result.survivors:
            reason = result.equivalents.reason(mutant)
            if reason is not None:
                grouped[reason].append(mutant)
        parts.append(f"### `{result.target.sources}`\n")
        if not grouped:
            parts.append("None.\n")
        for reason, mutants in grouped.items():
            listed = "\n".join(f"- {_change(mutant)}" for mutant in mutants)
            parts.append(f"{reason} ({len(mutants)}):\n\n{listed}\n")
    return "\n".join(parts)


def filled(document: str, results: Sequence[Result]) -> str:
    """A document with its generated part made again.

    Args:
        document: Markdown that holds the two marks between which the table and survivors stand.
        results: of all targets.

    Returns:
        The document with the part between the marks replaced.
    """
    body = f"{_BEGIN}\n\n{table(results)}\n\n## Survivors\n\n{survivors(results)}\n{_END}"
    pattern = f"{re.escape(_BEGIN)}.*{re.escape(_END)}"
    return re.sub(pattern, lambda _: body, document, flags=re.DOTALL)


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The results for JSON.

    Args:
        results: of the targets.

    Returns:
        Of each target its counts and scores, and of each mutant what it changes, its verdict and,
        where it is equivalent, the reason.
    """
    return [
        {
            "target": result.target.name,
            "sources": result.target.sources,
            "tests": list(result.target.tests),
            "of": result.total,
            "mutants": len(result.mutants),
            "killed": result.num_killed,
            "by_timeout": sum(mutant.verdict == "timeout" for mutant in result.mutants),
            "survived": len(result.survivors),
            "equivalent": result.num_equivalent,
            "score": round(result.score, 4),
            "score_of_all": round(result.raw_score, 4),
            "survivors": [
                asdict(mutant) | {"equivalent_because": result.equivalents.reason(mutant)}
                for mutant in result.survivors
            ],
        }
        for result in results
    ]
