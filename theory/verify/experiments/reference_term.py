"""Experiments on reference terms: exact expected updates, given rounds, and learning curves (P53).

Shapes: K arms, R runs, G group.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

from banditlab.arm_spaces import explicit_rewards
from banditlab.expectation import expected_update
from banditlab.optimizers import SGD
from banditlab.reference import ReferenceTerm
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule, score_weight
from banditlab.softmax import DenseSoftmax
from theory.verify.experiments.expected_flow import (
    NUM_CORRECT,
    NUM_WRONG,
    REWARD,
    measure_flow,
    two_class_logits,
)
from theory.verify.measurement import Measurement

KERNEL = 1.0 / NUM_CORRECT + 1.0 / NUM_WRONG


def named_term(term: str, coefficient: float) -> ReferenceTerm:
    """Reference term by its name.

    Args:
        term: estimator, place and ratio, as "k3 in the loss, with ratio".
        coefficient: price of one nat.

    Returns:
        The term.
    """
    words, _, corrected = term.partition(", ")
    estimator, _, _, place = words.split()
    return ReferenceTerm(coefficient, estimator, place, bool(corrected))


def rule_with(estimator: str, coefficient: float) -> UpdateRule:
    """Raw reward alone, GRPO in groups, with an estimator in the loss.

    Args:
        estimator: "k1", "k2" or "k3".
        coefficient: price of one nat.

    Returns:
        The registered grpo_k3, with that estimator in place of its own.
    """
    return get_rule("grpo_k3").with_reference(ReferenceTerm(coefficient, estimator, "loss"))


def measure_term_updates(
    terms: Sequence[str], logits: np.ndarray, ref_logits: np.ndarray, *, coefficient: float
) -> Measurement:
    """Expected update of raw reward with each term less that without, per unit of coefficient.

    Args:
        terms: names of terms.
        logits: logits of the policy, nats, shape [K].
        ref_logits: logits of the reference, nats, shape [K].
        coefficient: price of one nat.

    Returns:
        Changes of the logits, shape [len(terms), K].
    """
    reward, rule = np.linspace(0.0, 1.0, len(logits)), get_rule("raw_reward")
    without = expected_update(rule, logits, reward, 1)
    changes = []
    for term in terms:
        with_term = rule.with_reference(named_term(term, coefficient))
        changed = expected_update(with_term, logits, reward, 1, ref_logits=ref_logits)
        changes.append((changed - without) / coefficient)
    return Measurement.exact(changes)


def measure_weight_moment(
    term: ReferenceTerm, prob: np.ndarray, ref_prob: np.ndarray
) -> Measurement:
    """Second moment of the weight of a term, per unit of coefficient squared.

    Args:
        term: a term in the loss.
        prob: policies, shape [n, K].
        ref_prob: the reference policy, shape [K].

    Returns:
        Moments, shape [n].
    """
    rule = get_rule("raw_reward").with_reference(term)
    log_prob, ref_log_prob = np.log(prob), np.broadcast_to(np.log(ref_prob), prob.shape)
    advantage = np.zeros_like(prob)
    weight = score_weight(rule, log_prob, log_prob, advantage, ref_log_prob=ref_log_prob)
    return Measurement.exact((prob * weight**2).sum(axis=1) / term.coefficient**2)


def measure_two_rounds(
    rule: UpdateRule, base_logits: np.ndarray, reward: np.ndarray
) -> Measurement:
    """Changes of the logits in the first and in the second round, for every pair of arms.

    Args:
        rule: the update rule.
        base_logits: logits of the base policy, which is the reference, nats, shape [K].
        reward: reward of each arm, shape [K].

    Returns:
        Changes per unit step, shape [2, K * K, K]: round, arms of the two rounds, logit.
    """
    num_arms = len(reward)
    pairs = np.indices((num_arms, num_arms)).reshape(2, -1)
    policy = DenseSoftmax(explicit_rewards(reward, base_logits), pairs.shape[1], SGD(1.0))
    contexts = np.zeros((pairs.shape[1], 1), dtype=np.int64)
    changes = []
    for arms in pairs:
        before = policy.logits.copy()
        step(policy, rule, contexts, group_size=1, arms=arms[:, None, None])
        changes.append((policy.logits - before)[:, 0])
    return Measurement.exact(changes)


def _class_gradient(
    rule: UpdateRule, log_odds: float, ref_log_odds: float, group_size: int
) -> float:
    change = expected_update(
        rule,
        two_class_logits(log_odds),
        REWARD,
        group_size,
        ref_logits=two_class_logits(ref_log_odds),
    )
    return float(change[REWARD == 1.0].mean() - change[REWARD == 0.0].mean()) / KERNEL


def measure_drifts(
    rule: UpdateRule, log_odds: np.ndarray, ref_log_odds: float, group_size: int
) -> Measurement:
    """Expected change of the log-odds per unit of step size and kernel.

    Args:
        rule: the update rule.
        log_odds: log-odds of success, nats, shape [S].
        ref_log_odds: log-odds of the reference, nats.
        group_size: rollouts per update, G.

    Returns:
        Class gradients, shape [S].
    """
    return Measurement.exact(
        [_class_gradient(rule, float(start), ref_log_odds, group_size) for start in log_odds]
    )


def measure_final_log_odds(
    rule: UpdateRule, ref_log_odds: float, group_size: int, *, width: float
) -> float:
    """Log-odds at which the expected update vanishes, above the base policy.

    Args:
        rule: the update rule.
        ref_log_odds: log-odds of the base policy, nats.
        group_size: rollouts per update, G.
        width: how far above the base policy it is looked for, nats.

    Returns:
        Log-odds, nats.
    """
    # The class gradient itself is tiny there; over p (1 - p) its zero is sharp.
    return brentq(
        lambda log_odds: (
            _class_gradient(rule, log_odds, ref_log_odds, group_size) * np.cosh(log_odds / 2.0) ** 2
        ),
        ref_log_odds + 1e-6,
        ref_log_odds + width,
        xtol=1e-13,
    )


def measure_times(
    rule: UpdateRule, log_odds: np.ndarray, ref_log_odds: float, *, num_nodes: int = 60
) -> np.ndarray:
    """Time of the exact flow from the base policy, with classes that stay uniform.

    Args:
        rule: the update rule, on one rollout.
        log_odds: log-odds to be reached, ascending, nats, shape [S].
        ref_log_odds: log-odds of the base policy, nats.
        num_nodes: nodes of Gauss's rule between neighbours.

    Returns:
        step_size * updates, shape [S].
    """
    node, weight = np.polynomial.legendre.leggauss(num_nodes)
    total, low, times = 0.0, ref_log_odds, []
    for high in log_odds:
        middle, half = (high + low) / 2.0, (high - low) / 2.0
        drift = measure_drifts(rule, middle + half * node, ref_log_odds, 1).value
        total, low = total + half * float((weight / drift).sum()) / KERNEL, high
        times.append(total)
    return np.array(times)


def measure_curve(
    rule: UpdateRule, ref_log_odds: float, times: np.ndarray, updates_per_time: int
) -> Measurement:
    """Log-odds along the flow of the expected update from the base policy, extrapolated.

    Args:
        rule: the update rule, on one rollout.
        ref_log_odds: log-odds of the base policy, nats.
        times: equally spaced times from the first spacing on, shape [S].
        updates_per_time: updates per spacing of the coarsest of three step sizes.

    Returns:
        Log-odds, nats, shape [S].
    """
    ref_logits = two_class_logits(ref_log_odds)
    return measure_flow(
        lambda logits: expected_update(rule, logits, REWARD, 1, ref_logits=ref_logits),
        ref_log_odds,
        times,
        updates_per_time,
    )


def measure_sampled_drifts(
    rng: np.random.Generator,
    rules: Sequence[UpdateRule],
    log_odds: float,
    ref_log_odds: float,
    *,
    num_rollouts: int,
    num_runs: int,
) -> Measurement:
    """Mean class gradient of one drawn round of a policy that has left its reference.

    Args:
        rng: source of randomness.
        rules: rules whose advantage is the reward.
        log_odds: log-odds of success of the policy, nats.
        ref_log_odds: those of the reference, nats.
        num_rollouts: rollouts of the round.
        num_runs: runs of each rule.

    Returns:
        Class gradients, one per rule.
    """
    problem = explicit_rewards(REWARD, two_class_logits(ref_log_odds))
    contexts, parts = np.zeros((num_runs, 1), dtype=np.int64), []
    for rule in rules:
        policy = DenseSoftmax(problem, num_runs, SGD(1.0))
        moved = np.broadcast_to(two_class_logits(log_odds), policy.logits.shape)
        policy.restore({**policy.state(), "logits": moved})
        step(policy, rule, contexts, group_size=num_rollouts, rng=rng)
        parts.append(Measurement.mean_of_runs((policy.logits - moved)[:, 0, REWARD == 1.0].sum(-1)))
    return Measurement.joined(*parts)


def base_policy(num_arms: int, phase: float) -> np.ndarray:
    """Some uneven logits.

    Args:
        num_arms: K.
        phase: which.

    Returns:
        Normalised logits, nats, shape [K].
    """
    return log_softmax(np.sin(phase + 1.3 * np.arange(num_arms)))


def uneven_policies(num_arms: int, phases: Sequence[float]) -> np.ndarray:
    """Several of `base_policy`, as probabilities.

    Args:
        num_arms: K.
        phases: which, n of them.

    Returns:
        Probabilities, shape [n, K].
    """
    return np.stack([softmax(base_policy(num_arms, phase)) for phase in phases])
