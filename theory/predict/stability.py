"""Stability of the inner loop under the ratio-variance penalty (P40).

Several gradient steps on the same rollouts approach the penalty's optimum, or overshoot it: beyond
a step size the ratios oscillate and an arm can be killed, unlike under the clip, whose gradient
ends where it binds.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_positive

_MULTIPLIER_REMEDY = "Without a penalty the inner loop has no fixed point"


def predicted_fixed_ratio(advantage: ArrayLike, multiplier: float) -> np.ndarray:
    """Ratio at which the penalised weight of a sample vanishes: 1 + advantage/(2 multiplier).

    Assumes:
        Samples that can move independently (linearly independent scores), and advantage above
        -2 multiplier: below it there is no such ratio above 0, and the arm's probability goes to 0.

    Derivation:
        The weight is ratio (advantage - 2 multiplier (ratio - 1)).

    Args:
        advantage: advantage of each sample, in units of reward, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The ratio, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; objective of arXiv 2601.03320 with fixed multiplier.
    """
    function = "predicted_fixed_ratio"
    require_positive(function, "multiplier", multiplier, _MULTIPLIER_REMEDY)
    ratio = 1.0 + np.asarray(advantage, dtype=np.float64) / (2.0 * multiplier)
    require(
        bool((ratio > 0.0).all()),
        function,
        "advantage",
        f"above -2 * multiplier = {-2.0 * multiplier:g}",
        float(np.min(advantage)),
        "Below it the sample has no fixed ratio and its probability goes to 0",
    )
    return ratio


def predicted_contraction(step: ArrayLike, advantage: ArrayLike, multiplier: float) -> np.ndarray:
    """Factor of the deviation from the fixed ratio per inner step: 1 - 2 multiplier step ratio*^2.

    Negative means that the ratio oscillates around the fixed one, below -1 that it leaves it.

    Assumes:
        One isolated sample whose log-probability moves by step * weight, and a small deviation.

    Derivation:
        log ratio moves by step * ratio (advantage - 2 multiplier (ratio - 1)), of slope
        -2 multiplier ratio*^2 in log ratio at the fixed point.

    Args:
        step: shift of the log-probability per unit of weight: step_size / num_samples * |score|^2,
            nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The factor, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    step = np.asarray(step, dtype=np.float64)
    require(
        bool((step > 0.0).all()),
        "predicted_contraction",
        "step",
        "above 0",
        step.tolist(),
        "At 0 nothing moves",
    )
    return 1.0 - 2.0 * multiplier * step * predicted_fixed_ratio(advantage, multiplier) ** 2


def is_inner_loop_stable(step: ArrayLike, advantage: ArrayLike, multiplier: float) -> np.ndarray:
    """Whether an isolated sample approaches its fixed ratio: multiplier * step * ratio*^2 < 1.

    Assumes:
        As `predicted_contraction`.

    Derivation:
        The contraction factor must lie above -1.

    Args:
        step: shift of the log-probability per unit of weight, nats, shape [*].
        advantage: advantage of the sample, in units of reward, shape [*].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        Booleans, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    return predicted_contraction(step, advantage, multiplier) > -1.0


def predicted_batch_contractions(
    gram: ArrayLike, advantage: ArrayLike, *, learning_rate: float, multiplier: float
) -> np.ndarray:
    """Factors of the deviations of a batch from its fixed ratios, per inner step.

    factors = 1 - 2 learning_rate multiplier * eigenvalues of D gram D, D = diag(fixed ratios).

    Assumes:
        Plain gradient steps on the mean over N samples; log-probabilities linear in the
        parameters over the inner loop (scores constant); linearly independent scores, so that
        every sample can reach its fixed ratio 1 + advantage/(2 multiplier). Directions of gram
        with eigenvalue 0 do not move and have factor 1.

    Derivation:
        One step moves the log-ratios by learning_rate * gram @ weight. At the fixed point the
        weights have slope -2 multiplier ratio*^2, so deviations obey I - 2 learning_rate
        multiplier gram D^2, similar to I - 2 learning_rate multiplier D gram D.

    Args:
        gram: inner products of the scores over N, (1/N) score score^T, shape [N, N].
        advantage: advantage of each sample, in units of reward, shape [N].
        learning_rate: step size of SGD.
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The factors, smallest first, shape [N].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_batch_contractions"
    gram = np.asarray(gram, dtype=np.float64)
    advantage = np.asarray(advantage, dtype=np.float64)
    require(
        advantage.ndim == 1 and gram.shape == (advantage.size, advantage.size),
        function,
        "gram",
        "of shape [N, N] for `advantage` of shape [N]",
        f"{gram.shape} and {advantage.shape}",
        "Give one score per sample",
    )
    require(
        np.allclose(gram, gram.T, rtol=1e-6, atol=1e-9 * float(np.abs(gram).max())),
        function,
        "gram",
        "symmetric",
        "an asymmetric matrix",
        "It holds the inner products of the scores",
    )
    require_positive(function, "learning_rate", learning_rate, "At 0 nothing moves")
    ratio = predicted_fixed_ratio(advantage, multiplier)
    scaled = ratio[:, None] * (gram + gram.T) / 2.0 * ratio
    return np.sort(1.0 - 2.0 * learning_rate * multiplier * np.linalg.eigvalsh(scaled))


