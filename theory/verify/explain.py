"""A claim in words, its regime and derivation from the docstrings of its predictions."""

import inspect
from collections.abc import Callable

from theory.verify.claim import Claim


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
    unit = "standard errors" if claim.statistic == "z" else "in absolute value"
    theory = []
    for function in claim.theory:
        theory.append(f"Prediction: {function.__module__}.{function.__name__}")
        for label, section in (("Regime", "Assumes"), ("Derivation", "Derivation")):
            theory.append(f"{label}: {docstring_section(function, section)}")
    decision = (
        f"holds if prediction and measurement differ by less than {claim.tolerance:g} {unit}; "
        f"a mutant must differ by more than {claim.mutant_tolerance:g}. False alarm rate: "
        f"{claim.false_alarm_rate:g}."
    )
    paragraphs = [
        f"{claim.id}: {claim.what}",
        f"Statement: {claim.statement}",
        *theory,
        f"Source: {claim.source}",
        f"Decision: {decision}",
        "Mutants: " + "; ".join(mutant.what for mutant in claim.mutants),
        f"Tags: {', '.join(claim.tags)}",
    ]
    return "\n\n".join(paragraphs)
