import numpy as np
import pytest

from llm_bridge.string_graders import (
    StringGrader,
    is_boxed_equal,
    is_marked_number_equal,
    marked_number,
    normal_latex,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 18", "18"),
        ("#### 1\n#### -1,200.", "-1200"),
        ("####7 eggs", "7"),
        ("#### $1.50", "1.50"),
        ("#### about 7", None),
        ("#### .", None),
        ("18", None),
    ],
)
def test_the_strict_number_is_the_one_behind_the_last_mark(text, number):
    assert marked_number(text) == number


def test_marked_numbers_agree_digit_for_digit():
    assert is_marked_number_equal("#### 1,200", "1200")
    assert not is_marked_number_equal("#### 18.0", "18"), "math_verify takes it"
    assert not is_marked_number_equal("#### 36/2", "18"), "only the 36 is read"
    assert not is_marked_number_equal("no mark", "18")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\dfrac{1}{2}", r"\frac12"),
        ("1/2", r"\frac{1}{2}"),
        ("0.5", r"\frac{1}{2}"),
        (".5", "0.5"),
        ("-.25", "-0.25"),
        ("3.00", "3"),
        (r"10,\!080", "10,080"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})"),
        (r"x = 5", "5"),
        (r"\$18.90", "18.90"),
        (r"30^\circ", "30"),
        (r"50\%", "50"),
        (r"\frac{270}7\text{ degrees}", r"\frac{270}{7}"),
        (r"5 \text{ cm}^2", "5"),
        (r"\text{Evelyn}", "Evelyn"),
        (r"11\sqrt2", r"11\sqrt{2}"),
        (r"\frac9{19}", r"\frac{9}{19}"),
        (r"-3/4", r"-\frac{3}{4}"),
    ],
)
def test_spellings_that_differ_in_typesetting_alone_agree(one, other):
    assert normal_latex(one) == normal_latex(other)
    assert is_boxed_equal(f"so $\\boxed{{{one}}}$", other)
    assert normal_latex(normal_latex(one)) == normal_latex(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\frac{1}{2}", r"\frac{2}{1}"),
        ("12", "1/2"),
        ("3.05", "3"),
        ("-3", "3"),
        (r"(1,2)", r"(2,1)"),
        (r"\sqrt{2}", "2"),
        (r"\text{even}", r"\text{odd}"),
        ("x=5, y=6", "6"),
        ("y=2x", "x=2x+0"),
    ],
)
def test_different_answers_stay_different(one, other):
    assert normal_latex(one) != normal_latex(other)
    assert not is_boxed_equal(f"\\boxed{{{one}}}", other)


def test_equal_values_in_other_forms_are_for_math_verify():
    assert not is_boxed_equal(r"\boxed{\frac{2}{4}}", r"\frac{1}{2}")
    assert not is_boxed_equal("no box", "1")


def test_the_grader_gives_rewards_and_refuses_an_unknown_name():
    with StringGrader("boxed") as grader:
        reward = grader.grade([r"\boxed{1}", r"\boxed{2}", ""], ["1"] * 3)
    np.testing.assert_array_equal(reward, [1.0, 0.0, 0.0])
    assert (reward.dtype, grader.num_timeouts) == (np.float64, 0)
    with pytest.raises(ValueError, match="zip"):
        grader.grade(["a"], [])
    with pytest.raises(ValueError, match=r"`name` must be a known string comparison.*mark, boxed"):
        StringGrader("box")
