"""What a check is: a named property, its reason, and what a training run suffers without it.

A check is a function of a `Subject` and of drawn values, which raises `CheckFailure` where the
property does not hold. `@check` turns it into a `Check`; each parameter after the first gets a
hypothesis strategy, or a function that gives one for the subject.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Need = Literal["weight", "elementwise", "loss", "mask", "advantage", "step"]
Draws = Callable[[Any], Any]


class CheckFailure(AssertionError):  # noqa: N818 - it fails a test, as an assertion does
    """A property that does not hold.

    Attributes:
        found: what the rule gave.
        expected: what it should have given.
    """

    def __init__(self, message: str, found: Any = None, expected: Any = None) -> None:
        super().__init__(message)
        self.found = found
        self.expected = expected


class CheckSkipped(Exception):  # noqa: N818 - not an error
    """The check says nothing of this rule; the message is the reason."""


@dataclass(frozen=True)
class Check:
    """One property of update rules.

    Attributes:
        name: what it is called by; unique.
        needs: parts that a rule must have for the check to say anything.
        reason: why the property matters, one sentence.
        catches: a mistake that it finds.
        consequence: what a training run would suffer, one sentence.
        body: function of (subject, **drawn values), raises CheckFailure.
        draws: parameter -> function of the subject -> hypothesis strategy.
        examples: largest number of examples drawn by the default profile.
    """

    name: str
    needs: tuple[Need, ...]
    reason: str
    catches: str
    consequence: str
    body: Callable[..., None]
    draws: Mapping[str, Draws]
    examples: int

    def __call__(self, subject: Any, **drawn: Any) -> None:
        """Check one example; see `body`."""
        self.body(subject, **drawn)

    def missing_part(self, subject: Any) -> str | None:
        """Why the check does not apply to this kind of rule, or None if it does."""
        for need in self.needs:
            if not subject.has(need):
                return _MISSING[need]
        return None


_MISSING: dict[str, str] = {
    "weight": "it has no score weight",
    "elementwise": "it has no elementwise score weight",
    "loss": "it is no loss",
    "mask": "it takes no mask",
    "advantage": "it has no advantage estimator",
    "step": "it has neither a score weight nor an advantage estimator",
}


def check(
    *needs: Need, catches: str, consequence: str, examples: int = 25, **draws: Draws
) -> Callable[[Callable[..., None]], Check]:
    """Make a check of a function; its docstring is the reason.

    Args:
        *needs: parts that a rule must have.
        catches: a mistake that it finds.
        consequence: what a training run would suffer.
        examples: largest number of examples drawn by the default profile.
        **draws: parameter of the function -> function of the subject -> strategy.

    Returns:
        A decorator.
    """

    def make(body: Callable[..., None]) -> Check:
        reason = " ".join((inspect.getdoc(body) or "").split())
        return Check(body.__name__, needs, reason, catches, consequence, body, draws, examples)

    return make


def demand(is_met: bool, message: str, found: Any = None, expected: Any = None) -> None:
    """Raise `CheckFailure` unless the condition is met.

    Args:
        is_met: the condition.
        message: what does not hold.
        found: what the rule gave.
        expected: what it should have given.

    Raises:
        CheckFailure: the condition is not met.
    """
    if not is_met:
        raise CheckFailure(message, found, expected)


def demand_close(
    what: str, found: Any, expected: Any, *, rtol: float = 1e-10, atol: float = 1e-12
) -> None:
    """Raise `CheckFailure` unless two arrays agree, |found - expected| <= atol + rtol |expected|.

    Args:
        what: what is compared, the subject of the message.
        found: what the rule gave.
        expected: what it should have given, of the same shape.
        rtol: relative tolerance.
        atol: absolute tolerance.

    Raises:
        CheckFailure: a shape or a value differs, or a value is not finite in one of them only.
    """
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    demand(
        found.shape == expected.shape,
        f"{what} has shape {found.shape} instead of {expected.shape}",
        found,
        expected,
    )
    is_close = np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if is_close.all():
        return
    where = np.unravel_index(np.argmin(is_close), is_close.shape)
    place = f"[{', '.join(str(int(index)) for index in where)}]" if where else ""
    raise CheckFailure(
        f"{what}{place} is {found[where]:.6g} instead of {expected[where]:.6g}", found, expected
    )
