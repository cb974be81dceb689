"""The inner epochs of one update where log-probs are linear in the parameters: the batch's kernel.

A step of SGD on the mean over N rollouts moves their log-ratios by learning_rate/N * gram @ weight,
gram being the inner products of the gradients of their log-probs. Rollouts that push one another
are in it, copies of one response above all, and so are the weights of every rule. Where a later
step of an update is longer than its first one by `RUNAWAY_GROWTH`, the inner epochs feed on
themselves instead of settling: they run away.

Shapes: N rollouts, E inner epochs.
"""

from collections.abc import Callable

import numpy as np

from banditlab.rules import UpdateRule, score_weight
from banditlab.validation import require

RUNAWAY_GROWTH = 3.0
"""How many times as long as the first a later step of an update that runs away is.

Where weights grow with their ratios the growth is explosive, and 2 or 5 give nearly the same rates;
rules of bounded weight may overshoot by a factor of 2 and settle."""

LARGEST_RATE = 10.0
"""Learning rate beyond which no runaway is looked for."""

_SMALLEST_RATE, _RATES_PER_DECADE, _BISECTIONS = 1e-6, 20, 8


def weight_of_log_ratio(
    rule: UpdateRule, advantage: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The score weights of a batch as a function of its log-ratios.

    Args:
        rule: the update rule; a dual's multiplier stays where it begins, and a reference is the
            policy that sampled.
        advantage: of each rollout, in units of reward, shape [N].

    Returns:
        A function of log-ratios, nats, shape [N], to weights, shape [N].
    """
    zero = np.zeros_like(advantage)
    multiplier = None if rule.dual is None else np.full_like(zero, rule.dual.initial)

    def weigh(log_ratio: np.ndarray) -> np.ndarray:
        return score_weight(
            rule, log_ratio, zero, advantage, multiplier=multiplier, ref_log_prob=zero
        )

    return weigh


def step_lengths(
    gram: np.ndarray,
    weigh: Callable[[np.ndarray], np.ndarray],
    *,
    learning_rate: float,
    inner_epochs: int,
) -> np.ndarray:
    """Length of each step of an update in the parameters.

    Args:
        gram: inner products of the gradients of the log-probs, shape [N, N].
        weigh: weights by log-ratio.
        learning_rate: step size of SGD.
        inner_epochs: E.

    Returns:
        Lengths, shape [E]; infinite from where a weight is no longer finite.

    Raises:
        ValueError: the gram is not square.
    """
    require(
        gram.ndim == 2 and gram.shape[0] == gram.shape[1],
        "step_lengths",
        "gram",
        "of shape [N, N]",
        gram.shape,
        "Give one gradient a rollout",
    )
    rate = learning_rate / len(gram)
    log_ratio, lengths = np.zeros(len(gram)), np.full(inner_epochs, np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        for epoch in range(inner_epochs):
            weight = weigh(log_ratio)
            move = rate * gram @ weight
            square = rate * float(weight @ move)
            if not np.isfinite(square):
                break
            # Rounding may leave a length of 0 slightly negative.
            lengths[epoch] = np.sqrt(max(square, 0.0))
            log_ratio = log_ratio + move
    return lengths


def runs_away(lengths: np.ndarray) -> bool:
    """Whether a later step is longer than the first one by more than `RUNAWAY_GROWTH`.

    Args:
        lengths: of the steps of an update, shape [E].

    Returns:
        False where the first step is 0, as nothing moves.
    """
    return bool(lengths.max() > RUNAWAY_GROWTH * lengths[0] > 0.0)


def runaway_rate(
    gram: np.ndarray, weigh: Callable[[np.ndarray], np.ndarray], inner_epochs: int
) -> float | None:
    """Least learning rate at which the inner epochs of a batch run away.

    Args:
        gram: inner products of the gradients of the log-probs, shape [N, N].
        weigh: weights by log-ratio.
        inner_epochs: E.

    Returns:
        The rate, to a thousandth of it; None where there is none up to `LARGEST_RATE`.
    """

    def breaks(log10_rate: float) -> bool:
        how = {"learning_rate": 10.0**log10_rate, "inner_epochs": inner_epochs}
        return runs_away(step_lengths(gram, weigh, **how))

    low, high = np.log10(_SMALLEST_RATE), np.log10(LARGEST_RATE)
    # A rate beyond a first crossing may hold again, so that bisection alone could miss it.
    grid = np.linspace(low, high, round((high - low) * _RATES_PER_DECADE) + 1)
    first = next((place for place, rate in enumerate(grid) if breaks(rate)), None)
    if first is None:
        return None
    holds, broken = grid[max(first - 1, 0)], grid[first]
    for _ in range(_BISECTIONS):
        middle = (holds + broken) / 2.0
        holds, broken = (holds, middle) if breaks(middle) else (middle, broken)
    return float(10.0**broken)
