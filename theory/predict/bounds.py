"""Constants of inequalities for exact softmax policy gradient: published and sharp (P48, P49).

V(theta) = sum_a prob_a r_a with rewards in [0, 1], prob = softmax(theta); its gradient is
g = prob (r - V), and the curvature along a direction y is sum_a g_a (y_a - mean y)^2, the mean
under prob. The constants are those of suprema over policies and rewards, so that no instance
exceeds them.
"""

import math

import numpy as np
from scipy.optimize import minimize_scalar

from theory.predict.conditions import require, require_known, require_positive

SMOOTHNESS = 1.0 / (3.0 * math.sqrt(3.0))

_PUBLISHED = {
    "lojasiewicz": 1.0,
    "smoothness": 2.5,
    "nonuniform_smoothness": 3.0,
    "rate": 5.0,
    "uniform_rate": 5.0,
    "monotone": 1.0,
    "inverse_gap": 6.0,
    "noise_growth": 8.0,
}


def _require_arms(function: str, num_arms: int) -> None:
    require(
        isinstance(num_arms, (int, np.integer)) and num_arms >= 2,
        function,
        "num_arms",
        "an integer of at least 2",
        num_arms,
        "With one arm nothing moves",
    )


def published_constant(inequality: str) -> float:
    """Constant of a published inequality, each written as (a ratio) <= (the constant).

    With p = prob of the best arm, gap = V* - V, t the number of the iterate from 1 on:

    - lojasiewicz: p gap/|g| <= 1;
    - smoothness: |y' Hess y|/|y|^2 <= 5/2;
    - nonuniform_smoothness: |y' Hess y|/(|g| |y|^2) <= 3;
    - rate: t gap (min p)^2 <= 5 at step size 2/5;
    - uniform_rate: t gap/K^2 <= 5 at step size 2/5 from equal logits;
    - monotone: p_t/p_(t + 1) <= 1 at step size 2/5 from equal logits;
    - inverse_gap: D^2/(t gap) <= 6 for large t and step sizes up to 1, D the reward of the best
      arm less that of the second best;
    - noise_growth: E|sampled g|^2 D^2/(R^3 K^(3/2) |g|) <= 8, D the least difference of two
      rewards, R a bound on the size of a reward.

    Assumes:
        Exact gradients (noise_growth: one rollout per round), rewards in [0, 1] or [-R, R].

    Derivation:
        Theorems of the papers. Sharp constants beside them are derived here.

    Args:
        inequality: one of the names above.

    Returns:
        The constant.

    Raises:
        ValueError: the name is unknown.

    References:
        Mei et al. 2020, arXiv 2005.06392: Lemma 3, Lemma 2, Theorems 2 and 3, Proposition 2,
        Theorem 9. Mei et al. 2021, non-uniform smoothness. Mei et al. 2024, arXiv 2402.17235,
        growth condition. All as the catalogue cites them, constants partly from memory.
    """
    require_known("published_constant", "inequality", inequality, _PUBLISHED, "inequality")
    return _PUBLISHED[inequality]


def predicted_lojasiewicz_ratio(num_arms: int) -> float:
    """Largest p gap/|g|: sqrt((K - 1)/K).

    Assumes:
        Exact gradient, any policy and rewards.

    Derivation:
        The best arm's component of g is p gap; the others sum to -p gap, so that |g|^2 is at least
        (p gap)^2 (1 + 1/(K - 1)), with equality where they are equal, e.g. for equal wrong arms.

    Args:
        num_arms: arms, K.

    Returns:
        The ratio, dimensionless.

    Raises:
        ValueError: there are fewer than two arms.

    References:
        Derived here; Lemma 3 of arXiv 2005.06392 has 1.
    """
    _require_arms("predicted_lojasiewicz_ratio", num_arms)
    return math.sqrt((num_arms - 1) / num_arms)


def predicted_smoothness() -> float:
    """Largest |eigenvalue| of the Hessian of V: 1/(3 sqrt(3)) = 0.19245 for any number of arms.

    Assumes:
        Rewards in [0, 1]; for others times the difference of the largest and the smallest.

    Derivation:
        y' Hess y = Cov(r, (y - mean y)^2) is linear in r, so largest for r = 1 on a set S, of
        probability s: s (1 - s) (var(y|S) - var(y|not S) + (1 - 2s) d^2), d the difference of the
        two means. For s > 1/2 that is at most var(y|S)/4 <= 1/8. For s <= 1/2 it is convex in the
        distribution off S, so one arm is enough there, and for a given mean on S most where two
        arms carry it, with weights w, 1 - w. With a = w (1 - w) <= 1/4 and b = 1 - 2s the top
        eigenvalue over y is (1 - b^2)/4 times the larger root of x^2 - 2 (a + b - a b) x + 3 a b,
        and the polynomial is a b (4 b - 1) at 2 b and (1 - 4 a)(1 - 4 b)/4 at 1/2: the root is
        at most max(2 b, 1/2). (1 - b^2) b/2 is largest at b = 1/sqrt(3), with two arms. The
        smallest eigenvalue is minus the largest for 1 - r.

    Returns:
        The constant, per unit of reward.

    References:
        Derived here; Lemma 2 of arXiv 2005.06392 has 5/2.
    """
    return SMOOTHNESS


