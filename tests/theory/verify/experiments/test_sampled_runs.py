"""The experiments measure what they say: event-driven against stepwise, ascent against formula."""

import numpy as np
import pytest

from banditlab.arm_spaces import rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import get_rule
from theory.verify.experiments.expected_flow import log_odds_of, two_class_logits
from theory.verify.experiments.penalised_step import constrained_optimum
from theory.verify.experiments.sampled_runs import _successes_of_a_group_with_one, take_off_rollouts


def stepwise_rollouts(rng, rule, *, success_prob, step_size, group_size, num_runs):
    policy = LumpedSoftmax(rare_correct(100_000, success_prob), num_runs, SGD(step_size))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    groups = np.zeros(num_runs)
    while True:
        is_waiting = policy.class_mass()[:, 0, 0] < 0.5
        # A run that has reached one half may fall back; it does not count again.
        groups = np.where(is_waiting & (groups >= 0), groups + 1, -np.abs(groups))
        if not (groups > 0).any():
            return success_prob * group_size * np.abs(groups)
        step(policy, get_rule(rule), contexts, group_size=group_size, rng=rng)


@pytest.mark.parametrize("rule", ["raw_reward", "grpo"])
def test_jumping_from_event_to_event_has_the_law_of_stepping(rule):
    # |z| < 4 on mean and on mean square: false alarm rate 1.3e-4 for each rule.
    how = {"success_prob": 0.02, "step_size": 4.0, "group_size": 4, "num_runs": 1500}
    jumped = take_off_rollouts(np.random.default_rng(1), rule, **how)
    stepped = stepwise_rollouts(np.random.default_rng(2), rule, **how)
    for power in (1, 2):
        one, two = jumped**power, stepped**power
        error = np.sqrt((one.var() + two.var()) / len(one))
        assert abs(one.mean() - two.mean()) < 4.0 * error


def test_successes_given_one_have_the_truncated_binomial_law():
    rng = np.random.default_rng(3)
    rates = np.full(40_000, 0.3)
    successes = _successes_of_a_group_with_one(rates, 4, rng)
    assert successes.min() == 1
    assert successes.max() == 4
    expected = 4 * 0.3 / (1.0 - 0.7**4)
    assert abs(successes.mean() - expected) < 4.0 * successes.std() / np.sqrt(len(rates))
    rare = _successes_of_a_group_with_one(np.full(1000, 1e-100), 8, rng)
    assert (rare == 1).all()


def test_take_off_that_never_comes_is_said(monkeypatch):
    monkeypatch.setattr("theory.verify.experiments.sampled_runs._MOST_SUCCESSES", 20)
    with pytest.raises(FloatingPointError, match="without reaching p = 1/2"):
        take_off_rollouts(
            np.random.default_rng(0),
            "raw_reward",
            success_prob=1e-9,
            step_size=1e-4,
            group_size=1,
            num_runs=1,
        )


def test_two_class_logits_have_their_log_odds():
    for log_odds in (-30.0, -1.0, 2.0):
        assert log_odds_of(two_class_logits(log_odds)) == pytest.approx(log_odds, abs=1e-12)


def test_the_bound_of_the_constrained_optimum_is_met():
    advantage, prob = np.array([1.0, 0.0, -0.5]), np.array([0.2, 0.5, 0.3])
    ratio, multiplier = constrained_optimum(advantage, prob, 0.03)
    assert prob @ (ratio - 1.0) ** 2 == pytest.approx(0.03, rel=1e-10)
    assert multiplier > 0.0
