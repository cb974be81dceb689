"""A baseline shared by a batch of different prompts: what it does to each of them (P41).

With few rollouts per prompt the mean and the deviation of the rewards can be taken over the whole
batch. The mean of the others is a baseline that does not depend on the prompt's own reward, so it
costs no bias but for the prompt's own share in it. The deviation does: it scales all prompts alike
where a prompt's own deviation would lift the hard ones.

Shapes: P prompts, G rollouts of each, N = P * G.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require


def _rollouts(function: str, success_prob: ArrayLike, group_size: int) -> np.ndarray:
    """Success probability of each rollout of the batch, prompt by prompt."""
    success_prob = np.asarray(success_prob, dtype=np.float64)
    require(
        success_prob.ndim == 1 and bool(((success_prob >= 0.0) & (success_prob <= 1.0)).all()),
        function,
        "success_prob",
        "a vector of probabilities, one per prompt",
        success_prob.tolist(),
        "Give the pass rates of the prompts",
    )
    require(group_size >= 1, function, "group_size", "at least 1", group_size, "Count rollouts")
    require(
        len(success_prob) * group_size >= 2,
        function,
        "success_prob",
        "such that the batch has two rollouts or more",
        len(success_prob) * group_size,
        "A single rollout less its own mean is 0: it teaches nothing",
    )
    return np.repeat(success_prob, group_size)


def predicted_batch_mean_gradient(success_prob: ArrayLike, group_size: int = 1) -> np.ndarray:
    """Class gradient of each prompt over the mean of the batch: (N - 1)/N p (1 - p).

    Assumes:
        Rewards 0 or 1, independent rollouts, ratio 1. The class gradient is E[A ([correct] - p)],
        averaged over the prompt's rollouts.

    Derivation:
        A rollout's advantage is (N - 1)/N of its reward less what the others contribute, which is
        independent of it, and E[[correct] - p] = 0.

    Args:
        success_prob: pass rate of each prompt, shape [P].
        group_size: rollouts of each prompt, G.

    Returns:
        Class gradient, shape [P].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_batch_mean_gradient([0.5, 0.5, 0.1, 0.0]).round(4).tolist()
        [0.1875, 0.1875, 0.0675, 0.0]
    """
    num = len(_rollouts("predicted_batch_mean_gradient", success_prob, group_size))
    success_prob = np.asarray(success_prob, dtype=np.float64)
    return (num - 1) / num * success_prob * (1.0 - success_prob)


def predicted_batch_mean_variance(success_prob: ArrayLike) -> np.ndarray:
    """Variance of a prompt's class gradient over the mean of the batch, one rollout per prompt.

    p q (q ((P - 1 - M)/P)^2 + p (M/P)^2 + V/P^2) - mean^2, where M and V are the sums of p and of
    p q over the other prompts.

    Assumes:
        As `predicted_batch_mean_gradient`, with one rollout per prompt.

    Derivation:
        The advantage is (P - 1 - S)/P after a success and -S/P after a failure, where S counts
        the others' successes, of mean M and variance V. So the others add the variance p q V/P^2,
        and their mean is the baseline that they serve as, good for this prompt or not.

    Args:
        success_prob: pass rate of each prompt, shape [P].

    Returns:
        Variance, shape [P].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    p = _rollouts("predicted_batch_mean_variance", success_prob, 1)
    q, num = 1.0 - p, len(p)
    others, spread = p.sum() - p, (p * q).sum() - p * q
    after_success = (num - 1 - others) ** 2 + spread
    after_failure = others**2 + spread
    second = p * q * (q * after_success + p * after_failure) / num**2
    return second - predicted_batch_mean_gradient(p) ** 2


def _count_law(success_prob: np.ndarray) -> np.ndarray:
    """Probability of each number of successes among independent rollouts (Poisson binomial)."""
    law = np.ones(1)
    for p in success_prob:
        law = np.convolve(law, [1.0 - p, p])
    return law


def predicted_batch_standardized_gradient(
    success_prob: ArrayLike, group_size: int = 1, *, ddof: int = 0, eps: float = 0.0
) -> np.ndarray:
    """Class gradient of each prompt where rewards are standardized over the batch.

    p q (E[sqrt((N - k)/k)], k = 1 + K) + p q E[sqrt(k/(N - k))], k = K, for ddof = 0 and eps = 0,
    where K counts the successes of all other rollouts of the batch.

    Assumes:
        Rewards 0 or 1, independent rollouts, ratio 1; a unanimous batch has advantage 0. For
        large batches about p q/sqrt(P Q), P and Q the batch's mean pass and failure rate: a
        common factor for all prompts.

    Derivation:
        E[A ([correct] - p)] = p q (E[A | correct] - E[A | wrong]), and with k successes of N the
        advantage is (1 - k/N)/std of a success and -(k/N)/std of a failure, std^2 = (k/N)(1 - k/N)
        N/(N - ddof). The law of K is that of a sum of different coins, by convolution.

    Args:
        success_prob: pass rate of each prompt, shape [P].
        group_size: rollouts of each prompt, G.
        ddof: 0 for the population standard deviation, 1 for the sample one.
        eps: added to the standard deviation, in units of reward.

    Returns:
        Class gradient, shape [P].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; the advantage is that of REINFORCE++ (arXiv 2501.03262, as the libraries
        implement it).
    """
    function = "predicted_batch_standardized_gradient"
    rollouts = _rollouts(function, success_prob, group_size)
    require(ddof in (0, 1), function, "ddof", "0 or 1", ddof, "Use 1 for the sample deviation")
    require(eps >= 0.0, function, "eps", "at least 0", eps, "It keeps a division finite")
    num = len(rollouts)
    mean = np.arange(1, num) / num
    std = np.sqrt(mean * (1.0 - mean) * num / (num - ddof)) + eps
    # By the number of successes from 0 to N; a unanimous batch teaches nothing.
    of_success = np.concatenate([[0.0], (1.0 - mean) / std, [0.0]])
    of_failure = np.concatenate([[0.0], mean / std, [0.0]])
    gradient = []
    for first in range(0, num, group_size):
        p = rollouts[first]
        law = _count_law(np.delete(rollouts, first))
        gradient.append(p * (1.0 - p) * (law @ of_success[1:] + law @ of_failure[:-1]))
    return np.array(gradient)
