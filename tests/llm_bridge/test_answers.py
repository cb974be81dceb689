import pytest

from llm_bridge.answers import answer_of_form, boxed_answer, comparable_pair


def shallow_box(text):
    """Stops at the first closing brace: the mutant."""
    return text.rpartition("\\boxed{")[2].partition("}")[0]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"$\boxed{2}$, no: $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"\boxed{ \left\{1,2\right\} }", r"\left\{1,2\right\}"),
        (r"\boxed{\{1\}} and text {x}", r"\{1\}"),
        (r"\boxed{\left\{1, x\right.} and {2}", r"\left\{1, x\right."),
        (r"\fbox{3}", "3"),
        (r"$\boxed 5$ is it", "5"),
        (r"\boxed{x \text{ for } x \in \{a, \{b\}\}}", r"x \text{ for } x \in \{a, \{b\}\}"),
    ],
)
def test_the_last_box_is_read_with_its_braces_matched(text, answer):
    assert boxed_answer(text) == answer


@pytest.mark.parametrize("text", ["", "5", r"\boxed{}", r"\boxed{ }", r"\boxed{1", r"\boxed"])
def test_a_text_without_a_closed_and_filled_box_has_no_answer(text):
    assert boxed_answer(text) is None


def test_stopping_at_the_first_brace_would_be_seen():
    text = r"\boxed{\frac{1}{2}}"
    assert shallow_box(text) != boxed_answer(text)


def test_the_last_of_both_marks_counts_where_either_is_allowed():
    assert answer_of_form(r"#### 1 then \boxed{2}", "any") == ("boxed", "2")
    assert answer_of_form(r"\boxed{2} then #### 1", "any") == ("mark", "1")
    assert answer_of_form("neither", "any") is None


@pytest.mark.parametrize("gold", ["18", "-7", "1.5", "3/4", "50%", "$18", "18 dollars"])
def test_numbers_behind_the_mark_are_compared_as_they_are(gold):
    assert comparable_pair("so\n#### 18 eggs", gold, "mark") == ("18 eggs", gold)


@pytest.mark.parametrize("gold", [r"3\sqrt{13}", "2x", "x", "(1,2)", r"\frac{1}{2}"])
def test_all_else_is_put_into_a_box_on_both_sides(gold):
    boxed = f"\\boxed{{{gold}}}"
    assert comparable_pair("#### y", gold, "mark") == ("\\boxed{y}", boxed)
    assert comparable_pair(boxed, gold, "boxed") == (boxed, boxed)


def test_no_answer_makes_no_pair():
    assert comparable_pair("#### 1", "1", "boxed") is None
