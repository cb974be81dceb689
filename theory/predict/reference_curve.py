"""Learning curves under a reference term in the loss: drift, end, and delay (P53).

With p the pass rate, q = 1 - p, and p_ref, z_ref those of the reference, which is the base policy:

    d log_odds/dt = kernel (S(p) - coefficient (p - p_ref))             k3, the forward KL
    d log_odds/dt = kernel (S(p) - coefficient p q (log_odds - z_ref))  k2, the reverse KL

where S is the rule's class gradient, p q for raw reward.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, log_expit

from theory.predict.conditions import (
    LARGEST_LOG_ODDS,
    as_log_odds,
    as_time,
    require,
    require_known,
    require_positive,
)
from theory.predict.drift import predicted_class_gradient

ESTIMATORS = ("k1", "k2", "k3")


def _require_coefficient(function: str, coefficient: float) -> None:
    require_positive(function, "coefficient", coefficient, "It is the price of one nat")


def predicted_reference_drift(
    estimator: str,
    log_odds: ArrayLike,
    ref_log_odds: float,
    *,
    coefficient: float,
    group_size: int = 1,
) -> np.ndarray:
    """Class gradient with a reference term in the loss: reward less reference.

    S(p) less 0 (k1), coefficient p q (z - z_ref) (k2) or coefficient (p - p_ref) (k3); S = p q for
    group size 1, that of GRPO (sample deviation, eps 1e-6) for larger groups.

    Assumes:
        Two classes, uniform within, of the policy and of the reference; fresh samples.

    Derivation:
        `predicted_reference_update` summed over the correct arms: ref - prob gives p_ref - p, and
        -prob (k1 - E[k1]) gives -p q (log(p/p_ref) - log(q/q_ref)).

    Args:
        estimator: "k1", "k2" or "k3".
        log_odds: log-odds of success z, nats, shape [*].
        ref_log_odds: log-odds of the reference, nats.
        coefficient: price of one nat, in units of reward.
        group_size: rollouts per prompt, G.

    Returns:
        Class gradient: change of log-odds per unit of step_size * kernel, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_reference_drift"
    require_known(function, "estimator", estimator, ESTIMATORS, "estimator")
    log_odds = as_log_odds(function, "log_odds", log_odds)
    ref_log_odds = as_log_odds(function, "ref_log_odds", ref_log_odds)
    _require_coefficient(function, coefficient)
    rule = "raw_reward" if group_size == 1 else "grpo"
    reward = predicted_class_gradient(rule, log_odds, group_size=group_size)
    if estimator == "k1":
        return reward
    if estimator == "k2":
        spread = expit(log_odds) * expit(-log_odds)
        return reward - coefficient * spread * (log_odds - ref_log_odds)
    return reward - coefficient * (expit(-ref_log_odds) - expit(-log_odds))


def predicted_final_log_odds(
    estimator: str, ref_log_odds: float, *, coefficient: float, group_size: int = 1
) -> float:
    """Log-odds at which the reference term stops learning.

    k2: z_ref + 1/coefficient. k3: 1 - p = 2 coefficient q_ref / (1 + coefficient + sqrt((1 +
    coefficient)^2 - 4 coefficient q_ref)), near coefficient * q_ref; for GRPO the root of S(p) =
    coefficient (p - p_ref), near 1 - p = coefficient q_ref sqrt(G)/(G - 1); for GRPO with k2 a
    root near z_ref + (G - 1)/(sqrt(G) coefficient).

    Assumes:
        As `predicted_reference_drift`; the reference is the base policy.

    Derivation:
        Raw reward with k3: q (1 - q) = coefficient (q_ref - q), a quadratic in q; with k2 the
        factor p q cancels. For groups S(p) falls to 0 like q and the term rises, so that one root
        lies above the base policy.

    Args:
        estimator: "k2" or "k3"; k1 has no expected gradient and stops nothing.
        ref_log_odds: log-odds of the base policy, nats.
        coefficient: price of one nat, in units of reward.
        group_size: rollouts per prompt, G.

    Returns:
        Log-odds, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here. The coefficient 0.001 in the loss, with k3: released code of arXiv
        2601.22532, as the catalogue reports it.

    Examples:
        >>> final = predicted_final_log_odds("k3", 0.0, coefficient=0.001)
        >>> float(np.round(1.0 / (1.0 + np.exp(final)), 6))
        0.0005
    """
    function = "predicted_final_log_odds"
    require_known(function, "estimator", estimator, ESTIMATORS[1:], "estimator that stops")
    _require_coefficient(function, coefficient)
    ref = float(as_log_odds(function, "ref_log_odds", ref_log_odds))
    if group_size == 1 and estimator == "k2":
        return ref + 1.0 / coefficient
    if group_size == 1:
        failed = float(expit(-ref))
        root = np.sqrt((1.0 + coefficient) ** 2 - 4.0 * coefficient * failed)
        rate = 2.0 * coefficient * failed / (1.0 + coefficient + root)
        return float(np.log1p(-rate) - np.log(rate))
    how = {"coefficient": coefficient, "group_size": group_size}
    # Standardizing raises the reward's pull on p q by less than sqrt(G).
    largest_pull = np.sqrt(group_size)
    highest = ref + largest_pull / coefficient
    if estimator == "k3":
        highest = np.log1p(largest_pull / coefficient) - log_expit(-ref)
    return brentq(
        lambda log_odds: float(predicted_reference_drift(estimator, log_odds, ref, **how)),
        ref + 1e-9,
        min(highest + 1.0, LARGEST_LOG_ODDS),
        xtol=1e-13,
    )


