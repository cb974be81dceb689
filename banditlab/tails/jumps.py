"""The asymptotic jump near a corner: from one draw of a minority arm to the next.

Single-sample raw-reward policy gradient with step size `eta`, majority arm b of mean reward m,
minority arms a at odds u_a = pi_a / pi_b. Between draws of minority arms only b is drawn. At small
odds each draw of it moves log u_a by -eta * reward * (u_a + sum(u)), which the jump replaces by
its mean as a flow in continuous time:

    du_a/dt = -eta * m * u_a * (u_a + sum(u)),   hazard of a minority draw = sum(u) per round.

Its solution when the integrated hazard has reached E ~ Exp(1), with s > 0 the root of
sum_a log(1 + s * u_a) = eta * m * E:

    u_a(E) = exp(-eta * m * E) * u_a / (1 + s * u_a),
    time = (1 / (eta * m)) * integral_0^s prod_a (1 + x * u_a) dx.

For two arms and X = 1/u these are X(E) = X * exp(2 * eta * m * E), time = (X(E) - X)/(2 * eta * m).
What is neglected, noise of the majority's rewards and the grain of single rounds, is of relative
order sum(u). What is drawn at the end of a jump is exact.

Shapes: n runs, K arms.
"""

import numpy as np


def corner_jump(
    odds: np.ndarray, drift: np.ndarray, exponential: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Odds of the minority arms at the next draw of one of them, and the rounds until then.

    Args:
        odds: pi_a / pi_b of each arm, 0 in the column of the majority arm itself, shape [n, K].
        drift: step size times mean reward of the majority arm, at least 0, shape [n].
        exponential: integrated hazard at that draw, above 0, shape [n].

    Returns:
        The odds then, shape [n, K], and the time, rounds, shape [n].

    Examples:
        >>> odds, time = corner_jump(np.array([[0.0, 1e-3]]), np.array([0.5]), np.array([1.0]))
        >>> bool(np.isclose(1 / odds[0, 1], 1e3 * np.e)), time.round(1).tolist()
        (True, [1718.3])
    """
    target = drift * exponential
    total = odds.sum(axis=1)
    is_moving = target > 0.0
    length = _flow_length(odds, total, np.where(is_moving, target, 1.0))
    scaled = length[:, None] * odds
    after = np.exp(-target)[:, None] * odds / (1.0 + scaled)
    # The integrand is a polynomial of degree K - 1, for which the quadrature is exact.
    node, weight = np.polynomial.legendre.leggauss(odds.shape[1] // 2 + 1)
    growth = np.log1p(0.5 * (1.0 + node)[:, None] * scaled[:, None, :]).sum(axis=2)
    with np.errstate(over="ignore"):
        mean_growth = 0.5 * (weight * np.exp(growth)).sum(axis=1)
        time = length * mean_growth / np.where(is_moving, drift, 1.0)
    at_rest = exponential / total
    return np.where(is_moving[:, None], after, odds), np.where(is_moving, time, at_rest)


def _flow_length(odds: np.ndarray, total: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Root s of sum_a log(1 + s * u_a) = target.

    The sum is convex in log s, and prod(1 + s * u_a) >= 1 + s * sum(u) puts the start above the
    root, so Newton's steps in log s come down to it without passing it.
    """
    log_length = np.log(np.expm1(target) / total)
    for _ in range(100):
        scaled = np.exp(log_length)[:, None] * odds
        excess = np.log1p(scaled).sum(axis=1) - target
        step = excess / (scaled / (1.0 + scaled)).sum(axis=1)
        log_length -= step
        if np.abs(step).max(initial=0.0) < 1e-13:
            break
    return np.exp(log_length)
