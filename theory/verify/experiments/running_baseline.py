"""Experiments on a baseline of earlier rewards, with and without the present ones (P10).

Shapes: R runs, S rounds, G group.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from banditlab.optimizers import SGD
from banditlab.rounds import Memory, step
from banditlab.rules import UpdateRule, get_rule
from banditlab.softmax import DenseSoftmax
from banditlab.stateful_advantages import running_mean
from theory.verify.experiments.group_moments import two_arms
from theory.verify.measurement import Measurement


def baseline_rule(
    *, forgetting: float, initial_baseline: float = 0.0, is_included: bool = False
) -> UpdateRule:
    """Return the running-mean rule, or the one whose baseline includes the present rewards.

    Args:
        forgetting: least weight of the newest round.
        initial_baseline: baseline before the first reward.
        is_included: whether the present rewards are in the baseline.

    Returns:
        The rule.
    """
    rule = get_rule("running_mean", forgetting=forgetting, initial_baseline=initial_baseline)
    return replace(rule, advantage=over_updated_mean) if is_included else rule


def over_updated_mean(
    reward: np.ndarray, state: np.ndarray, **hyper: float
) -> tuple[np.ndarray, np.ndarray]:
    """Reward less the running mean after it has seen the reward.

    Args:
        reward: rewards, shape [*, G].
        state: baseline and count, shape [*, 2].
        **hyper: hyperparameters of `running_mean`.

    Returns:
        The advantage, shape [*, G], and the next state.
    """
    _, state = running_mean(reward, state, **hyper)
    return reward - state[..., :1], state


def measure_history_gradients(
    rule: UpdateRule, log_odds: float, *, group_size: int, num_rounds: int
) -> Measurement:
    """Mean class gradient of each round under a policy that stays, summed over all histories.

    Args:
        rule: the update rule.
        log_odds: log-odds of success, nats.
        group_size: rollouts per round, G.
        num_rounds: rounds, S; 2^(G S) histories are enumerated.

    Returns:
        Class gradients, shape [S].
    """
    arms = np.array(list(product((0, 1), repeat=group_size * num_rounds)))
    problem = two_arms(log_odds)
    prob = np.exp(problem.log_mass[0][arms].sum(axis=1))
    policy = DenseSoftmax(problem, len(arms), SGD(1.0))
    start, memory = policy.logits.copy(), Memory.start(rule, len(arms), 1)
    contexts = np.zeros((len(arms), 1), dtype=np.int64)
    found = []
    for group in np.split(arms, num_rounds, axis=1):
        policy.logits[...] = start
        step(
            policy,
            rule,
            contexts,
            group_size=group_size,
            arms=group[:, None],
            memory=memory,
        )
        found.append(prob @ (policy.logits - start)[:, 0, 0])
    return Measurement.exact(found)


def kept_shares(
    rng: np.random.Generator,
    rule: UpdateRule,
    log_odds: float,
    *,
    group_size: int,
    num_rounds: int,
    step_size: float,
    num_runs: int,
) -> np.ndarray:
    """Class gradient over p q of the policy of its round, averaged over the rounds of a run.

    Args:
        rng: source of randomness.
        rule: the update rule.
        log_odds: initial log-odds of success, nats.
        group_size: rollouts per round, G.
        num_rounds: rounds, S; the policy moves from one to the next.
        step_size: step size of SGD.
        num_runs: independent runs, R.

    Returns:
        Mean quotients, shape [R].
    """
    policy = DenseSoftmax(two_arms(log_odds), num_runs, SGD(step_size))
    memory = Memory.start(rule, num_runs, 1)
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    total = np.zeros(num_runs)
    for _ in range(num_rounds):
        mass, before = policy.class_mass()[:, 0], policy.logits.copy()
        step(policy, rule, contexts, group_size=group_size, rng=rng, memory=memory)
        total += (policy.logits - before)[:, 0, 0] / (step_size * mass.prod(axis=1))
    return total / num_rounds
