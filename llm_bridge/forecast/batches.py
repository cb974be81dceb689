"""The gradient of one update of a rule on the base model: its signal, its noise, and AdamW's step.

AdamW divides the mean gradient by the root of the mean squared gradient of updates, parameter by
parameter, and that root is mostly noise: it depends on the rule and on the number of rollouts. So
each configuration has a kernel of its own,

    kernel = <grad P_target, grad P_train / root> / (slope_target * slope_train),

measured with the root of the base model, there and along the probe: its relative error is taken to
be that of the kernel under SGD at the same place.

Shapes: P prompts, G group, N updates, D parameters.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from banditlab.rules import UpdateRule, advantage_and_state, initial_state, score_weight
from banditlab.validation import require
from llm_bridge.forecast.calibration import BatchStatistics
from llm_bridge.forecast.law_fit import fit_law
from llm_bridge.forecast.measure import Sampler
from llm_bridge.forecast.probe import Place
from llm_bridge.scores import mean_gradient, score_gradients
from llm_bridge.tasks import Task

_EPS = 1e-8
# A root estimated from fewer updates with a gradient than this is no estimate.
_FEWEST_REACHED = 4


class _Moments:
    """Running sums of batch gradients, so that none but the last is kept."""

    def __init__(self) -> None:
        self.count, self.total, self.square, self.reached = 0, 0.0, 0.0, 0

    def add(self, gradient: np.ndarray) -> None:
        gradient = gradient.astype(np.float64)
        self.count += 1
        self.total = self.total + gradient
        self.square = self.square + gradient**2
        self.reached = self.reached + (gradient != 0.0)

    def signal_to_noise(self) -> float:
        """Squared norm of the mean gradient over the trace of the covariance of one update's."""
        squared_mean = float((self.total**2).sum()) / self.count**2
        trace = (float(self.square.sum()) - self.count * squared_mean) / (self.count - 1)
        # The mean of so many gradients holds this share of their noise.
        return max(squared_mean - trace / self.count, 0.0) / trace if trace > 0.0 else 0.0

    def root(self) -> np.ndarray:
        """Root of E[gradient^2]; infinite where too few updates reached the parameter."""
        root = np.sqrt(self.square / self.count)
        return np.where(self.reached >= _FEWEST_REACHED, root + _EPS, np.inf)


def update_advantages(rule: UpdateRule, reward: np.ndarray) -> np.ndarray:
    """Advantage of each rollout of an update; a memory starts from these very rewards.

    Args:
        rule: the update rule.
        reward: of each rollout, extra ones included, shape [P, G + extra_rollouts].

    Returns:
        Of the rollouts that are trained on, shape [P, G].
    """
    state = initial_state(rule, reward.shape[:1])
    advantage, state = advantage_and_state(rule, reward, state)
    if state is not None:
        advantage, _ = advantage_and_state(rule, reward, state)
    return np.ascontiguousarray(advantage[:, : reward.shape[1] - rule.extra_rollouts])


