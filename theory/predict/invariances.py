"""Runs on given arms: what is exact whatever the number of arms (P1), the unit of reward (P2) and,
in a first step, the rule (P3).

A step moves the logits by a sum of coefficient * (e_arm - policy). Arms of equal probability that
are never drawn get equal changes, so one logit and a count stand for all of them: a lump.

Shapes: n lumps (most of them of one arm), S rounds, G group, K arms.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from theory.predict.conditions import require, require_known, require_positive
from theory.predict.drift import require_rule
from theory.predict.stale_data import score_weight

ADVANTAGES = ("raw_reward", "group_mean", "leave_one_out", "grpo")

OPTIMIZERS = ("sgd", "momentum", "adam")

_MOMENTUM = 0.9
_BETA1, _BETA2, _ADAM_EPS = 0.9, 0.999, 1e-8


def predicted_group_advantage(
    rule: str, reward: ArrayLike, *, ddof: int = 1, eps: float = 1e-6
) -> np.ndarray:
    """Advantages of groups of rewards.

    raw_reward: reward. group_mean: reward - mean. leave_one_out: G/(G - 1) times that. grpo:
    (reward - mean)/(std(ddof) + eps).

    Assumes:
        No group of equal rewards under grpo with eps = 0, where it is 0/0.

    Derivation:
        Definitions. They give, for rewards scale * r + shift: scale * A + shift under raw_reward,
        scale * A under group_mean and leave_one_out, and under grpo the A of r with eps/scale in
        place of eps: only at eps = 0 is grpo free of the unit of reward.

    Args:
        rule: one of `ADVANTAGES`.
        reward: rewards, shape [*, G].
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.

    Returns:
        Advantages, shape [*, G].

    Raises:
        ValueError: the rule is unknown, the group too small, or a deviation 0 at eps = 0.

    References:
        The formulas of arXiv 2402.14740 (leave one out), 2503.20783 and 2402.03300, as the
        catalogue cites them.

    Examples:
        >>> predicted_group_advantage("leave_one_out", [3.0, 1.0, 1.0, 1.0]).round(3).tolist()
        [2.0, -0.667, -0.667, -0.667]
    """
    function = "predicted_group_advantage"
    require_known(function, "rule", rule, ADVANTAGES, "rule")
    reward = np.atleast_1d(np.asarray(reward, dtype=np.float64))
    group_size = reward.shape[-1]
    require_rule(function, rule, group_size)
    if rule == "raw_reward":
        return reward.copy()
    centred = reward - reward.mean(axis=-1, keepdims=True)
    if rule == "group_mean":
        return centred
    if rule == "leave_one_out":
        return centred * group_size / (group_size - 1)
    deviation = np.sqrt((centred**2).sum(axis=-1, keepdims=True) / (group_size - ddof)) + eps
    require(
        bool((deviation > 0.0).all()),
        function,
        "eps",
        "above 0 where a group has equal rewards",
        eps,
        "Its advantage is 0/0 otherwise",
    )
    return centred / deviation


def _direction(optimizer: str, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Function of the gradient that gives the change of the logits per unit of step size."""
    mean, square = np.zeros((2, size))
    num_steps = 0

    def change(gradient: np.ndarray) -> np.ndarray:
        nonlocal num_steps
        num_steps += 1
        if optimizer == "sgd":
            return gradient
        if optimizer == "momentum":
            mean[:] = _MOMENTUM * mean + gradient
            return mean
        mean[:] = _BETA1 * mean + (1.0 - _BETA1) * gradient
        square[:] = _BETA2 * square + (1.0 - _BETA2) * gradient**2
        root = np.sqrt(square / (1.0 - _BETA2**num_steps))
        return mean / (1.0 - _BETA1**num_steps) / (root + _ADAM_EPS)

    return change


