"""The final answer of a text: after the last "####", or inside the last \\boxed{...}.

math-verify looks for numbers anywhere where it finds no mark; here no mark is no answer.
"""

import re

ANSWER_MARK = "####"
ANSWER_FORMS = ("mark", "boxed", "any")
"""Where the final answer stands: after "####", in \\boxed{}, or in whichever of them is last."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_NUMBER = re.compile(r"[-+]?\$?[-+]?[\d.]+(/\d+)?%?(\s+[A-Za-z]+)*")


def final_answer(text: str) -> str | None:
    """Final answer of a completion or of a gold text in GSM8K's format.

    Args:
        text: any text.

    Returns:
        The first line after the last "####", without thousands commas and blanks at its ends;
        None if there is no "####" or nothing after it.

    Examples:
        >>> final_answer("3 * 400 = 1200\\n#### 1,200")
        '1200'
        >>> final_answer("It is 1200.") is None
        True
    """
    _, mark, tail = text.rpartition(ANSWER_MARK)
    lines = tail.strip().splitlines()
    if not mark or not lines:
        return None
    return lines[0].replace(",", "").strip() or None


def _in_braces(text: str) -> str | None:
    """What stands between the brace at the start of a text and the one that closes it."""
    depth = 0
    for place, character in enumerate(text):
        # \{ and \} are braces to be seen: they come in pairs or stand for themselves.
        if character in "{}" and (place == 0 or text[place - 1] != "\\"):
            depth += 1 if character == "{" else -1
            if depth == 0:
                return text[1:place]
    return None


def boxed_answer(text: str) -> str | None:
    r"""Final answer of a text in MATH's format.

    Args:
        text: any text.

    Returns:
        The content of the last \boxed{...} or \fbox{...}, braces matched, without blanks at its
        ends; what follows up to a blank or a dollar in "\boxed 5"; None if there is no box, or
        it is empty or not closed.

    Examples:
        >>> boxed_answer(r"so $\boxed{1}$, no: $\boxed{\frac{1}{2}}$.")
        '\\frac{1}{2}'
        >>> boxed_answer("It is 1/2.") is None
        True
    """
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    tail = text[boxes[-1].end() :]
    if tail.startswith("{"):
        inside = _in_braces(tail)
        return (inside or "").strip() or None
    return re.match(r"[^\s$]*", tail)[0] or None


def answer_of_form(text: str, form: str) -> tuple[str, str] | None:
    r"""Final answer of a text, and where it stood.

    Args:
        text: any text.
        form: one of `ANSWER_FORMS`.

    Returns:
        "mark" or "boxed", and the answer; None where there is none.

    Examples:
        >>> answer_of_form(r"\boxed{x}", "boxed"), answer_of_form(r"\boxed{x}", "mark")
        (('boxed', 'x'), None)
        >>> answer_of_form(r"\boxed{2} and so #### 3", "any")
        ('mark', '3')
    """
    if form == "any":
        last_box = max((box.start() for box in _BOX.finditer(text)), default=-1)
        form = "boxed" if last_box > text.rfind(ANSWER_MARK) else "mark"
    answer = boxed_answer(text) if form == "boxed" else final_answer(text)
    return None if answer is None else (form, answer)


def comparable_pair(text: str, gold: str, form: str) -> tuple[str, str] | None:
    r"""Final answer and gold answer in spellings that math-verify reads as what they mean.

    It reads numbers anywhere and other things inside \boxed{} only: of "3\sqrt{13}" alone it sees
    the 3.

    Args:
        text: completion.
        gold: gold answer.
        form: one of `ANSWER_FORMS`.

    Returns:
        Answer and gold; None where the completion has no final answer.

    Examples:
        >>> comparable_pair("#### 18 eggs", "18", "mark")
        ('18 eggs', '18')
        >>> comparable_pair(r"#### 3\sqrt{13}", r"3\sqrt{13}", "mark")
        ('\\boxed{3\\sqrt{13}}', '\\boxed{3\\sqrt{13}}')
    """
    found = answer_of_form(text, form)
    if found is None:
        return None
    place, answer = found
    if place == "mark" and _NUMBER.fullmatch(gold.strip()):
        return answer, gold
    return f"\\boxed{{{answer}}}", f"\\boxed{{{gold}}}"
