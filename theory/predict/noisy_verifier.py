"""A verifier that errs: what is left of the class gradient (P23)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from theory.predict.conditions import as_log_odds, require
from theory.predict.drift import predicted_class_gradient, require_rule


def predicted_noisy_class_gradient(
    rule: str,
    log_odds: ArrayLike,
    *,
    true_positive_rate: float,
    false_positive_rate: float,
    group_size: int = 1,
    ddof: int = 1,
    eps: float = 1e-6,
) -> np.ndarray:
    """Class gradient under a verifier that errs: J p q * (clean gradient at m) / (m (1 - m)).

    J = true_positive_rate - false_positive_rate, and m = false_positive_rate + J p is the rate at
    which the verifier pays.

    Assumes:
        Observed reward 1 with probability true_positive_rate for a correct and
        false_positive_rate for a wrong answer, independent rollouts, ratio 1, m in (0, 1).

    Derivation:
        The advantages know the observed rewards alone, for which the group is a clean one of
        success rate m: E[sum A_i ([paid i] - m)]/G is the clean gradient S(m). Given the observed
        rewards, [correct i] has mean p TPR/m if paid and p (1 - TPR)/(1 - m) if not, so its
        covariance with the advantage is J p q/(m (1 - m)) times that of [paid i]. At J = 0 nothing
        is learned, below 0 the rule learns to fail. For raw reward it is J p q.

    Args:
        rule: name of the update rule.
        log_odds: log(p/(1 - p)) of a correct answer, nats, shape [*].
        true_positive_rate: probability that a correct answer is paid.
        false_positive_rate: probability that a wrong answer is paid.
        group_size: rollouts per prompt, G.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.

    Returns:
        The class gradient, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        The transition at J = 0 is that of arXiv 2601.04411, as the catalogue cites it; the form at
        finite G is derived here.

    Examples:
        >>> predicted_noisy_class_gradient(
        ...     "raw_reward", 0.0, true_positive_rate=0.9, false_positive_rate=0.1
        ... ).round(12).item()
        0.2
    """
    function = "predicted_noisy_class_gradient"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require_rule(function, rule, group_size)
    for name, rate in (
        ("true_positive_rate", true_positive_rate),
        ("false_positive_rate", false_positive_rate),
    ):
        require(0.0 <= rate <= 1.0, function, name, "in [0, 1]", rate, "It is a probability")
    gap = true_positive_rate - false_positive_rate
    paid = false_positive_rate + gap * expit(log_odds)
    require(
        bool(((paid > 0.0) & (paid < 1.0)).all()),
        function,
        "false_positive_rate",
        "such that the verifier sometimes pays and sometimes does not",
        false_positive_rate,
        "A verifier that always answers the same teaches nothing",
    )
    clean = predicted_class_gradient(rule, logit(paid), group_size=group_size, ddof=ddof, eps=eps)
    return gap * expit(log_odds) * expit(-log_odds) * clean / (paid * (1.0 - paid))
