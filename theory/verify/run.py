"""Selecting claims, testing them, and telling what came out."""

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from theory.predict.conditions import require, require_known
from theory.verify.claim import BUDGETS, Claim

COLUMNS = (
    "claim",
    "what",
    "predicted",
    "measured",
    "statistic",
    "verdict",
    "mutants rejected",
    "seconds",
)


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
    """What became of one claim; numbers are those of the component with the largest distance.

    Attributes:
        claim: the claim.
        predicted: the prediction.
        measured: the measurement.
        standard_error: its standard error.
        statistic: largest distance of prediction and measurement.
        verdict: "holds" or "fails".
        mutants: what became of the mutants.
        seconds: wall time.
    """

    claim: Claim
    predicted: float
    measured: float
    standard_error: float
    statistic: float
    verdict: str
    mutants: tuple[MutantResult, ...]
    seconds: float

    @property
    def is_as_expected(self) -> bool:
        """Whether the verdict is the expected one and every mutant was rejected."""
        return self.verdict == self.claim.expected and all(m.is_rejected for m in self.mutants)

    def as_dict(self) -> dict[str, object]:
        """Return the result as JSON can hold it.

        Returns:
            Names -> values; numbers that are not finite become None.
        """
        claim = self.claim
        return {
            "claim": claim.id,
            "what": claim.what,
            "statement": claim.statement,
            "tags": list(claim.tags),
            "predicted": _finite(self.predicted),
            "measured": _finite(self.measured),
            "standard_error": _finite(self.standard_error),
            "statistic_kind": claim.statistic,
            "statistic": _finite(self.statistic),
            "tolerance": claim.tolerance,
            "mutant_tolerance": claim.mutant_tolerance,
            "false_alarm_rate": claim.false_alarm_rate,
            "verdict": self.verdict,
            "expected": claim.expected,
            "is_as_expected": self.is_as_expected,
            "mutants": [
                {
                    "what": mutant.what,
                    "statistic": _finite(mutant.statistic),
                    "is_rejected": mutant.is_rejected,
                }
                for mutant in self.mutants
            ],
            "seconds": round(self.seconds, 3),
        }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def select_claims(
    claims: Sequence[Claim], *, names: Sequence[str] = (), tag: str | None = None
) -> list[Claim]:
    """Select claims by id or catalogue entry, and by tag.

    Args:
        claims: all claims.
        names: ids such as "P26-grpo" or entries such as "P26"; none for all.
        tag: a tag that the claims must have.

    Returns:
        The claims asked for, in their order.

    Raises:
        ValueError: a name or tag does not exist, or nothing has both.
    """
    known = dict.fromkeys([name for claim in claims for name in (claim.entry, claim.id)])
    for name in names:
        require_known("select_claims", "claims", name, known, "claim")
    if tag is not None:
        tags = sorted({word for claim in claims for word in claim.tags})
        require_known("select_claims", "tag", tag, tags, "tag")
    chosen = [
        claim
        for claim in claims
        if (not names or claim.id in names or claim.entry in names)
        and (tag is None or tag in claim.tags)
    ]
    require(
        bool(chosen),
        "select_claims",
        "tag",
        f"a tag of {', '.join(names)}",
        repr(tag),
        "Leave one of the two selections out",
    )
    return chosen


def verify_claim(claim: Claim, *, budget: str = "quick", seed: int = 0) -> Result:
    """Test a claim: its statement, and each mutant by the same statistic.

    The randomness depends on the seed and the id of the claim alone, so that a claim gives the
    same numbers whatever else is tested.

    Args:
        claim: the claim.
        budget: "quick" or "full".
        seed: seed of the experiment, at least 0.

    Returns:
        What came out.

    Raises:
        ValueError: the budget is unknown or the seed negative.
    """
    require_known("verify_claim", "budget", budget, BUDGETS, "budget")
    require(seed >= 0, "verify_claim", "seed", "at least 0", seed, "Give a whole number")
    start = time.perf_counter()
    rng = np.random.default_rng([seed, zlib.crc32(claim.id.encode())])
    measurement = claim.experiment(rng, claim.size[budget])
    predicted = np.atleast_1d(np.asarray(claim.predicted(), dtype=np.float64))
    distance = claim.distances(predicted, measurement)
    # A NaN compares false with everything: it must fail the statement and reject no mutant.
    worst = int(np.argmax(np.where(np.isnan(distance), np.inf, distance)))
    mutants = []
    for mutant in claim.mutants:
        largest = float(claim.distances(mutant.predicted(), measurement).max())
        mutants.append(MutantResult(mutant.what, largest, largest > claim.mutant_tolerance))
    return Result(
        claim=claim,
        predicted=float(predicted.flat[worst]),
        measured=float(measurement.value.flat[worst]),
        standard_error=float(measurement.standard_error.flat[worst]),
        statistic=float(distance.flat[worst]),
        verdict="holds" if float(distance.flat[worst]) < claim.tolerance else "fails",
        mutants=tuple(mutants),
        seconds=time.perf_counter() - start,
    )


def verify_claims(
    claims: Sequence[Claim],
    *,
    budget: str = "quick",
    seed: int = 0,
    on_result: Callable[[Result], object] | None = None,
) -> list[Result]:
    """Test claims one after another.

    Args:
        claims: the claims.
        budget: "quick" or "full".
        seed: seed of the experiments.
        on_result: called with each result as it comes.

    Returns:
        The results, in the order of the claims.

    Raises:
        ValueError: the budget is unknown or the seed negative.
    """
    results = []
    for claim in claims:
        results.append(verify_claim(claim, budget=budget, seed=seed))
        if on_result is not None:
            on_result(results[-1])
    return results


def format_results(results: Sequence[Result]) -> str:
    """Lay results out as a table.

    Args:
        results: the results.

    Returns:
        Text, one row per claim.
    """
    rows = []
    for result in results:
        claim = result.claim
        is_sampled = claim.statistic == "z"
        error = f" +- {result.standard_error:.2g}" if is_sampled else ""
        name, spec = ("|z|", ".2f") if is_sampled else ("diff", ".2g")
        rejected = sum(mutant.is_rejected for mutant in result.mutants)
        nearest = min(mutant.statistic for mutant in result.mutants)
        rows.append(
            (
                claim.id,
                claim.what,
                f"{result.predicted:.6g}",
                f"{result.measured:.6g}{error}",
                f"{name} {result.statistic:{spec}} < {claim.tolerance:g}",
                result.verdict if result.verdict == claim.expected else result.verdict.upper(),
                f"{rejected} of {len(result.mutants)} (nearest {nearest:.2g})",
                f"{result.seconds:.1f}",
            )
        )
    return tabulate(rows, headers=COLUMNS, disable_numparse=True)
