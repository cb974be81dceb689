"""Graders that compare strings, as the papers' framework does: no computer algebra, no worker.

They are stricter than math-verify, and never hang. `banditlab grade` counts where they disagree.
"""

import re
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np

from banditlab.validation import require_known
from llm_bridge.answers import boxed_answer

_MARKED_NUMBER = re.compile(r"#### *(-?\$?[0-9.,]+)")
_DECIMAL = re.compile(r"(-?\d+)\.0*")
_DROPPED = re.compile(
    r"\\left|\\right|\\[!,;: ]|\\\$|\$|\\?%|\^\{?\\circ\}?|\\displaystyle|\\text\{\s*degrees?\}"
)
_UNIT = re.compile(r"(?<=[\d}])\s*\\(?:text|mbox|mathrm)\{[^{}]*\}(?:\^\{?\d\}?)?$")
_WORDS = re.compile(r"\\(?:text|mbox|mathrm|textbf)\{([^{}]*)\}")
_SHORT_FRACTION = re.compile(r"\\frac\s*(\d)\s*(\d)(?!\d)|\\frac\s*(\d)\s*(\{[^{}]*\})")
_HALF_FRACTION = re.compile(r"\\frac(\{[^{}]*\})\s*(\d)")
_SHORT_ROOT = re.compile(r"\\sqrt\s*([0-9A-Za-z])")
_SLASH = re.compile(r"(-?)(\d+)/(\d+)")
_NAMED = re.compile(r"[A-Za-z]\s*=\s*(?=[^=]*$)")


def marked_number(text: str) -> str | None:
    """Number after the last "#### n" of a text.

    Args:
        text: any text.

    Returns:
        The number without commas, dollar and full stop at its end; None where none follows the
        mark.

    Examples:
        >>> marked_number("#### 1,200."), marked_number("#### about 7")
        ('1200', None)
    """
    numbers = _MARKED_NUMBER.findall(text)
    return numbers[-1].replace(",", "").replace("$", "").rstrip(".") or None if numbers else None


def is_marked_number_equal(text: str, gold: str) -> bool:
    """Whether a text ends with "#### n" and n is the gold answer, digit for digit.

    Args:
        text: completion.
        gold: gold answer.

    Returns:
        True if the strings agree without commas and dollar signs.
    """
    return marked_number(text) == gold.replace(",", "").replace("$", "").strip()


def normal_latex(text: str) -> str:
    r"""One spelling for answers that differ in typesetting alone.

    Spacing, \left and \right, dollar and percent signs, degrees, units at the end and a name
    before an equals sign go; \dfrac and \tfrac become \frac, braces are put, 1/2 and 0.5
    become \frac{1}{2}, and 3.00 becomes 3.

    Args:
        text: content of a box.

    Returns:
        The normal spelling.

    Examples:
        >>> normal_latex(r"x = \dfrac12\,\text{ cm}"), normal_latex("10,\\!080")
        ('\\frac{1}{2}', '10,080')
    """
    text = text.strip().rstrip(".")
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    text = _UNIT.sub("", _DROPPED.sub("", text).strip())
    text = _WORDS.sub(lambda match: match[1].strip(), text)
    text = _NAMED.sub("", text, count=1) if _NAMED.match(text) else text
    text = re.sub(r"\s+", "", _SHORT_ROOT.sub(r"\\sqrt{\1}", text))
    text = _SHORT_FRACTION.sub(
        lambda match: (
            f"\\frac{{{match[1]}}}{{{match[2]}}}" if match[1] else f"\\frac{{{match[3]}}}{match[4]}"
        ),
        text,
    )
    text = _HALF_FRACTION.sub(r"\\frac\1{\2}", text)
    if slash := _SLASH.fullmatch(text):
        text = f"{slash[1]}\\frac{{{slash[2]}}}{{{slash[3]}}}"
    if decimal := _DECIMAL.fullmatch(text):
        text = decimal[1]
    if text.startswith((".", "-.")):
        text = text.replace(".", "0.", 1)
    return "\\frac{1}{2}" if text == "0.5" else text


def is_boxed_equal(text: str, gold: str) -> bool:
    r"""Whether the last \boxed{} of a text and the gold answer have the same normal spelling.

    Args:
        text: completion.
        gold: gold answer.

    Returns:
        True if they have.
    """
    answer = boxed_answer(text)
    return answer is not None and normal_latex(answer) == normal_latex(gold)


COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "mark": is_marked_number_equal,
    "boxed": is_boxed_equal,
}
"""The string comparisons by name: completion, gold -> whether it is right."""


class StringGrader:
    """Grades completions by a string comparison.

    Attributes:
        name: key of `COMPARISONS`.
        num_timeouts: 0; there is nothing to wait for.

    Examples:
        >>> with StringGrader("mark") as grader:
        ...     grader.grade(["#### 18", "#### 18.0"], ["18", "18"])
        array([1., 0.])
    """

    num_timeouts = 0

    def __init__(self, name: str) -> None:
        require_known("StringGrader", "name", name, COMPARISONS, "string comparison")
        self.name = name

    def grade(self, completions: Sequence[str], golds: Sequence[str]) -> np.ndarray:
        """Reward of each completion.

        Args:
            completions: N texts.
            golds: N gold answers.

        Returns:
            1.0 for a right final answer, 0.0 for a wrong or a missing one, shape [N], float64.

        Raises:
            ValueError: the two lists differ in length.
        """
        is_equal = COMPARISONS[self.name]
        pairs = zip(completions, golds, strict=True)
        return np.array([is_equal(text, gold) for text, gold in pairs], float)

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
