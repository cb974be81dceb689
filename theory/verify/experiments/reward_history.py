"""Experiments on the reward history: all sequences of rewards through banditlab's rule, and runs.

Shapes: N sequences, H rewards remembered, the present one included.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from scipy.special import expit

from banditlab.rules import UpdateRule, advantage_and_state, get_rule, initial_state
from theory.verify.experiments.extra_rollouts import rule_with_extra, trained_moments
from theory.verify.measurement import Measurement


def history_rule(history: int, **hyper: float) -> UpdateRule:
    """Return the registered rule with another length of its memory.

    Args:
        history: rewards remembered, H.
        **hyper: other hyperparameters of the rule.

    Returns:
        The rule.
    """
    return get_rule("reward_history", history=history, **hyper)


def without_present(rule: UpdateRule) -> UpdateRule:
    """Return a rule whose mean and deviation are of the earlier rewards alone.

    Args:
        rule: the reward history.

    Returns:
        The rule, with the statistics of the last H rewards before the present ones.
    """

    def advantage(reward, state, *, history, ddof, eps):
        past = state[..., :-1]
        std = past.std(axis=-1, ddof=ddof, keepdims=True)
        _, state = rule.advantage(reward, state, history=history, ddof=ddof, eps=eps)
        is_flat = std == 0.0
        centred = np.where(is_flat, 0.0, reward - past.mean(axis=-1, keepdims=True))
        return centred / np.where(is_flat, 1.0, std + eps), state

    return replace(rule, advantage=advantage)


def _sequences(num: int) -> np.ndarray:
    """All sequences of rewards, [2^num, num]."""
    return np.array(list(product((0.0, 1.0), repeat=num)))


def _probability(sequence: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """Probability of each sequence, [N], its rewards drawn at pass rates of these log-odds."""
    rate = expit(log_odds)
    return np.where(sequence == 1.0, rate, 1.0 - rate).prod(axis=1)


def _run(
    rule: UpdateRule, sequence: np.ndarray, num_before: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Feed sequences to the rule, one reward a round.

    Args:
        rule: the reward history.
        sequence: rewards, [N, T].
        num_before: rounds at the start whose advantages are not wanted.

    Returns:
        Advantages of the later rounds, [N, T - num_before], and the last state, [N, H + 1].
    """
    state = initial_state(rule, (len(sequence),))
    advantages = []
    for reward in sequence.T:
        advantage, state = advantage_and_state(rule, reward[:, None], state)
        advantages.append(advantage[:, 0])
    return np.stack(advantages[num_before:], axis=1), state


def class_gradients(
    rule: UpdateRule, log_odds: np.ndarray, num_before: int
) -> tuple[np.ndarray, np.ndarray]:
    """Class gradients of the last rounds of all sequences, and the sequences' probabilities.

    Args:
        rule: the reward history.
        log_odds: log-odds in each round, nats, shape [T].
        num_before: rounds at the start whose gradients are not wanted.

    Returns:
        Gradients A ([success] - p), shape [N, T - num_before], and probabilities, shape [N].
    """
    sequence = _sequences(len(log_odds))
    advantage, _ = _run(rule, sequence, num_before)
    score = sequence - expit(log_odds)
    return advantage * score[:, num_before:], _probability(sequence, log_odds)


def measure_resting_moments(rule: UpdateRule, log_odds: np.ndarray, history: int) -> Measurement:
    """Mean and variance of the class gradient with a full history, at a resting policy.

    Args:
        rule: the reward history.
        log_odds: log-odds of success, nats, shape [S].
        history: rewards remembered, H.

    Returns:
        Means and variances, shape [2, S].
    """
    moments = []
    for value in log_odds:
        # One reward more than is remembered, so that a longer memory would show.
        gradient, prob = class_gradients(rule, np.full(history + 1, value), history)
        mean = prob @ gradient[:, 0]
        moments.append([mean, prob @ (gradient[:, 0] - mean) ** 2])
    return Measurement.exact(np.array(moments).T)


