"""Adam under random successes: mean displacement of a logit, and its largest change (P51).

The ratio of two moving means has no closed mean, but 1/sqrt(v) is a mixture of exponentials of v,
and those of a moving mean of independent successes factorise: one integral gives the mean change
at any pass rate. It joins the two regimes of `predicted_repeated_displacement`: speed
step_size sqrt(p) while successes are frequent beside 1 - beta2, and p times a constant once rare.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.adam import require_betas, require_rounds
from theory.predict.conditions import require, require_positive

_SPACING = 0.1
_SMALLEST_SHARE = 1e-300


def predicted_mean_displacement(
    success_rate: ArrayLike,
    num_rounds: int,
    *,
    step_size: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> np.ndarray:
    """Mean displacement of a logit that gets the same gradient at random in a share of rounds.

    E[change in round t] = step_size sqrt(1 - beta2^t)/(1 - beta1^t) E[m/sqrt(v)], E[m/sqrt(v)] =
    2/sqrt(pi) integral over u > 0 of E[m exp(-u^2 v)].

    Assumes:
        Independent rounds, a success with probability success_rate in each; the pass rate and so
        the gradient of a success rest; roots far above eps; no other gradients; beta2^num_rounds
        above 1e-300.

    Derivation:
        v^(-1/2) = 2/sqrt(pi) int exp(-u^2 v) du. With m = sum of a_i x_i, v = sum of b_i x_i, x_i
        in {0, 1}: E[m exp(-s v)] = sum_i a_i p e_i/(q + p e_i) * prod_i (q + p e_i), where e_i =
        exp(-s b_i), a_i = (1 - beta1) beta1^i and b_i = (1 - beta2) beta2^i. The integral is done
        by the trapezoidal rule in log u, which converges exponentially.

    Args:
        success_rate: probability of a success in a round, in (0, 1], shape [n].
        num_rounds: rounds, S.
        step_size: step size of Adam.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.

    Returns:
        Mean displacement after each round, nats, shape [n, S].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_mean_displacement([1.0], 3, step_size=0.1).round(6).tolist()
        [[0.1, 0.2, 0.3]]
    """
    function = "predicted_mean_displacement"
    require_betas(function, beta1, beta2)
    require_rounds(function, "num_rounds", num_rounds)
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    rate = np.atleast_1d(np.asarray(success_rate, dtype=np.float64))
    require(
        bool(((rate > 0.0) & (rate <= 1.0)).all()),
        function,
        "success_rate",
        "in (0, 1]",
        rate.tolist(),
        "Without successes nothing moves",
    )
    age = np.arange(num_rounds)
    on_mean, on_square = (1.0 - beta1) * beta1**age, (1.0 - beta2) * beta2**age
    require(
        on_square[-1] > _SMALLEST_SHARE,
        function,
        "num_rounds",
        f"so few that (1 - beta2) beta2^num_rounds stays above {_SMALLEST_SHARE:g}",
        num_rounds,
        "By then the mean change of a round has long been constant",
    )
    # From where every factor is 1 to where the faintest success has decided.
    low, high = math.log(1e-18), 0.5 * math.log(60.0 / on_square[-1])
    node = np.exp(np.arange(low, high, _SPACING))
    fading = np.exp(-(node**2) * on_square[:, None])
    mean = np.empty((len(rate), num_rounds))
    for row, prob in enumerate(rate):
        factor = (1.0 - prob) + prob * fading
        # Where all is success and long faded, 0/0 is meant as 0 times the product.
        share = np.divide(prob * fading, factor, out=np.zeros_like(factor), where=factor > 0.0)
        mixed = (on_mean[:, None] * share).cumsum(axis=0) * factor.cumprod(axis=0)
        mean[row] = 2.0 / math.sqrt(math.pi) * _SPACING * (mixed * node).sum(axis=1)
    count = age + 1
    return step_size * (mean * np.sqrt(1.0 - beta2**count) / (1.0 - beta1**count)).cumsum(axis=1)


def predicted_largest_change(
    num_rounds: ArrayLike, *, step_size: float, beta1: float = 0.9, beta2: float = 0.999
) -> np.ndarray:
    """Largest change of a logit that Adam can make in round t, whatever the gradients were.

    step_size (1 - beta1)/(1 - beta1^t) sqrt((1 - beta2^t)/(1 - beta2)) sqrt(sum over j < t of
    (beta1^2/beta2)^j), towards step_size (1 - beta1)/sqrt((1 - beta2)(1 - beta1^2/beta2)).

    Assumes:
        Adam from the first round on, without decay; any gradients; eps >= 0.

    Derivation:
        mean = sum (1 - beta1) beta1^j g_j and mean_square = sum (1 - beta2) beta2^j g_j^2, so
        mean^2 <= (1 - beta1)^2/(1 - beta2) sum (beta1^2/beta2)^j * mean_square by Cauchy and
        Schwarz, attained by gradients that grow by beta2/beta1 a round. At 0.9 and 0.999: 7.27
        steps.

    Args:
        num_rounds: the round, t, from 1, shape [*].
        step_size: step size of Adam.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients, above beta1^2.

    Returns:
        Nats, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_largest_change"
    require_betas(function, beta1, beta2, has_end=True)
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    count = require_rounds(function, "num_rounds", num_rounds)
    ratio = beta1**2 / beta2
    total = (1.0 - ratio**count) / (1.0 - ratio)
    corrected = (1.0 - beta1) / (1.0 - beta1**count)
    return step_size * corrected * np.sqrt((1.0 - beta2**count) / (1.0 - beta2) * total)


def published_largest_change(
    *, step_size: float, beta1: float = 0.9, beta2: float = 0.999
) -> float:
    """Largest change of a logit as published: step_size max(1, (1 - beta1)/sqrt(1 - beta2)).

    Assumes:
        eps = 0; said to be reached only by a gradient that was 0 in all rounds but the present.

    Derivation:
        None was read; it is the change of a lone gradient after a long wait, and does not bound
        others: see `predicted_largest_change`.

    Args:
        step_size: step size of Adam.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.

    Returns:
        Nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Kingma and Ba, arXiv 1412.6980, section 2.1 (read): "The effective stepsize has two upper
        bounds".
    """
    function = "published_largest_change"
    require_betas(function, beta1, beta2)
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    return step_size * max(1.0, (1.0 - beta1) / math.sqrt(1.0 - beta2))
