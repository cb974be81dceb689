"""How several steps on the same rollouts run away where neither a clip nor a penalty holds them.

The weight of a sample grows with its own ratio, and the ratio with the weight: a positive sample's
log-ratio reaches infinity after a finite time.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_positive


def predicted_unclipped_log_ratio(
    step: float, advantage: float, inner_epochs: ArrayLike
) -> np.ndarray:
    """Log-ratio of an isolated sample after inner epochs: -log(1 - step advantage epochs).

    Assumes:
        A sample whose log-probability moves by step * ratio * advantage in each epoch and is
        moved by no other; small steps, so that the recursion follows its differential equation.
        Where the advantage is positive, epochs below 1/(step advantage).

    Derivation:
        d log ratio/d epoch = step advantage ratio, so d(1/ratio)/d epoch = -step advantage and
        ratio = 1/(1 - step advantage epoch).

    Args:
        step: shift of the log-probability per unit of weight: learning_rate / num_rollouts *
            |score|^2, nats.
        advantage: of the sample, in units of reward.
        inner_epochs: epochs, shape [*].

    Returns:
        Nats, shape [*]; infinite from the epoch on at which it runs away.

    Raises:
        ValueError: the step is not above 0, or an epoch is negative.

    References:
        Derived here.

    Examples:
        >>> predicted_unclipped_log_ratio(0.1, 1.0, [0, 5, 10]).round(3).tolist()
        [0.0, 0.693, inf]
    """
    function = "predicted_unclipped_log_ratio"
    require_positive(function, "step", step, "At 0 nothing moves")
    epochs = np.asarray(inner_epochs, dtype=np.float64)
    require(
        bool((epochs >= 0.0).all()),
        function,
        "inner_epochs",
        "at least 0",
        epochs.tolist(),
        "Count the epochs from the sampling on",
    )
    inverse_ratio = np.maximum(1.0 - step * advantage * epochs, 0.0)
    with np.errstate(divide="ignore"):
        return 0.0 - np.log(inverse_ratio)


def predicted_runaway_learning_rate(
    own_kernel: float, *, num_rollouts: int, inner_epochs: int, largest_advantage: float
) -> float:
    """Learning rate at which an unclipped sample runs away within the inner epochs of an update.

    learning_rate = num_rollouts / (own_kernel * inner_epochs * largest_advantage).

    Assumes:
        As `predicted_unclipped_log_ratio`; the loss is a mean over rollouts. Samples that push
        one another in the same direction run away earlier.

    Derivation:
        step * advantage * epochs = 1 with step = learning_rate * own_kernel / num_rollouts.

    Args:
        own_kernel: mean squared norm of grad log_prob of a response.
        num_rollouts: rollouts of an update.
        inner_epochs: steps on them.
        largest_advantage: of a right response, in units of reward.

    Returns:
        The learning rate.

    Raises:
        ValueError: an argument is not above 0.

    References:
        Derived here.

    Examples:
        >>> round(predicted_runaway_learning_rate(1000.0, num_rollouts=256, inner_epochs=4,
        ...     largest_advantage=0.875), 4)
        0.0731
    """
    function = "predicted_runaway_learning_rate"
    remedy = "Measure it, or count what there is"
    for name, value in (
        ("own_kernel", own_kernel),
        ("num_rollouts", num_rollouts),
        ("inner_epochs", inner_epochs),
        ("largest_advantage", largest_advantage),
    ):
        require_positive(function, name, value, remedy)
    return num_rollouts / (own_kernel * inner_epochs * largest_advantage)
