"""The search for an example on which a check fails, and the smallest one found.

hypothesis draws and shrinks; the same seed gives the same examples on the same machine.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, settings

from banditlab.testing.check import Check, CheckFailure, CheckSkipped
from banditlab.testing.subject import Subject


@dataclass(frozen=True)
class Failure:
    """A check that failed, on its smallest example.

    Attributes:
        message: what does not hold, one sentence.
        example: drawn values, by parameter of the check.
        found: what the rule gave, if the check compares.
        expected: what it should have given.
    """

    message: str
    example: dict[str, Any]
    found: Any = None
    expected: Any = None


def run_check(check: Check, subject: Subject, *, examples: int, seed: int) -> Failure | None:
    """Search for a failure of one check.

    Args:
        check: the check.
        subject: the rule under check.
        examples: largest number of examples drawn.
        seed: of the draws.

    Returns:
        The failure on the smallest example found; None where none was found.

    Raises:
        CheckSkipped: the check says nothing of this rule.
    """
    reason = check.missing_part(subject)
    if reason:
        raise CheckSkipped(reason)
    failures: list[Failure] = []

    def attempt(**drawn: Any) -> None:
        failure = failure_on(check, subject, drawn)
        if failure is not None:
            failures.append(failure)
            raise CheckFailure(failure.message)

    if not check.draws:
        return failure_on(check, subject, {})
    configured = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    strategies = {name: draw(subject) for name, draw in check.draws.items()}
    searching = hypothesis.seed(seed)(configured(hypothesis.given(**strategies)(attempt)))
    try:
        searching()
    except CheckSkipped:
        raise
    except Exception:
        # Where the rule answers the same input differently, hypothesis itself complains; what
        # failed is what counts.
        if not failures:
            raise
    return failures[-1] if failures else None


def failure_on(check: Check, subject: Subject, example: dict[str, Any]) -> Failure | None:
    """Check one example.

    Args:
        check: the check.
        subject: the rule under check.
        example: drawn values, by parameter of the check.

    Returns:
        The failure, or None.

    Raises:
        CheckSkipped: the check says nothing of this rule.
    """
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            # Where pytest turns NumPy's warnings into errors, the same rule would raise.
            warnings.simplefilter("ignore", RuntimeWarning)
            check(subject, **example)
    except CheckFailure as failure:
        return Failure(str(failure), example, failure.found, failure.expected)
    except CheckSkipped:
        raise
    except hypothesis.errors.HypothesisException:
        raise
    except Exception as error:
        told = f"{subject.name} raised {type(error).__name__}: {error}"
        return Failure(" ".join(told.split()), example)
    return None
