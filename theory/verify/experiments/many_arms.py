"""Exact policy gradient on explicit arms, by banditlab's expected update (P11, P19, P20, P22)."""

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


def rule_direction(rule: str, group_size: int) -> Direction:
    """Expected update of a rule as a function of logits and rewards.

    Args:
        rule: name of the rule.
        group_size: rollouts per group, G.

    Returns:
        Function of logits and rewards [K] -> change per unit step [K].
    """
    return lambda logits, reward: expected_update(get_rule(rule), logits, reward, group_size)


def natural_gradient(logits: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Expected update of raw reward divided by the policy.

    Args:
        logits: logits, nats, shape [K].
        reward: mean rewards, shape [K].

    Returns:
        Change of the logits per unit step, shape [K].
    """
    return exact_gradient(logits, reward) / softmax(logits)


def _run(
    direction: Direction, logits: np.ndarray, reward: np.ndarray, time: float, num_updates: int
) -> np.ndarray:
    for _ in range(num_updates):
        logits = logits + time / num_updates * direction(logits, reward)
    return logits


def measure_cross_ratio(
    direction: Direction, logits: np.ndarray, reward: np.ndarray, time: float, num_updates: int
) -> Measurement:
    """Cross-ratio of the first three arms after a time, extrapolated to step size 0.

    Args:
        direction: change of the logits per unit step.
        logits: initial logits, nats, shape [K].
        reward: rewards, shape [K].
        time: step_size * updates.
        num_updates: updates of the coarsest run; the finer ones take 2 and 4 times as many.

    Returns:
        The cross-ratio, shape [1].
    """

    def after(num: int) -> float:
        inverse = np.exp(-log_softmax(_run(direction, logits, reward, time, num))[:3])
        return float((inverse[0] - inverse[1]) / (inverse[0] - inverse[2]))

    coarse, middle, fine = (after(num_updates * factor) for factor in (1, 2, 4))
    return Measurement.exact((4.0 * (2.0 * fine - middle) - (2.0 * middle - coarse)) / 3.0)


def measure_share_ratio(
    direction: Direction, logits: np.ndarray, reward: np.ndarray, time: float, num_updates: int
) -> Measurement:
    """Ratio of the first two arms' probabilities after a run.

    Args:
        direction: change of the logits per unit step.
        logits: initial logits, nats, shape [K].
        reward: rewards, shape [K].
        time: step_size * updates.
        num_updates: updates.

    Returns:
        The ratio, shape [1].
    """
    final = _run(direction, logits, reward, time, num_updates)
    return Measurement.exact(np.exp(final[0] - final[1]))


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
