"""Committing to one arm: how fast a policy that samples it forever closes (P35, P36).

If an arm of positive reward is drawn every time, softmax policy gradient closes on it like 1/t,
slowly enough that the probability of drawing nothing else goes to 0; natural policy gradient
closes exponentially, so that it commits to any arm with positive probability, unless an exact
value baseline makes every draw favour the better arm.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit

from theory.predict.conditions import as_log_odds, require, require_positive

_NEGLIGIBLE_LOG_PROB = 1e-18


def predicted_committal_constant(step_size: float, reward: ArrayLike, num_arms: int) -> np.ndarray:
    """Limit of t (1 - prob) for an arm that is drawn every time: (K - 1)/(K step_size reward).

    Assumes:
        Softmax policy gradient, one rollout per round, its reward (above 0) as advantage; the
        other arms equally likely, to which any start tends. Also the exponent of the probability
        of having drawn nothing else, t^-((K - 1)/(K step_size reward)).

    Derivation:
        With odds X = prob/(1 - prob) each round adds c/(1 + X), c = step_size reward K/(K - 1), to
        log X, so X grows by c per round up to O(1/X). Then 1 - prob = 1/(c t), and the
        log-probability of t such draws is -sum 1/(c s) = -log(t)/c.

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        reward: reward of the arm, above 0, shape [*].
        num_arms: arms, K.

    Returns:
        The constant, rounds, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; the rate 1/t is the committal rate 1 of Mei et al. 2021, as the catalogue
        cites it.

    Examples:
        >>> round(float(predicted_committal_constant(0.7, 0.8, 5)), 5)
        1.42857
    """
    function = "predicted_committal_constant"
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    require(num_arms >= 2, function, "num_arms", "at least 2", num_arms, "One arm is committed to")
    reward = np.asarray(reward, dtype=np.float64)
    require(
        bool((np.isfinite(reward) & (reward > 0.0)).all()),
        function,
        "reward",
        "above 0",
        reward.tolist(),
        "An arm that pays nothing changes nothing",
    )
    return (num_arms - 1) / (num_arms * step_size * reward)


def predicted_forever_log_prob(
    step_size: float, reward: float, *, log_odds: float = 0.0, is_weighted: bool = True
) -> float:
    """Log-probability that natural policy gradient never draws another of two arms.

    sum over t of log prob_t along log_odds += step_size reward/prob_t (importance-weighted), or
    += step_size reward (not weighted).

    Assumes:
        Two arms, one rollout per round, no baseline, reward above 0.

    Derivation:
        Natural policy gradient adds step_size * (estimated reward of each arm) to the logits, and
        the estimate is 0 for arms not drawn. Along the one path on which nothing else is drawn the
        logits are deterministic and 1 - prob falls exponentially: the sum converges.

    Args:
        step_size: step size on the logits, per unit of reward.
        reward: reward of the arm, above 0.
        log_odds: its log-odds at the start, nats.
        is_weighted: whether the estimate is divided by the arm's probability, which makes it
            unbiased.

    Returns:
        Log-probability, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; that the probability is positive is a theorem of Mei et al. 2021, as the
        catalogue cites it.

    Examples:
        >>> [round(math.exp(predicted_forever_log_prob(0.5, reward)), 5) for reward in (1.0, 0.8)]
        [0.24221, 0.18232]
    """
    function = "predicted_forever_log_prob"
    require_positive(function, "step_size", step_size, "At 0 both arms go on being drawn")
    require_positive(function, "reward", reward, "At 0 both arms go on being drawn")
    odds = float(as_log_odds(function, "log_odds", log_odds))
    total = 0.0
    while True:
        log_prob = float(log_expit(odds))
        total += log_prob
        # What is left is below a geometric series of ratio exp(-step_size * reward).
        if -log_prob < _NEGLIGIBLE_LOG_PROB * -math.expm1(-step_size * reward):
            return total
        odds += step_size * reward * (math.exp(-log_prob) if is_weighted else 1.0)


def predicted_baselined_move(
    step_size: float, gap: float, log_odds: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Rise of the log-odds at a draw of the better and of the worse arm, exact value baseline.

    step_size gap (1 - p)/p at a draw of the better arm, step_size gap p/(1 - p) at one of the
    worse: never a fall.

    Assumes:
        Natural policy gradient with importance weights, two arms, the baseline the exact expected
        reward of the present policy.

    Derivation:
        The better arm exceeds the value by gap (1 - p), drawn with probability p; the worse one
        falls short by gap p, drawn with probability 1 - p, which lowers its own logit.

    Args:
        step_size: step size on the logits, per unit of reward.
        gap: reward of the better arm less that of the worse.
        log_odds: log(p/(1 - p)), nats, shape [*].

    Returns:
        The two rises, nats, each of shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_baselined_move"
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    require_positive(function, "gap", gap, "The better arm must be better")
    log_odds = as_log_odds(function, "log_odds", log_odds)
    return step_size * gap * np.exp(-log_odds), step_size * gap * np.exp(log_odds)
