"""Groups that teach nothing: no signal without two different rewards (P4).

With rewards 0 or 1 a group of G rollouts is unanimous with probability p^G + q^G, q = 1 - p. Under
a baseline taken from the group every advantage then is 0, and the update too; under the raw reward
only failures are silent.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit

from theory.predict.conditions import as_log_odds, require

SILENT_GROUPS = {
    "raw_reward": "failures",
    "group_mean": "unanimous",
    "leave_one_out": "unanimous",
    "grpo": "unanimous",
    "clip": "unanimous",
    "variance_penalty": "unanimous",
    "constant_baseline": "none",
    "negative_reward": "none",
}
"""Groups in which every advantage is 0; a constant baseline lies strictly between 0 and 1."""


def _require_group(function: str, group_size: int) -> None:
    require(
        isinstance(group_size, (int, np.integer)) and group_size >= 2,
        function,
        "group_size",
        "an integer of at least 2",
        group_size,
        "A single rollout is unanimous by itself",
    )


def _log_powers(function: str, log_odds: ArrayLike, group_size: int) -> tuple[np.ndarray, ...]:
    log_odds = as_log_odds(function, "log_odds", log_odds)
    _require_group(function, group_size)
    return group_size * log_expit(log_odds), group_size * log_expit(-log_odds)


def predicted_silent_share(rule: str, log_odds: ArrayLike, *, group_size: int) -> np.ndarray:
    """Share of groups without an update: p^G + q^G; q^G under raw reward.

    Assumes:
        Rewards 0 or 1, independent rollouts, the first inner step, no reference term.

    Derivation:
        Advantages over a group baseline are 0 exactly where all rewards are equal; in a mixed
        group a success has a positive one, so that its arm moves. Raw rewards are all 0 exactly
        where all fail; advantages that are never 0 always move something.

    Args:
        rule: one of `SILENT_GROUPS`.
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G, at least 2.

    Returns:
        The share, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; the catalogue finds the same for group baselines in arXiv 2607.00152.

    Examples:
        >>> predicted_silent_share("grpo", np.log(3 / 7), group_size=2).round(12).item()
        0.58
    """
    function = "predicted_silent_share"
    require(
        rule in SILENT_GROUPS,
        function,
        "rule",
        f"one of {', '.join(SILENT_GROUPS)}",
        repr(rule),
        "Other rules need their own derivation",
    )
    all_pass, all_fail = (np.exp(x) for x in _log_powers(function, log_odds, group_size))
    kinds = {"failures": all_fail, "unanimous": all_pass + all_fail, "none": 0.0 * all_fail}
    return kinds[SILENT_GROUPS[rule]]


def predicted_groups_per_used_group(log_odds: ArrayLike, *, group_size: int) -> np.ndarray:
    """Groups drawn per group used where unanimous ones are drawn again: 1/(1 - p^G - q^G).

    Assumes:
        Rewards 0 or 1, independent rollouts of one policy; dynamic sampling, which draws until the
        rewards of a group differ.

    Derivation:
        The number of groups drawn is geometric with the probability 1 - p^G - q^G of success.

    Args:
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G, at least 2.

    Returns:
        Mean number of groups, at least 1, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; dynamic sampling as in DAPO, arXiv 2503.14476, as the catalogue cites it.

    Examples:
        >>> round(float(predicted_groups_per_used_group(-20.0, group_size=8)) / 485165195.41, 6)
        0.125
    """
    function = "predicted_groups_per_used_group"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    # Which side is rare does not matter; of the rare side the power loses no digits beside 1.
    rare, likely = _log_powers(function, -np.abs(log_odds), group_size)
    return 1.0 / (-np.expm1(likely) - np.exp(rare))
