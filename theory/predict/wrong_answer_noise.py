"""Two dominant wrong answers of reward -1: noise alone makes the correct one rarer.

The gradient of failures alone is 0 on average, and yet nothing rests: each failure moves the two
wrong logits apart or together by a fair game, whose odds x grow in proportion to time. The arm that
is drawn all the time loses little at a time; the other one is drawn once in x rollouts, and loses
much. The policy concentrates on one wrong answer, and the correct one, whose logit rests, falls
behind like 1/sqrt(time) before it is ever seen. The raw reward, for which failures change nothing,
finds it after 1/p0 rollouts; the negative reward after a number of order (step_size/p0)^2.
"""

import numpy as np
from scipy.interpolate import CubicSpline, RectBivariateSpline
from scipy.special import logsumexp

from theory.predict.conditions import as_log_odds, require, require_positive

_FURTHEST = 40.0
"""Gap of the two wrong logits beyond which nothing moves in any number of rollouts looked at."""


def predicted_growth_of_wrong_odds(step_size: float, power: int = 1) -> float:
    """Growth of the odds x of the likelier wrong arm: E[x'^n - x^n] / x^(n - 1) for large x.

    e^(2 n step) - 1 - 2 n step, so that E[x] / rollouts tends to e^(2 step) - 1 - 2 step. Rewards
    of +1 on both arms give 2 n step - 1 + e^(-2 n step) (catalogue entry P30).

    Assumes:
        Two wrong arms hold all the mass; reward -1; one rollout an update.

    Derivation:
        The likelier arm, probability 1 - 1/x, loses 2 step/x of the gap; the other one, 1/x, adds
        2 step to it.

    Args:
        step_size: step size of SGD on the logits.
        power: the moment, n.

    Returns:
        The growth per rollout, dimensionless.

    Raises:
        ValueError: the step size is not above 0.

    References:
        Derived here, as the catalogue's P30.
    """
    require_positive("predicted_growth_of_wrong_odds", "step_size", step_size, "At 0 nothing moves")
    gap = 2.0 * power * step_size
    return float(np.expm1(gap) - gap)


def predicted_rare_decay(num_rollouts: list[int], step_size: float) -> np.ndarray:
    """Mean success probability of a very rare arm over its initial one, after failures alone.

    m_n(0), where m_0(x) = 1/cosh(x/2) and m_(n+1)(x) = E[m_n(x')]; the gap x of the wrong logits
    becomes x - 2 step/(1 + e^x) if the first arm is drawn and x + 2 step/(1 + e^-x) if the other
    one is. For step^2 n large it is sqrt(2 pi/n)/step (small steps).

    Assumes:
        Two equally likely wrong arms, and a correct one too rare to be seen or to move; reward -1;
        one rollout an update.

    Derivation:
        The wrong logits are x/2 and -x/2, so that the correct arm, whose logit rests, has
        1/cosh(x/2) of its first probability. The recursion is solved for m_n cosh(x/2) on a grid
        by cubic splines; no closed form was found. In the limit e^x/(2 step^2 n) is a unit
        exponential (P30), and m_n is 2 E[e^(-x/2)].

    Args:
        num_rollouts: numbers of rollouts, in ascending order, shape [S].
        step_size: step size of SGD on the logits.

    Returns:
        Ratios, shape [S].

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> predicted_rare_decay([0, 100, 400], 1.0).round(3).tolist()
        [1.0, 0.251, 0.123]

    References:
        Derived here.
    """
    function = "predicted_rare_decay"
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    require(
        list(num_rollouts) == sorted(num_rollouts) and min(num_rollouts) >= 0,
        function,
        "num_rollouts",
        "at least 0 and ascending",
        num_rollouts,
        "Sort them",
    )
    gap = np.linspace(0.0, _FURTHEST, 1_001)
    share = 1.0 / (1.0 + np.exp(-gap))
    nearer = gap - 2.0 * step_size * (1.0 - share)
    further = gap + 2.0 * step_size * share
    # Ratios of 1/cosh(x/2), which alone would underflow.
    keeps, loses = (np.cosh(gap / 2.0) / np.cosh(after / 2.0) for after in (nearer, further))
    value = np.ones_like(gap)
    found = []
    for index in range(num_rollouts[-1] + 1):
        if index in num_rollouts:
            found.append(value[0])
        spline = CubicSpline(gap, value)
        moved = (spline(np.minimum(np.abs(after), _FURTHEST)) for after in (nearer, further))
        value = share * keeps * next(moved) + (1.0 - share) * loses * next(moved)
    return np.array(found)


