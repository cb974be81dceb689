"""Exact policy gradient on explicit arms, by banditlab's expected update (P11, P19 to P22)."""

from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax, softmax

from banditlab.expectation import expected_update
from banditlab.rules import get_rule
from theory.verify.measurement import Measurement

Direction = Callable[[np.ndarray, np.ndarray], np.ndarray]


def exact_gradient(logits: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Expected update of raw reward per unit step.

    Args:
        logits: logits, nats, shape [K].
        reward: mean rewards, shape [K].

    Returns:
        Change of the logits, shape [K].
    """
    return expected_update(get_rule("raw_reward"), logits, reward, 1)


def measure_class_speed(prob: np.ndarray, is_correct: np.ndarray) -> Measurement:
    """Speed of the pass rate under the exact gradient: its derivative along the update.

    Args:
        prob: probability of each arm, shape [K].
        is_correct: whether each arm is correct, shape [K].

    Returns:
        The speed, shape [1].
    """
    direction = exact_gradient(np.log(prob), is_correct.astype(float))
    return Measurement.exact(prob[is_correct] @ (direction[is_correct] - prob @ direction))


def measure_late_shares(reward: np.ndarray, end: float, growth: float) -> Measurement:
    """Probability of each wrong arm late in an exact run, arm 0 being the best.

    Logits change like log(t), so steps of a fixed share of t follow the flow to that share.

    Args:
        reward: mean rewards, shape [K].
        end: time t at which the probabilities are read.
        growth: step size as a share of the time.

    Returns:
        Probabilities times t, shape [K - 1].
    """
    logits, time = np.zeros_like(reward), 1.0
    while time < end:
        step_size = min(growth * time, end - time)
        logits = logits + step_size * exact_gradient(logits, reward)
        time += step_size
    return Measurement.exact(softmax(logits)[1:] * end)


def measure_cross_ratio(
    rule: str, logits: np.ndarray, reward: np.ndarray, time: float, num_updates: int, group: int
) -> Measurement:
    """Cross-ratio of the first three arms after a time, extrapolated to step size 0.

    Args:
        rule: name of the rule.
        logits: initial logits, nats, shape [K].
        reward: rewards, shape [K].
        time: step_size * updates.
        num_updates: updates of the coarsest run; the finer ones take 2 and 4 times as many.
        group: rollouts per group, G.

    Returns:
        The cross-ratio, shape [1].
    """

    def after(num: int) -> float:
        current = logits
        for _ in range(num):
            change = expected_update(get_rule(rule), current, reward, group)
            current = current + time / num * change
        inverse = np.exp(-log_softmax(current)[:3])
        return float((inverse[0] - inverse[1]) / (inverse[0] - inverse[2]))

    coarse, middle, fine = (after(num_updates * factor) for factor in (1, 2, 4))
    return Measurement.exact((4.0 * (2.0 * fine - middle) - (2.0 * middle - coarse)) / 3.0)


def random_instances(
    rng: np.random.Generator, num: int
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Random bandits with a policy and a step size between .1 and 1e5.

    Args:
        rng: source of randomness.
        num: how many.

    Returns:
        Logits, rewards and step size of each.
    """
    found = []
    for _ in range(num):
        num_arms = int(rng.integers(2, 12))
        logits = rng.normal(scale=3.0, size=num_arms)
        found.append((logits, rng.normal(size=num_arms), float(10.0 ** rng.uniform(-1.0, 5.0))))
    return found


def measure_improvements(
    instances: list[tuple[np.ndarray, np.ndarray, float]], direction: Direction = exact_gradient
) -> Measurement:
    """Gain of expected reward in one exact step, for each instance.

    Args:
        instances: logits, rewards and step sizes.
        direction: change of the logits per unit step.

    Returns:
        V' - V, shape [num].
    """
    gains = []
    for logits, reward, step_size in instances:
        prob = softmax(logits)
        moved = softmax(logits + step_size * direction(logits, reward))
        gains.append((moved - prob) @ (reward - prob @ reward))
    return Measurement.exact(gains)


def measure_crossings(
    starts: list[np.ndarray], reward: np.ndarray, step_size: float
) -> Measurement:
    """First update at which arm 0 has more than half, from each start.

    Args:
        starts: initial probabilities, shape [K] each.
        reward: mean rewards, shape [K].
        step_size: step size on the logits.

    Returns:
        Updates, shape [len(starts)].
    """
    counts = []
    for start in starts:
        logits, count = np.log(start), 0
        while softmax(logits)[0] <= 0.5:
            logits = logits + step_size * exact_gradient(logits, reward)
            count += 1
        counts.append(count)
    return Measurement.exact(counts)
