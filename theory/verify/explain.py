"""A claim in words, its regime and derivation from docstrings, and its numbers for a picture."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from theory.verify.claim import Claim
from theory.verify.measurement import Measurement
from theory.verify.run import FAMILY_WISE_RATE, gather_evidence

COMPARISON_FILE = "comparison.json"

_MOST_RUNS_KEPT = 200
_DECISIONS = {
    "difference": "the largest difference of prediction and measurement is below {tolerance:g}",
    "bound": "no measured value exceeds its bound, to a relative {tolerance:g}",
    "z": "Holm's procedure does not reject that prediction and measurement agree (Student's t, "
    "Hotelling's T-squared where quantities are correlated, the binomial law for shares of hits)",
    "shares": "Holm's procedure does not reject the predicted shares (Pearson's chi-squared)",
    "expected_bound": "Holm's procedure does not reject that the mean is within the bound",
}


def docstring_section(function: Callable[..., object], name: str) -> str:
    """Return one section of a Google-style docstring, without its header and indentation.

    Args:
        function: a documented function.
        name: header of the section, without the colon.

    Returns:
        The text of the section; empty where there is none.
    """
    lines = (inspect.getdoc(function) or "").splitlines()
    if f"{name}:" not in lines:
        return ""
    body = []
    for line in lines[lines.index(f"{name}:") + 1 :]:
        if line and not line.startswith(" "):
            break
        body.append(line.strip())
    return "\n".join(body).strip()


def explain_claim(claim: Claim) -> str:
    """Tell a claim in words: statement, regime, derivation, source, decision.

    Args:
        claim: the claim.

    Returns:
        Text of several paragraphs.
    """
    theory = []
    for function in claim.theory:
        theory.append(f"Prediction: {function.__module__}.{function.__name__}")
        for label, section in (
            ("Regime", "Assumes"),
            ("Derivation", "Derivation"),
            ("References", "References"),
        ):
            text = docstring_section(function, section)
            if text:
                theory.append(f"{label}: {text}")
    decision = _DECISIONS[claim.statistic].format(tolerance=claim.tolerance)
    unit = "standard errors" if not claim.is_exact else "in the same unit"
    paragraphs = [
        f"{claim.id}: {claim.what}",
        f"Statement: {claim.statement}",
        *theory,
        f"Source: {claim.source}",
        f"Decision: holds if {decision}. A mutant must lie beyond {claim.mutant_tolerance:g} "
        f"{unit}. "
        + (
            "Nothing is random, and no true statement is rejected."
            if claim.is_exact
            else f"A run rejects any of its true claims with probability {FAMILY_WISE_RATE:g}."
        ),
        f"Expected verdict: {claim.expected_verdict}",
        *([f"Evidence: {claim.evidence}"] if claim.evidence else []),
        "Mutants: " + "; ".join(mutant.what for mutant in claim.mutants),
        f"Tags: {', '.join(claim.tags)}",
    ]
    return "\n\n".join(paragraphs)


def write_comparison(claim: Claim, folder: Path, *, budget: str, seed: int) -> Path:
    """Test one claim and write what its picture shows: prediction, measurement and mutants.

    Args:
        claim: the claim.
        folder: where to, made if missing.
        budget: "quick" or "full".
        seed: seed of the experiments.

    Returns:
        Path of the file.

    Raises:
        OSError: the disk refuses.
    """
    from banditlab.records import provenance, write_json

    evidence = gather_evidence(claim, claim.size[budget], seed)
    measurement, num = evidence.measurement, len(evidence.predicted)
    at = range(num) if claim.axis.at is None else claim.axis.at
    mutants = [
        {
            "what": mutant.what,
            "value": _plain(predicted if mutant.experiment is None else measured.value),
            "distance": _largest(claim.distances(predicted, measured)),
        }
        for mutant, (predicted, measured) in zip(claim.mutants, evidence.mutants, strict=True)
    ]
    record = {
        "id": claim.id,
        "statement": claim.statement,
        "statistic": claim.statistic,
        "axis": {
            "label": claim.axis.label,
            "at": [one if isinstance(one, str) else float(one) for one in np.ravel(at).tolist()],
            "is_log": claim.axis.is_log,
            "is_ordered": _is_ordered(claim.axis.at),
        },
        "unit": claim.unit or claim.what,
        "predicted": _plain(evidence.predicted),
        "measured": _plain(measurement.value),
        "se": _plain(measurement.standard_error),
        "runs": _runs(measurement),
        "distance": _largest(claim.distances(evidence.predicted, measurement)),
        "tolerance": claim.tolerance if claim.is_exact else None,
        "mutant_tolerance": claim.mutant_tolerance,
        "mutants": mutants,
        "provenance": provenance(seed=seed, seconds=round(evidence.seconds, 3)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / COMPARISON_FILE
    write_json(path, record)
    return path


def _plain(values: Iterable[float]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _is_ordered(at: Sequence[float] | Sequence[str] | np.ndarray | None) -> bool:
    if at is None or any(isinstance(one, str) for one in at):
        return False
    return len(at) > 1 and bool((np.diff(np.ravel(at)) > 0.0).all())


def _largest(distances: np.ndarray) -> float | None:
    # An infinite distance, of an impossible prediction, is far and not unknown.
    return _plain([min(float(distances.max()), 1e300)])[0]


def _runs(measurement: Measurement) -> list[list[float | None]]:
    if measurement.samples is None:
        return []
    return [_plain(row) for row in measurement.samples[:_MOST_RUNS_KEPT]]
