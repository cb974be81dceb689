"""Experiments on the staleness at which samples are dropped, turned, or fewer under one rule.

Shapes: K arms, S points.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_softmax

from banditlab.rules import UpdateRule, get_rule
from theory.verify.experiments.stale_data import (
    measure_stale_moments,
    two_class_log_probs,
    weights_between,
)
from theory.verify.measurement import Measurement


def effective_share(
    rule: UpdateRule, old_log_prob: np.ndarray, log_prob: np.ndarray, advantage: np.ndarray
) -> np.ndarray:
    """Effective share of stale samples under a rule: (E_old[w/A])^2 / E_old[(w/A)^2].

    Args:
        rule: the rule, of which the weight is asked.
        old_log_prob: log-probabilities under the policy that drew, nats, shape [*, K].
        log_prob: those under the present policy, nats, shape [*, K].
        advantage: advantage of each arm, not 0, shape [K].

    Returns:
        The share, shape [*]; 0 where every sample is dropped.
    """
    factor = weights_between(rule, old_log_prob, log_prob, advantage) / advantage
    first, second = ((np.exp(old_log_prob) * factor**power).sum(axis=-1) for power in (1, 2))
    return first**2 / np.where(second == 0.0, 1.0, second)


def measure_effective_shares(
    rules: Sequence[UpdateRule], old_log_odds: np.ndarray, distance: np.ndarray, baseline: float
) -> Measurement:
    """Effective shares between two policies of two classes of arms.

    Args:
        rules: the rules.
        old_log_odds: log-odds of success under the policy that drew, nats, shape [S].
        distance: log-odds under the present policy less those, nats, shape [S].
        baseline: constant baseline.

    Returns:
        Shares, shape [len(rules), S].
    """
    old, new = (two_class_log_probs(z) for z in (old_log_odds, old_log_odds + distance))
    advantage = np.array([1.0 - baseline, -baseline])
    return Measurement.exact([effective_share(rule, old, new, advantage) for rule in rules])


def measure_crossover(
    penalty: UpdateRule,
    old_logits: np.ndarray,
    drift: np.ndarray,
    advantage: np.ndarray,
    bracket: tuple[float, float],
) -> float:
    """Staleness at which the penalty's effective share falls below the clip's.

    Args:
        penalty: the rule with the penalty.
        old_logits: logits of the policy that drew, nats, shape [K].
        drift: change of the logits per round, nats, shape [K].
        advantage: advantage of each arm, not 0, shape [K].
        bracket: two staleness, in rounds, between which they cross.

    Returns:
        The staleness, rounds.
    """
    old = log_softmax(old_logits)

    def excess(staleness: float) -> float:
        new = log_softmax(old_logits + staleness * drift)
        rules = (penalty, get_rule("clip"))
        more, less = (effective_share(rule, old, new, advantage) for rule in rules)
        return float(more - less)

    return brentq(excess, *bracket, xtol=1e-13)


def measure_silencing(
    rule: UpdateRule, old_log_odds: float, advantage: float, *, is_success: bool
) -> float:
    """Distance at which a rule drops a stale sample, or turns against it.

    Args:
        rule: the rule, of which the weight is asked.
        old_log_odds: log-odds of success under the policy that drew, nats.
        advantage: advantage of the sample.
        is_success: whether the sample is a success.

    Returns:
        The distance in log-odds, nats, up to 5.
    """
    index = 0 if is_success else 1
    old = two_class_log_probs(np.array(old_log_odds))[index : index + 1]

    def is_useful(distance: float) -> float:
        new = two_class_log_probs(np.array(old_log_odds + distance))[index : index + 1]
        return (
            1.0
            if (weights_between(rule, old, new, np.array([advantage])) * advantage > 0)
            else -1.0
        )

    return brentq(is_useful, 1e-3, 5.0, xtol=1e-13, maxiter=500)


def measure_reversal(penalty: UpdateRule, old_log_odds: float) -> float:
    """Distance from which a rule's expected stale gradient points backwards.

    Args:
        penalty: the rule with the penalty, over a constant baseline.
        old_log_odds: log-odds of success under the policy that drew, nats.

    Returns:
        The distance in log-odds, nats.
    """

    def gradient(distance: float) -> float:
        at = np.array([old_log_odds])
        return measure_stale_moments([penalty], at, np.array([distance])).value[0]

    return brentq(gradient, 1e-3, 20.0, xtol=1e-13)
