"""Experiments on stale data: weights between two policies, stale groups, rollouts of one age.

Shapes: K arms, G group, R runs.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from scipy.special import expit, log_expit, log_softmax

from banditlab.advantages import constant_baseline
from banditlab.arm_spaces import explicit_rewards, from_pass_rates
from banditlab.config import SimulationConfig
from banditlab.optimizers import SGD
from banditlab.rounds import Memory, roll_out, step
from banditlab.rules import UpdateRule, get_rule, score_weight
from banditlab.simulate import simulate
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

BASELINE = 0.3


def over_baseline(rule: UpdateRule) -> UpdateRule:
    """Return the rule with a constant baseline for its advantage.

    Args:
        rule: an update rule.

    Returns:
        The rule, with the advantage reward - `BASELINE`.
    """
    advantage = partial(constant_baseline, baseline=BASELINE)
    return replace(rule, advantage=advantage, advantage_hyper={}, smallest_draw=1)


def with_group_mean(rule: UpdateRule) -> UpdateRule:
    """Return the rule with the group mean for its baseline.

    Args:
        rule: an update rule.

    Returns:
        The rule, with the advantage of clip.
    """
    return replace(rule, advantage=get_rule("clip").advantage, advantage_hyper={}, smallest_draw=2)


def two_class_log_probs(log_odds: np.ndarray) -> np.ndarray:
    """Log-probabilities of success and failure.

    Args:
        log_odds: log-odds of success, nats, shape [*].

    Returns:
        Nats, shape [*, 2].
    """
    return np.stack([log_expit(log_odds), log_expit(-np.asarray(log_odds))], axis=-1)


def weights_between(
    rule: UpdateRule, old_log_prob: np.ndarray, log_prob: np.ndarray, advantage: np.ndarray
) -> np.ndarray:
    """Score weights of stale samples.

    Args:
        rule: the rule, of which the weight is asked.
        old_log_prob: log-probabilities under the policy that drew, nats, shape [*].
        log_prob: those under the present policy, nats, shape [*].
        advantage: advantages that broadcast to that shape.

    Returns:
        Weights, shape [*].
    """
    advantage = np.broadcast_to(advantage, old_log_prob.shape)
    return score_weight(rule, log_prob, old_log_prob, advantage)


def measure_stale_moments(
    rules: Sequence[UpdateRule], old_log_odds: np.ndarray, distance: np.ndarray
) -> Measurement:
    """Mean and second moment of the class gradient of one stale sample, summed over both outcomes.

    Args:
        rules: rules whose advantage is of the reward alone.
        old_log_odds: log-odds of success under the policy that drew, nats, shape [S].
        distance: log-odds under the present policy less those, nats, shape [S].

    Returns:
        Moments, shape [len(rules), 2, S].
    """
    old, new = (two_class_log_probs(z) for z in (old_log_odds, old_log_odds + distance))
    score = np.array([1.0, 0.0]) - np.exp(new[:, :1])
    moments = []
    for rule in rules:
        gradient = weights_between(rule, old, new, rule.advantage(np.array([1.0, 0.0]))) * score
        moments += [(np.exp(old) * gradient**power).sum(axis=1) for power in (1, 2)]
    return Measurement.exact(moments)


def _stale_step(
    rule: UpdateRule,
    old_logits: np.ndarray,
    logits: np.ndarray,
    reward: np.ndarray,
    *,
    arms: np.ndarray | None,
    shape: tuple[int, int],
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Change of the logits in one step of size 1 on stale groups, [R, K], and their arms."""
    num_runs, group_size = shape
    policy = DenseSoftmax(explicit_rewards(reward, old_logits), num_runs, SGD(1.0))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    how = {"group_size": group_size, "rng": rng, "arms": arms}
    memory = Memory.start(rule, num_runs, 1)
    stale = roll_out(policy, rule, contexts, memory=memory, **how)
    policy.logits[...] = logits
    step(policy, rule, contexts, memory=memory, stale=[stale], trains_fresh=False, **how)
    return policy.logits[:, 0] - logits, stale.draw.arm[:, 0]


def measure_stale_updates(
    rules: Sequence[UpdateRule],
    old_logits: np.ndarray,
    logits: np.ndarray,
    reward: np.ndarray,
    group_size: int,
) -> Measurement:
    """Expected change of the logits in one step on stale groups, summed over all groups of arms.

    Args:
        rules: rules with a group baseline.
        old_logits: logits of the policy that drew, nats, shape [K].
        logits: logits of the present policy, nats, shape [K].
        reward: reward of each arm, shape [K].
        group_size: rollouts per group, G; K^G groups are enumerated.

    Returns:
        Changes per unit step, shape [len(rules), K].
    """
    arms = np.array(list(product(range(len(reward)), repeat=group_size)))
    prob = np.exp(log_softmax(old_logits)[arms].sum(axis=1))
    updates = []
    for rule in rules:
        change, _ = _stale_step(
            rule, old_logits, logits, reward, arms=arms[:, None], shape=arms.shape
        )
        updates.append(prob @ change)
    return Measurement.exact(updates)


def measure_sampled_class_gradients(
    rng: np.random.Generator,
    rules: Sequence[UpdateRule],
    old_logits: np.ndarray,
    logits: np.ndarray,
    reward: np.ndarray,
    *,
    group_size: int,
    num_runs: int,
) -> Measurement:
    """Mean change of the correct logits in one step on drawn stale groups, for each rule.

    Args:
        rng: source of randomness.
        rules: rules with a group baseline.
        old_logits: logits of the policy that draws, nats, shape [K].
        logits: logits of the present policy, nats, shape [K].
        reward: 0 or 1 for each arm, shape [K].
        group_size: rollouts per group, G.
        num_runs: groups per rule, R.

    Returns:
        Class gradients, shape [len(rules)], from independent groups.
    """
    means = []
    for rule in rules:
        change, _ = _stale_step(
            rule, old_logits, logits, reward, arms=None, shape=(num_runs, group_size), rng=rng
        )
        means.append(Measurement.mean_of_runs(change[:, reward == 1.0].sum(axis=1)))
    return Measurement.joined(*means)


def measure_replay(
    rng: np.random.Generator,
    rules: Sequence[UpdateRule],
    *,
    log_odds: float,
    num_updates: int,
    age: int,
    learning_rate: float,
    group_size: int,
    num_prompts: int,
    num_runs: int,
) -> Measurement:
    """Mean pass rate after training on rollouts of one age only, for each rule.

    Args:
        rng: source of randomness.
        rules: the rules.
        log_odds: initial log-odds of every prompt, nats.
        num_updates: rounds.
        age: age of the rollouts, in rounds.
        learning_rate: step size times the one number by which all log-odds move.
        group_size: rollouts per prompt, G.
        num_prompts: prompts of a batch; they share their log-odds, so more of them is less noise.
        num_runs: independent runs per rule, R.

    Returns:
        Pass rates, shape [len(rules)], from independent runs.
    """
    problem = from_pass_rates(np.full(num_prompts, expit(log_odds)), shared_kernel=1.0)
    means = []
    for rule in rules:
        config = SimulationConfig(
            num_runs=num_runs,
            num_steps=num_updates,
            group_size=group_size,
            step_size=learning_rate,
            rollout_ages=(age,),
            record_every=num_updates,
            seed=int(rng.integers(2**31)),
        )
        pass_rate = simulate(problem, rule, config).curves["pass_rate"][:, -1]
        means.append(Measurement.mean_of_runs(pass_rate))
    return Measurement.joined(*means)
