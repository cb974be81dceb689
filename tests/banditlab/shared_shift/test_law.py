"""The laws of a kernel that depends on the pass rate."""

import numpy as np
import pytest

from banditlab.shared_shift.law import KernelLaw

PASS_RATE = np.array([0.2, 0.3, 0.5, 0.95])


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (KernelLaw(6.0), [6.0, 6.0, 6.0, 6.0]),
        (KernelLaw(6.0, "ceiling", 0.3, ceiling=0.9), [7.0, 6.0, 4.0, 0.0]),
        (KernelLaw(6.0, "power", 0.3, exponent=1.0), [9.0, 6.0, 3.6, 1.8 / 0.95]),
    ],
)
def test_strength(law, expected):
    np.testing.assert_allclose(law.strength(PASS_RATE), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((-1.0,), "`kernel` must be"),
        ((1.0, "linear"), "`form` must be"),
        ((1.0, "ceiling", 0.3), "`ceiling` must be given where the form is 'ceiling', got None"),
        ((1.0, "constant", None, 0.9), "`ceiling` must be left out where the form is 'constant'"),
        ((1.0, "power", None, None, 1.0), r"`base_pass_rate` must be in \(0, 1\), got None"),
        ((1.0, "ceiling", 0.3, 0.3), "`ceiling` must be above the base pass rate 0.3, got 0.3"),
        ((1.0, "power", 0.3, None, float("nan")), "`exponent` must be"),
    ],
)
def test_a_law_that_cannot_be_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        KernelLaw(*arguments)