def predicted_largest_learning_rate(
    gram_top: float, multiplier: float, *, largest_ratio: float = 1.0
) -> float:
    """Learning rate up to which the penalised inner loop of a batch is stable.

    learning_rate < 1 / (multiplier * gram_top * largest_ratio^2), that is
    learning_rate * 2 * multiplier * gram_top < 2 near ratio 1.

    Assumes:
        As `predicted_batch_contractions`. With largest_ratio = 1 it is the condition for ratios
        near 1, exact where the advantages are small against 2 multiplier, since it leaves out the
        curvature of the reward term. With the largest fixed ratio of the batch it is sufficient.
        It does not say what happens far from the fixed point: ratios that overshoot by a factor
        steepen the penalty by its square, so a run can blow up below this rate.

    Derivation:
        The Hessian of multiplier/N sum (ratio - 1)^2 at ratio 1 is 2 multiplier/N score^T score,
        whose largest eigenvalue is 2 multiplier gram_top; gradient descent on a quadratic is
        stable below 2 over that. With fixed ratios, eigenvalues of D gram D are at most
        largest_ratio^2 gram_top.

    Args:
        gram_top: largest eigenvalue of (1/N) score score^T, scores of N samples, per nat^2.
        multiplier: price of one unit of ratio variance, in units of reward.
        largest_ratio: largest fixed ratio of the batch; 1 for the condition near ratio 1.

    Returns:
        The learning rate at which stability ends.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_largest_learning_rate"
    require_positive(function, "gram_top", gram_top, "Scores that are all 0 learn nothing")
    require_positive(function, "multiplier", multiplier, _MULTIPLIER_REMEDY)
    require_positive(function, "largest_ratio", largest_ratio, "A ratio is above 0")
    return 1.0 / (multiplier * gram_top * largest_ratio**2)


def is_batch_penalty_stable(learning_rate: float, multiplier: float, gram_top: float) -> bool:
    """Whether plain gradient steps on the penalty are stable near ratio 1.

    learning_rate * 2 * multiplier * gram_top < 2.

    Assumes:
        As `predicted_largest_learning_rate` with largest_ratio = 1.

    Derivation:
        See `predicted_largest_learning_rate`.

    Args:
        learning_rate: step size of SGD.
        multiplier: price of one unit of ratio variance, in units of reward.
        gram_top: largest eigenvalue of (1/N) score score^T, scores of N samples, per nat^2.

    Returns:
        Whether it is stable.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    require_positive(
        "is_batch_penalty_stable", "learning_rate", learning_rate, "At 0 nothing moves"
    )
    return learning_rate < predicted_largest_learning_rate(gram_top, multiplier)
