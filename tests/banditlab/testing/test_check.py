import numpy as np
import pytest

from banditlab.testing import CHECKS, CheckFailure
from banditlab.testing.check import check, demand, demand_close


def test_every_check_is_named_and_told():
    for name, entry in CHECKS.items():
        assert entry.name == name
        for sentence in (entry.reason, entry.consequence):
            assert sentence.endswith(".")
        assert entry.catches
        assert not entry.catches.endswith(".")
        assert entry.examples > 0
    for words in ("name", "reason", "body"):
        assert len({getattr(entry, words) for entry in CHECKS.values()}) == len(CHECKS)


def test_a_check_is_a_function_with_its_docstring_for_a_reason():
    @check("weight", catches="nothing", consequence="Nothing.", examples=3, value=lambda _: None)
    def some_property(subject, value):
        """A sentence
        on two lines.
        """
        demand(value == subject, "they differ")

    assert some_property.reason == "A sentence on two lines."
    assert (some_property.needs, some_property.examples) == (("weight",), 3)
    some_property(1, value=1)
    with pytest.raises(CheckFailure, match="they differ"):
        some_property(1, value=2)


def test_a_failure_is_an_assertion_and_says_what_was_found():
    with pytest.raises(AssertionError, match=r"^the weight\[1, 0\] is 3 instead of 2$") as raised:
        demand_close("the weight", [[1.0], [3.0]], [[1.0], [2.0]])
    assert raised.value.found.tolist() == [[1.0], [3.0]]
    assert raised.value.expected.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        (1.0, 2.0, r"^it is 1 instead of 2$"),
        ([1.0, np.nan], [1.0, 0.0], r"^it\[1\] is nan instead of 0$"),
        ([np.inf], [1.0], r"^it\[0\] is inf instead of 1$"),
        ([np.inf], [-np.inf], r"^it\[0\] is inf instead of -inf$"),
        ([1.0], [[1.0]], r"^it has shape \(1,\) instead of \(1, 1\)$"),
        ([1.0 + 1e-9], [1.0], r"^it\[0\] is 1 instead of 1$"),
        ([1e-11], [0.0], r"^it\[0\] is 1e-11 instead of 0$"),
    ],
)
def test_differences_are_told(found, expected, message):
    with pytest.raises(CheckFailure, match=message):
        demand_close("it", found, expected)


@pytest.mark.parametrize(
    ("found", "expected"),
    [(1.0 + 5e-11, 1.0), (5e-13, 0.0), ([np.nan, np.inf], [np.nan, np.inf]), ([], [])],
)
def test_equal_within_the_tolerance(found, expected):
    demand_close("it", found, expected)


def test_tolerances_are_those_given():
    demand_close("it", 1.1, 1.0, rtol=0.2)
    with pytest.raises(CheckFailure):
        demand_close("it", 1.1, 1.0, rtol=0.0, atol=0.05)
    # Relative to what is expected, not to what is found.
    with pytest.raises(CheckFailure):
        demand_close("it", 2.0, 1.0, rtol=0.6, atol=0.0)
