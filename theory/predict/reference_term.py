"""The reference-KL term on fresh data: which divergence it descends, and what it costs (P53).

The estimator k3 in the loss, without ratio, pulls with coefficient * (ref - policy): the forward
KL. On two classes that is coefficient * (p_ref - p) beside the reward's p (1 - p): nothing at the
base policy, at most coefficient/(1 - p) of the reward's pull on the way, and as much as it where
1 - p has sunk to about coefficient. There learning ends.

Shapes: K arms; * any.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_known

REFERENCE_TERMS = (
    "k1 in the loss",
    "k2 in the loss",
    "k3 in the loss",
    "k1 in the loss, with ratio",
    "k2 in the loss, with ratio",
    "k3 in the loss, with ratio",
    "k1 in the reward",
    "k2 in the reward",
    "k3 in the reward",
)


def _require_probs(function: str, **probs: ArrayLike) -> list[np.ndarray]:
    found = []
    for argument, prob in probs.items():
        prob = np.asarray(prob, dtype=np.float64)
        is_met = prob.ndim == 1 and bool((prob > 0.0).all()) and abs(prob.sum() - 1.0) < 1e-9
        condition = "a vector of positive probabilities of sum 1"
        require(is_met, function, argument, condition, prob.tolist(), "Leave arms of 0 out")
        found.append(prob)
    sizes = [prob.size for prob in found]
    remedy = "Give both policies on the same arms"
    require(len(set(sizes)) == 1, function, "ref_prob", "of as many arms as prob", sizes, remedy)
    return found


def predicted_reference_update(term: str, prob: ArrayLike, ref_prob: ArrayLike) -> np.ndarray:
    """Expected change of the logits by a reference term, per unit of coefficient and step size.

    Minus the gradient of: nothing (k1 in the loss); KL(prob, ref) (k2 in the loss, k1 and k3 in
    the loss with ratio, k1 in the reward); KL(ref, prob) (k3 in the loss); E[k1^2]/2 (k2 in the
    loss with ratio); E[k1^2]/2 - KL(prob, ref) (k2 in the reward); KL(prob, ref) - KL(ref, prob)
    (k3 in the reward).

    Assumes:
        Fresh samples, ratio 1, softmax logits; in the reward: no baseline, or one that is
        unbiased.

    Derivation:
        With k1 = log(prob/ref): a weight w(k1) on the score changes logit a by prob_a (w_a - E[w]).
        The loss has w = -dk/dk1: -1, -k1, -(1 - ref/prob), of which the last gives ref - prob =
        -grad KL(ref, prob). The ratio adds -k to it, as the reward has it alone: k1, k1^2/2,
        ref/prob - 1 + k1. And -k1 gives -grad KL(prob, ref), -(k1 + k1^2/2) gives -grad E[k1^2]/2.

    Args:
        term: a name of `REFERENCE_TERMS`.
        prob: the policy, shape [K].
        ref_prob: the reference policy, shape [K].

    Returns:
        Change of the logits, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; estimators as in joschu.net/blog/kl-approx.html.

    Examples:
        >>> predicted_reference_update("k3 in the loss", [0.7, 0.3], [0.5, 0.5])
        array([-0.2,  0.2])
    """
    function = "predicted_reference_update"
    require_known(function, "term", term, REFERENCE_TERMS, "reference term")
    prob, ref_prob = _require_probs(function, prob=prob, ref_prob=ref_prob)
    log_ratio = np.log(prob / ref_prob)
    forward = ref_prob - prob
    reverse = -prob * (log_ratio - prob @ log_ratio)
    square = log_ratio + 0.5 * log_ratio**2
    squared = -prob * (square - prob @ square)
    return {
        "k1 in the loss": np.zeros_like(prob),
        "k2 in the loss": reverse,
        "k3 in the loss": forward,
        "k2 in the loss, with ratio": squared,
        "k2 in the reward": squared - reverse,
        "k3 in the reward": reverse - forward,
    }.get(term, reverse)


def predicted_sample_update(
    prob: ArrayLike, ref_prob: ArrayLike, arm: int, *, advantage: float, coefficient: float
) -> np.ndarray:
    """Change of the logits by one sample with k3 in the loss, per unit of step size.

    (advantage - coefficient (1 - ref_arm/prob_arm)) (e_arm - prob).

    Assumes:
        One fresh sample, ratio 1.

    Derivation:
        The score times the weight of the reward and of k3. At the base policy prob = ref, so that
        not only the mean but every sample's term is 0: the first update is that without it.

    Args:
        prob: the policy, shape [K].
        ref_prob: the reference policy, shape [K].
        arm: the sampled arm.
        advantage: its advantage.
        coefficient: price of one nat, in units of reward.

    Returns:
        Change of the logits, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_sample_update"
    prob, ref_prob = _require_probs(function, prob=prob, ref_prob=ref_prob)
    require(0 <= arm < prob.size, function, "arm", f"below {prob.size}", arm, "Arms count from 0")
    weight = advantage - coefficient * (1.0 - ref_prob[arm] / prob[arm])
    return weight * ((np.arange(prob.size) == arm) - prob)


def predicted_weight_moment(prob: ArrayLike, ref_prob: ArrayLike) -> float:
    """Second moment of the weight of k3 in the loss, per unit of coefficient squared.

    E[(1 - ref/prob)^2] = sum (prob - ref)^2/prob, the chi-squared divergence of ref from prob.

    Assumes:
        Fresh samples, ratio 1.

    Derivation:
        The weight is -(1 - ref/prob). On two classes the moment is (p - p_ref)^2/(p (1 - p)): with
        1 - p near coefficient, where the term stops the reward, a failure has weight 1, as a
        success has from its reward.

    Args:
        prob: the policy, shape [K].
        ref_prob: the reference policy, shape [K].

    Returns:
        The moment.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    prob, ref_prob = _require_probs("predicted_weight_moment", prob=prob, ref_prob=ref_prob)
    return float(((prob - ref_prob) ** 2 / prob).sum())
