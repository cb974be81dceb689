"""Checks of where a sample stops counting, and of the ratio-variance penalty."""

import numpy as np
from hypothesis import strategies as st

from banditlab.testing.batch import TokenBatch
from banditlab.testing.check import CheckSkipped, check, demand
from banditlab.testing.checks.drawn import batches, is_off_kinks, unit_ratio
from banditlab.testing.subject import Subject


def _outward(subject: Subject, batch: TokenBatch) -> np.ndarray:
    """True where the declared clip silences a token, shape [N, T]."""
    promised, ratio = subject.promises, unit_ratio(subject, batch)
    is_past = np.zeros(ratio.shape, dtype=bool)
    if promised.clip_high is not None:
        is_past |= (batch.advantage > 0) & (ratio > 1.0 + promised.clip_high)
    if promised.clip_low is not None:
        is_past |= (batch.advantage < 0) & (ratio < 1.0 - promised.clip_low)
    return is_past


def _past_dual(subject: Subject, batch: TokenBatch) -> np.ndarray:
    dual_clip = subject.promises.dual_clip
    ratio = unit_ratio(subject, batch)
    return (batch.advantage < 0) & (ratio > (np.inf if dual_clip is None else dual_clip))


def _require_clip(subject: Subject) -> None:
    if subject.promises.clip_low is None and subject.promises.clip_high is None:
        raise CheckSkipped("it declares no clip")


def _demand(
    subject: Subject, batch: TokenBatch, where: np.ndarray, is_zero: bool, what: str
) -> None:
    weight = subject.token_weight(batch)
    is_wrong = where & is_off_kinks(subject, batch) & ((weight != 0.0) == is_zero)
    if not is_wrong.any():
        return
    row, token = np.argwhere(is_wrong)[0]
    ratio = unit_ratio(subject, batch)[row, token]
    demand(
        False,
        f"{what}: advantage {batch.advantage[row, token]:g} at ratio {ratio:.6g} has weight "
        f"{weight[row, token]:.6g}",
        weight,
        None,
    )


@check(
    "weight",
    catches="clip_low and clip_high swapped, the clamped ratio kept in the gradient",
    consequence="Samples keep pushing after the trust region ends, so that inner epochs run away "
    "from the policy that sampled.",
    examples=60,
    batch=batches,
)
def clip_zeroes_outward_side(subject: Subject, batch: TokenBatch) -> None:
    """Past the declared clip, in the direction its advantage asks for, a sample has weight 0."""
    _require_clip(subject)
    where = _outward(subject, batch)
    _demand(subject, batch, where, True, "a sample past the clip still counts")


@check(
    "weight",
    catches="a clip that ignores the sign of the advantage, a dual clip on by default",
    consequence="Samples that would bring the policy back are silenced: what went wrong in one "
    "inner epoch cannot be mended in the next.",
    examples=60,
    batch=batches,
)
def clip_keeps_inward_side(subject: Subject, batch: TokenBatch) -> None:
    """Within the clip, and beyond it on the side that brings the ratio back, a sample counts."""
    _require_clip(subject)
    where = (batch.advantage != 0) & ~_outward(subject, batch) & ~_past_dual(subject, batch)
    if subject.promises.multiplier is not None:
        raise CheckSkipped("its penalty may cancel the advantage")
    _demand(subject, batch, where, False, "a sample that the clip does not reach is silenced")


@check(
    "weight",
    catches="clip_high that is read nowhere, a width applied to the log-ratio, 1 + clip for clip",
    consequence="The trust region is another one than in the run that is to be repeated.",
    examples=60,
    kink=lambda subject: st.sampled_from(subject.promises.kinks or (1.0,)),
    advantage=lambda subject: st.sampled_from([1.0, -1.0]),
    distance=lambda subject: st.sampled_from([1e-4, 1e-3, 0.01, 0.03, 0.1]),
    is_above=lambda subject: st.booleans(),
)
def clip_begins_where_declared(
    subject: Subject, kink: float, advantage: float, distance: float, is_above: bool
) -> None:
    """Just within a declared bound a sample counts that does not just beyond it."""
    _require_clip(subject)
    log_ratio = np.log(kink) + (distance if is_above else -distance)
    batch = TokenBatch.of([[min(log_ratio, 0.0)]], [[-max(log_ratio, 0.0)]], [advantage])
    is_silent = _outward(subject, batch) | _past_dual(subject, batch)
    _demand(subject, batch, is_silent, True, "a sample just past the clip still counts")
    if subject.promises.multiplier is None:
        what = "a sample that the clip does not reach yet is silenced"
        _demand(subject, batch, ~is_silent, False, what)


@check(
    "weight",
    catches="a dual clip that holds the weight instead of dropping it, or acts on good samples",
    consequence="One bad answer that has become likely gives a step as large as its ratio, "
    "which the dual clip was chosen to prevent.",
    examples=60,
    batch=batches,
)
def dual_clip_zeroes_likely_bad_samples(subject: Subject, batch: TokenBatch) -> None:
    """Past the declared dual clip a sample of negative advantage has weight 0."""
    if subject.promises.dual_clip is None:
        raise CheckSkipped("it declares no dual clip")
    where = _past_dual(subject, batch)
    _demand(subject, batch, where, True, "a bad sample past the dual clip still counts")


@check(
    "weight",
    catches="a penalty about the batch mean, of the wrong sign, or on the log-ratio's square",
    consequence="The penalty pushes the policy while it has not moved, or drives it away from "
    "the policy that sampled instead of back.",
    batch=batches,
)
def penalty_pulls_back(subject: Subject, batch: TokenBatch) -> None:
    """The ratio-variance penalty alone is 0 at ratio 1, and elsewhere points back to it."""
    if not subject.promises.multiplier:
        raise CheckSkipped("it declares no ratio-variance penalty")
    weight = subject.token_weight(batch.but(advantage=np.zeros_like(batch.advantage)))
    ratio = unit_ratio(subject, batch)
    is_wrong = batch.mask & (np.sign(weight) != -np.sign(ratio - 1.0))
    if is_wrong.any():
        row, token = np.argwhere(is_wrong)[0]
        demand(
            False,
            f"the penalty alone has weight {weight[row, token]:.6g} at ratio "
            f"{ratio[row, token]:.6g}",
            weight,
            None,
        )
