"""Arm spaces of token sequences: rewards by prefix, constructors, refused input."""

import math

import numpy as np
import pytest

from banditlab.optimizers import SGD
from banditlab.reward_laws import FixedPerArm, Gaussian, NoisyVerifier
from banditlab.sequence.policy import SequenceSoftmax
from banditlab.sequence.problem import SequenceProblem, rare_prefix, uniform_sequences

UNIFORM = np.full((1, 3, 4), -math.log(4))
TARGET = np.array([[[1, 2, -1]]])


def test_a_sequence_is_correct_if_it_starts_with_a_target_of_its_prompt():
    problem = uniform_sequences(4, 3, [[[1, 2], [3]], [[0, 0, 0]]])
    assert (problem.num_contexts, problem.sequence_length, problem.vocabulary_size) == (2, 3, 4)
    tokens = np.array([[1, 2, 0], [1, 2, 3], [1, 3, 2], [3, 0, 0], [0, 0, 0], [0, 0, 1]])
    reward = problem.true_reward(np.array([[0, 1]]), np.stack([tokens, tokens])[None])
    assert reward.tolist() == [[[1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0]]]


def test_initial_probabilities_are_those_asked_for():
    """V^-n for each target of the uniform policy; success_prob where it is given."""
    problem = uniform_sequences(4, 30, [[[1, 2], [3]], [[0] * 30]])
    policy = SequenceSoftmax(problem, 2, SGD(1.0))
    expected = [[4.0**-2 + 4.0**-1, 4.0**-30]] * 2
    np.testing.assert_allclose(policy.expected_reward(), expected, rtol=1e-12)
    for success_prob in (1e-300, 0.3, 1 - 1e-12):
        policy = SequenceSoftmax(rare_prefix(7, 20, success_prob, [6, 0, 6]), 1, SGD(1.0))
        np.testing.assert_allclose(policy.expected_reward(), success_prob, rtol=1e-12)


def test_probabilities_are_normalised_to_the_last_digit():
    problem = SequenceProblem(UNIFORM + 1e-10, TARGET)
    np.testing.assert_allclose(np.exp(problem.base_log_prob).sum(axis=-1), 1.0, rtol=1e-15)


def test_a_noisy_verifier_pays_at_its_rates_and_leaves_the_pass_rate_true():
    problem = SequenceProblem(UNIFORM, TARGET, reward_law=NoisyVerifier(0.75, 0.25))
    policy = SequenceSoftmax(problem, 1, SGD(1.0))
    draw = policy.place(np.array([[0]]), np.array([[[[1, 2, 0], [0, 2, 0]]]]))
    for uniform, paid in ((0.2, [1, 1]), (0.5, [1, 0]), (0.8, [0, 0])):
        assert policy.reward(draw, np.full((1, 1, 2), uniform)).tolist() == [[paid]]
    np.testing.assert_allclose(policy.expected_reward(), 1 / 16, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_log_prob": UNIFORM[0]}, r"`base_log_prob` must be of shape \[P, T, V\], got shape"),
        ({"base_log_prob": np.zeros((1, 3, 1))}, "over a vocabulary of at least 2 tokens, got 1"),
        ({"base_log_prob": np.where(UNIFORM, np.nan, 0)}, "`base_log_prob` must be finite"),
        ({"base_log_prob": UNIFORM + 0.1}, r"sum to 1 at each position, got .* exp\(0.1\)"),
        ({"targets": TARGET[0]}, r"`targets` must be of shape \[P, M, T\] with P = 1 and T = 3"),
        ({"targets": np.array([[[4, 0, 0]]])}, "tokens between 0 and 3, or -1, got values from"),
        ({"targets": np.array([[[0, -2, -2]]])}, "tokens between 0 and 3, or -1, got values from"),
        ({"targets": np.array([[[0, -1, 0]]])}, "prefixes without a gap, got a token after a -1"),
        ({"targets": np.full((1, 2, 3), -1)}, "at least one prefix for every prompt"),
        (
            {"targets": np.array([[[1, 2, 0], [3, -1, -1], [1, -1, -1]]])},
            "prefixes of which none starts with another, got a prefix of prompt 0",
        ),
        ({"targets": np.array([[[1, 2, 0], [1, 2, 0]]])}, "none starts with another"),
        ({"reward_law": FixedPerArm(Gaussian())}, "`reward_law` must be a law drawn per pull"),
        ({"num_train": 2}, "`num_train` must be between 1 and the number of prompts, 1, got 2"),
    ],
)
def test_bad_problems_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SequenceProblem(**{"base_log_prob": UNIFORM, "targets": TARGET, **change})


def test_bad_constructor_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`targets` must be prefixes of 1 to sequence_length = 3"):
        uniform_sequences(4, 3, [[[0, 0, 0, 0]]])
    with pytest.raises(
        ValueError, match=r"`targets` must be prefixes of 1 to .* got lengths from 0"
    ):
        uniform_sequences(4, 3, [[[]]])
    with pytest.raises(ValueError, match=r"`targets` must be at least one prefix for every prompt"):
        uniform_sequences(4, 3, [[]])
    with pytest.raises(ValueError, match="over a vocabulary of at least 2 tokens, got 0"):
        uniform_sequences(0, 3, [[[0]]])
    with pytest.raises(TypeError, match=r"`targets` must be whole numbers, got float64"):
        uniform_sequences(4, 3, [[[0.5]]])
    with pytest.raises(TypeError, match=r"SequenceProblem: `targets` must be whole numbers"):
        SequenceProblem(UNIFORM, TARGET + 0.0)
    with pytest.raises(ValueError, match=r"rare_prefix: `success_prob` must be in \(0, 1\), got 1"):
        rare_prefix(4, 3, 1.0, [0])
