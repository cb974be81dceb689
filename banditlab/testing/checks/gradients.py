"""Checks of the gradient: the declared objective's, and REINFORCE's on fresh samples."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from banditlab.levels import pool
from banditlab.testing.batch import TokenBatch
from banditlab.testing.check import CheckSkipped, check, demand_close
from banditlab.testing.checks.drawn import batches, fresh_batches, is_off_kinks, unit_ratio
from banditlab.testing.namespaces import is_installed, native
from banditlab.testing.subject import Subject, normaliser

# Log-probability of a response of a thousand tokens, nats; its exp is 0 in every float.
_LONG_RESPONSE = -1024.0


def weight_of_objective(subject: Subject, batch: TokenBatch) -> np.ndarray:
    """Weight of each token by autograd of the declared objective, its average undone.

    Args:
        subject: a rule that declares its objective.
        batch: the tokens.

    Returns:
        The weight, shape [N, T].
    """
    import torch

    log_prob, old_log_prob, advantage, mask = (native(a, "torch") for a in batch.arrays())
    log_prob.requires_grad_(True)
    level = subject.promises.level
    units = [pool(value, mask, level) for value in (log_prob, old_log_prob)]
    if level != "token":
        units = [unit[:, None].expand(mask.shape) for unit in units]
    objective = subject.promises.objective(*units, advantage)
    # Each token of a response counts the objective of the response, whatever its level.
    by_token = normaliser(replace(subject.promises, level="token"), batch.mask)
    torch.where(mask, objective / torch.from_numpy(by_token.copy()), 0.0).sum().backward()
    return log_prob.grad.numpy() * normaliser(subject.promises, batch.mask)


@check(
    "weight",
    catches="a dropped ratio, swapped clip sides, a missing factor 2 of the penalty",
    consequence="Off-policy steps (inner epochs, stale rollouts) climb another objective than "
    "the one written down; on fresh samples nothing is seen of it.",
    examples=100,
    batch=batches,
)
def gradient_of_objective(subject: Subject, batch: TokenBatch) -> None:
    """The weight is the derivative of the declared objective with respect to log_prob."""
    if subject.promises.objective is None:
        raise CheckSkipped("it declares no objective")
    if not is_installed("torch"):
        raise CheckSkipped("autograd needs torch")
    is_compared = is_off_kinks(subject, batch)
    found = np.where(is_compared, subject.token_weight(batch), 0.0)
    expected = np.where(is_compared, weight_of_objective(subject, batch), 0.0)
    atol = 1e-12 * np.maximum(1.0, unit_ratio(subject, batch))
    demand_close("the weight", found, expected, atol=atol)


@check(
    "weight",
    catches="CISPO with a clip bound meant as a width, which gives 0.2 times the gradient",
    consequence="The learning rate is silently multiplied by the wrong scale, or the policy "
    "learns from something else than the advantage.",
    batch=fresh_batches,
)
def on_policy_weight_is_advantage(subject: Subject, batch: TokenBatch) -> None:
    """On fresh samples the weight is the declared scale times the advantage: REINFORCE."""
    scale = subject.promises.on_policy_scale
    if scale is None:
        raise CheckSkipped("it promises no on-policy scale")
    found = np.where(batch.mask, subject.token_weight(batch), 0.0)
    expected = np.where(batch.mask, scale * batch.advantage, 0.0)
    demand_close("the weight at ratio 1", found, expected)


@check(
    "weight",
    catches="a log-probability used where a ratio belongs, a ratio as a quotient of two exps",
    consequence="The step depends on how likely a response is and not only on how its "
    "probability moved, so that long or rare responses are treated differently.",
    batch=batches,
    shift=lambda subject: st.one_of(
        st.integers(-32, 0).map(lambda step: step / 4), st.just(_LONG_RESPONSE)
    ),
)
def shift_of_both_log_probs(subject: Subject, batch: TokenBatch, shift: float) -> None:
    """A number added to both log-probabilities changes no ratio, and so no weight."""
    moved = batch.but(log_prob=batch.log_prob + shift, old_log_prob=batch.old_log_prob + shift)
    is_compared = is_off_kinks(subject, batch)
    demand_close(
        "the weight after the shift",
        np.where(is_compared, subject.token_weight(moved), 0.0),
        np.where(is_compared, subject.token_weight(batch), 0.0),
        atol=1e-12 * np.maximum(1.0, unit_ratio(subject, batch)),
    )


@check(
    "weight",
    catches="an entropy or reference term that was left on by default",
    consequence="Samples that say nothing move the policy: groups in which all answers are right "
    "or all wrong are not neutral.",
    batch=batches,
)
def no_advantage_no_weight(subject: Subject, batch: TokenBatch) -> None:
    """A sample of advantage 0 carries no weight, unless an objective or a penalty says so."""
    promised = subject.promises
    if promised.multiplier is not None or promised.on_policy_scale is None:
        raise CheckSkipped("it declares a penalty, which acts at advantage 0 too")
    if promised.objective is not None:
        raise CheckSkipped("its objective says what happens at advantage 0")
    silent = batch.but(advantage=np.zeros_like(batch.advantage))
    found = np.where(batch.mask, subject.token_weight(silent), 0.0)
    demand_close("the weight at advantage 0", found, np.zeros(batch.mask.shape))
