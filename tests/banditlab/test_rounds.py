"""One round: exact means, invisible ratios, dual steps, extra and stale rollouts."""

import math

import numpy as np
import pytest

from banditlab.arm_spaces import from_pass_rates, rare_correct
from banditlab.expectation import expected_update
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.reference import ReferenceTerm
from banditlab.reward_laws import Gaussian
from banditlab.rounds import Memory, step
from banditlab.rules import RULES, get_rule
from banditlab.softmax import DenseSoftmax
from banditlab.streams import RunStreams


def one_prompt(num_runs: int) -> np.ndarray:
    return np.zeros((num_runs, 1), dtype=int)


def log_odds(policy) -> np.ndarray:
    mass = policy.class_mass()
    return np.log(mass[..., 0] / mass[..., 1])


def mean_first_step(rule, *, num_runs: int, step_size: float) -> tuple[float, float]:
    """Mean change of the log-odds of one correct arm among two in one step, and its error."""
    policy = LumpedSoftmax(rare_correct(0, 0.3), num_runs, SGD(step_size))
    before = log_odds(policy)
    step(policy, rule, one_prompt(num_runs), group_size=4, rng=RunStreams(11, num_runs))
    change = (log_odds(policy) - before)[:, 0]
    return change.mean(), change.std() / math.sqrt(num_runs)


@pytest.mark.parametrize("name", ["raw_reward", "group_mean", "grpo", "extra_rollouts", "topr"])
def test_one_sampled_step_has_the_exact_mean(name):
    """|z| < 4 (false-alarm rate 6e-5 each); twice the step size lies beyond 8."""
    measured, error = mean_first_step(RULES[name], num_runs=20_000, step_size=0.5)
    update = expected_update(RULES[name], np.log([0.3, 0.7]), np.array([1.0, 0.0]), 4)
    exact = 0.5 * (update[0] - update[1])
    assert abs(measured - exact) < 4 * error
    assert abs(measured - 2 * exact) > 8 * error


def test_coupled_prompts_move_together_as_the_shared_kernel_says():
    rates = np.array([0.2, 0.5, 0.8])
    problem = from_pass_rates(rates, np.array([0.35]), shared_kernel=6.0)
    policy = LumpedSoftmax(problem, 1, SGD(0.05))
    before = log_odds(policy)[0]
    outcome = step(
        policy,
        RULES["group_mean"],
        np.array([[0, 2]]),
        group_size=8,
        rng=np.random.default_rng(0),
    )
    centred = outcome.reward - outcome.reward.mean(axis=-1, keepdims=True)
    pull = (centred * (outcome.reward - rates[[0, 2]][:, None])).sum() / 16
    shift = log_odds(policy)[0] - before
    np.testing.assert_allclose(shift, 0.05 * 6.0 * pull, rtol=1e-10)


def test_a_prompt_that_comes_twice_counts_twice():
    """A batch of one prompt twice moves it as one group of twice the size, for raw reward."""
    shifts = []
    for contexts, arms in (
        (np.zeros((1, 2), int), np.array([[[0, 3], [0, 5]]])),
        (np.zeros((1, 1), int), np.array([[[0, 3, 0, 5]]])),
    ):
        for policy in (
            DenseSoftmax(rare_correct(1, 0.3), 1, SGD(0.7)),
            LumpedSoftmax(rare_correct(1, 0.3), 1, SGD(0.7), takes_arms=True),
        ):
            step(policy, RULES["raw_reward"], contexts, group_size=arms.shape[-1], arms=arms)
            shifts.append(policy.class_mass()[0, 0, 0])
    np.testing.assert_allclose(shifts, shifts[0], rtol=1e-12)
    assert shifts[0] > 0.3


def test_extra_rollouts_are_not_trained_on():
    """Of eight rollouts one is trained: only its arm moves by itself."""
    rule = get_rule("extra_rollouts", extra_rollouts=7)
    policy = DenseSoftmax(rare_correct(1, 0.3), 1, SGD(1.0))
    before = policy.logits.copy()
    arms = np.array([[[0, 1, 2, 3, 4, 5, 6, 7]]])
    outcome = step(policy, rule, one_prompt(1), group_size=1, arms=arms)
    std = np.std([1.0] + [0.0] * 7, ddof=1)
    advantage = (1.0 - 1 / 8) / (std + 1e-6)
    assert outcome.reward.shape == outcome.advantage.shape == outcome.log_ratio.shape == (1, 1, 1)
    np.testing.assert_allclose(outcome.advantage, advantage, rtol=1e-12)
    moved = (policy.logits - before)[0, 0]
    prob = np.exp(before[0, 0])
    np.testing.assert_allclose(moved, advantage * (np.eye(11)[0] - prob), rtol=1e-10)


