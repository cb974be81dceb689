"""Training off-policy: the rule without a ratio has none, and the first step is the gradient."""

import numpy as np

from banditlab.rules import get_rule, score_weight
from theory.verify.experiments.off_policy import train_off_policy, without_ratio

COUNTS, REWARD = np.array([3, 2, 1]), np.array([1.0, -0.5, 0.2])


def test_rule_without_ratio_has_the_reward_for_its_weight():
    log_prob, old_log_prob = np.array([-5.0, -0.1]), np.array([-1.0, -3.0])
    advantage = np.array([0.7, -1.2])
    np.testing.assert_allclose(
        score_weight(without_ratio(), log_prob, old_log_prob, advantage), advantage
    )


def test_first_step_is_on_policy():
    behaviour = COUNTS / COUNTS.sum()
    gradient = behaviour * (REWARD - behaviour @ REWARD)
    for rule in (without_ratio(), get_rule("topr"), get_rule("raw_reward")):
        log_prob, logits = train_off_policy(rule, COUNTS, REWARD, step_size=0.3, num_steps=1)
        np.testing.assert_allclose(logits - np.log(behaviour), 0.3 * gradient, atol=1e-15)
        np.testing.assert_allclose(np.exp(log_prob).sum(), 1.0)
