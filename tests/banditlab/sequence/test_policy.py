"""The sequence policy: its sampling law, shared prefixes, huge trees."""

import math

import numpy as np
import pytest
from scipy.stats import chisquare

from banditlab.levels import pool, spread
from banditlab.optimizers import SGD, Adam
from banditlab.rules import get_rule
from banditlab.sequence.policy import SequenceSoftmax
from banditlab.sequence.problem import rare_prefix, uniform_sequences
from banditlab.streams import RunStreams
from banditlab.weights import clipped_weight
from tests.banditlab.sequence.full_tree import (
    moved_policy,
    policy_log_prob_of_all,
    random_problem,
    update_policy,
)

ONE_PROMPT = np.zeros((1, 1), dtype=int)


def test_a_grid_of_uniforms_gives_the_probabilities():
    """200 x 200 midpoints for two tokens: each probability to within 1/200 per token."""
    policy = moved_policy(4, length=2)
    points = (np.arange(200) + 0.5) / 200
    grid = np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1).reshape(-1, 2)
    contexts = np.array([[0, 1], [0, 1]])
    draw = policy.sample(contexts, np.broadcast_to(grid, (2, 2, *grid.shape)))
    number = draw.tokens @ np.array([3, 1])
    share = (number[..., None] == np.arange(9)).mean(axis=2)
    np.testing.assert_allclose(share, np.exp(policy_log_prob_of_all(policy)), atol=2 / 200)


def chi_square_p_value(policy, law_of, num_draws=40_000):
    rng = np.random.default_rng(6)
    contexts = np.array([[0, 1], [0, 1]])
    length = policy.problem.sequence_length
    draw = policy.sample(contexts, rng.random((2, 2, num_draws, length)))
    number = draw.tokens @ 3 ** np.arange(length)[::-1]
    count = (number[..., None] == np.arange(3**length)).sum(axis=2)
    prob = np.exp(policy_log_prob_of_all(law_of))
    statistic = chisquare(count, num_draws * prob / prob.sum(-1, keepdims=True), axis=-1)
    return statistic.pvalue.min()


def test_sequences_come_with_their_probabilities():
    """Chi-square of 27 sequences in 2 runs x 2 prompts, false-alarm rate 4 * 1.6e-5 in all.

    The law of the base policy is the mutant that must be rejected: it ignores what was moved.
    """
    policy = moved_policy(7, optimizer=SGD(0.3))
    assert chi_square_p_value(policy, policy) > 1.6e-5
    base = SequenceSoftmax(policy.problem, 2, SGD(0.3))
    assert chi_square_p_value(policy, base) < 1e-15


def test_a_shared_prefix_moves_both_sequences_by_the_exact_amounts():
    """One step of size c on one of V^T = 25 sequences, from the uniform policy.

    The stepped-on token gains c - log(1 + (e^c - 1)/V) in its softmax, the others lose the log.
    """
    vocabulary_size, amount = 5, 0.7
    policy = SequenceSoftmax(uniform_sequences(vocabulary_size, 2, [[[0]]]), 1, SGD(1.0))
    policy.accumulate(
        policy.place(ONE_PROMPT, np.array([[[[1, 2]]]])), np.full((1, 1, 1, 2), amount)
    )
    policy.move()
    lost = math.log1p(math.expm1(amount) / vocabulary_size)
    arms = np.array([[[[1, 2], [1, 4], [3, 2]]]])
    change = policy.relative_log_prob(policy.place(ONE_PROMPT, arms)).sum(axis=-1)[0, 0]
    expected = [2 * (amount - lost), amount - 2 * lost, -lost]
    np.testing.assert_allclose(change, expected, rtol=1e-12)
    # In a softmax over the 25 arms both others lose the same, and less.
    dense_loss = math.log1p(math.expm1(amount) / vocabulary_size**2)
    assert change[1] > 0 > -dense_loss > change[2]


