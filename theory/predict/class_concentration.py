"""Within-class concentration sets the speed of the exact gradient (P11), and who wins it (P20).

The class mass moves by what single arms gain, and an arm gains in proportion to its own
probability: many equal arms move little, and of several good ones the largest gains most.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_positive


def as_policy(
    function: str, prob: ArrayLike, other: ArrayLike, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Read the probabilities of a policy and another number per arm.

    Args:
        function: public function that was called.
        prob: probability of each arm, shape [K].
        other: another quantity, shape [K].
        name: its name.

    Returns:
        Both as float64 arrays.

    Raises:
        ValueError: the shapes differ, or the probabilities are none.
    """
    prob, other = (np.asarray(value, dtype=np.float64) for value in (prob, other))
    require(
        prob.ndim == 1 and prob.shape == other.shape,
        function,
        name,
        f"of the shape of `prob`, {prob.shape}, with one axis",
        other.shape,
        "Give one number per arm",
    )
    require(
        bool((prob > 0.0).all()) and abs(float(prob.sum()) - 1.0) < 1e-9,
        function,
        "prob",
        "positive and of sum 1",
        f"sum {prob.sum():g}, smallest {prob.min():g}",
        "Leave out arms of probability 0",
    )
    return prob, other


def predicted_class_speed(prob: ArrayLike, is_correct: ArrayLike) -> float:
    """Speed of the pass rate: dp/dt = q^2 sum_correct prob^2 + p^2 sum_wrong prob^2.

    Assumes:
        Reward 1 for correct and 0 for wrong arms, exact policy gradient, t = step_size * updates.

    Derivation:
        theta_a moves by prob_a (r_a - p), so dp/dt = sum_correct prob_a (theta'_a - sum prob
        theta') with sum prob theta' = q sum_correct prob^2 - p sum_wrong prob^2. With g and m
        equal arms it is (1/g + 1/m) p^2 q^2, which vanishes for g and m to infinity.

    Args:
        prob: probability of each arm, shape [K].
        is_correct: whether each arm is correct, shape [K].

    Returns:
        The speed, per unit of step_size * updates.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_class_speed([0.25, 0.25, 0.5], [True, True, False])
        0.09375
    """
    function = "predicted_class_speed"
    prob, is_correct = as_policy(function, prob, is_correct, "is_correct")
    correct = is_correct != 0.0
    pass_rate = float(prob[correct].sum())
    squares = prob**2
    return (1.0 - pass_rate) ** 2 * float(squares[correct].sum()) + pass_rate**2 * float(
        squares[~correct].sum()
    )


def predicted_equal_class_speed(pass_rate: float, num_correct: float, num_wrong: float) -> float:
    """Speed of the pass rate with equal arms in each class: (1/g + 1/m) p^2 q^2.

    Assumes:
        As `predicted_class_speed`, and equally likely arms within the two classes.

    Derivation:
        sum_correct prob^2 = p^2/g and sum_wrong prob^2 = q^2/m.

    Args:
        pass_rate: p, in [0, 1].
        num_correct: arms of the correct class, g; infinity allowed.
        num_wrong: arms of the wrong class, m; infinity allowed.

    Returns:
        The speed, per unit of step_size * updates.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_equal_class_speed"
    require(0.0 <= pass_rate <= 1.0, function, "pass_rate", "in [0, 1]", pass_rate, "A probability")
    for name, count in (("num_correct", num_correct), ("num_wrong", num_wrong)):
        require(count >= 1, function, name, "at least 1", count, "Count arms")
    return (1.0 / num_correct + 1.0 / num_wrong) * (pass_rate * (1.0 - pass_rate)) ** 2


def predicted_cross_ratio(prob: ArrayLike) -> float:
    """Invariant of three equally good arms: (1/prob_a - 1/prob_b) / (1/prob_a - 1/prob_c).

    Assumes:
        Three arms of the same reward among any others; exact flow of raw reward, group mean,
        leave-one-out or GRPO, whose step on equally good arms is a common factor times prob.

    Derivation:
        With w = exp(theta), dw_a/dt = c(t) prob_a w_a = c(t) w_a^2/Z, so d(1/w_a)/dt = -c/Z is the
        same for all three: differences of 1/w are constant, and Z cancels from their ratio. Since
        1/w falls at the same speed for all, the largest arm reaches infinity first: it takes all.

    Args:
        prob: probabilities of the three arms, shape [3], not all equal.

    Returns:
        The invariant.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_cross_ratio"
    prob = np.asarray(prob, dtype=np.float64)
    require(prob.shape == (3,), function, "prob", "of three arms", prob.shape, "Choose three")
    for one in prob:
        require_positive(function, "prob", float(one), "An arm of probability 0 never moves")
    require(
        prob[0] != prob[2],
        function,
        "prob",
        "different for the first and the last arm",
        prob.tolist(),
        "Order the arms otherwise",
    )
    inverse = 1.0 / prob
    return float((inverse[0] - inverse[1]) / (inverse[0] - inverse[2]))


def predicted_share_ratio(prob: ArrayLike) -> float:
    """Ratio of two equally good arms under steps on the policy itself: prob_a/prob_b, conserved.

    Assumes:
        Two arms of the same reward among any others; natural policy gradient, or the exact step of
        a population trust region, of any size.

    Derivation:
        Both change log prob_a by a function of the advantage of arm a alone: step_size * A, and
        log(1 + (A - mean A) sqrt(bound)/sd(A)). Equal advantages cancel from the ratio, where
        the plain policy gradient, whose step is A prob_a, favours the larger arm.

    Args:
        prob: probabilities of the two arms, shape [2].

    Returns:
        The ratio.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_share_ratio([0.5, 0.25])
        2.0
    """
    function = "predicted_share_ratio"
    prob = np.asarray(prob, dtype=np.float64)
    require(prob.shape == (2,), function, "prob", "of two arms", prob.shape, "Choose two")
    for one in prob:
        require_positive(function, "prob", float(one), "An arm of probability 0 never moves")
    return float(prob[0] / prob[1])
