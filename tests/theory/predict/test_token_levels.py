"""Expected gradients at three levels: enumeration, fresh data, one token, bias, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.predict.token_levels import LEVELS, predicted_update

SHAPES = ((2,), (2, 2), (2, 2, 2))


def tables_of(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        rng.dirichlet(np.ones(2), size=shape[:-1]).reshape(shape) * 0.9 + 0.05 for shape in SHAPES
    ]


def enumerated(level, prob, old_prob, advantage):
    """Sum over the eight sequences of chance * weight * score, straight from the definition."""
    gradients = [np.zeros(shape) for shape in SHAPES]
    for tokens in np.ndindex(*SHAPES[-1]):
        ratio = [prob[t][tokens[: t + 1]] / old_prob[t][tokens[: t + 1]] for t in range(3)]
        chance = np.prod([old_prob[t][tokens[: t + 1]] for t in range(3)])
        whole = np.prod(ratio)
        weight = {
            "token": ratio,
            "sequence": [whole] * 3,
            "sequence_geometric": [whole ** (1 / 3) / 3] * 3,
        }[level]
        for t in range(3):
            prefix = tokens[:t]
            score = (np.arange(2) == tokens[t]) - prob[t][prefix]
            gradients[t][prefix] += chance * advantage[tokens] * weight[t] * score
    return gradients


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(LEVELS))
def test_gradient_is_the_sum_over_all_sequences(seed, level):
    prob, old_prob = tables_of(seed), tables_of(seed + 1)
    advantage = np.random.default_rng(seed + 2).normal(size=SHAPES[-1])
    found = predicted_update(level, prob, old_prob, advantage)
    for one, other in zip(found, enumerated(level, prob, old_prob, advantage), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)
        np.testing.assert_allclose(one.sum(axis=-1), 0.0, atol=1e-14)


@given(st.integers(0, 10**6))
def test_levels_agree_on_fresh_data_but_for_the_length(seed):
    prob = tables_of(seed)
    advantage = np.random.default_rng(seed).normal(size=SHAPES[-1])
    token, sequence, geometric = (
        predicted_update(level, prob, prob, advantage) for level in LEVELS
    )
    for one, other, third in zip(token, sequence, geometric, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)
        np.testing.assert_allclose(3.0 * third, other, atol=1e-14)


@given(st.integers(0, 10**6))
def test_only_the_sequence_level_knows_nothing_of_the_old_policy(seed):
    prob, old_prob = tables_of(seed), tables_of(seed + 1)
    advantage = np.random.default_rng(seed).normal(size=SHAPES[-1])
    fresh = predicted_update("sequence", prob, prob, advantage)
    for one, other in zip(
        predicted_update("sequence", prob, old_prob, advantage), fresh, strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-14)
    biased = predicted_update("token", prob, old_prob, advantage)
    assert max(np.abs(one - other).max() for one, other in zip(biased, fresh, strict=True)) > 1e-6


def test_one_token_has_one_level():
    prob, old_prob, advantage = [np.array([0.3, 0.7])], [np.array([0.6, 0.4])], np.array([1.0, 0.0])
    found = [predicted_update(level, prob, old_prob, advantage)[0] for level in LEVELS]
    np.testing.assert_allclose(found, np.tile([0.21, -0.21], (3, 1)))


def test_wrong_inputs_are_refused_in_a_sentence():
    prob = tables_of(0)
    with pytest.raises(ValueError, match="`level` must be a known level"):
        predicted_update("word", prob, prob, np.zeros(SHAPES[-1]))
    with pytest.raises(ValueError, match="`prob` must be positive conditional probabilities"):
        predicted_update("token", [np.array([0.5, 0.6])], prob, np.zeros(2))
    with pytest.raises(ValueError, match="`advantage` must be of the shape of the last table"):
        predicted_update("token", prob, prob, np.zeros(2))
