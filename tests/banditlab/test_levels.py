import re

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from banditlab.levels import LEVELS, pool, spread


def token_batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    length = rng.integers(0, 7, (3, 4))
    mask = np.arange(6) < length[..., None]
    return rng.normal(size=mask.shape), mask


@pytest.mark.parametrize("level", LEVELS)
@given(seed=st.integers(0, 10_000))
def test_spread_is_the_transpose_of_pool(level, seed):
    value, mask = token_batch(seed)
    unit = pool(value, mask, level)
    weight = np.random.default_rng(seed + 1).normal(size=unit.shape)
    if level == "token":
        weight = np.where(mask, weight, 0.0)
    np.testing.assert_allclose(
        (weight * unit).sum(), (spread(weight, mask, level) * value).sum(), rtol=1e-10, atol=1e-12
    )


def test_the_transpose_test_rejects_a_forgotten_length():
    value, mask = token_batch(3)
    weight = np.ones(mask.shape[:-1])
    unit = pool(value, mask, "sequence_geometric")
    wrong = (spread(weight, mask, "sequence") * value).sum()
    assert abs((weight * unit).sum() - wrong) > 1e-3


@pytest.mark.parametrize("level", LEVELS)
def test_what_stands_under_the_mask_has_no_influence(level):
    value, mask = token_batch(5)
    poisoned = np.where(mask, value, np.nan)
    np.testing.assert_array_equal(pool(value, mask, level), pool(poisoned, mask, level))
    weight = np.where(mask, 1.0, np.nan) if level == "token" else np.ones(mask.shape[:-1])
    assert (spread(weight, mask, level)[~mask] == 0).all()


@pytest.mark.parametrize("level", LEVELS)
def test_torch_gives_the_same_numbers(level):
    value, mask = token_batch(7)
    pooled = pool(torch.asarray(value), torch.asarray(mask), level)
    np.testing.assert_allclose(pooled.numpy(), pool(value, mask, level), rtol=1e-14)
    np.testing.assert_allclose(
        spread(pooled, torch.asarray(mask), level).numpy(),
        spread(pool(value, mask, level), mask, level),
        rtol=1e-14,
    )


def loop_over_sequences(value, mask, level):
    """What `pool` says, one sequence after the other in plain Python."""
    pooled = np.zeros(mask.shape[:-1])
    for unit in np.ndindex(pooled.shape):
        kept = [value[unit][t] for t in range(mask.shape[-1]) if mask[unit][t]]
        length = max(1, len(kept)) if level == "sequence_geometric" else 1
        pooled[unit] = sum(kept) / length
    return pooled


@pytest.mark.parametrize("convert", [np.asarray, torch.asarray, array_api_strict.asarray])
@pytest.mark.parametrize("level", ["sequence", "sequence_geometric"])
def test_sequences_are_pooled_one_by_one_in_every_namespace(level, convert):
    """The lengths differ, so that a length taken over the whole batch shows."""
    value, mask = token_batch(11)
    assert len(set(mask.sum(axis=-1).ravel())) > 2
    expected = loop_over_sequences(value, mask, level)
    pooled = pool(convert(value), convert(mask), level)
    np.testing.assert_allclose(np.asarray(pooled), expected, rtol=1e-13, atol=1e-15)
    length = np.maximum(mask.sum(axis=-1), 1) if level == "sequence_geometric" else 1
    np.testing.assert_allclose(
        np.asarray(spread(convert(expected), convert(mask), level)),
        np.where(mask, (expected / length)[..., None], 0.0),
        rtol=1e-13,
    )


@pytest.mark.parametrize("convert", [np.asarray, torch.asarray, array_api_strict.asarray])
@pytest.mark.parametrize("level", LEVELS)
def test_single_precision_stays(level, convert):
    value, mask = token_batch(13)
    value, mask = convert(value.astype(np.float32)), convert(mask)
    pooled = pool(value, mask, level)
    assert pooled.dtype == spread(pooled, mask, level).dtype == value.dtype


@pytest.mark.parametrize("level", LEVELS)
def test_sequences_of_one_token_are_that_token(level):
    value, mask = np.array([[0.5], [2.0], [3.0]]), np.array([[True], [False], [True]])
    kept = np.array([[0.5], [0.0], [3.0]])
    pooled = pool(value, mask, level)
    np.testing.assert_array_equal(pooled, kept if level == "token" else kept[:, 0])
    np.testing.assert_array_equal(spread(pooled, mask, level), kept)


@pytest.mark.parametrize(("one", "other"), [(np.asarray, torch.asarray), (torch.asarray, np.array)])
@pytest.mark.parametrize("function", [pool, spread])
def test_arrays_of_two_libraries_are_refused(function, one, other):
    value, mask = token_batch(0)
    with pytest.raises(TypeError, match="Multiple namespaces for array inputs"):
        function(one(value), other(mask), "token")


@pytest.mark.parametrize("function", [pool, spread])
def test_an_unknown_level_is_answered_in_full(function):
    value, mask = token_batch(0)
    message = (
        f"{function.__name__}: `level` must be a known level, got 'sequense'. Did you mean"
        " 'sequence'? There are: token, sequence, sequence_geometric."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(value, mask, "sequense")


@pytest.mark.parametrize("level", LEVELS)
def test_weights_of_another_shape_are_not_broadcast(level):
    """[3, 1, 6] or [3, 1] would broadcast to the mask of shape [3, 4, 6]."""
    value, mask = token_batch(0)
    unit_weight = pool(value, mask, level)[:, :1]
    first = "mask" if level == "token" else "mask_without_tokens"
    with pytest.raises(
        ValueError, match=f"^spread: `unit_weight` must be of the shape of `{first}`"
    ):
        spread(unit_weight, mask, level)


def test_bad_levels_and_shapes_are_refused():
    value, mask = token_batch(0)
    with pytest.raises(ValueError, match=r"pool: `level` must be a known level.*'sequence'"):
        pool(value, mask, "sequense")
    with pytest.raises(ValueError, match=r"pool: `mask` must be of the shape of `token_value`"):
        pool(value, mask[..., :-1], "token")
    with pytest.raises(ValueError, match=r"spread: `unit_weight` must be of the shape"):
        spread(value, mask, "sequence")
