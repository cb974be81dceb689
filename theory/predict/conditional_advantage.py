"""What a group mean is worth in groups that have a signal, neither all right nor all wrong (P9).

Training only on mixed groups conditions every average on S = {1 <= k <= G - 1}, k of G being
correct. The baseline is then biased, and so is the advantage of a success; but not at the same
pass rates, since a success is itself part of its baseline.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit

from theory.predict.conditions import as_log_odds, require_known
from theory.predict.drift import require_rule
from theory.predict.signal import predicted_groups_per_used_group

RULES = ("group_mean", "leave_one_out")


def predicted_mixed_baseline_bias(log_odds: ArrayLike, *, group_size: int) -> np.ndarray:
    """Bias of the mean reward of a mixed group: (p q^G + p^(G + 1) - p^G)/(1 - q^G - p^G).

    Positive for p < 1/2, negative for p > 1/2.

    Assumes:
        Rewards 0 or 1, independent rollouts; groups of equal rewards are left out.

    Derivation:
        E[mean; S] = p - p^G, since a group without a success adds 0 and one without a failure
        p^G. Less p P(S), over P(S) = 1 - q^G - p^G. The numerator is p q (q^(G - 1) - p^(G - 1)),
        of the sign of 1/2 - p.

    Args:
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G.

    Returns:
        E[mean reward | S] - p, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        arXiv 2601.08521, Lemma 2 (as the catalogue cites it); derived here.

    Examples:
        >>> predicted_mixed_baseline_bias(np.log(0.2 / 0.8), group_size=8).round(5).item()
        0.04032
    """
    function = "predicted_mixed_baseline_bias"
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require_rule(function, "group_mean", group_size)
    log_pass, log_fail = log_expit(log_odds), log_expit(-log_odds)
    excess = np.exp((group_size - 1) * log_fail) - np.exp((group_size - 1) * log_pass)
    per_mixed = predicted_groups_per_used_group(log_odds, group_size=group_size)
    return np.exp(log_pass + log_fail) * excess * per_mixed


def predicted_mixed_advantage(rule: str, log_odds: ArrayLike, *, group_size: int) -> np.ndarray:
    """Mean advantage of a success, then of a failure, in a mixed group.

    group_mean: (G - 1)/G q/(1 - p^(G - 1)) and -(G - 1)/G p/(1 - q^(G - 1)). leave_one_out:
    G/(G - 1) times these. The advantages over the true mean would be q and -p.

    Assumes:
        Rewards 0 or 1, independent rollouts; groups of equal rewards are left out.

    Derivation:
        Given a success, its group is mixed unless the G - 1 others succeed too, of probability
        p^(G - 1). With k' successes among them A = (G - 1 - k')/G, which is 0 in that group
        anyway, so E[A; mixed] = E[A] = (G - 1)/G q. Failures: exchange p and q, and the sign.

    Args:
        rule: group_mean or leave_one_out.
        log_odds: log(p/(1 - p)), nats, shape [*].
        group_size: rollouts per prompt, G.

    Returns:
        E[A | success, S] and E[A | failure, S], in units of reward, shape [2, *].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here. arXiv 2601.08521 is about the same conditioning; of it only abstracts and
        summaries were read.

    Examples:
        >>> predicted_mixed_advantage("group_mean", np.log(1.5), group_size=8).round(5).tolist()
        [0.36008, -0.52586]
    """
    function = "predicted_mixed_advantage"
    require_known(function, "rule", rule, RULES, "rule over the mean of its group")
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require_rule(function, rule, group_size)
    log_pass, log_fail = log_expit(log_odds), log_expit(-log_odds)
    success = np.exp(log_fail) / -np.expm1((group_size - 1) * log_pass)
    failure = -np.exp(log_pass) / -np.expm1((group_size - 1) * log_fail)
    share = 1.0 if rule == "leave_one_out" else (group_size - 1) / group_size
    return share * np.stack([success, failure])


def predicted_exact_pass_rate(group_size: int) -> float:
    """Pass rate at which a success in a mixed group has its true advantage q: G^(-1/(G - 1)).

    Below it group_mean underestimates the advantage of a success, above it overestimates it. A
    failure has its true advantage -p where the failure rate q is that number.

    Assumes:
        Rewards 0 or 1, independent rollouts, group_mean; groups of equal rewards are left out.

    Derivation:
        (G - 1)/G q/(1 - p^(G - 1)) = q where p^(G - 1) = 1/G. Under leave_one_out there is no such
        rate: q/(1 - p^(G - 1)) is always above q.

    Args:
        group_size: rollouts per prompt, G.

    Returns:
        The pass rate: 1/2 at G = 2, and towards 1 for large groups.

    Raises:
        ValueError: the group has fewer than two rollouts.

    References:
        Derived here.

    Examples:
        >>> [round(predicted_exact_pass_rate(size), 3) for size in (2, 8, 64)]
        [0.5, 0.743, 0.936]
    """
    require_rule("predicted_exact_pass_rate", "group_mean", group_size)
    return float(group_size) ** (-1.0 / (group_size - 1))


def published_exact_pass_rate(group_size: int) -> float:
    """Pass rate at which group-relative advantages are said to be right: 1/2 at every group size.

    Assumes:
        Rewards 0 or 1; groups of equal rewards are left out; read sample by sample.

    Derivation:
        The sign of the baseline's bias changes at 1/2 (`predicted_mixed_baseline_bias`), and an
        advantage is a reward less the baseline. The step from one to the other takes reward and
        baseline for independent, which they are not in a group of finite size.

    Args:
        group_size: rollouts per prompt, G.

    Returns:
        1/2.

    Raises:
        ValueError: the group has fewer than two rollouts.

    References:
        arXiv 2601.08521 as its abstract and summaries put it: underestimated for hard prompts,
        overestimated for easy ones; the body was not read.
    """
    require_rule("published_exact_pass_rate", "group_mean", group_size)
    return 0.5