def test_clip_cuts_the_sequence_ratio_where_it_keeps_every_token():
    """Eight token ratios of 1.1 lie within 1.2; their product 2.14 does not, their mean does."""
    length = 8
    policy = SequenceSoftmax(uniform_sequences(2, length, [[[0]]]), 1, SGD(1.0))
    draw = policy.place(ONE_PROMPT, np.zeros((1, 1, 1, length), dtype=int))
    # From the uniform policy over two tokens: ratio = 2 e^c / (1 + e^c).
    policy.accumulate(draw, np.full((1, 1, 1, length), math.log(1.1 / 0.9)))
    policy.move()
    mask = np.ones(draw.tokens.shape, dtype=bool)
    weight = {}
    for level in ("token", "sequence", "sequence_geometric"):
        log_ratio = pool(policy.relative_log_prob(draw), mask, level)
        unit = clipped_weight(
            log_ratio, 0 * log_ratio, np.ones_like(log_ratio), clip_low=0.2, clip_high=0.2
        )
        weight[level] = spread(unit, mask, level).ravel()
    np.testing.assert_allclose(weight["token"], 1.1, rtol=1e-12)
    assert (weight["sequence"] == 0).all()
    np.testing.assert_allclose(weight["sequence_geometric"], 1.1 / length, rtol=1e-12)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_ten_to_the_340_sequences_learn_a_short_prefix(level):
    """V = 50, T = 200: a correct prefix of 3 tokens goes from 0.1 to above 0.9 in 25 rounds."""
    rng = np.random.default_rng(0)
    num_runs, group_size, length = 2, 8, 200
    problem = rare_prefix(50, length, 0.1, [3, 1, 4])
    policy = SequenceSoftmax(problem, num_runs, SGD(4.0))
    contexts = np.zeros((num_runs, 1), dtype=int)
    np.testing.assert_allclose(policy.expected_reward(), 0.1, rtol=1e-12)
    entropy = policy.entropy()
    for _ in range(25):
        draw = policy.sample(contexts, rng.random((num_runs, 1, group_size, length)))
        reward = policy.reward(draw, rng.random((num_runs, 1, group_size)))
        update_policy(policy, draw, reward, get_rule("raw_reward"), level, inner_epochs=1)
        assert np.isfinite(policy.relative_log_prob(draw)).all()
    assert (policy.expected_reward() > 0.9).all()
    assert ((policy.entropy() > 0) & (policy.entropy() < entropy)).all()
    assert np.isfinite(policy.collision()).all()
    for value in policy.state().values():
        assert np.isfinite(value).all()


@pytest.mark.parametrize("optimizer", [SGD(1.0), Adam(0.1)])
def test_a_run_is_the_same_however_many_there_are(optimizer):
    """Bit for bit: reward, entropy, collision and log-probs of run 0 with 1, 2 and 7 runs."""
    seen = []
    for num_runs in (1, 2, 7):
        streams = RunStreams(3, num_runs)
        problem = random_problem(np.random.default_rng(1), 5, 4, num_contexts=2)
        policy = SequenceSoftmax(problem, num_runs, optimizer)
        contexts = np.tile([0, 1], (num_runs, 1))
        for _ in range(12):
            draw = policy.sample(contexts, streams.random((num_runs, 2, 4, 4)))
            reward = policy.reward(draw, streams.random((num_runs, 2, 4)))
            update_policy(policy, draw, reward, get_rule("clip"), "token", inner_epochs=2)
        measured = [policy.expected_reward()[0], policy.entropy()[0], policy.collision()[0]]
        seen.append(np.concatenate([*measured, policy.relative_log_prob(draw)[0].ravel()]))
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], seen[2])


def test_a_draw_of_an_earlier_round_can_be_used_again():
    policies = moved_policy(13), moved_policy(13)
    rng = np.random.default_rng(14)
    contexts = np.array([[0, 1], [1, 1]])
    stale, fresh = rng.integers(0, 3, (2, 2, 2, 4, 3))
    coefficient = rng.normal(size=stale.shape)
    draw = policies[0].place(contexts, stale)
    for policy in policies:
        policy.accumulate(policy.place(contexts, fresh), coefficient)
        policy.move()
    policies[0].release(draw)
    again = policies[1].place(contexts, stale)
    for policy, known in zip(policies, (draw, again), strict=True):
        policy.accumulate(known, coefficient)
        policy.move()
    np.testing.assert_array_equal(
        policies[0].relative_log_prob(draw), policies[1].relative_log_prob(again)
    )


def test_arrays_of_another_shape_or_kind_are_refused():
    policy = SequenceSoftmax(uniform_sequences(4, 3, [[[0]]]), 1, SGD(1.0))
    assert policy.num_uniforms() == 3
    with pytest.raises(ValueError, match=r"SequenceSoftmax.sample: `uniform` must be of shape"):
        policy.sample(ONE_PROMPT, np.zeros((1, 1, 2, 4)))
    with pytest.raises(ValueError, match=r"SequenceSoftmax.place: `arms` must be of shape"):
        policy.place(ONE_PROMPT, np.zeros((1, 2, 2, 3), dtype=int))
    with pytest.raises(ValueError, match=r"`arms` must be of shape .* got shape \(1, 1, 2\)"):
        policy.place(ONE_PROMPT, np.zeros((1, 1, 2), dtype=int))
    with pytest.raises(TypeError, match=r"SequenceSoftmax.place: `arms` must be whole numbers"):
        policy.place(ONE_PROMPT, np.zeros((1, 1, 2, 3)))
    with pytest.raises(ValueError, match=r"`arms` must be tokens between 0 and 3, got values from"):
        policy.place(ONE_PROMPT, np.full((1, 1, 2, 3), 4))
    draw = policy.place(ONE_PROMPT, np.zeros((1, 1, 2, 3), dtype=int))
    with pytest.raises(ValueError, match=r"`coefficient` must be of the shape of `tokens`"):
        policy.accumulate(draw, np.ones((1, 1, 2, 1)))
