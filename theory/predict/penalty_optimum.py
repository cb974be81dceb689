"""Where the ratio-variance penalty holds the policy: the optimum over all arms, and over samples.

Over all arms the optimal ratio is affine in the advantage, and an arm that would come out negative
gets probability 0 (P37). Over a sample, arms that were never drawn have no weight of their own:
they make room, so that the drawn ones are not centred (P38), until nothing is left to make room.
Both are one problem: water-filling under a price on probability.

Shapes: K arms; in a sample those that were drawn.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_positive

_MULTIPLIER_REMEDY = "It prices one unit of ratio variance; without it one arm takes all"


def _as_arms(function: str, **values: ArrayLike) -> tuple[np.ndarray, ...]:
    """Read vectors of one length; the first is signed, the others are positive."""
    arrays = [np.asarray(value, dtype=np.float64) for value in values.values()]
    for name, array in zip(values, arrays, strict=True):
        require(
            array.ndim == 1 and array.shape == arrays[0].shape and array.size > 0,
            function,
            name,
            f"a vector of one number per arm, shape {arrays[0].shape}",
            f"shape {array.shape}",
            "Give one number per arm",
        )
    for name, array in list(zip(values, arrays, strict=True))[1:]:
        require(
            bool((array > 0.0).all()) and float(array.sum()) < 1.0 + 1e-9,
            function,
            name,
            "positive and of sum 1 or less",
            f"sum {array.sum():g}, smallest {array.min():g}",
            "Leave out arms of probability 0",
        )
    return tuple(arrays)


def _require_sum_one(function: str, argument: str, value: np.ndarray, remedy: str) -> None:
    is_met = abs(float(value.sum()) - 1.0) < 1e-9
    require(is_met, function, argument, "of sum 1", float(value.sum()), remedy)


def _ratio_at(
    price: float, advantage: np.ndarray, cost: np.ndarray, multiplier: float
) -> np.ndarray:
    return np.maximum(0.0, 1.0 + (advantage - price * cost) / (2.0 * multiplier))


def _filling_price(
    advantage: np.ndarray, prob: np.ndarray, cost: np.ndarray, multiplier: float
) -> float:
    """Price at which sum prob ratio = 1: arms die in the order of the price that they can pay."""
    order = np.argsort(-(advantage + 2.0 * multiplier) / cost)
    advantage, prob, cost = advantage[order], prob[order], cost[order]
    demand = np.cumsum(prob * (1.0 + advantage / (2.0 * multiplier)))
    price = 2.0 * multiplier * (demand - 1.0) / np.cumsum(prob * cost)
    # With the k best arms alive the price is right if the k-th one can still pay it.
    is_alive = (advantage + 2.0 * multiplier) / cost > price
    return float(price[np.flatnonzero(is_alive)[-1]])


def predicted_population_ratio(
    advantage: ArrayLike, prob: ArrayLike, multiplier: float
) -> np.ndarray:
    """Optimal ratio over all arms: max(0, 1 + (A - price)/(2 multiplier)), of mean 1.

    The price is the mean advantage as long as no arm dies, so for multiplier >= max(mean A - A)/2.

    Assumes:
        The policy can be any distribution over the arms. A softmax reaches ratio 0 only in the
        limit.

    Derivation:
        Maximise sum prob (ratio A - multiplier (ratio - 1)^2) under sum prob ratio = 1 and ratio
        >= 0, which is concave: A - 2 multiplier (ratio - 1) is the price where ratio > 0, and at
        most the price where it is 0.

    Args:
        advantage: advantage of each arm, in units of reward, shape [K].
        prob: old probability of each arm, shape [K].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The ratio, shape [K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; objective as in arXiv 2601.03320 (abstract read).

    Examples:
        >>> predicted_population_ratio([1.0, 0.0, -3.0], [0.2, 0.6, 0.2], 0.5).tolist()
        [2.0, 1.0, 0.0]
    """
    function = "predicted_population_ratio"
    advantage, prob = _as_arms(function, advantage=advantage, prob=prob)
    _require_sum_one(function, "prob", prob, "Give all arms, or use predicted_sampled_ratio")
    require_positive(function, "multiplier", multiplier, _MULTIPLIER_REMEDY)
    cost = np.ones_like(prob)
    price = _filling_price(advantage, prob, cost, multiplier)
    return _ratio_at(price, advantage, cost, multiplier)


def predicted_smallest_interior_multiplier(advantage: ArrayLike, prob: ArrayLike) -> float:
    """Multiplier below which the worst arm dies: max(mean A - A)/2.

    Assumes:
        As `predicted_population_ratio`.

    Derivation:
        Without dead arms the price is mean A, and the smallest ratio is 1 - max(mean A - A)/(2
        multiplier).

    Args:
        advantage: advantage of each arm, in units of reward, shape [K].
        prob: old probability of each arm, shape [K].

    Returns:
        The multiplier, in units of reward.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_smallest_interior_multiplier"
    advantage, prob = _as_arms(function, advantage=advantage, prob=prob)
    _require_sum_one(function, "prob", prob, "Give all arms")
    return 0.5 * float(prob @ advantage - advantage.min())


def predicted_sampled_ratio(
    advantage: ArrayLike, prob: ArrayLike, share: ArrayLike, multiplier: float
) -> np.ndarray:
    """Optimal ratio of the drawn arms: max(0, 1 + A/(2 multiplier)), not centred.

    As long as sum prob ratio <= 1; beyond it 1 + (A - price prob/share)/(2 multiplier), with the
    price above 0 at which the drawn arms have probability 1 together.

    Assumes:
        Some arms were not drawn, and every distribution over the arms can be reached; inner epochs
        to convergence on the same samples. A is the mean advantage of an arm's samples.

    Derivation:
        Maximise sum share (ratio A - multiplier (ratio - 1)^2) under sum prob ratio <= 1, what is
        left being that of arms without a weight. If they keep some, the price of probability is
        0, and how often an arm was drawn only scales its own term.

    Args:
        advantage: mean advantage of each drawn arm, in units of reward, shape [K].
        prob: old probability of each drawn arm, of sum below 1, shape [K].
        share: share of the samples that are of that arm, shape [K].
        multiplier: price of one unit of ratio variance, in units of reward.

    Returns:
        The ratio, shape [K].

    Raises:
        ValueError: an argument is out of range, or all arms were drawn.

    References:
        Derived here.

    Examples:
        >>> predicted_sampled_ratio([1.0, 0.5, -0.4], [1e-9] * 3, [0.5, 0.25, 0.25], 0.6).round(5)
        array([1.83333, 1.41667, 0.66667])
    """
    function = "predicted_sampled_ratio"
    advantage, prob, share = _as_arms(function, advantage=advantage, prob=prob, share=share)
    _require_sum_one(function, "share", share, "Give the share of each drawn arm")
    require_positive(function, "multiplier", multiplier, _MULTIPLIER_REMEDY)
    require(
        float(prob.sum()) < 1.0,
        function,
        "prob",
        "of sum below 1, the regime in which arms that were not drawn can make room",
        float(prob.sum()),
        "Where all arms were drawn in proportion, use predicted_population_ratio",
    )
    cost = prob / share
    ratio = _ratio_at(0.0, advantage, cost, multiplier)
    if float(prob @ ratio) <= 1.0:
        return ratio
    return _ratio_at(_filling_price(advantage, prob, cost, multiplier), advantage, cost, multiplier)


def _root_mean_square(function: str, advantage: np.ndarray, share: np.ndarray) -> float:
    rms = float(np.sqrt(share @ advantage**2))
    require(
        rms > 0.0, function, "advantage", "not 0 for every sample", rms, "Nothing moves the policy"
    )
    return rms


def predicted_budgeted_multiplier(advantage: ArrayLike, share: ArrayLike, bound: float) -> float:
    """Multiplier that holds the ratio variance of a sample at its bound: rms(A)/(2 sqrt(bound)).

    Assumes:
        As `predicted_sampled_ratio` where the drawn arms leave room for the others; no ratio
        comes out negative: sqrt(bound) |A| <= rms(A) where A < 0.

    Derivation:
        The mean over samples of (ratio - 1)^2 is mean(A^2)/(4 multiplier^2). Unlike the
        population's sd(A)/(2 sqrt(bound)) it is about 0 and not about the mean.

    Args:
        advantage: mean advantage of each drawn arm, in units of reward, shape [K].
        share: share of the samples that are of that arm, shape [K].
        bound: mean of (ratio - 1)^2 over the samples.

    Returns:
        The multiplier, in units of reward.

    Raises:
        ValueError: an argument is out of range, or the bound too wide for this formula.

    References:
        Derived here; constraint as in arXiv 2601.03320.
    """
    function = "predicted_budgeted_multiplier"
    advantage, share = _as_arms(function, advantage=advantage, share=share)
    _require_sum_one(function, "share", share, "Give the share of each drawn arm")
    require_positive(function, "bound", bound, "It is the ratio variance allowed")
    rms = _root_mean_square(function, advantage, share)
    require(
        float(np.sqrt(bound)) * -float(advantage.min()) <= rms,
        function,
        "bound",
        "so small that no ratio is negative, the regime of the formula",
        bound,
        "Beyond it the worst arm dies, and the others spend what is left",
    )
    return rms / (2.0 * float(np.sqrt(bound)))


def predicted_budgeted_ratio(advantage: ArrayLike, share: ArrayLike, bound: float) -> np.ndarray:
    """Ratio of the drawn arms at that multiplier: 1 + sqrt(bound) A/rms(A).

    Assumes:
        As `predicted_budgeted_multiplier`.

    Derivation:
        Insert the multiplier into 1 + A/(2 multiplier).

    Args:
        advantage: mean advantage of each drawn arm, in units of reward, shape [K].
        share: share of the samples that are of that arm, shape [K].
        bound: mean of (ratio - 1)^2 over the samples.

    Returns:
        The ratio, shape [K].

    Raises:
        ValueError: an argument is out of range, or the bound too wide for this formula.

    References:
        Derived here.
    """
    predicted_budgeted_multiplier(advantage, share, bound)
    advantage, share = np.asarray(advantage, dtype=float), np.asarray(share, dtype=float)
    rms = _root_mean_square("predicted_budgeted_ratio", advantage, share)
    return 1.0 + float(np.sqrt(bound)) * advantage / rms