def batch_rows(task: Task, num_prompts: int, num_batches: int, seed: int) -> np.ndarray:
    """Prompts of each update, each order of all prompts used up before the next.

    Args:
        task: the questions.
        num_prompts: P.
        num_batches: N.
        seed: of the orders.

    Returns:
        Rows of the task, shape [N, P].
    """
    rng = np.random.default_rng(seed)
    per_order = len(task) // num_prompts
    num_orders = -(-num_batches // per_order)
    orders = [
        rng.permutation(len(task))[: per_order * num_prompts].reshape(per_order, num_prompts)
        for _ in range(num_orders)
    ]
    return np.concatenate(orders)[:num_batches]


def measure_batches(
    sampler: Sampler,
    train: Task,
    places: Sequence[Place],
    rule: UpdateRule,
    *,
    num_prompts: int,
    group_size: int,
    num_batches: int,
    seed: int,
) -> BatchStatistics:
    """Draw updates of a rule at the base model and measure their gradients.

    Args:
        sampler: draws the responses of the base model.
        train: prompts trained on.
        places: what the probe measured, the base model first.
        rule: the update rule.
        num_prompts: prompts of an update.
        group_size: rollouts of a prompt that are trained on.
        num_batches: updates drawn; none is applied.
        seed: chooses the prompts.

    Returns:
        The statistics.

    Raises:
        ValueError: fewer than 8 updates, or more prompts than the task has.
    """
    require(
        num_batches >= 8, "calibrate", "batches", "at least 8", num_batches, "A variance needs them"
    )
    require(
        num_prompts <= len(train),
        "calibrate",
        "num_prompts",
        f"at most the {len(train)} prompts trained on",
        num_prompts,
        "Lower it in the study, or take more rows",
    )
    model, moments = sampler.policy.model, _Moments()
    squares, silent = [], []
    for rows in batch_rows(train, num_prompts, num_batches, seed):
        rollout, reward = sampler.draw(train, rows, group_size + rule.extra_rollouts)
        advantage = update_advantages(rule, reward)
        zero = np.zeros_like(advantage)
        # The weight of a fresh rollout: for some rules it is not the advantage.
        weight = score_weight(
            rule,
            zero,
            zero,
            advantage,
            multiplier=None if rule.dual is None else np.full_like(zero, rule.dual.initial),
            ref_log_prob=zero,
        )
        kept = rollout
        if rule.extra_rollouts:
            from llm_bridge.experience import first_rollouts

            kept = first_rollouts(rollout, group_size)
        moments.add(mean_gradient(model, kept, torch.from_numpy(weight)).cpu().float().numpy())
        squares.append((weight**2).mean())
        silent.append((weight == 0.0).all(axis=1).mean())
    root = moments.root()
    kernels = [_scaled_kernel(place, root) for place in places]
    fitted = fit_law(
        np.array([place.point.train_pass_rate for place in places]),
        np.array(kernels),
        np.array(
            [
                kernel * place.point.kernel_se / place.point.kernel
                for kernel, place in zip(kernels, places, strict=True)
            ]
        ),
    )
    rollout, _ = sampler.draw(train, np.arange(min(len(train), 32)), max(1, 32 // len(train)))
    own = (score_gradients(model, rollout).cpu().double().numpy() ** 2 / root).sum(axis=1).mean()
    return BatchStatistics(
        rule=rule.name,
        num_prompts=num_prompts,
        group_size=group_size,
        signal_to_noise=moments.signal_to_noise(),
        share_without_signal=float(np.mean(silent)),
        weight_square=float(np.mean(squares)),
        adam_kernels=kernels,
        adam_law=fitted.law.as_dict(),
        adam_own_kernel=float(own),
        adam_share=float(np.isfinite(root).mean()),
    )


def _scaled_kernel(base: Place, root: np.ndarray) -> float:
    """The shared kernel after a division by the root, unbiased by the noise of the gradients."""
    train = base.train.gradients.astype(np.float64)
    slopes = base.train.slope * base.target.slope
    if base.target is not base.train:
        target = base.target.gradients.astype(np.float64).mean(axis=0)
        return float((target / root) @ train.mean(axis=0)) / slopes
    half = len(train) // 2
    first, second = train[:half].mean(axis=0), train[half:].mean(axis=0)
    return float((first / root) @ second) / slopes


def mean_own_kernel(sampler: Sampler, train: Task, num_responses: int) -> float:
    """Mean squared norm of grad log_prob of a response: what a step on it does to itself.

    Args:
        sampler: draws the responses of the base model.
        train: prompts trained on.
        num_responses: responses, at the least.

    Returns:
        Nats per unit of learning_rate * coefficient.
    """
    num_prompts = min(len(train), num_responses)
    rollout, _ = sampler.draw(train, np.arange(num_prompts), math.ceil(num_responses / num_prompts))
    scores = score_gradients(sampler.policy.model, rollout).double()
    return float((scores**2).sum(dim=1).mean())
