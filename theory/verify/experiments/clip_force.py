"""Inner steps under rewards that carry no information (P14), on banditlab's clipped weight."""

from dataclasses import replace

import numpy as np
from scipy.special import log_softmax

from banditlab.arm_spaces import explicit_rewards
from banditlab.optimizers import SGD
from banditlab.reward_laws import Rademacher
from banditlab.rounds import Memory, roll_out, step
from banditlab.rules import UpdateRule, score_weight
from banditlab.softmax import DenseSoftmax
from theory.verify.experiments.entropy import entropy_slope
from theory.verify.measurement import Measurement

_GROUP_SIZE = 500


def expected_force(rule: UpdateRule, old_logits: np.ndarray, logits: np.ndarray) -> np.ndarray:
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
    return pull - np.exp(log_prob) * pull.sum()


def clip_entropy_slope(rule: UpdateRule, old_logits: np.ndarray, logits: np.ndarray) -> float:
    """Derivative of the entropy along the expected inner step.

    Args:
        rule: rule whose advantage is the reward.
        old_logits: of the policy that drew, nats, shape [K].
        logits: of the present policy, nats, shape [K].

    Returns:
        Nats per unit step size.
    """
    return entropy_slope(logits, expected_force(rule, old_logits, logits))


def measure_sampled_force(
    rng: np.random.Generator,
    rule: UpdateRule,
    old_logits: np.ndarray,
    logits: np.ndarray,
    num_runs: int,
) -> Measurement:
    """Mean inner step of rounds: drawn by the old policy, taken at the present one.

    Args:
        rng: source of randomness.
        rule: rule whose advantage is the reward.
        old_logits: of the policy that draws, nats, shape [K].
        logits: of the present policy, nats, shape [K].
        num_runs: rounds of 500 samples, each a run of its own.

    Returns:
        Change of all logits but the last, which the others determine, shape [K - 1].
    """
    problem = explicit_rewards(np.zeros_like(old_logits), old_logits, reward_law=Rademacher())
    policy = DenseSoftmax(problem, num_runs, SGD(1.0))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    drawn = roll_out(policy, rule, contexts, group_size=_GROUP_SIZE, rng=rng, memory=Memory())
    policy.logits[...] = logits
    step(
        policy,
        rule,
        contexts,
        group_size=_GROUP_SIZE,
        # As stale rollouts, whose ratio is that of the present to the old policy.
        stale=(drawn,),
        fresh=replace(drawn),
        trains_fresh=False,
    )
    return Measurement.mean_of_runs((policy.logits[:, 0] - logits)[:, :-1])


def entropy_after_noise(
    rng: np.random.Generator,
    rule: UpdateRule,
    logits: np.ndarray,
    *,
    num_rounds: int,
    num_runs: int,
) -> np.ndarray:
    """Entropy after rounds of 20 inner epochs on 8 samples of random reward, step size .3.

    Args:
        rng: source of randomness.
        rule: rule whose advantage is the reward.
        logits: initial logits, nats, shape [K].
        num_rounds: rounds.
        num_runs: R.

    Returns:
        Nats, shape [R].
    """
    problem = explicit_rewards(np.zeros_like(logits), logits, reward_law=Rademacher())
    policy = DenseSoftmax(problem, num_runs, SGD(0.3))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    for _ in range(num_rounds):
        step(policy, rule, contexts, group_size=8, inner_epochs=20, rng=rng)
    return policy.entropy()[:, 0]
