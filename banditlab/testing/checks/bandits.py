"""Checks by exact enumeration: the expected step on small softmax bandits.

Shapes: [K], K arms.
"""

import itertools

import numpy as np
from hypothesis import strategies as st

from banditlab.testing.batch import TokenBatch
from banditlab.testing.check import CheckSkipped, check, demand, demand_close
from banditlab.testing.strategies import bandits
from banditlab.testing.subject import Subject

Bandit = tuple[np.ndarray, np.ndarray]
_STEP_SIZE = 1e-3


def policy_gradient(bandit: Bandit) -> np.ndarray:
    """Gradient of the expected reward with respect to the logits, prob * (reward - mean), [K]."""
    log_prob, reward = bandit
    prob = np.exp(log_prob)
    return prob * (reward - prob @ reward)


def _weight_on_fresh_samples(subject: Subject, log_prob: np.ndarray, advantage: np.ndarray):
    """Weight of one fresh sample of each arm, each alone in its batch, [K]."""
    if not subject.has("weight"):
        return advantage
    weight = [
        subject.token_weight(TokenBatch.of([[lp]], [[lp]], [a]))[0, 0]
        for lp, a in zip(log_prob, advantage, strict=True)
    ]
    return np.array(weight)


def expected_step(subject: Subject, bandit: Bandit, group_size: int) -> np.ndarray:
    """Expected step on the logits by enumeration of all groups, [K].

    Without an advantage estimator the advantage is reward - expected reward, and one sample is a
    group.
    """
    log_prob, reward = bandit
    prob, num_arms = np.exp(log_prob), len(log_prob)
    if not subject.has("advantage"):
        weight = _weight_on_fresh_samples(subject, log_prob, reward - prob @ reward)
        return prob * weight - prob * (prob @ weight)
    drawn = np.array(list(itertools.product(range(num_arms), repeat=group_size)))
    if subject.promises.couples_groups:
        advantage = np.concatenate([subject.advantage(reward[arms][None]) for arms in drawn])
    else:
        advantage = subject.advantage(reward[drawn])
    chance = np.exp(log_prob[drawn].sum(axis=1))
    weight = _weight_on_fresh_samples(subject, log_prob[drawn.ravel()], advantage.ravel())
    weight = weight.reshape(drawn.shape) * chance[:, None] / group_size
    coefficient = np.bincount(drawn.ravel(), weights=weight.ravel(), minlength=num_arms)
    return coefficient - prob * coefficient.sum()


@check(
    "advantage",
    catches="a baseline that contains the sample itself without the factor (G - 1)/G, Bessel's "
    "correction in the wrong place",
    consequence="The expected gradient is another multiple of the policy gradient than the one "
    "declared, or no multiple at all: the run climbs something else than the expected reward.",
    examples=15,
    bandit=lambda subject: bandits(),
    group_size=lambda subject: st.integers(2, 3),
)
def expected_gradient_as_declared(subject: Subject, bandit: Bandit, group_size: int) -> None:
    """The expected on-policy step is the declared multiple of the gradient of expected reward."""
    scale = subject.promises.expected_scale
    if scale is None:
        raise CheckSkipped("it declares no constant scale of its expected gradient")
    scale = scale(group_size) if callable(scale) else scale
    demand_close(
        f"the expected step at group size {group_size}",
        expected_step(subject, bandit, group_size),
        scale * policy_gradient(bandit),
        atol=1e-13,
    )


@check(
    "weight",
    catches="0/0 on fresh samples, an overflow where an arm is improbable",
    consequence="One step turns the model into NaN.",
    examples=10,
    bandit=lambda subject: bandits(),
)
def logit_gradient_finite(subject: Subject, bandit: Bandit) -> None:
    """The gradient with respect to the logits of a softmax is finite, for a loss by autograd."""
    # That it sums to 0 is no check: it does so for every function of log-probabilities.
    log_prob, reward = bandit
    advantage = reward - np.exp(log_prob) @ reward
    if subject.loss_call is None:
        gradient = expected_step(subject, bandit, 2)
    else:
        import torch

        logits = torch.tensor(log_prob, requires_grad=True)
        current = torch.log_softmax(logits, dim=0)[:, None]
        column = torch.tensor(advantage)[:, None]
        loss = subject.loss_call(
            current, current.detach().clone(), column, torch.ones_like(column, dtype=torch.bool)
        )
        gradient = torch.autograd.grad(loss, logits)[0].numpy()
    demand(bool(np.isfinite(gradient).all()), "the gradient of the logits is not finite", gradient)


@check(
    "step",
    catches="a loss or an advantage of the wrong sign, a scale that turns negative",
    consequence="The pass rate falls.",
    examples=15,
    bandit=lambda subject: bandits(),
)
def small_step_improves(subject: Subject, bandit: Bandit) -> None:
    """A small expected step on a bandit does not lower the expected reward."""
    if subject.promises.no_improvement:
        raise CheckSkipped(subject.promises.no_improvement)
    log_prob, reward = bandit
    step = expected_step(subject, bandit, 2)
    moved = log_prob + _STEP_SIZE * step
    after = np.exp(moved - np.logaddexp.reduce(moved)) @ reward
    gain = after - np.exp(log_prob) @ reward
    demand(
        bool(gain >= -1e-14),
        f"a step of {_STEP_SIZE:g} changes the expected reward by {gain:.3g}",
        step,
        policy_gradient(bandit),
    )
