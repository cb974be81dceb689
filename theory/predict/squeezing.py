"""How a step on one arm moves the log-probability of every other: kernel and normalisation (P44).

The logits move by the kernel's column, centred by the policy; the log-probabilities by the same
less its policy average. So a failure also pushes down what is like it, among that perhaps a
correct answer that was never drawn, and lifts all else.

Shapes: K arms.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require


def _centred_pull(
    function: str, prob: ArrayLike, kernel: ArrayLike, arm: int
) -> tuple[np.ndarray, np.ndarray]:
    """The policy, and the change of the logits per unit step by a rollout of `arm`."""
    prob, kernel = np.asarray(prob, dtype=np.float64), np.asarray(kernel, dtype=np.float64)
    require(
        prob.ndim == 1 and kernel.shape == (len(prob), len(prob)),
        function,
        "kernel",
        f"of shape [{prob.size}, {prob.size}], a row per arm",
        kernel.shape,
        "Give the effect of each arm on each other",
    )
    require(
        bool((prob >= 0.0).all()) and abs(float(prob.sum()) - 1.0) < 1e-9,
        function,
        "prob",
        "probabilities of sum 1",
        float(prob.sum()),
        "Give all arms",
    )
    require(0 <= arm < len(prob), function, "arm", f"below {len(prob)}", arm, "Arms count from 0")
    return prob, kernel[:, arm] - kernel @ prob


def predicted_log_prob_rate(
    prob: ArrayLike, kernel: ArrayLike, arm: int, advantage: float
) -> np.ndarray:
    """First-order change of all log-probabilities: A (I - 1 prob^T) K (e_arm - prob) per unit step.

    Assumes:
        One rollout of `arm`, SGD with the kernel K of logits, small steps.

    Derivation:
        The logits move by K (e_arm - prob) A; log-probabilities are logits less their
        log-sum-exp, whose gradient is prob.

    Args:
        prob: probability of each arm, shape [K].
        kernel: effect of a step on one arm on the logit of another, shape [K, K].
        arm: the arm drawn.
        advantage: its advantage.

    Returns:
        Changes, nats per unit step, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; the decomposition is that of Ren and Sutherland, arXiv 2407.10490 (as the
        catalogue cites its Proposition 1).

    Examples:
        >>> predicted_log_prob_rate([0.5, 0.25, 0.25], np.eye(3), 0, -1.0).tolist()
        [-0.375, 0.375, 0.375]
    """
    prob, pull = _centred_pull("predicted_log_prob_rate", prob, kernel, arm)
    return advantage * (pull - prob @ pull)


def predicted_log_prob_curvature(
    prob: ArrayLike, kernel: ArrayLike, arm: int, advantage: float
) -> float:
    """Second-order change of every log-probability: -(A^2/2) Var_prob(K (e_arm - prob)).

    Assumes:
        As `predicted_log_prob_rate`. The same number for all arms: what normalisation costs.

    Derivation:
        The logits are linear in the step; the second derivative of log-sum-exp along a direction
        is its variance under the policy.

    Args:
        prob: probability of each arm, shape [K].
        kernel: effect of a step on one arm on the logit of another, shape [K, K].
        arm: the arm drawn.
        advantage: its advantage.

    Returns:
        Nats per unit step squared.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    prob, pull = _centred_pull("predicted_log_prob_curvature", prob, kernel, arm)
    return -0.5 * advantage**2 * float(prob @ (pull - prob @ pull) ** 2)


def _moved(cluster_prob: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Change of log-probabilities in a cluster whose logits shift alone."""
    return shift - np.log1p(cluster_prob * np.expm1(shift))


def _require_cluster(function: str, cluster_prob: ArrayLike) -> np.ndarray:
    cluster_prob = np.asarray(cluster_prob, dtype=np.float64)
    require(
        bool(((cluster_prob > 0.0) & (cluster_prob < 1.0)).all()),
        function,
        "cluster_prob",
        "strictly between 0 and 1",
        cluster_prob.tolist(),
        "Something must lie inside the cluster, and something outside",
    )
    return cluster_prob


def predicted_near_miss_change(cluster_prob: ArrayLike, pull: float) -> np.ndarray:
    """Change of log p of a never-drawn correct arm by a failure in its own cluster.

    -pull (1 - w) - log(1 - w + w e^(-pull (1 - w))), pull = step_size kernel |advantage|.

    Assumes:
        Endless arms; the kernel is the same between all arms of the cluster, the correct one
        included, and 0 elsewhere; the correct arm itself is rare.

    Derivation:
        The failure's class score on the cluster is 1 - w, so all its logits fall by pull (1 - w);
        then normalise.

    Args:
        cluster_prob: probability of the cluster, w, shape [*].
        pull: step_size * kernel * |advantage|, nats.

    Returns:
        The change, nats, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> bool(predicted_near_miss_change(0.3, 0.5) < 0.0)
        True
    """
    function = "predicted_near_miss_change"
    w = _require_cluster(function, cluster_prob)
    require(pull >= 0.0, function, "pull", "at least 0", pull, "It is a size; failures push down")
    return _moved(w, -pull * (1.0 - w))


def predicted_near_miss_log_prob(cluster_prob: float, pull: float, num_failures: int) -> np.ndarray:
    """Change of log p of that arm after 1, 2, ... failures in its cluster and none elsewhere.

    Assumes:
        As `predicted_near_miss_change`. In the end each failure costs the full pull: the fall is
        geometric. With advantage 0 on failure, as under raw 0/1 reward, there is none.

    Derivation:
        The cluster itself falls in the same way, log w by the same change, and takes a failure's
        score from 1 - w to 1.

    Args:
        cluster_prob: probability of the cluster at the start, w.
        pull: step_size * kernel * |advantage|, nats.
        num_failures: number of failures.

    Returns:
        Changes since the start, nats, shape [num_failures].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_near_miss_log_prob"
    require(num_failures >= 1, function, "num_failures", "at least 1", num_failures, "Count them")
    change, found = 0.0, []
    for _ in range(num_failures):
        w = cluster_prob * np.exp(change)
        change = change + float(predicted_near_miss_change(w, pull))
        found.append(change)
    return np.array(found)


def predicted_mean_failure_change(cluster_prob: ArrayLike, pull: float) -> np.ndarray:
    """Mean change of log p of that arm over all failures as the policy draws them.

    w (-x (1 - w) - log(1 - w + w e^(-x (1 - w)))) + (1 - w) (x w - log(1 - w + w e^(x w))), x =
    pull: about -x^2 w^2 (1 - w)^2/2. To first order failures elsewhere make up for near misses.

    Assumes:
        As `predicted_near_miss_change`; failures come from the policy, in the cluster with
        probability w.

    Derivation:
        A failure elsewhere has the class score -w on the cluster and lifts it by x w. The first
        orders cancel, since the mean score is 0; log-sum-exp is convex.

    Args:
        cluster_prob: probability of the cluster, w, shape [*].
        pull: step_size * kernel * |advantage|, nats.

    Returns:
        The mean change, nats, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    near = predicted_near_miss_change(cluster_prob, pull)
    w = _require_cluster("predicted_mean_failure_change", cluster_prob)
    return w * near + (1.0 - w) * _moved(w, pull * w)
