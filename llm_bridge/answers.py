"""The final answer of a text in GSM8K's format: what stands after the last "####"."""

ANSWER_MARK = "####"


def final_answer(text: str) -> str | None:
    """Final answer of a completion or of a gold text.

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
