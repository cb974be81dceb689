"""Which prompts have ever been solved, when prompts do not help each other (P42).

A prompt is discovered at its first success. Under raw reward a prompt moves by its own successes
alone, so prompts are discovered independently of each other; averaged over a prior of pass rates
that reaches down to 0 as a power, the undiscovered share falls as a power of the visits, not
exponentially.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from theory.predict.conditions import as_log_odds, as_time, require, require_positive


def predicted_undiscovered_share(
    num_visits: ArrayLike, prior_success: float, prior_failure: float
) -> np.ndarray:
    """Share of prompts without a success after e rollouts each: B(a, b + e)/B(a, b).

    For many visits it falls as (Gamma(a + b)/Gamma(b)) e^-a.

    Assumes:
        Pass rates drawn from Beta(a, b); raw_reward, or another rule by which a prompt does not
        move until its own first success.

    Derivation:
        E[(1 - p)^e] under Beta(a, b).

    Args:
        num_visits: rollouts of each prompt, e, shape [*].
        prior_success: a, above 0.
        prior_failure: b, above 0.

    Returns:
        The share, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_undiscovered_share([10, 100, 1000, 10000], 0.4, 30.0).round(4).tolist()
        [0.8904, 0.5545, 0.2421, 0.0974]
    """
    function = "predicted_undiscovered_share"
    num_visits = as_time(function, "num_visits", num_visits)
    require_positive(function, "prior_success", prior_success, "It is a shape parameter")
    require_positive(function, "prior_failure", prior_failure, "It is a shape parameter")
    log_share = betaln(prior_success, prior_failure + num_visits)
    return np.exp(log_share - betaln(prior_success, prior_failure))


def predicted_discovery_counts(log_odds: ArrayLike, num_visits: int) -> np.ndarray:
    """Probabilities of the number of prompts discovered: the law of a sum of independent events.

    Mean sum (1 - s_i) and variance sum s_i (1 - s_i) with s_i = (1 - p_i)^num_visits.

    Assumes:
        As `predicted_undiscovered_share`, for given pass rates p_i.

    Derivation:
        Prompt i is discovered with probability 1 - s_i, independently of the others; convolve.

    Args:
        log_odds: initial log-odds of success of each prompt, nats, shape [N].
        num_visits: rollouts of each prompt.

    Returns:
        Probabilities of 0 to N discovered prompts, shape [N + 1].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_discovery_counts"
    log_odds = np.ravel(as_log_odds(function, "log_odds", log_odds))
    require(num_visits >= 0, function, "num_visits", "at least 0", num_visits, "Count rollouts")
    log_missed = -num_visits * np.logaddexp(0.0, log_odds)
    law = np.ones(1)
    for missed in log_missed:
        law = np.convolve(law, [np.exp(missed), -np.expm1(missed)])
    return law