def measure_start(rule: UpdateRule, log_odds: float, num_rounds: int) -> Measurement:
    """Class gradients of the first rounds, at a resting policy.

    Args:
        rule: the reward history.
        log_odds: log-odds of success, nats.
        num_rounds: rounds.

    Returns:
        Expected class gradients, shape [num_rounds].
    """
    gradient, prob = class_gradients(rule, np.full(num_rounds, log_odds), 0)
    return Measurement.exact(prob @ gradient)


def moving_gradient(rule: UpdateRule, log_odds: Sequence[float]) -> float:
    """Expected class gradient of the last round of a policy that moves.

    Args:
        rule: the reward history.
        log_odds: log-odds in each round, the present one last, nats, shape [H].

    Returns:
        The class gradient.
    """
    gradient, prob = class_gradients(rule, np.asarray(log_odds), len(log_odds) - 1)
    return float(prob @ gradient[:, 0])


def measure_lag_slopes(rule: UpdateRule, log_odds: np.ndarray, history: int) -> Measurement:
    """Change of the class gradient per dp/dt, by central differences of two sizes (Richardson).

    Args:
        rule: the reward history.
        log_odds: present log-odds of success, nats, shape [S].
        history: rewards remembered, H.

    Returns:
        The slopes, rounds, shape [S].
    """
    age = np.arange(history)[::-1]

    def difference(value: float, rise: float) -> float:
        gradients = []
        for sign in (1.0, -1.0):
            rate = expit(value) - sign * rise * age
            gradients.append(moving_gradient(rule, np.log(rate) - np.log1p(-rate)))
        return (gradients[0] - gradients[1]) / (2.0 * rise)

    slopes = []
    for value in log_odds:
        rise = 1e-3 * expit(value) * expit(-value)
        slopes.append((4.0 * difference(value, rise / 2.0) - difference(value, rise)) / 3.0)
    return Measurement.exact(slopes)


def measure_lag(rule: UpdateRule, history: int, rise: float) -> Measurement:
    """Lag of the mean remembered reward, in rounds, behind a pass rate that rises steadily.

    Args:
        rule: the reward history.
        history: rewards remembered, H.
        rise: rise of the pass rate per round, up to 1/2.

    Returns:
        (p - expected mean of what the rule remembers) / rise, shape [1].
    """
    rate = 0.5 - rise * np.arange(history + 2)[::-1]
    log_odds = np.log(rate) - np.log1p(-rate)
    sequence = _sequences(len(rate))
    _, state = _run(rule, sequence)
    mean = _probability(sequence, log_odds) @ state[:, :-1].mean(axis=1)
    return Measurement.exact((rate[-1] - mean) / rise)


def measure_autocovariances(rule: UpdateRule, log_odds: float, history: int) -> Measurement:
    """Covariance of the class gradients of two rounds, at lags from 0 to H.

    Args:
        rule: the reward history.
        log_odds: log-odds of success, nats.
        history: rewards remembered, H.

    Returns:
        Covariances, shape [H + 1].
    """
    gradient, prob = class_gradients(rule, np.full(2 * history, log_odds), history - 1)
    centred = gradient - prob @ gradient
    return Measurement.exact(prob @ (centred[:, :1] * centred))


def measure_noise_ratios(log_odds: np.ndarray, history: int) -> Measurement:
    """Long-run noise per rollout of the history over that of whole groups of the same size.

    Args:
        log_odds: log-odds of success, nats, shape [S].
        history: rewards remembered, H, and rollouts of a group.

    Returns:
        Ratios, shape [S].
    """
    ratios = []
    for value in log_odds:
        covariance = measure_autocovariances(history_rule(history, eps=0.0), value, history).value
        group = rule_with_extra(0, eps=0.0)
        variance = trained_moments(group, np.array([value]), history, history)[1, 0]
        ratios.append((2.0 * covariance.sum() - covariance[0]) / (history * variance))
    return Measurement.exact(ratios)
