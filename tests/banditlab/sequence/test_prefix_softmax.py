"""The softmaxes of prefixes: exact statistics, rows kept, resuming, no step of rounding."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.rules import get_rule
from banditlab.sequence.policy import SequenceSoftmax
from banditlab.sequence.prefix_softmax import PrefixSoftmaxes, inverse_cdf
from banditlab.sequence.problem import uniform_sequences
from tests.banditlab.sequence.full_tree import (
    all_sequences,
    moved_policy,
    policy_log_prob_of_all,
    random_problem,
    update_policy,
)

ONE_PROMPT = np.zeros((1, 1), dtype=int)


def enumerated(policy):
    """Expected reward, entropy and collision probability by listing all sequences."""
    log_prob = policy_log_prob_of_all(policy)
    prob = np.exp(log_prob)
    arms = all_sequences(policy.problem.vocabulary_size, policy.problem.sequence_length)
    contexts = np.tile(np.arange(policy.problem.num_contexts), (policy.num_runs, 1))
    tokens = np.broadcast_to(arms, (*contexts.shape, *arms.shape))
    reward = policy.problem.true_reward(contexts, tokens)
    return (prob * reward).sum(-1), -(prob * log_prob).sum(-1), (prob**2).sum(-1), prob.sum(-1)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.sampled_from([(3, 3), (2, 8), (6, 4), (40, 2), (5, 1)]),
    num_rounds=st.integers(0, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_statistics_equal_those_of_all_sequences(shape, num_rounds, seed):
    policy = moved_policy(seed, vocabulary_size=shape[0], length=shape[1], num_rounds=num_rounds)
    reward, entropy, collision, total = enumerated(policy)
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)
    np.testing.assert_allclose(policy.expected_reward(), reward, rtol=1e-12)
    np.testing.assert_allclose(policy.entropy(), entropy, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(policy.collision(), collision, rtol=1e-12)


def test_statistics_that_stop_at_the_rows_are_found(monkeypatch):
    """The mutant: nothing is below a prefix without a row."""
    policy = moved_policy(0)
    _, entropy, collision, _ = enumerated(policy)
    monkeypatch.setattr(PrefixSoftmaxes, "_below", lambda self, value, operation: 0.0 * value)
    assert (np.abs(policy.entropy() - entropy) > 1e-3).all()
    assert (np.abs(policy.collision() - collision) > 1e-3).all()


def test_inverse_cdf_takes_the_first_token_past_the_uniform():
    cumulative = np.array([[0.0, 0.25, 0.25, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5, 1.0]])
    uniform = np.array([0.0, 0.4999, 0.5, 1.0 - 2.0**-53, 0.4999, 0.5])
    law = np.array([0, 0, 0, 0, 1, 1])
    assert inverse_cdf(cumulative, law, uniform).tolist() == [1, 1, 3, 3, 0, 4]


def test_collision_of_a_huge_space_keeps_its_digits():
    policy = SequenceSoftmax(uniform_sequences(10, 300, [[[0]]]), 1, SGD(1.0))
    np.testing.assert_allclose(policy.collision(), 1e-300, rtol=1e-12)
    np.testing.assert_allclose(policy.entropy(), 300 * math.log(10), rtol=1e-12)


def test_memory_grows_with_moved_prefixes_alone():
    """Coefficient 0 takes no row; a shared prefix takes one; what is behind the last takes none."""
    policy = SequenceSoftmax(uniform_sequences(4, 6, [[[0]]]), 1, SGD(1.0))
    tokens = np.array([[[[1, 2, 3, 0, 0, 0], [1, 2, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2]]]])
    draw = policy.place(ONE_PROMPT, tokens)
    coefficient = np.zeros(tokens.shape)
    policy.accumulate(draw, coefficient)
    assert len(policy.state()["displacement"]) == 1
    coefficient[0, 0, 0, 3] = coefficient[0, 0, 1, 2] = 1.0
    policy.accumulate(draw, coefficient)
    # The empty prefix, 1, 12 and 123.
    assert len(policy.state()["displacement"]) == 4
    assert policy.state()["depth"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("optimizer", [SGD(1.0, decay=0.1), Momentum(0.5), Adam(0.1)])
def test_a_restored_policy_goes_on_to_the_same_bits(optimizer):
    """The state is taken between `accumulate` and `move`, where a gradient is pending."""
    policy = moved_policy(11, optimizer=optimizer)
    rng = np.random.default_rng(12)
    contexts = np.array([[0, 1], [1, 0]])
    tokens = rng.integers(0, 3, (2, 2, 4, 3))
    coefficient = rng.normal(size=tokens.shape)
    policy.accumulate(policy.place(contexts, tokens), coefficient)
    saved = policy.state()
    resumed = SequenceSoftmax(policy.problem, 2, optimizer)
    resumed.restore(saved)
    before = {name: value.copy() for name, value in saved.items()}
    for each in (policy, resumed):
        for shift in range(3):
            each.move()
            draw = each.place(contexts, (tokens + shift) % 3)
            each.accumulate(draw, coefficient)
    assert len(policy.state()["depth"]) > len(saved["depth"])
    for name, value in policy.state().items():
        np.testing.assert_array_equal(value, resumed.state()[name])
        np.testing.assert_array_equal(saved[name], before[name])


def displacement_without_signal(policy) -> np.ndarray:
    """Run 0 has unanimous groups, run 1 has not: where does Adam take run 0?"""
    contexts = np.array([[0, 1], [0, 1]])
    rng = np.random.default_rng(15)
    for _ in range(5):
        draw = policy.place(contexts, rng.integers(0, 3, (2, 2, 4, 3)))
        reward = np.ones((2, 2, 4))
        reward[1, :, 0] = 0.0
        update_policy(policy, draw, reward, get_rule("variance_penalty"), "token", inner_epochs=4)
    return np.abs(policy.relative_log_prob(draw)[0]).max()


def test_adam_makes_no_step_of_rounding(monkeypatch):
    """Without signal nothing moves, exactly; normalizers rounded to 1e-16 are the mutant."""
    problem = random_problem(np.random.default_rng(16), 3, 3, num_contexts=2)
    assert displacement_without_signal(SequenceSoftmax(problem, 2, Adam(0.05))) == 0.0
    rounded = SequenceSoftmax(problem, 2, Adam(0.05))
    rounded._softmaxes._base_log_total[:] += 2.0**-50
    assert displacement_without_signal(rounded) > 1e-3


@pytest.mark.parametrize(
    "other",
    [
        SequenceSoftmax(uniform_sequences(4, 3, [[[0]]]), 2, SGD(1.0)),
        SequenceSoftmax(uniform_sequences(5, 3, [[[0]]]), 1, SGD(1.0)),
        SequenceSoftmax(uniform_sequences(4, 3, [[[0]]]), 1, Adam(1.0)),
    ],
    ids=["runs", "vocabulary", "optimizer"],
)
def test_the_state_of_another_policy_is_refused(other):
    policy = SequenceSoftmax(uniform_sequences(4, 3, [[[0]]]), 1, SGD(1.0))
    with pytest.raises(ValueError, match=r"SequenceSoftmax.restore: `state` must be of 1 runs x"):
        policy.restore(other.state())
