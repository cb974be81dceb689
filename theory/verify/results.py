"""What became of claims: results, as objects, as JSON and as a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from theory.verify.claim import Claim
from theory.verify.statistics import UNIT

COLUMNS = (
    "claim",
    "what",
    "predicted",
    "measured",
    "statistic",
    "verdict",
    "mutants rejected",
    "finds",
    "seconds",
)

_WIDTHS = (24, 34, None, 22, 24, None, 16, None, None)

POWERLESS = 0.1
"""A bound that is never filled to this share can reject little."""


@dataclass(frozen=True)
class MutantResult:
    """What became of one mutant.

    Attributes:
        what: what is wrong with it.
        statistic: its largest distance from the measurement.
        is_rejected: whether that is beyond the claim's mutant tolerance.
    """

    what: str
    statistic: float
    is_rejected: bool


@dataclass(frozen=True)
class Result:
    """What became of one claim; numbers are those of the quantity with the largest distance.

    Attributes:
        claim: the claim.
        predicted: the prediction.
        measured: the measurement.
        standard_error: its standard error.
        statistic: largest distance of prediction and measurement.
        p_value: probability of as large a distance if the statement is true; None if exact.
        verdict: "holds" or "rejected".
        mutants: what became of the mutants.
        smallest_found_error: minimum detectable error, relative; None if exact.
        is_planted_error_found: whether predictions off by so much are rejected; None if exact, or
            where the statement is expected to be rejected.
        tightness: of bounds: measured over predicted, the least of several.
        seconds: wall time.
        problem: what went wrong where the claim could not be measured.
    """

    claim: Claim
    predicted: float
    measured: float
    standard_error: float
    statistic: float
    p_value: float | None
    verdict: str
    mutants: tuple[MutantResult, ...]
    smallest_found_error: float | None
    is_planted_error_found: bool | None
    tightness: float | None
    seconds: float
    problem: str = ""

    @property
    def is_as_expected(self) -> bool:
        """Whether the verdict is the expected one and every mutant was rejected."""
        is_known = self.verdict == self.claim.expected_verdict and not self.problem
        return is_known and all(mutant.is_rejected for mutant in self.mutants)

    def remarks(self) -> list[str]:
        """Say what was not as it should be.

        Returns:
            One sentence for each such thing.
        """
        if self.problem:
            return [f"could not be measured: {self.problem}"]
        found = []
        if self.verdict != self.claim.expected_verdict:
            found.append(f"verdict {self.verdict}, expected {self.claim.expected_verdict}")
        found += [f"a mutant survives: {m.what}" for m in self.mutants if not m.is_rejected]
        if self.is_planted_error_found is False:
            found.append("an error of the size that it should find was planted and not found")
        return found

    @property
    def is_powerless(self) -> bool:
        """Whether the claim is a bound that is filled to less than a tenth."""
        return self.tightness is not None and self.tightness < POWERLESS

    def as_dict(self) -> dict[str, object]:
        """Return the result as JSON can hold it.

        Returns:
            Names -> values; numbers that are not finite become None.
        """
        claim = self.claim
        return {
            "id": claim.id,
            "what": claim.what,
            "statement": claim.statement,
            "tags": list(claim.tags),
            "verdict": self.verdict,
            "expected_verdict": claim.expected_verdict,
            "is_as_expected": self.is_as_expected,
            "evidence": claim.evidence,
            "predicted": _finite(self.predicted),
            "measured": _finite(self.measured),
            "se": _finite(self.standard_error),
            "statistic_kind": claim.statistic,
            "statistic": _finite(self.statistic),
            "p_value": self.p_value,
            "tolerance": claim.tolerance if claim.is_exact else None,
            "mutant_tolerance": claim.mutant_tolerance,
            "minimum_detectable_error": _finite(self.smallest_found_error),
            "is_planted_error_found": self.is_planted_error_found,
            "tightness": _finite(self.tightness),
            "is_powerless": self.is_powerless,
            "mutants": [
                {
                    "what": mutant.what,
                    "statistic": _finite(mutant.statistic),
                    "is_rejected": mutant.is_rejected,
                }
                for mutant in self.mutants
            ],
            "seconds": round(self.seconds, 3),
            "problem": self.problem,
        }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def format_results(results: Sequence[Result]) -> str:
    """Lay results out as a table.

    Args:
        results: the results.

    Returns:
        Text, one row per claim; verdicts that were not expected in capitals.
    """
    rows = [_row(result) for result in results]
    return tabulate(rows, headers=COLUMNS, disable_numparse=True, maxcolwidths=_WIDTHS)


def _row(result: Result) -> tuple[str, ...]:
    claim = result.claim
    error = "" if claim.is_exact else f" +- {result.standard_error:.2g}"
    if claim.is_exact:
        sign = "<" if result.statistic < claim.tolerance else ">="
        statistic = f"{UNIT[claim.statistic]} {result.statistic:.1e} {sign} {claim.tolerance:g}"
    else:
        statistic = f"{UNIT[claim.statistic]} {result.statistic:.2f}, p {result.p_value:.2g}"
    if result.tightness is not None:
        statistic += f", fills {result.tightness:.3g}"
        statistic += " (powerless)" if result.is_powerless else ""
    is_known = result.verdict == claim.expected_verdict
    rejected = sum(mutant.is_rejected for mutant in result.mutants)
    nearest = min(mutant.statistic for mutant in result.mutants)
    found = result.smallest_found_error
    return (
        claim.id,
        claim.what,
        f"{result.predicted:.6g}",
        f"{result.measured:.6g}{error}",
        statistic,
        result.verdict if is_known else result.verdict.upper(),
        f"{rejected} of {len(result.mutants)} (nearest {nearest:.2g})",
        "" if found is None else f"{100.0 * found:.2g} %",
        f"{result.seconds:.1f}",
    )