def predicted_discovery_rollouts(success_prob: float, step_size: float) -> float:
    """Mean number of rollouts until the first success for p0 to 0, between two wrong arms.

    (e^step - 1 - step) / (4 p0^2 (1 + 2 step)(1 + 3 step)); about step^2/(8 p0^2) for small steps.

    Assumes:
        Two equally likely wrong arms; reward -1; one rollout an update; p0 much smaller than
        step^2.

    Derivation:
        With the odds x of the likelier wrong arm, and e half the odds of the correct arm to the
        geometric mean of the wrong ones, p is 2 e/(sqrt(x) + 1/sqrt(x)), and e = p0 at x = 1. For
        large x the mean time is a sqrt(x)/e + b/e^2: a rollout succeeds with probability 2
        e/sqrt(x); otherwise sqrt(x) grows by (e^step - 1 - step)/sqrt(x) on average, and by what a
        failure gives the correct arm e is multiplied by 1 + 3 step e/sqrt(x) and sqrt(x) falls by
        step e. That the mean time falls by 1 a rollout gives a = 1/(2 (1 + 2 step)) and b.

    Args:
        success_prob: initial probability of success, p0.
        step_size: step size of SGD on the logits.

    Returns:
        Rollouts; the raw reward's are 1/p0.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_discovery_rollouts"
    require_positive(function, "step_size", step_size, "At 0 the first success takes 1/p0")
    require(
        0.0 < success_prob < step_size**2,
        function,
        "success_prob",
        "above 0 and below step_size^2",
        success_prob,
        "Where success is not rare, noise has no time to build up",
    )
    growth = float(np.expm1(step_size) - step_size)
    return growth / (4.0 * success_prob**2 * (1.0 + 2.0 * step_size) * (1.0 + 3.0 * step_size))


def predicted_still_waiting(
    log_odds: float, num_rollouts: int, step_size: float, *, num_nodes: int = 60
) -> float:
    """Probability of no success in n rollouts, between two equally likely wrong arms.

    f_0 = 1 and f_(n+1) = sum over the two failures of probability * f_n(after), with the gap x of
    the wrong logits and the logit y of the correct arm over their mean for the state.

    Assumes:
        Reward -1 for failures; one rollout an update.

    Derivation:
        A failure on an arm of probability pi moves x by step (1 - pi + pi of the other), and y up
        by 3/2 step p. f is interpolated by cubic splines in both; no closed form was found.

    Args:
        log_odds: initial log-odds of success, nats.
        num_rollouts: rollouts, n.
        step_size: step size of SGD on the logits.
        num_nodes: nodes of the splines in each of the two.

    Returns:
        The probability; the raw reward's is (1 - p0)^n.

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> waiting = predicted_still_waiting(np.log(0.01 / 0.99), 200, 1.0)
        >>> round(waiting, 3), round(0.99**200, 3)
        (0.246, 0.134)

    References:
        Derived here.
    """
    function = "predicted_still_waiting"
    start = float(as_log_odds(function, "log_odds", log_odds)) + np.log(2.0)
    require_positive(function, "step_size", step_size, "At 0 it is (1 - p0)^n")
    require(num_rollouts >= 0, function, "num_rollouts", "at least 0", num_rollouts, "Count them")
    # Up to strengths at which success is all but certain.
    gaps = 16.0 * np.linspace(0.0, 1.0, num_nodes) ** 2
    strengths = np.linspace(start, start + 7.0, num_nodes)
    gap, strength = np.meshgrid(gaps, strengths, indexing="ij")
    logits = np.stack([gap / 2.0, -gap / 2.0, strength])
    first, second, success = np.exp(logits - logsumexp(logits, axis=0))
    stronger = np.minimum(strength + 1.5 * step_size * success, strengths[-1])
    after_first = np.minimum(np.abs(gap - step_size * (1.0 - first + second)), gaps[-1])
    after_second = np.minimum(gap + step_size * (1.0 - second + first), gaps[-1])
    waiting = np.ones_like(gap)
    for _ in range(num_rollouts):
        spline = RectBivariateSpline(gaps, strengths, waiting)
        waiting = first * spline.ev(after_first, stronger)
        waiting += second * spline.ev(after_second, stronger)
    return float(waiting[0, 0])
