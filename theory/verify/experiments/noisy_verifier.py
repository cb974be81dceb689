"""The class gradient under banditlab's noisy verifier, enumerated and sampled (P23)."""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import binom

from banditlab.arm_spaces import rare_correct
from banditlab.optimizers import SGD
from banditlab.reward_laws import NoisyVerifier
from banditlab.rounds import step
from banditlab.rules import get_rule, group_advantage
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement


def measure_noisy_gradient(
    rule: str, log_odds: np.ndarray, verifier: NoisyVerifier, group_size: int
) -> Measurement:
    """Expected class gradient by enumeration of a rollout, its reward, and those of its group.

    Args:
        rule: name of the rule.
        log_odds: log-odds of success, nats, shape [S].
        verifier: the reward law.
        group_size: rollouts per group, G.

    Returns:
        Class gradients, shape [S].
    """
    counts = np.arange(group_size)
    others = np.arange(group_size - 1) < counts[:, None]
    advantage = {
        own: group_advantage(
            get_rule(rule), np.column_stack([np.full(group_size, own), others]).astype(float)
        )[:, 0]
        for own in (0.0, 1.0)
    }
    gradient = []
    for pass_rate in expit(log_odds):
        rate_of = {truth: float(verifier.observed_mean(np.array(truth))) for truth in (0.0, 1.0)}
        paid = pass_rate * rate_of[1.0] + (1.0 - pass_rate) * rate_of[0.0]
        chance = binom.pmf(counts, group_size - 1, paid)
        total = 0.0
        for truth, share in ((1.0, pass_rate), (0.0, 1.0 - pass_rate)):
            for own, rate in ((1.0, rate_of[truth]), (0.0, 1.0 - rate_of[truth])):
                total += share * rate * float(chance @ advantage[own]) * (truth - pass_rate)
        gradient.append(total)
    return Measurement.exact(gradient)


def measure_sampled_noisy_gradient(
    rng: np.random.Generator,
    rule: str,
    log_odds: float,
    verifier: NoisyVerifier,
    group_size: int,
    num_runs: int,
) -> Measurement:
    """The same from drawn rounds of one correct and one wrong arm: change of log-odds over 2.

    Args:
        rng: source of randomness.
        rule: name of the rule.
        log_odds: log-odds of success, nats.
        verifier: the reward law.
        group_size: rollouts per group, G.
        num_runs: rounds, each a run of its own.

    Returns:
        The class gradient, shape [1].
    """
    problem = rare_correct(0, float(expit(log_odds)), reward_law=verifier)
    policy = DenseSoftmax(problem, num_runs, SGD(1.0))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    step(policy, get_rule(rule), contexts, group_size=group_size, rng=rng)
    moved = logit(policy.class_mass()[:, 0, 0]) - log_odds
    return Measurement.mean_of_runs(moved / 2.0)
