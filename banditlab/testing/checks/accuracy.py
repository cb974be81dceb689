"""Checks of rounding: finite weights at extreme ratios, and the accuracy of short floats."""

import numpy as np

from banditlab.testing.batch import TokenBatch
from banditlab.testing.check import CheckSkipped, check, demand, demand_close
from banditlab.testing.checks.drawn import batches, is_off_kinks, unit_ratio
from banditlab.testing.namespaces import as_numpy, is_installed, native
from banditlab.testing.subject import Subject

# Unit in the last place, relative, of each type.
_EPS = {"float32": 2.0**-23, "bfloat16": 2.0**-7}
# Rounded operations that a weight may take, one after the other.
_STEPS = 16.0
_MODERATE = 2.0


def _moderate(subject: Subject):
    return batches(subject, max_abs_log_ratio=min(_MODERATE, subject.promises.max_abs_log_ratio))


def _rounded(batch: TokenBatch, namespace: str, dtype: str) -> TokenBatch:
    """The batch whose numbers are exactly representable in a shorter type."""
    return TokenBatch(
        *(
            array if array.dtype == bool else as_numpy(native(array, namespace, dtype))
            for array in batch.arrays()
        )
    )


def _demand_accurate(subject: Subject, batch: TokenBatch, namespace: str, dtype: str) -> None:
    exact = _rounded(batch, namespace, dtype)
    eps = _EPS[dtype]
    ratio = unit_ratio(subject, exact)
    # The difference of two log-probs is rounded to eps of its own size, and so is the ratio.
    size = (1.0 + np.abs(exact.advantage) + (subject.promises.multiplier or 0.0)) * np.maximum(
        1.0, ratio
    ) ** 2
    is_compared = is_off_kinks(subject, exact, width=8 * eps)
    demand_close(
        f"the weight in {dtype}",
        np.where(is_compared, subject.token_weight(exact, namespace=namespace, dtype=dtype), 0.0),
        np.where(is_compared, subject.token_weight(exact), 0.0),
        rtol=0.0,
        atol=_STEPS * eps * size,
    )


@check(
    "weight",
    catches="exp of an unclamped number of hundreds, 0 * inf, a log of a difference",
    consequence="One response whose probability moved far turns the model into NaN.",
    batch=batches,
)
def extreme_ratios_finite(subject: Subject, batch: TokenBatch) -> None:
    """Up to the declared log-ratio, 20 nats if none is, every weight is finite, also in float32."""
    namespace = subject.namespaces[0]
    for dtype in ("float64", "float32"):
        weight = np.where(batch.mask, subject.token_weight(batch, dtype=dtype), 0.0)
        demand(
            bool(np.isfinite(weight).all()),
            f"in {namespace} {dtype} a weight is not finite at log-ratios up to "
            f"{np.abs(batch.log_prob - batch.old_log_prob).max():g} nats",
            weight,
        )


@check(
    "weight",
    catches="a subtraction of large numbers, a cast to a shorter type in between",
    consequence="Training in float32 follows rounding where probabilities are small.",
    batch=_moderate,
)
def float32_accuracy(subject: Subject, batch: TokenBatch) -> None:
    """In float32 the weight is right to 16 units in the last place of ratio^2 (1 + |A|)."""
    _demand_accurate(subject, batch, subject.namespaces[0], "float32")


@check(
    "weight",
    catches="a fast path for short floats, a constant that bfloat16 rounds to 1",
    consequence="Training in bfloat16 follows rounding instead of the objective.",
    batch=_moderate,
)
def bfloat16_accuracy(subject: Subject, batch: TokenBatch) -> None:
    """In bfloat16 the weight is right to 16 units in the last place of ratio^2 (1 + |A|)."""
    if "torch" not in subject.namespaces or not is_installed("torch"):
        raise CheckSkipped("it is not written for torch")
    _demand_accurate(subject, batch, "torch", "bfloat16")
