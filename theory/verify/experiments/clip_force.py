"""Inner steps under rewards that carry no information (P14), on banditlab's clipped weight."""

import numpy as np
from scipy.special import log_softmax

from banditlab.arm_spaces import explicit_rewards
from banditlab.optimizers import SGD
from banditlab.reward_laws import Rademacher
from banditlab.rounds import step
from banditlab.rules import UpdateRule, score_weight
from banditlab.softmax import DenseSoftmax
from banditlab.streams import RunStreams
from theory.verify.measurement import Measurement


def measure_force(rule: UpdateRule, old_logits: np.ndarray, logits: np.ndarray) -> Measurement:
    """Expected inner step under rewards +-1 of equal chance, by enumeration.

    Args:
        rule: rule whose advantage is the reward.
        old_logits: of the policy that drew, nats, shape [K].
        logits: of the present policy, nats, shape [K].

    Returns:
        Change of the logits per unit step size, shape [K].
    """
    log_prob, old_log_prob = log_softmax(logits), log_softmax(old_logits)
    pull = np.zeros_like(logits)
    for reward in (1.0, -1.0):
        advantage = np.full_like(logits, reward)
        pull += 0.5 * np.exp(old_log_prob) * score_weight(rule, log_prob, old_log_prob, advantage)
    return Measurement.exact(pull - np.exp(log_prob) * pull.sum())


def measure_sampled_force(
    rng: np.random.Generator,
    rule: UpdateRule,
    old_logits: np.ndarray,
    logits: np.ndarray,
    num_samples: int,
) -> Measurement:
    """The same from drawn arms and rewards, along the force that enumeration gives.

    Args:
        rng: source of randomness.
        rule: rule whose advantage is the reward.
        old_logits: of the policy that drew, nats, shape [K].
        logits: of the present policy, nats, shape [K].
        num_samples: samples.

    Returns:
        Projection of the mean step on e_0 - e_1, shape [1].
    """
    log_prob, old_log_prob = log_softmax(logits), log_softmax(old_logits)
    arm = rng.choice(len(logits), size=num_samples, p=np.exp(old_log_prob))
    reward = Rademacher().draw(np.zeros(num_samples), rng.random(num_samples))
    weight = score_weight(rule, log_prob[arm], old_log_prob[arm], reward)
    prob = np.exp(log_prob)
    # (e_arm - prob) along e_0 - e_1.
    score = np.where(arm == 0, 1.0, 0.0) - np.where(arm == 1, 1.0, 0.0) - (prob[0] - prob[1])
    return Measurement.mean_of_runs(weight * score)


def entropy_after_noise(
    rng: np.random.Generator, rule: UpdateRule, *, num_arms: int, num_rounds: int, num_runs: int
) -> np.ndarray:
    """Entropy after rounds of 20 inner epochs on 8 samples of random reward, uniform at the start.

    Args:
        rng: source of randomness.
        rule: the rule; its advantage is replaced by the reward.
        num_arms: K.
        num_rounds: rounds.
        num_runs: R.

    Returns:
        Nats, shape [R].
    """
    problem = explicit_rewards(np.zeros(num_arms), reward_law=Rademacher())
    policy = DenseSoftmax(problem, num_runs, SGD(0.3))
    streams = RunStreams(int(rng.integers(2**31)), num_runs)
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    for _ in range(num_rounds):
        step(policy, rule, contexts, group_size=8, inner_epochs=20, rng=streams)
    return policy.entropy()[:, 0]