def predicted_k3_time(
    log_odds: ArrayLike, ref_log_odds: float, *, coefficient: float, kernel: float
) -> np.ndarray:
    """Time from the base policy to given log-odds under raw reward with k3 in the loss.

    kernel time = [log(p)/(coefficient p_ref) + log(q)/(coefficient q_ref) - c log(p_high - p) + d
    log(p - p_low)], taken between p_ref and p, with p_high > 0 > p_low the roots of p q =
    coefficient (p - p_ref), c = 1/(p_high (1 - p_high) w), d = 1/(p_low (1 - p_low) w), w = p_high
    - p_low.

    Assumes:
        As `predicted_reference_drift`, with the exact flow (small steps), from the base policy to
        below `predicted_final_log_odds`.

    Derivation:
        dt = dp/(kernel p q (p_high - p)(p - p_low)); partial fractions, with p_high p_low =
        -coefficient p_ref and (1 - p_high)(1 - p_low) = -coefficient q_ref.

    Args:
        log_odds: log-odds to be reached, nats, shape [*].
        ref_log_odds: log-odds of the base policy, nats, in [-20, 20].
        coefficient: price of one nat, at least 1e-6.
        kernel: nats per unit of class gradient.

    Returns:
        step_size * updates, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_k3_time"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    ref = float(as_log_odds(function, "ref_log_odds", ref_log_odds))
    _require_coefficient(function, coefficient)
    require_positive(function, "kernel", kernel, "0 would mean that nothing is learned")
    # The terms are of size 1/(coefficient p_ref) and cancel to the size of the time.
    remedy = "Integrate 1/predicted_reference_drift instead"
    require(coefficient >= 1e-6, function, "coefficient", "at least 1e-6", coefficient, remedy)
    require(abs(ref) <= 20.0, function, "ref_log_odds", "in [-20, 20]", ref, remedy)
    final = predicted_final_log_odds("k3", ref, coefficient=coefficient)
    require(
        bool(((log_odds >= ref) & (log_odds < final)).all()),
        function,
        "log_odds",
        f"from the base policy's to below {final:g}, where the term stops learning",
        log_odds.tolist(),
        "Lower the coefficient",
    )
    width = np.sqrt((1.0 - coefficient) ** 2 + 4.0 * coefficient * expit(ref))
    low = -2.0 * coefficient * expit(ref) / (1.0 - coefficient + width)
    failed_high = expit(-final)
    on_high = 1.0 / ((1.0 - failed_high) * failed_high * width)
    on_low = 1.0 / (low * (1.0 - low) * width)

    def primitive(z: np.ndarray) -> np.ndarray:
        rate, failed = expit(z), expit(-z)
        value = np.log(rate) / (coefficient * expit(ref)) + np.log(failed) / (
            coefficient * expit(-ref)
        )
        return value - on_high * np.log(failed - failed_high) + on_low * np.log(rate - low)

    return (primitive(log_odds) - primitive(np.float64(ref))) / kernel


def predicted_k3_log_odds(
    time: ArrayLike, ref_log_odds: float, *, coefficient: float, kernel: float
) -> np.ndarray:
    """Log-odds along the learning curve of raw reward with k3 in the loss, from the base policy.

    The inverse of `predicted_k3_time`.

    Assumes:
        As `predicted_k3_time`.

    Derivation:
        Time rises with log-odds, from 0 at the base policy without bound at the final log-odds.

    Args:
        time: step_size * updates, shape [*].
        ref_log_odds: log-odds of the base policy, nats.
        coefficient: price of one nat.
        kernel: nats per unit of class gradient.

    Returns:
        Log-odds, nats, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    time = as_time("predicted_k3_log_odds", "time", time)
    how = {"coefficient": coefficient, "kernel": kernel}
    final = predicted_final_log_odds("k3", ref_log_odds, coefficient=coefficient)
    last = final - 1e-9
    longest = float(predicted_k3_time(last, ref_log_odds, **how))

    def at(one: float) -> float:
        if one >= longest:
            return last
        return brentq(
            lambda log_odds: float(predicted_k3_time(log_odds, ref_log_odds, **how)) - one,
            ref_log_odds,
            last,
            xtol=1e-14,
        )

    return np.vectorize(at, otypes=[np.float64])(time)


def predicted_delay_bound(log_odds: ArrayLike, *, coefficient: float) -> np.ndarray:
    """Bound on how much longer learning takes with k3 in the loss: 1/(1 - coefficient/(1 - p)).

    Assumes:
        As `predicted_k3_time`; coefficient below 1 - p.

    Derivation:
        The term is coefficient (p - p_ref) <= coefficient p = (coefficient/q) p q: it takes at
        most that share of the reward's gradient, on the way less. At coefficient 0.001: 1.002 at p
        = 1/2, 1.0101 at 0.9, 1.11 at 0.99.

    Args:
        log_odds: log-odds to be reached, nats, shape [*].
        coefficient: price of one nat, in units of reward.

    Returns:
        Bound on time with the term over time without it, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_delay_bound"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    _require_coefficient(function, coefficient)
    share = coefficient * (1.0 + np.exp(log_odds))
    remedy = "Beyond, the term may stop learning"
    require(
        bool((share < 1.0).all()),
        function,
        "log_odds",
        "below log((1 - coefficient)/coefficient)",
        log_odds.tolist(),
        remedy,
    )
    return 1.0 / (1.0 - share)
