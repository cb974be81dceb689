"""Experiments on training for ever on the samples of one fixed policy (P46).

Shapes: K arms, N samples.
"""

from dataclasses import replace

import numpy as np

from banditlab.advantages import raw
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule, score_weight
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement


def without_ratio() -> UpdateRule:
    """Off-policy REINFORCE: the weight is the reward, whatever the ratio.

    It is CISPO with both clips at ratio 1.

    Returns:
        The rule.
    """
    return get_rule("cispo", clip_low=0.0, clip_high=0.0)


def train_off_policy(
    rule: UpdateRule, counts: np.ndarray, reward: np.ndarray, *, step_size: float, num_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Train on the same samples for ever, as inner epochs of one round.

    Args:
        rule: the rule; its advantage is the reward itself.
        counts: how often each arm is among the samples; the policy that drew them, and from
            which training starts, has these shares. Shape [K].
        reward: reward of each arm, of either sign, shape [K].
        step_size: step size of SGD.
        num_steps: steps.

    Returns:
        Log-probabilities and logits at the end, nats, each of shape [K].
    """
    log_mass = np.log(counts / counts.sum())
    problem = BanditProblem(np.zeros((1, len(counts))), log_mass[None], reward[None])
    policy = DenseSoftmax(problem, 1, SGD(step_size))
    arms = np.repeat(np.arange(len(counts)), counts)[None, None]
    step(
        policy,
        replace(rule, advantage=raw, smallest_draw=1),
        np.zeros((1, 1), dtype=np.int64),
        group_size=arms.size,
        inner_epochs=num_steps,
        arms=arms,
    )
    return policy.log_probs()[0, 0], policy.logits[0, 0]


def measure_final_policy(
    rule: UpdateRule, counts: np.ndarray, reward: np.ndarray, *, step_size: float, num_steps: int
) -> Measurement:
    """Policy at the end.

    Args:
        rule: the rule.
        counts: how often each arm is among the samples, shape [K].
        reward: reward of each arm, shape [K].
        step_size: step size of SGD.
        num_steps: steps.

    Returns:
        Probabilities, shape [K].
    """
    log_prob, _ = train_off_policy(rule, counts, reward, step_size=step_size, num_steps=num_steps)
    return Measurement.exact(np.exp(log_prob))


def measure_policy_and_speed(
    rule: UpdateRule, counts: np.ndarray, reward: np.ndarray, *, step_size: float, num_steps: int
) -> Measurement:
    """Policy at the end, and speed of the logits over the second half of the steps.

    Args:
        rule: the rule.
        counts: how often each arm is among the samples, shape [K].
        reward: reward of each arm, shape [K].
        step_size: step size of SGD.
        num_steps: steps.

    Returns:
        Probabilities, then speeds in nats per unit of step_size * steps, shape [2, K].
    """
    half, full = (
        train_off_policy(rule, counts, reward, step_size=step_size, num_steps=num)
        for num in (num_steps, 2 * num_steps)
    )
    return Measurement.exact([np.exp(full[0]), (full[1] - half[1]) / (step_size * num_steps)])


def measure_decay(
    rule: UpdateRule, counts: np.ndarray, reward: np.ndarray, *, step_size: float, num_steps: int
) -> Measurement:
    """Probability * time of the arms of no or negative reward, from the second half of the steps.

    1/probability grows by time/limit; its growth from half the time on leaves out what happened
    before.

    Args:
        rule: the rule.
        counts: how often each arm is among the samples, shape [K].
        reward: reward of each arm, shape [K].
        step_size: step size of SGD.
        num_steps: half the steps.

    Returns:
        The limits, one for each arm of reward 0 or below.
    """
    half, full = (
        train_off_policy(rule, counts, reward, step_size=step_size, num_steps=num)[0]
        for num in (num_steps, 2 * num_steps)
    )
    growth = (np.exp(-full) - np.exp(-half)) / (step_size * num_steps)
    return Measurement.exact(1.0 / growth[reward <= 0.0])


def measure_positive_share(
    rule: UpdateRule, success_prob: np.ndarray, baseline: float
) -> Measurement:
    """Share of successes in the total size of the weights, rewards +1 and -1 over a baseline.

    Args:
        rule: the rule.
        success_prob: shares of successes among the samples, shape [S].
        baseline: the baseline.

    Returns:
        Shares, shape [S].
    """
    log_prob = np.zeros(2)
    weight = np.abs(score_weight(rule, log_prob, log_prob, np.array([1.0, -1.0]) - baseline))
    good, bad = success_prob * weight[0], (1.0 - success_prob) * weight[1]
    return Measurement.exact(good / (good + bad))
