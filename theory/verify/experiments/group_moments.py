"""Experiments on the moments of a group's gradient: all groups enumerated, or drawn (P7, P8).

Shapes: K arms, G group, R rounds.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from scipy.special import log_expit

from banditlab.arm_spaces import explicit_rewards
from banditlab.expectation import expected_advantage, expected_update
from banditlab.problems import BanditProblem
from banditlab.rules import UpdateRule
from theory.verify.experiments.moments import gradients
from theory.verify.measurement import Measurement


def measure_mean_updates(
    rules: Sequence[UpdateRule],
    logits: np.ndarray,
    reward: np.ndarray,
    group_sizes: Sequence[int],
) -> Measurement:
    """Mean gradient of a group on every logit, by banditlab's exact expectation.

    Args:
        rules: the rules.
        logits: logits, nats, shape [K].
        reward: reward of each arm, shape [K].
        group_sizes: rollouts per group.

    Returns:
        Mean gradients, shape [len(rules), len(group_sizes), K].
    """
    return Measurement.exact(
        [[expected_update(rule, logits, reward, size) for size in group_sizes] for rule in rules]
    )


def two_arms(log_odds: float) -> BanditProblem:
    """Return one correct arm, of reward 1, and one wrong arm, whose gradients are class gradients.

    Args:
        log_odds: log-odds of the correct arm, nats.

    Returns:
        The problem.
    """
    logits = np.array([log_expit(log_odds), log_expit(-log_odds)])
    return explicit_rewards(np.array([1.0, 0.0]), logits)


def enumerated_class_gradients(
    rule: UpdateRule, log_odds: float, group_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Class gradients of all 2^G groups, with their probabilities.

    Args:
        rule: the update rule.
        log_odds: log-odds of success, nats.
        group_size: rollouts per group, G.

    Returns:
        Class gradients and probabilities, each of shape [2^G].
    """
    arms = np.array(list(product((0, 1), repeat=group_size)))
    problem = two_arms(log_odds)
    gradient = gradients(rule, problem, group_size, len(arms), arms=arms)
    return gradient[:, 0], np.exp(problem.log_mass[0][arms].sum(axis=1))


def _variance(gradient: np.ndarray, prob: np.ndarray) -> float:
    return prob @ (gradient - prob @ gradient) ** 2


def _mean_square(gradient: np.ndarray, prob: np.ndarray) -> float:
    return prob @ gradient**2


def measure_class_moments(
    rules: Sequence[UpdateRule],
    log_odds: np.ndarray,
    group_sizes: Sequence[int],
    *,
    is_centred: bool,
) -> Measurement:
    """Variance or mean square of the class gradient, enumerated.

    Args:
        rules: the rules.
        log_odds: log-odds of success, nats, shape [S].
        group_sizes: rollouts per group.
        is_centred: whether the moment is the variance, or else the mean square.

    Returns:
        Moments, shape [len(rules), len(group_sizes), S].
    """
    moment = _variance if is_centred else _mean_square
    return Measurement.exact(
        [
            moment(*enumerated_class_gradients(rule, float(each), size))
            for rule in rules
            for size in group_sizes
            for each in log_odds
        ]
    )


def squared_deviation(gradient: np.ndarray) -> np.ndarray:
    """Squared deviations from the mean, whose mean is the unbiased estimate of the variance.

    Args:
        gradient: gradients, shape [R].

    Returns:
        R/(R - 1) times the squares, shape [R].
    """
    return (gradient - gradient.mean()) ** 2 * len(gradient) / (len(gradient) - 1)


def measure_sampled_class_moments(
    rng: np.random.Generator,
    cases: Sequence[tuple[UpdateRule, float, int]],
    num_rounds: int,
    value: Callable[[np.ndarray], np.ndarray] = np.positive,
) -> Measurement:
    """Mean class gradient of drawn groups, or of a function of it.

    Args:
        rng: source of randomness.
        cases: rule, log-odds of success and group size of each mean.
        num_rounds: groups per case, R.
        value: function of class gradients [R] -> what is averaged [R].

    Returns:
        Means, shape [len(cases)].
    """
    parts = []
    for rule, log_odds, group_size in cases:
        gradient = gradients(rule, two_arms(log_odds), group_size, num_rounds, rng=rng)[:, 0]
        parts.append(Measurement.mean_of_runs(value(gradient)))
    return Measurement.joined(*parts)


def amplification(rule: UpdateRule, pass_rate: float, group_size: int) -> float:
    """Mean class gradient of a rule over that of the raw reward, p q.

    It is E[A | correct] - E[A | wrong], from banditlab's exact expectation.

    Args:
        rule: the update rule.
        pass_rate: probability of success, p.
        group_size: rollouts per group, G.

    Returns:
        The quotient, in units of advantage over reward.
    """
    prob = np.array([pass_rate, 1.0 - pass_rate])
    correct, wrong = expected_advantage(rule, prob, np.array([1.0, 0.0]), group_size)
    return float(correct - wrong)


def measure_amplifications(
    rules: Sequence[UpdateRule], pass_rate: float, group_sizes: Sequence[int]
) -> Measurement:
    """Amplification of rules at one pass rate.

    Args:
        rules: the rules.
        pass_rate: probability of success, p.
        group_sizes: rollouts per group.

    Returns:
        Amplifications, shape [len(rules), len(group_sizes)].
    """
    return Measurement.exact(
        [[amplification(rule, pass_rate, size) for size in group_sizes] for rule in rules]
    )


def measure_objective(
    rules: Sequence[UpdateRule], pass_rates: np.ndarray, group_size: int
) -> Measurement:
    """Integral of the amplification from the pass rate 0 on.

    The integrand is a polynomial of degree G - 2, for which Gauss's rule with G nodes is exact.

    Args:
        rules: the rules.
        pass_rates: upper limits, shape [S].
        group_size: rollouts per group, G.

    Returns:
        Integrals, shape [len(rules), S].
    """
    node, weight = np.polynomial.legendre.leggauss(group_size)
    found = []
    for rule in rules:
        for upper in pass_rates:
            inside = 0.5 * upper * (node + 1.0)
            value = [amplification(rule, each, group_size) for each in inside]
            found.append(0.5 * upper * weight @ value)
    return Measurement.exact(found)
