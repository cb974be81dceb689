"""How long a group baseline stays on the wrong one of two arms (P34).

Advantages of a group sum to 0, so groups of one arm alone change nothing. At odds X against the
better arm a group holds one rollout of it with probability G/X, and is then the only kind that
acts: log X falls by J = 2 step_size A/G, where A is that rollout's advantage. The waits between
such groups are exponential of mean X/G. Without noise J is a constant; with noise it is a random
walk, and the time to come down has the tail of a power as for raw rewards (`stuck`).
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammaln, xlogy

from theory.predict.conditions import require, require_known, require_positive

GROUP_RULES = ("group_mean", "leave_one_out", "grpo")


def _require_group(function: str, rule: str, step_size: float, group_size: int) -> None:
    require_known(function, "rule", rule, GROUP_RULES, "rule with a group baseline")
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    require(
        isinstance(group_size, (int, np.integer)) and group_size >= 2,
        function,
        "group_size",
        "an integer of at least 2",
        group_size,
        "A group of one holds one arm only",
    )


def _single_advantage(
    rule: str, excess: np.ndarray, variance: np.ndarray, group_size: int, ddof: int, eps: float
) -> np.ndarray:
    """Advantage of a rollout from its reward less the group mean and the group's variance."""
    if rule == "group_mean":
        return excess
    if rule == "leave_one_out":
        return excess * group_size / (group_size - 1)
    deviation = np.sqrt(variance * group_size / (group_size - ddof))
    has_signal = deviation > 0.0
    return np.where(has_signal, excess / (np.where(has_signal, deviation, 1.0) + eps), 0.0)