def predicted_nonuniform_smoothness(num_arms: int) -> float:
    """Least upper bound of |y' Hess y|/(|g| |y|^2): sqrt(2), 3/2, 1.539, ... to 1.6445.

    Assumes:
        Any policy of positive probabilities and any rewards; approached, but not attained, as the
        policy closes on one arm.

    Derivation:
        For given g the curvature sum_a g_a y_a^2 - 2 (mean y) g.y is linear in prob, and rewards
        V + g/prob give any g of sum 0: the supremum is at a vertex, arm k. There an eigenvalue l
        solves sum over a != k of x_a/(1 - x_a) = 1, x = g/l, and |g|/l is least where the x_a take
        two values (a cubic with two roots below 1), x for one arm and -d/(m - d) for the other
        m = K - 2, x = (1 + d)/(2 + d).

    Args:
        num_arms: arms, K.

    Returns:
        The constant, dimensionless.

    Raises:
        ValueError: there are fewer than two arms.

    References:
        Derived here; Mei et al. 2021 have 3.

    Examples:
        >>> [round(predicted_nonuniform_smoothness(num_arms), 4) for num_arms in (2, 3, 4, 10**6)]
        [1.4142, 1.5, 1.5389, 1.6445]
    """
    _require_arms("predicted_nonuniform_smoothness", num_arms)
    others = num_arms - 2

    def squared_norm(weight: float) -> float:
        own = (1.0 + weight) / (2.0 + weight)
        other = weight / (others - weight) if others else 0.0
        return own**2 + others * other**2 + (own - others * other) ** 2

    if others == 0:
        return 1.0 / math.sqrt(squared_norm(0.0))
    found = minimize_scalar(
        squared_norm,
        bounds=(0.0, min(1.0, 0.9 * others)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return 1.0 / math.sqrt(found.fun)


def predicted_rate_constant(step_size: float, num_arms: int) -> float:
    """Bound of n gap (min p)^2 after n updates: ((K - 1)/K)/(step (1 - L step/2)).

    Assumes:
        Exact gradient, rewards in [0, 1], a step size below 2/L, L = 1/(3 sqrt(3)); p at its least
        over the updates so far.

    Derivation:
        An L-smooth V gains at least step (1 - L step/2) |g|^2 an update, and |g| is at least
        p gap/sqrt((K - 1)/K). So 1/gap rises by the inverse of the constant times p^2.

    Args:
        step_size: step size, per unit of reward.
        num_arms: arms, K.

    Returns:
        The constant, updates.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here, as Theorem 2 of arXiv 2005.06392, with sharp constants.
    """
    function = "predicted_rate_constant"
    _require_arms(function, num_arms)
    require_positive(function, "step_size", step_size, "At 0 nothing is learned")
    gain = step_size * (1.0 - 0.5 * predicted_smoothness() * step_size)
    require(
        gain > 0.0,
        function,
        "step_size",
        f"below {2.0 / SMOOTHNESS:.4g}",
        step_size,
        "Beyond, the smoothness alone does not make an update a gain",
    )
    return predicted_lojasiewicz_ratio(num_arms) ** 2 / gain


def predicted_noise_growth(num_arms: int) -> float:
    """Least upper bound of E|sampled g|^2 D/(R^2 |g|), up to 2 pi/sqrt(3) for many arms.

    2 sqrt(sum 1/d^2 - (sum s/d)^2/K), over the ranks d = 1, 2, ... above (s = 1) and below
    (s = -1) the middle arm: sqrt(2), 2 sqrt(2), 2.958, ... to 3.628.

    Assumes:
        One rollout per round, rewards of size R or less of which two means differ by D or more;
        approached as the policy closes on the middle arm, for rewards +-R.

    Derivation:
        E|sampled g|^2 = sum prob_a E[R_a^2] |score_a|^2 <= R^2 (1 - sum prob^2). Near arm m, with
        probability e_a on the others, that is 2 R^2 sum e_a, while g_a = +-e_a d_a D and g_m is
        minus their sum. The least |g| for a given sum e_a follows by Cauchy's inequality in the
        metric diag(d^2) + (s d)(s d)'. That policies farther from a vertex stay below is found by
        search, not proved.

    Args:
        num_arms: arms, K.

    Returns:
        The constant, dimensionless.

    Raises:
        ValueError: there are fewer than two arms.

    References:
        Derived here; the published constant is 8 R K^(3/2)/D in its place.
    """
    _require_arms("predicted_noise_growth", num_arms)
    above = 1.0 / np.arange(1, (num_arms - 1) // 2 + 1)
    below = 1.0 / np.arange(1, num_arms - len(above))
    squares = (above**2).sum() + (below**2).sum()
    return float(2.0 * np.sqrt(squares - (above.sum() - below.sum()) ** 2 / num_arms))