def test_the_multiplier_rises_by_the_variance_after_the_last_inner_step():
    rule = get_rule("variance_penalty_dual", bound=0.01, dual_step_size=2.0, initial=0.3)
    policy = DenseSoftmax(rare_correct(1, 0.3), 2, SGD(1.0))
    memory = Memory.start(rule, 2, 1)
    arms = np.array([[[0, 1, 0, 2]], [[3, 3, 3, 3]]])
    outcome = step(
        policy, rule, one_prompt(2), group_size=4, inner_epochs=3, arms=arms, memory=memory
    )
    variance = (np.expm1(outcome.log_ratio) ** 2).mean(axis=(1, 2))
    assert variance[0] > 0.01
    np.testing.assert_allclose(memory.multiplier[0], 0.3 + 2.0 * (variance[0] - 0.01), rtol=1e-12)
    # Nothing moves a unanimous group, so its multiplier falls by the bound.
    np.testing.assert_allclose(memory.multiplier[1], 0.3 - 0.02, rtol=1e-12)


def test_stale_rollouts_keep_the_ratio_to_the_policy_that_drew_them():
    """Training on one stale rollout alone is the importance-weighted step, worked out by hand."""
    policy = DenseSoftmax(rare_correct(1, 0.3), 1, SGD(0.5))
    rule = RULES["raw_reward"]
    kept = step(
        policy,
        rule,
        one_prompt(1),
        group_size=1,
        arms=np.zeros((1, 1, 1), int),
        keeps_rollouts=True,
    ).rollouts
    prob = np.exp(policy.log_probs()[0, 0])
    ratio = prob[0] / 0.3
    before = policy.logits[0, 0].copy()
    step(
        policy,
        rule,
        one_prompt(1),
        group_size=1,
        arms=np.ones((1, 1, 1), int),
        stale=[kept],
        trains_fresh=False,
    )
    expected = 0.5 * ratio * (np.eye(11)[0] - prob)
    np.testing.assert_allclose(policy.logits[0, 0] - before, expected, rtol=1e-12)
    assert abs(ratio - 1.0) > 0.05


def test_nothing_to_train_on_moves_nothing():
    policy = DenseSoftmax(rare_correct(1, 0.3), 1, SGD(0.5))
    before = policy.logits.copy()
    step(
        policy,
        RULES["raw_reward"],
        one_prompt(1),
        group_size=2,
        arms=np.zeros((1, 1, 2), int),
        trains_fresh=False,
    )
    np.testing.assert_array_equal(policy.logits, before)


def test_a_running_mean_remembers_each_prompt_apart():
    problem = from_pass_rates(np.array([0.5, 0.5]), shared_kernel=0.0, log10_arms=1)
    policy = DenseSoftmax(problem, 1, SGD(0.1))
    rule = RULES["running_mean"]
    memory = Memory.start(rule, 1, 2)
    correct, wrong = 0, 15
    for arms, advantage in (
        ([correct, wrong], [1.0, 0.0]),
        ([correct, wrong], [0.0, 0.0]),
        ([wrong, correct], [-1.0, 1.0]),
    ):
        outcome = step(
            policy,
            rule,
            np.array([[0, 1]]),
            group_size=1,
            arms=np.array(arms)[None, :, None],
            memory=memory,
        )
        np.testing.assert_allclose(outcome.advantage[0, :, 0], advantage, atol=1e-12)


def test_a_reference_term_in_the_loss_pulls_back_to_the_base_policy():
    """A wrong arm has weight -coefficient * (log_prob - base log_prob) under k2, and no other."""
    rule = RULES["raw_reward"].with_reference(
        ReferenceTerm(coefficient=0.7, estimator="k2", place="loss", is_ratio_corrected=False)
    )
    policy = DenseSoftmax(rare_correct(1, 0.3), 1, SGD(0.5))
    policy.logits[0, 0, 4] += 1.3
    before, prob = policy.logits[0, 0].copy(), np.exp(policy.log_probs()[0, 0])
    distance = np.log(prob[4]) - np.log(0.07)
    step(policy, rule, one_prompt(1), group_size=1, arms=np.full((1, 1, 1), 4))
    expected = 0.5 * -0.7 * distance * (np.eye(11)[4] - prob)
    np.testing.assert_allclose(policy.logits[0, 0] - before, expected, rtol=1e-10)


def test_a_reference_term_in_the_reward_lowers_the_advantage():
    rule = RULES["raw_reward"].with_reference(
        ReferenceTerm(coefficient=0.7, estimator="k1", place="reward", is_ratio_corrected=False)
    )
    policy = DenseSoftmax(rare_correct(1, 0.3), 1, SGD(0.5))
    policy.logits[0, 0, 4] += 1.3
    distance = policy.log_probs()[0, 0, 4] - np.log(0.07)
    outcome = step(policy, rule, one_prompt(1), group_size=1, arms=np.full((1, 1, 1), 4))
    np.testing.assert_allclose(outcome.advantage.item(), -0.7 * distance, rtol=1e-12)


def test_a_round_needs_randomness_or_arms():
    policy = LumpedSoftmax(rare_correct(3, 0.1), 1, SGD(0.1))
    with pytest.raises(ValueError, match=r"roll_out: `rng` must be given where arms are drawn or"):
        step(policy, get_rule("grpo"), one_prompt(1), group_size=2)
    noisy = rare_correct(1, 0.1, reward_law=Gaussian())
    taking = LumpedSoftmax(noisy, 1, SGD(0.1), takes_arms=True)
    with pytest.raises(ValueError, match=r"roll_out: `rng` must be given"):
        step(taking, get_rule("grpo"), one_prompt(1), group_size=2, arms=np.zeros((1, 1, 2), int))
