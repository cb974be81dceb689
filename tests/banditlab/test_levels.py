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


def test_bad_levels_and_shapes_are_refused():
    value, mask = token_batch(0)
    with pytest.raises(ValueError, match=r"pool: `level` must be a known level.*'sequence'"):
        pool(value, mask, "sequense")
    with pytest.raises(ValueError, match=r"pool: `mask` must be of the shape of `token_value`"):
        pool(value, mask[..., :-1], "token")
    with pytest.raises(ValueError, match=r"spread: `unit_weight` must be of the shape"):
        spread(value, mask, "sequence")
