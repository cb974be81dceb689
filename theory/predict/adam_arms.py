"""Adam among many arms: which of them a success moves besides the correct one (P51).

Adam moves a logit by a full step as long as its gradient is large beside eps. A never-sampled arm
has the gradient coefficient * prob: with few arms all of them move as far as the sampled one, with
many none does, and the border stands at about 1/eps arms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from theory.predict.adam import predicted_lone_changes, require_rounds
from theory.predict.conditions import as_log_odds, require, require_positive


def predicted_success_gains(
    coefficient: ArrayLike,
    log_odds: float,
    log_num_wrong: ArrayLike,
    first_round: int,
    num_rounds: int,
    **adam: float,
) -> np.ndarray:
    """Log-odds gained by a lone success, correct arm and never-sampled wrong arms together.

    gain = displacement(coefficient q) + displacement(coefficient q/num_wrong), each the sum of
    `predicted_lone_changes`.

    Assumes:
        Raw reward, so that failures move nothing and the coefficient of the group is that of its
        one success; one correct arm and num_wrong equally likely wrong ones. Where advantages sum
        to 0 (group mean, leave-one-out, GRPO) never-sampled arms have gradient 0 and rest.

    Derivation:
        The gradient of the success is coefficient (1 - p) on its logit and -coefficient q/num_wrong
        on each wrong one. In round 1 the gain is step_size (1 + 1/(1 + num_wrong eps/(coefficient
        q))): two steps up to about coefficient q/eps wrong arms, 1e8, and one step beyond. After
        a long wait that border stands at sqrt(1 - beta2) as many.

    Args:
        coefficient: reward/G of the success, above 0, shape [*].
        log_odds: log-odds before it, nats.
        log_num_wrong: log of the number of wrong arms, shape [*].
        first_round: round of the success, from 1.
        num_rounds: rounds from that one on, K.
        **adam: step_size, beta1, beta2 and eps, as in `predicted_lone_changes`.

    Returns:
        Gain after each of these rounds, nats, shape [*, K].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_success_gains"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    coefficient = np.asarray(coefficient, dtype=np.float64)
    require(
        bool((coefficient > 0.0).all()),
        function,
        "coefficient",
        "above 0",
        coefficient.tolist(),
        "A success without advantage moves nothing",
    )
    gradient = coefficient * np.exp(log_expit(-log_odds))
    on_wrong = gradient * np.exp(-np.asarray(log_num_wrong, dtype=np.float64))
    rise, fall = (
        predicted_lone_changes(size, first_round, num_rounds, **adam).cumsum(axis=-1)
        for size in (gradient, on_wrong)
    )
    return rise + fall


def predicted_logit_sum(
    num_wrong: ArrayLike, *, coefficient: float, log_odds: float, step_size: float, eps: float
) -> np.ndarray:
    """Change of the sum of all logits in a first round of one success: not 0, as under SGD.

    step_size (g/(g + eps) - num_wrong h/(h + eps)), g = coefficient q, h = g/num_wrong.

    Assumes:
        As `predicted_success_gains`, in round 1.

    Derivation:
        Gradients sum to 0, their signs do not: the sum falls by step_size (num_wrong - 1) until
        h sinks to eps, and by step_size g/eps at most.

    Args:
        num_wrong: number of wrong arms, shape [*].
        coefficient: reward/G of the success.
        log_odds: log-odds of the correct arm, nats.
        step_size: step size of Adam.
        eps: added to the root.

    Returns:
        Nats, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_logit_sum"
    num_wrong = require_rounds(function, "num_wrong", num_wrong)
    for name, value in (("coefficient", coefficient), ("step_size", step_size), ("eps", eps)):
        require_positive(function, name, value, "Nothing moves, or a division fails")
    gradient = coefficient * expit(-as_log_odds(function, "log_odds", log_odds))
    on_wrong = gradient / num_wrong
    return step_size * (gradient / (gradient + eps) - num_wrong * on_wrong / (on_wrong + eps))