def predicted_logit_changes(
    arms: ArrayLike,
    advantage: ArrayLike,
    log_prob: ArrayLike,
    num_arms: ArrayLike,
    *,
    step_size: float,
    inner_epochs: int = 1,
    optimizer: str = "sgd",
    weight: str = "policy_gradient",
    **hyper: float,
) -> np.ndarray:
    """Change of each lump's logit after rounds on given arms: one shared logit and a count.

    Per inner epoch, logit_a += step_size * direction((1/G) sum_i weight_i ([arm_i = a] - pi_a)).

    Assumes:
        Arms of a lump of several start equally likely and are never drawn; the optimizer treats
        all logits alike (permutation-equivariant); no kernel between arms.

    Derivation:
        An arm that is never drawn gets the gradient -pi_a (1/G) sum_i weight_i. By induction equal
        arms have equal pi_a, gradients and optimizer states, and stay equal. So the normalizer is
        sum over lumps of num_arms * exp(logit), and nothing else needs the number of arms.

    Args:
        arms: lump of each drawn arm, which must be of one arm, shape [S, G].
        advantage: advantage of each drawn arm, shape [S, G].
        log_prob: initial log-probability of an arm of each lump, nats, shape [n].
        num_arms: arms of each lump, shape [n].
        step_size: step size on the logits.
        inner_epochs: steps per round, with fresh ratios.
        optimizer: sgd; momentum, 0.9; or adam, with the usual constants 0.9, 0.999 and 1e-8.
        weight: policy_gradient (ratio * advantage), clip, variance_penalty or topr.
        **hyper: clip_low, clip_high, multiplier; of the weight.

    Returns:
        Changes of the logits, nats, shape [n].

    Raises:
        ValueError: an argument is out of range, or a lump of several arms is drawn.

    References:
        Derived here; Adam as in arXiv 1412.6980.

    Examples:
        >>> at = {"log_prob": np.log([0.5, 0.5 / 1000]), "num_arms": [1, 1000], "step_size": 1.0}
        >>> predicted_logit_changes([[0]], [[1.0]], **at).round(9).tolist()
        [0.5, -0.0005]
    """
    function = "predicted_logit_changes"
    require_known(function, "optimizer", optimizer, OPTIMIZERS, "optimizer")
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    require(inner_epochs >= 1, function, "inner_epochs", "at least 1", inner_epochs, "Use 1")
    arms, advantage = np.asarray(arms, dtype=np.int64), np.asarray(advantage, dtype=np.float64)
    log_prob, num_arms = (np.asarray(x, dtype=np.float64) for x in (log_prob, num_arms))
    _require_lumps(function, arms, advantage, log_prob, num_arms)
    log_count, start = np.log(num_arms), log_prob
    direction, displacement = _direction(optimizer, len(start)), np.zeros_like(start)
    for drawn, gain in zip(arms, advantage, strict=True):
        old = log_prob[drawn]
        for _ in range(inner_epochs):
            coefficient = score_weight(weight, np.exp(log_prob[drawn] - old), gain, **hyper)
            coefficient = coefficient / arms.shape[1]
            gradient = -coefficient.sum() * np.exp(log_prob)
            np.add.at(gradient, drawn, coefficient)
            displacement = displacement + step_size * direction(gradient)
            log_prob = log_prob_of(start, displacement, log_count)
    return displacement


def log_prob_of(start: np.ndarray, displacement: np.ndarray, log_count: np.ndarray) -> np.ndarray:
    """Log-probabilities after a displacement of the logits.

    Args:
        start: initial log-probability of an arm of each lump, nats, shape [n].
        displacement: changes of the logits, nats, shape [n].
        log_count: log of the arms of each lump, shape [n].

    Returns:
        Log-probability of an arm of each lump, nats, shape [n].
    """
    logit = start + displacement
    return logit - logsumexp(logit + log_count)


def _require_lumps(
    function: str,
    arms: np.ndarray,
    advantage: np.ndarray,
    log_prob: np.ndarray,
    num_arms: np.ndarray,
) -> None:
    require(
        arms.ndim == 2 and arms.shape == advantage.shape,
        function,
        "advantage",
        f"of the shape [S, G] of the arms, {arms.shape}",
        advantage.shape,
        "Give one advantage per drawn arm",
    )
    total = float(logsumexp(log_prob + np.log(num_arms)))
    require(
        abs(total) < 1e-9,
        function,
        "log_prob",
        "such that all arms have probability 1 together",
        f"exp({total:.3g})",
        "Give the log-probability of one arm of each lump",
    )
    require(
        bool((num_arms[arms] == 1.0).all()),
        function,
        "arms",
        "drawn from lumps of one arm",
        "an arm out of a lump",
        "Give an arm that is drawn a lump of its own",
    )


def predicted_conserved_mean(logits: ArrayLike, kernel: ArrayLike | None = None) -> float:
    """Mean over arms of K^-1 logits, which no update changes: (1/K) 1^T K^-1 theta.

    Assumes:
        SGD or momentum, with or without decay towards the initial logits, any rule, batch and
        number of inner epochs, a reference term included; no entropy bonus on the logits.

    Derivation:
        Every update is K times a linear combination of scores e_a - pi, each of sum 0: 1^T K^-1 K
        (e_a - pi) = 0. Momentum adds up such updates. Decay moves by a multiple of theta -
        theta_0, for which 1^T K^-1 (theta - theta_0) = 0 already.

    Args:
        logits: initial logits of all arms, nats, shape [K].
        kernel: how a step on one arm moves the others, shape [K, K]; the identity by default.

    Returns:
        The mean, nats.

    Raises:
        ValueError: the kernel does not fit.

    References:
        Derived here.

    Examples:
        >>> predicted_conserved_mean([1.0, 2.0, 6.0])
        3.0
    """
    logits = np.asarray(logits, dtype=np.float64)
    if kernel is None:
        return math.fsum(logits) / len(logits)
    kernel = np.asarray(kernel, dtype=np.float64)
    require(
        kernel.shape == (len(logits), len(logits)),
        "predicted_conserved_mean",
        "kernel",
        f"of shape [{len(logits)}, {len(logits)}], a row per arm",
        kernel.shape,
        "Leave it out for a tabular softmax",
    )
    return math.fsum(np.linalg.solve(kernel, logits)) / len(logits)
