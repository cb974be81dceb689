"""Experiments on groups without a signal: shares, and groups drawn until one has some (P4).

Shapes: R runs, G group.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from scipy.special import log_expit

from banditlab.arm_spaces import explicit_rewards
from banditlab.optimizers import SGD
from banditlab.rounds import Memory, roll_out, step
from banditlab.rules import UpdateRule
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

SUCCESS_REWARD = 0.7
"""Reward of a success; unlike 1 it is rounded when it is averaged."""


def _two_arms(log_odds: float, num_runs: int, success_reward: float) -> DenseSoftmax:
    logits = np.array([log_expit(log_odds), log_expit(-log_odds)])
    return DenseSoftmax(
        explicit_rewards(np.array([success_reward, 0.0]), logits), num_runs, SGD(1.0)
    )


def is_silent(
    rule: UpdateRule,
    log_odds: float,
    group_size: int,
    num_runs: int,
    *,
    arms: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    success_reward: float = SUCCESS_REWARD,
) -> np.ndarray:
    """Whether one round of each run left every logit exactly where it was.

    Args:
        rule: the update rule.
        log_odds: log-odds of success, nats.
        group_size: rollouts per round, G.
        num_runs: independent runs, R.
        arms: arms of each run (0 is the correct one), shape [R, G]; drawn by default.
        rng: source of randomness, where arms are drawn.
        success_reward: reward of the correct arm.

    Returns:
        Booleans, shape [R].
    """
    policy = _two_arms(log_odds, num_runs, success_reward)
    start = policy.logits.copy()
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    arms = None if arms is None else arms[:, None]
    step(policy, rule, contexts, group_size=group_size, rng=rng, arms=arms)
    return (policy.logits == start).all(axis=(1, 2))


def measure_silent_probs(
    rules: Sequence[UpdateRule],
    log_odds: np.ndarray,
    group_size: int,
    success_reward: float = SUCCESS_REWARD,
) -> Measurement:
    """Probability of a round without an update, summed over all groups.

    Args:
        rules: the rules.
        log_odds: log-odds of success, nats, shape [S].
        group_size: rollouts per round, G; 2^G groups are enumerated.
        success_reward: reward of the correct arm.

    Returns:
        Probabilities, shape [len(rules), S].
    """
    arms = np.array(list(product((0, 1), repeat=group_size)))
    found = []
    for rule in rules:
        for each in log_odds:
            log_prob = np.array([log_expit(each), log_expit(-each)])
            prob = np.exp(log_prob[arms].sum(axis=1))
            silent = is_silent(
                rule, each, group_size, len(arms), arms=arms, success_reward=success_reward
            )
            found.append(np.where(silent, prob, 0.0).sum())
    return Measurement.exact(found)


def measure_silent_shares(
    rng: np.random.Generator,
    cases: Sequence[tuple[UpdateRule, float, int]],
    num_runs: int,
) -> Measurement:
    """Share of drawn rounds without an update.

    Args:
        rng: source of randomness.
        cases: rule, log-odds of success and group size of each share.
        num_runs: rounds per case, R.

    Returns:
        Shares, shape [len(cases)].
    """
    parts = []
    for rule, log_odds, group_size in cases:
        silent = is_silent(rule, log_odds, group_size, num_runs, rng=rng)
        parts.append(Measurement.share(int(silent.sum()), num_runs))
    return Measurement.joined(*parts)


def has_mixed_rewards(reward: np.ndarray) -> np.ndarray:
    """Whether a group is used by dynamic sampling: its rewards differ.

    Args:
        reward: rewards, shape [R, G].

    Returns:
        Booleans, shape [R].
    """
    return reward.max(axis=1) > reward.min(axis=1)


def measure_groups_per_used_group(
    rng: np.random.Generator,
    rule: UpdateRule,
    cases: Sequence[tuple[float, int]],
    num_used: int,
    is_used: Callable[[np.ndarray], np.ndarray] = has_mixed_rewards,
) -> Measurement:
    """Mean number of groups drawn until one is used, as dynamic sampling draws them.

    Args:
        rng: source of randomness.
        rule: the rule that would train on the groups.
        cases: log-odds of success and group size of each mean.
        num_used: groups used per case.
        is_used: function of rewards [R, G] -> whether the group is used.

    Returns:
        Means, shape [len(cases)].
    """
    parts = []
    for log_odds, group_size in cases:
        policy, used_at, num_drawn = _two_arms(log_odds, num_used, 1.0), [], 0
        contexts = np.zeros((num_used, 1), dtype=np.int64)
        while sum(len(at) for at in used_at) < num_used:
            memory = Memory.start(rule, num_used, 1)
            groups = roll_out(policy, rule, contexts, group_size=group_size, rng=rng, memory=memory)
            used_at.append(num_drawn + np.flatnonzero(is_used(groups.reward[:, 0])))
            num_drawn += num_used
        # The waits for the first num_used groups are independent and geometric.
        waits = np.diff(np.concatenate(used_at)[:num_used], prepend=-1)
        parts.append(Measurement.mean_of_runs(waits))
    return Measurement.joined(*parts)
