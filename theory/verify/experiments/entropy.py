"""Entropy along banditlab's updates: slopes, noise drift, and runs of two classes (P13, P24)."""

import numpy as np
from scipy.special import log_softmax

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.config import SimulationConfig
from banditlab.expectation import expected_update
from banditlab.kernels import ClassKernel, log_odds_kernel
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import get_rule
from banditlab.simulate import simulate
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement


def entropy_of(logits: np.ndarray) -> float:
    """Entropy of a softmax policy.

    Args:
        logits: logits, nats, shape [K].

    Returns:
        Nats.
    """
    log_prob = log_softmax(logits)
    return float(-np.exp(log_prob) @ log_prob)


def measure_entropy_slope(logits: np.ndarray, reward: np.ndarray, is_natural: bool) -> Measurement:
    """Derivative of the entropy along banditlab's expected update, from steps of both signs.

    Args:
        logits: logits, nats, shape [K].
        reward: rewards, shape [K].
        is_natural: whether the update is divided by the policy (natural gradient).

    Returns:
        Nats per unit step size, shape [1].
    """
    direction = expected_update(get_rule("raw_reward"), logits, reward, 1)
    if is_natural:
        direction = direction / np.exp(log_softmax(logits))
    return Measurement.exact(entropy_slope(logits, direction))


def entropy_slope(logits: np.ndarray, direction: np.ndarray, width: float = 1e-2) -> float:
    """Derivative of the entropy along a direction: central differences, extrapolated to width 0.

    Args:
        logits: logits, nats, shape [K].
        direction: change of each logit, nats, shape [K].
        width: of the coarsest of three differences.

    Returns:
        Nats per unit of the direction.
    """

    def value(eps: float) -> float:
        return entropy_of(logits + eps * direction)

    coarse, middle, fine = (
        (value(h) - value(-h)) / (2.0 * h) for h in (width, width / 2.0, width / 4.0)
    )
    first, second = (4.0 * middle - coarse) / 3.0, (4.0 * fine - middle) / 3.0
    return (16.0 * second - first) / 15.0


def measure_noise_drift(
    logits: np.ndarray, noise: float, *, arm_prob: np.ndarray | None = None
) -> Measurement:
    """Mean change of the entropy in one round of one sample with reward +-noise, per noise^2.

    Every arm is drawn once with each reward, and weighed by its probability; extrapolated to
    noise 0.

    Args:
        logits: logits, nats, shape [K].
        noise: size of the reward; the finer measurement takes half of it.
        arm_prob: weights of the arms; their probabilities by default.

    Returns:
        Nats per unit of step_size^2 * noise^2, shape [1].
    """
    num_arms = len(logits)
    prob = np.exp(log_softmax(logits)) if arm_prob is None else arm_prob

    def drift(size: float) -> float:
        change = 0.0
        for sign in (1.0, -1.0):
            problem = explicit_rewards(np.full(num_arms, size * sign), logits)
            policy = DenseSoftmax(problem, num_arms, SGD(1.0))
            arms = np.arange(num_arms)[:, None, None]
            contexts = np.zeros((num_arms, 1), dtype=np.int64)
            step(policy, get_rule("raw_reward"), contexts, group_size=1, arms=arms)
            change += 0.5 * float(prob @ policy.entropy()[:, 0])
        return (change - entropy_of(logits)) / size**2

    coarse, fine = drift(noise), drift(noise / 2.0)
    return Measurement.exact((4.0 * fine - coarse) / 3.0)


def measure_sampled_noise_drift(
    rng: np.random.Generator, logits: np.ndarray, noise: float, num_runs: int
) -> Measurement:
    """The same from drawn arms, each with both signs of the reward.

    The two signs cancel the first order, which would drown the second.

    Args:
        rng: source of randomness.
        logits: logits, nats, shape [K].
        noise: size of the reward.
        num_runs: rounds, each a run of its own.

    Returns:
        Nats per unit of step_size^2 * noise^2, shape [1].
    """
    seed = int(rng.integers(2**31))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    change = np.full(num_runs, -entropy_of(logits))
    for sign in (1.0, -1.0):
        problem = explicit_rewards(np.full(len(logits), noise * sign), logits)
        policy = DenseSoftmax(problem, num_runs, SGD(1.0))
        draws = np.random.default_rng(seed)
        step(policy, get_rule("raw_reward"), contexts, group_size=1, rng=draws)
        change += 0.5 * policy.entropy()[:, 0]
    return Measurement.mean_of_runs(change / noise**2)


def two_class_run(log10_wrong: float, num_correct: int, num_steps: int) -> np.ndarray:
    """Pass rate and entropy along one run whose classes stay uniform: correct and wrong move apart.

    Args:
        log10_wrong: log10 of the number of wrong arms.
        num_correct: correct arms.
        num_steps: rounds.

    Returns:
        Pass rates and entropies, nats, shape [2, num_steps + 1].
    """
    kernel = ClassKernel(0.0, within_context=log_odds_kernel(1.0))
    problem = rare_correct(log10_wrong, 0.05, num_correct, kernel=kernel)
    config = SimulationConfig(num_runs=1, num_steps=num_steps, group_size=64, step_size=1.0, seed=4)
    curves = simulate(problem, get_rule("group_mean"), config).curves
    return np.stack([curves["pass_rate"][0], curves["entropy"][0]])
