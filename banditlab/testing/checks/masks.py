"""Checks that padding has no influence, whatever stands in it."""

import numpy as np
from hypothesis import strategies as st

from banditlab.testing.batch import TokenBatch
from banditlab.testing.check import check, demand, demand_close
from banditlab.testing.checks.drawn import batches
from banditlab.testing.namespaces import as_numpy, native
from banditlab.testing.subject import Subject

# Off-policy, so that a term which is flat at ratio 1 shows itself too.
_FILL = {"log_prob": 0.0, "old_log_prob": -1.0, "advantage": 0.5}


def _filled(batch: TokenBatch, value: float) -> TokenBatch:
    """The batch with other numbers in its padding."""
    return batch.but(
        **{
            name: np.where(batch.mask, getattr(batch, name), value + offset)
            for name, offset in _FILL.items()
        }
    )


def _demand_no_influence(subject: Subject, batch: TokenBatch, value: float) -> None:
    expected = np.where(batch.mask, subject.token_weight(batch), 0.0)
    found = subject.token_weight(_filled(batch, value))
    what = f"the weight with {value:g} in the padding"
    demand_close(what, found, expected, rtol=1e-11, atol=1e-13)
    _demand_finite_loss(subject, _filled(batch, value), f"with {value:g} in the padding")


def _demand_finite_loss(subject: Subject, batch: TokenBatch, where: str) -> None:
    """A loss that is NaN may have a finite gradient; a run stops on it all the same."""
    if subject.loss_call is not None:
        loss = as_numpy(subject.loss_call(*(native(array, "torch") for array in batch.arrays())))
        demand(bool(np.isfinite(loss)), f"the loss {where} is {float(loss):g}")


@check(
    "mask",
    catches="a mean over all positions, a mask that is applied to one of two terms",
    consequence="The gradient depends on how a batch was padded, so on the longest response in it.",
    batch=batches,
    value=lambda subject: st.sampled_from([0.0, -1.0, -7.5]),
)
def padding_has_no_influence(subject: Subject, batch: TokenBatch, value: float) -> None:
    """Finite numbers in the padding change no weight, and padding itself has weight 0."""
    _demand_no_influence(subject, batch, value)


@check(
    "mask",
    catches="loss * mask, since NaN * 0 is NaN, where where(mask, loss, 0) is needed",
    consequence="One NaN or infinity at a padded position, e.g. of a log-probability of an "
    "impossible token, turns all weights of the model into NaN.",
    batch=batches,
)
def nan_in_padding_has_no_influence(subject: Subject, batch: TokenBatch) -> None:
    """NaN in the padding changes no weight, and padding itself has weight 0."""
    _demand_no_influence(subject, batch, float("nan"))


@check(
    "mask",
    catches="a sum over the mask that is divided by the padded length",
    consequence="The gradient shrinks with the longest response of the batch.",
    batch=batches,
)
def padding_width(subject: Subject, batch: TokenBatch) -> None:
    """More columns of padding change no weight."""
    wide = TokenBatch(*(np.pad(array, ((0, 0), (0, 2))) for array in batch.arrays()))
    found = subject.token_weight(wide)
    expected = np.pad(np.where(batch.mask, subject.token_weight(batch), 0.0), ((0, 0), (0, 2)))
    demand_close("the weight with wider padding", found, expected, rtol=1e-11, atol=1e-13)


@check(
    "mask",
    catches="a mean over the tokens of each response, 0/0 for one without any",
    consequence="A response that was cut to nothing turns the whole gradient into NaN.",
    batch=batches,
)
def empty_response_is_harmless(subject: Subject, batch: TokenBatch) -> None:
    """A response without any token has weight 0, and leaves finite weights to the others."""
    more = TokenBatch(
        *(np.concatenate([array, np.zeros_like(array[:1])]) for array in batch.arrays())
    )
    weight = subject.token_weight(more)
    demand(
        bool(np.isfinite(weight).all()), "a weight beside an empty response is not finite", weight
    )
    _demand_finite_loss(subject, more, "beside an empty response")
    demand(not weight[-1].any(), "an empty response has a weight", weight)
    expected = np.where(batch.mask, subject.token_weight(batch), 0.0)
    demand_close("the weight beside an empty response", weight[:-1], expected, rtol=1e-11)
