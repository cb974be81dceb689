"""Checks that a sample's weight is its own: no order, no neighbour, no microbatch changes it."""

import numpy as np
from hypothesis import strategies as st

from banditlab.testing.batch import TokenBatch
from banditlab.testing.check import CheckSkipped, check, demand, demand_close
from banditlab.testing.checks.drawn import batches, order_of, orders, several
from banditlab.testing.subject import Subject

# Sums in another order differ in their last digits.
_RTOL, _ATOL = 1e-11, 1e-13


def _require_independent(subject: Subject) -> None:
    if subject.promises.couples_samples:
        raise CheckSkipped("it declares that the samples of a batch are coupled")


def _counted(subject: Subject, batch: TokenBatch) -> np.ndarray:
    return np.where(batch.mask, subject.token_weight(batch), 0.0)


@check(
    "weight",
    catches="a weight that is read at the wrong index, a sort that is not undone",
    consequence="Responses are pushed by the advantage of another response.",
    batch=several,
    order=orders,
)
def sample_permutation(subject: Subject, batch: TokenBatch, order: list[int]) -> None:
    """Weights move along when the samples of a batch are put in another order."""
    order = order_of(order, len(batch.mask))
    demand_close(
        "the weight in the new order",
        _counted(subject, batch.rows(order)),
        _counted(subject, batch)[order],
        rtol=_RTOL,
        atol=_ATOL,
    )


@check(
    "weight",
    catches="advantages or ratios centred by the batch, a global maximum taken out of the ratios",
    consequence="The gradient changes with the batch size and with whatever else is in the "
    "batch; microbatches and data parallelism then change the result.",
    batch=several,
)
def batch_independence(subject: Subject, batch: TokenBatch) -> None:
    """The weight of a sample does not depend on the values of the other samples."""
    _require_independent(subject)
    log_prob, old_log_prob, advantage, _ = batch.arrays()
    log_prob[1:] -= 0.75
    old_log_prob[1:] -= 0.5
    advantage[1:] = 1.5 - advantage[1:]
    changed = batch.but(log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage)
    demand_close(
        "the first sample's weight among other samples",
        _counted(subject, changed)[0],
        _counted(subject, batch)[0],
        rtol=_RTOL,
        atol=_ATOL,
    )


@check(
    "weight",
    catches="a mean over the microbatch where the mean over the batch belongs",
    consequence="Gradient accumulation, which should only save memory, changes the run.",
    batch=several,
    place=lambda subject: st.integers(1, 2),
)
def microbatch_split(subject: Subject, batch: TokenBatch, place: int) -> None:
    """A batch in two microbatches gives the weights that the whole gives."""
    _require_independent(subject)
    place = min(place, len(batch.mask) - 1)
    parts = batch.rows(slice(None, place)), batch.rows(slice(place, None))
    demand_close(
        "the weight in a microbatch",
        np.concatenate([_counted(subject, part) for part in parts]),
        _counted(subject, batch),
        rtol=_RTOL,
        atol=_ATOL,
    )


@check(
    "weight",
    catches="a broadcast of [N] against [N, T], an early return for a batch of one",
    consequence="What was debugged on one response is not what runs on a batch.",
    batch=batches,
)
def vectorised_equals_per_sample(subject: Subject, batch: TokenBatch) -> None:
    """One call on a batch gives what one call for each response gives."""
    _require_independent(subject)
    rows = [_counted(subject, batch.rows([row])) for row in range(len(batch.mask))]
    demand_close(
        "the weight", _counted(subject, batch), np.concatenate(rows), rtol=_RTOL, atol=_ATOL
    )


@check(
    "weight",
    catches="hidden state: a running scale, a counter, a random draw inside the rule",
    consequence="A run cannot be repeated or resumed, and an evaluation between two steps "
    "changes the training.",
    examples=10,
    batch=batches,
)
def determinism(subject: Subject, batch: TokenBatch) -> None:
    """The same input gives the same bits, whatever was computed in between."""
    first = subject.token_weight(batch)
    subject.token_weight(batch.but(advantage=-2.0 * batch.advantage - 1.0))
    again = subject.token_weight(batch)
    demand(
        np.array_equal(first, again, equal_nan=True),
        "the same input gives another weight the second time",
        again,
        first,
    )
