"""Correlated answers: when a failure of reward -1 pulls the correct answers down with it.

Responses fall into classes; a step on one moves the logits of its own class and of related ones
(class kernel B). A failure on class b moves log p of the correct class c by -step_size times the
*centred* kernel between the two, (e_c - pi) B (e_b - pi): it lowers it where c and b are more alike
than the policy's average answers are. Over all failures this cancels but for a term of order p,
whatever the kernel, so that there is no systematic first-order harm; what is left is noise, and the
loss by convexity that goes with it.

Shapes: C classes.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, log_expit, logsumexp

from theory.predict.conditions import require, require_positive


def _require_kernel(function: str, prob: np.ndarray, kernel: np.ndarray) -> None:
    require(
        kernel.shape == (len(prob), len(prob)) and np.array_equal(kernel, kernel.T),
        function,
        "kernel",
        f"a symmetric matrix of {len(prob)} classes",
        f"shape {kernel.shape}",
        "Give one row and column per class",
    )


def predicted_failure_pull(prob: ArrayLike, kernel: ArrayLike) -> np.ndarray:
    """First-order change of log p of the correct class per unit step, by a failure on each class.

    -(e_c - pi) B (e_b - pi), with the correct class c = 0; that of b = 0 is the negative of what a
    success does.

    Assumes:
        Arms of a class are endless, so that only their class moves; reward -1; small steps.

    Derivation:
        The logits move by -step B (e_b - pi), and log p by (e_c - pi) of that.

    Args:
        prob: probability of each class, the correct one first, shape [C].
        kernel: class kernel, shape [C, C].

    Returns:
        Changes, nats per unit step, shape [C].

    Raises:
        ValueError: the shapes differ.

    References:
        Derived here, as in arXiv 2407.10490 (catalogue entry P44).
    """
    prob, kernel = np.asarray(prob, dtype=float), np.asarray(kernel, dtype=float)
    _require_kernel("predicted_failure_pull", prob, kernel)
    moved = kernel[0] - prob @ kernel
    return -(moved - moved @ prob)


def predicted_critical_overlap(
    success_prob: float, cluster_prob: float, *, correct_kernel: float, cluster_kernel: float
) -> float:
    """Kernel between correct class and wrong cluster above which its failures lower p.

    (p (1 - p) K_cc + w (1 - w) K_ww) / (1 - w - p + 2 p w) with the cluster's probability w; for
    p to 0 it is w K_ww: the smaller the cluster, the less likeness it takes.

    Assumes:
        Three classes: correct, a wrong cluster, and other wrong answers that are related to
        nothing, not even to each other; small steps.

    Derivation:
        The centred kernel between the two classes is 0 there.

    Args:
        success_prob: probability of the correct class, p.
        cluster_prob: probability of the cluster, w.
        correct_kernel: kernel within the correct class, K_cc.
        cluster_kernel: kernel within the cluster, K_ww.

    Returns:
        The kernel between them, in the units of the others.

    Raises:
        ValueError: the probabilities do not leave room for other answers.

    Examples:
        >>> round(predicted_critical_overlap(1e-9, 0.3, correct_kernel=1.0, cluster_kernel=1.0), 6)
        0.3

    References:
        Derived here.
    """
    p, w = success_prob, cluster_prob
    require(
        p > 0.0 and w > 0.0 and p + w < 1.0,
        "predicted_critical_overlap",
        "cluster_prob",
        "above 0, and less than 1 together with the success probability",
        (p, w),
        "With two classes alone a failure on the wrong one never lowers p",
    )
    own = p * (1.0 - p) * correct_kernel + w * (1.0 - w) * cluster_kernel
    return own / (1.0 - w - p + 2.0 * p * w)


def predicted_mean_step(
    log_odds: float, share: ArrayLike, kernel: ArrayLike, step_size: float
) -> float:
    """Mean change of the log-odds of success by one rollout of reward 1 or -1.

    -sum_b pi_b log(sum_j s_j e^(d_bj)), d_bj = A_b step (B_jb - B_cb) - A_b step ((B pi)_j - (B
    pi)_c), with the shares s of the wrong classes; to first order 2 step p k_cc, k_cc the centred
    kernel of the correct class over (1 - p), less step^2/2 times the mean over b of the variance
    of B (e_b - pi) over the wrong classes.

    Assumes:
        Arms of a class are endless; class 0 is correct; SGD, one rollout.

    Derivation:
        The log-odds change by the correct logit less log sum s e^(change of the wrong logits).

    Args:
        log_odds: log-odds of success, nats.
        share: shares of the wrong classes among failures, sum 1, shape [C - 1].
        kernel: class kernel, the correct class first, shape [C, C].
        step_size: step size of SGD on the logits.

    Returns:
        The mean change, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_mean_step"
    share, kernel = np.asarray(share, dtype=float), np.asarray(kernel, dtype=float)
    require(
        abs(share.sum() - 1.0) < 1e-9 and (share > 0.0).all(),
        function,
        "share",
        "above 0 and of sum 1",
        share.tolist(),
        "They are shares among the failures",
    )
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    prob = np.append(expit(log_odds), np.exp(log_expit(-log_odds)) * share)
    _require_kernel(function, prob, kernel)
    sign = np.where(np.arange(len(prob)) == 0, 1.0, -1.0)
    change = step_size * sign * (kernel - (kernel @ prob)[:, None])
    lost = logsumexp(change[1:] - change[0], axis=0, b=share[:, None])
    return float(-prob @ lost)


def predicted_kernel_breakdown(
    share: ArrayLike, kernel: ArrayLike, step_size: float, *, lowest: float = -40.0
) -> float:
    """Log-odds of success below which a rollout of reward 1 or -1 lowers them on average.

    The root of `predicted_mean_step`. For small steps p is step D/(4 k_cc), with D the mean
    variance of B (e_b - pi) over the wrong classes, b drawn from them, and k_cc = (e_c - s) B (e_c
    - s): noise over signal.

    Assumes:
        As `predicted_mean_step`; the kernel moves the wrong classes apart, so that D is not 0.

    Derivation:
        2 step p k_cc = step^2 D/2.

    Args:
        share: shares of the wrong classes among failures, sum 1, shape [C - 1].
        kernel: class kernel, the correct class first, shape [C, C].
        step_size: step size of SGD on the logits.
        lowest: log-odds at which the mean is negative, nats.

    Returns:
        Log-odds, nats.

    Raises:
        ValueError: the mean change has one sign from `lowest` to p = 1/2.

    References:
        Derived here.
    """
    low, high = (predicted_mean_step(at, share, kernel, step_size) for at in (lowest, 0.0))
    require(
        low < 0.0 < high,
        "predicted_kernel_breakdown",
        "step_size",
        "such that the mean change is negative at rare and positive at even success",
        f"{step_size:g}, with changes {low:.3g} and {high:.3g}",
        "Try another step size",
    )
    return float(brentq(lambda at: predicted_mean_step(at, share, kernel, step_size), lowest, 0.0))
