"""Experiments on batches of different prompts: banditlab's round, enumerated and sampled (P41).

Shapes: R runs, P prompts, G group.
"""

import numpy as np

from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import UpdateRule
from theory.verify.measurement import Measurement


def class_gradients(
    rule: UpdateRule,
    success_prob: np.ndarray,
    *,
    num_runs: int,
    group_size: int,
    rng: np.random.Generator | None = None,
    arms: np.ndarray | None = None,
) -> np.ndarray:
    """Class gradient of each prompt in one round, one batch per run.

    Every prompt has one correct and one wrong arm, so that its log-odds move by twice its class
    gradient over the number of prompts, exactly, whatever the step size.

    Args:
        rule: the update rule.
        success_prob: pass rate of each prompt, shape [P].
        num_runs: R.
        group_size: rollouts of each prompt, G.
        rng: source of the draws, where no arms are given.
        arms: arms taken, 0 for correct and 1 for wrong, shape [R, P, G].

    Returns:
        Class gradients, shape [R, P].
    """
    num_prompts = len(success_prob)
    log_mass = np.log(np.stack([success_prob, 1.0 - success_prob], axis=1))
    problem = BanditProblem(
        np.zeros((num_prompts, 2)), log_mass, np.tile([1.0, 0.0], (num_prompts, 1))
    )
    policy = LumpedSoftmax(problem, num_runs, SGD(1.0), takes_arms=arms is not None)
    contexts = np.broadcast_to(np.arange(num_prompts), (num_runs, num_prompts))
    step(policy, rule, contexts, group_size=group_size, rng=rng, arms=arms)
    now = np.log(policy.class_mass())
    moved = (now[..., 0] - now[..., 1]) - (log_mass[:, 0] - log_mass[:, 1])
    return moved * num_prompts / 2.0


def enumerated_class_gradients(
    rule: UpdateRule, success_prob: np.ndarray, group_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Class gradients of every batch that can come, with its probability.

    Args:
        rule: the update rule.
        success_prob: pass rate of each prompt, shape [P].
        group_size: rollouts of each prompt, G.

    Returns:
        Probability of each batch, shape [N], and class gradients, shape [N, P], N = 2^(P G).
    """
    shape = (len(success_prob), group_size)
    num_rollouts = shape[0] * group_size
    bits = np.arange(2**num_rollouts)[:, None] >> np.arange(num_rollouts)
    arms = (bits & 1).reshape(-1, *shape)
    chance = np.where(arms == 0, success_prob[:, None], 1.0 - success_prob[:, None])
    gradient = class_gradients(
        rule, success_prob, num_runs=len(arms), group_size=group_size, arms=arms
    )
    return chance.prod(axis=(1, 2)), gradient


def measure_mean_gradients(
    rule: UpdateRule, success_prob: np.ndarray, group_sizes: tuple[int, ...]
) -> Measurement:
    """Mean class gradient of each prompt over all batches.

    Args:
        rule: the update rule.
        success_prob: pass rate of each prompt, shape [P].
        group_sizes: rollouts of each prompt, S sizes.

    Returns:
        Means, shape [S, P].
    """
    found = []
    for group_size in group_sizes:
        chance, gradient = enumerated_class_gradients(rule, success_prob, group_size)
        found.append(chance @ gradient)
    return Measurement.exact(found)


def measure_gradient_variances(rule: UpdateRule, success_prob: np.ndarray) -> Measurement:
    """Variance of the class gradient of each prompt over all batches of one rollout per prompt.

    Args:
        rule: the update rule.
        success_prob: pass rate of each prompt, shape [P].

    Returns:
        Variances, shape [P].
    """
    chance, gradient = enumerated_class_gradients(rule, success_prob, 1)
    return Measurement.exact(chance @ gradient**2 - (chance @ gradient) ** 2)


def measure_sampled_gradients(
    rng: np.random.Generator, rule: UpdateRule, success_prob: np.ndarray, num_runs: int
) -> Measurement:
    """Class gradient of each prompt in drawn batches of one rollout per prompt.

    Args:
        rng: source of the draws.
        rule: the update rule.
        success_prob: pass rate of each prompt, shape [P].
        num_runs: batches.

    Returns:
        Mean class gradients, shape [P].
    """
    return Measurement.mean_of_runs(
        class_gradients(rule, success_prob, num_runs=num_runs, group_size=1, rng=rng)
    )