def predicted_group_move(
    rule: str,
    *,
    step_size: float,
    group_size: int,
    gap: float,
    ddof: int = 1,
    eps: float = 1e-6,
) -> float:
    """Fall of the log-odds at a group with one rollout of the better arm: J = 2 step_size A/G.

    group_mean: 2 step gap (G - 1)/G^2. leave_one_out: 2 step gap/G. grpo: 2 step sqrt(G - 1)/G
    with ddof = 0 and 2 step (G - 1)/G^(3/2) with ddof = 1 (eps = 0), whatever the gap.

    Assumes:
        Two arms with deterministic rewards, one inner epoch, the update the mean over the group.

    Derivation:
        One reward r + gap among G - 1 rewards r: excess over the mean gap (G - 1)/G, variance
        gap^2 (G - 1)/G^2; the two logits move by +-step_size A/G.

    Args:
        rule: group_mean, leave_one_out or grpo.
        step_size: step size of SGD on the logits.
        group_size: rollouts per update, G.
        gap: reward of the better arm less that of the other.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.

    Returns:
        J, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_group_move"
    _require_group(function, rule, step_size, group_size)
    require_positive(function, "gap", gap, "The better arm must be better")
    excess = gap * (group_size - 1) / group_size
    variance = gap**2 * (group_size - 1) / group_size**2
    advantage = _single_advantage(
        rule, np.asarray(excess), np.asarray(variance), group_size, ddof, eps
    )
    return float(2.0 * step_size * advantage / group_size)


def predicted_group_escape(move: float) -> tuple[float, float]:
    """Mean and variance of (groups on the wrong arm) G/X0: 1/(1 - e^-J), 1/(1 - e^-2J).

    Assumes:
        As `predicted_group_move`, and odds X0 at the start to infinity. No tail: the waits are
        exponential and their means fall geometrically.

    Derivation:
        The wait for the next mixed group, at odds X0 e^(-kJ), is exponential of mean
        X0 e^(-kJ)/G, independent of the others; sum over k.

    Args:
        move: fall of the log-odds at a mixed group, J, nats.

    Returns:
        Mean and variance, dimensionless.

    Raises:
        ValueError: the move is not above 0.

    References:
        Derived here.

    Examples:
        >>> move = predicted_group_move("leave_one_out", step_size=1.0, group_size=5, gap=0.5)
        >>> round(predicted_group_escape(move)[0], 3)
        5.517
    """
    require_positive("predicted_group_escape", "move", move, "A mixed group must lower the odds")
    return -1.0 / math.expm1(-move), -1.0 / math.expm1(-2.0 * move)


def predicted_group_moves(
    rule: str,
    correct_prob: float,
    wrong_prob: float,
    *,
    step_size: float,
    group_size: int,
    ddof: int = 0,
    eps: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Law of the falls J of the log-odds at groups with one better rollout, Bernoulli rewards.

    Assumes:
        As `predicted_group_move`, but rewards 0 or 1 at random.

    Derivation:
        The better rollout pays r, k of the others pay 1, with binomial k: mean (r + k)/G,
        variance of a group of r + k ones.

    Args:
        rule: group_mean, leave_one_out or grpo.
        correct_prob: mean reward of the better arm, in [0, 1].
        wrong_prob: mean reward of the other one, in [0, 1].
        step_size: step size of SGD on the logits.
        group_size: rollouts per update, G.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.

    Returns:
        Probabilities and falls J in nats, each of shape [2 G].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_group_moves"
    _require_group(function, rule, step_size, group_size)
    require(
        0.0 <= wrong_prob < correct_prob <= 1.0,
        function,
        "wrong_prob",
        f"at least 0 and below correct_prob, {correct_prob}",
        wrong_prob,
        "The better arm must be better",
    )
    own, count = (x.ravel() for x in np.meshgrid([0.0, 1.0], np.arange(group_size), indexing="ij"))
    others = group_size - 1
    log_choices = gammaln(group_size) - gammaln(count + 1) - gammaln(others - count + 1)
    log_prob = log_choices + xlogy(count, wrong_prob) + xlogy(others - count, 1.0 - wrong_prob)
    prob = np.where(own == 1.0, correct_prob, 1.0 - correct_prob) * np.exp(log_prob)
    share = (own + count) / group_size
    advantage = _single_advantage(rule, own - share, share * (1.0 - share), group_size, ddof, eps)
    return prob, 2.0 * step_size * advantage / group_size


def predicted_group_stuck_exponent(prob: ArrayLike, move: ArrayLike) -> float:
    """Tail exponent of the groups on the wrong arm: alpha > 0 solves sum prob e^(-alpha J) = 1.

    Assumes:
        Falls J as of `predicted_group_moves`: positive on average, negative with some
        probability; times far above X0/G.

    Derivation:
        As in `stuck.predicted_learning_rate_threshold`: X^alpha is a martingale of the groups that
        act. J is proportional to the step size, so alpha is inversely so. Few possible values of J
        of a common measure make the tail log-periodic, by a share of about
        exp(-pi^2/measure), which waiting times smooth out below 2 nats.

    Args:
        prob: probabilities of the falls, shape [n].
        move: falls of the log-odds, nats, shape [n].

    Returns:
        alpha; infinity where no fall is negative, as without noise.

    Raises:
        ValueError: the log-odds do not fall on average.

    References:
        Derived here.
    """
    function = "predicted_group_stuck_exponent"
    prob, move = np.asarray(prob, dtype=np.float64), np.asarray(move, dtype=np.float64)
    mean = float(prob @ move)
    require(mean > 0.0, function, "move", "above 0 on average", mean, "Swap the arms")
    is_possible = prob > 0.0
    prob, move = prob[is_possible], move[is_possible]
    if move.min() >= 0.0:
        return math.inf

    def excess(alpha: float) -> float:
        return float(prob @ np.expm1(np.minimum(-alpha * move, 700.0)))

    high = mean / float(prob @ move**2)
    while excess(high) < 0.0:
        high *= 2.0
    low = high
    while excess(low) >= 0.0:
        low *= 0.5
    return float(brentq(excess, low, 2.0 * low, xtol=1e-15, rtol=1e-13))


def predicted_gaussian_group_exponent(
    step_size: float, group_size: int, gap: float, noise_sd: float
) -> float:
    """Tail exponent of leave_one_out under Gaussian noise: (G - 1) gap/(step_size sd^2).

    Assumes:
        Two arms with noise of the same standard deviation; times far above X0/G.

    Derivation:
        The better rollout's reward less the mean of the G - 1 others is Gaussian of mean gap and
        variance sd^2 G/(G - 1). J = 2 step_size/G of it, and E exp(-alpha J) = 1 at
        alpha = 2 mean(J)/var(J).

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        group_size: rollouts per update, G.
        gap: mean reward of the better arm less that of the other.
        noise_sd: standard deviation of a reward.

    Returns:
        alpha, dimensionless.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_gaussian_group_exponent"
    _require_group(function, "leave_one_out", step_size, group_size)
    require_positive(function, "gap", gap, "The better arm must be better")
    require_positive(function, "noise_sd", noise_sd, "Without noise there is no tail")
    return (group_size - 1) * gap / (step_size * noise_sd**2)
