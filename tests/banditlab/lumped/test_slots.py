"""The table of slots: sums that do not see how far it has grown, growth, and the search."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.lumped.slots import (
    BLOCK,
    SlotTable,
    block_sums,
    capacity_for,
    padded_sum,
    sum_of_blocks,
)
from banditlab.optimizers import SGD, Adam, Momentum

LENGTHS = (8, 16, 32, 64, 128, 256, 384, 1024, 1152, 2048, 16_384, 16_512, 17_408, 40_064)


def table_of(weight: np.ndarray, **options) -> SlotTable:
    """A table whose slots in use have the given weights; rows may differ in length by NaNs."""
    slots = SlotTable(
        len(weight),
        options.pop("optimizer", SGD(0.1)),
        **{"has_rewards": False} | options,
        has_numbers=False,
    )
    row, column = np.nonzero(~np.isnan(weight))
    slots.append(
        row,
        arm_class=column % 3,
        base=np.full(row.size, -1.0),
        displacement=np.zeros(row.size),
        weight=weight[row, column],
    )
    slots.renew_sums(slice(None))
    return slots


# sums


@pytest.mark.parametrize("length", LENGTHS)
def test_a_sum_has_the_same_bits_however_many_zeros_follow(length):
    rng = np.random.default_rng(length)
    value = np.exp(rng.standard_normal(length) * 10)
    value[rng.random(length) < 0.1] *= -1.0
    found = padded_sum(value)
    assert found == pytest.approx(math.fsum(value), abs=1e-13 * np.abs(value).sum())
    longer = [other for other in LENGTHS if other > length]
    longer += [128 * (length // 128 + extra) for extra in (1, 2, 7, 8, 100) if length >= 128]
    for other in longer:
        padded = np.zeros(other)
        padded[:length] = value
        assert padded_sum(padded) == found, other
        # Zeros in the sums of blocks, as a table that grew has them.
        blocks = np.zeros(max(1, other // BLOCK))
        blocks[: max(1, length // BLOCK)] = block_sums(value)
        assert sum_of_blocks(blocks) == found, other


@given(st.integers(1, 40_000), st.integers(0, 2**32 - 1))
def test_any_number_of_values_sums_alike_at_any_capacity(num, seed):
    value = np.random.default_rng(seed).random(num)
    sums = set()
    for capacity in (capacity_for(num), capacity_for(num + num // 2), capacity_for(4 * num) + 1024):
        padded = np.zeros(capacity if capacity <= BLOCK else -(-capacity // BLOCK) * BLOCK)
        padded[:num] = value
        sums.add(float(padded_sum(padded)))
    assert len(sums) == 1
    assert sums.pop() == pytest.approx(math.fsum(value), rel=1e-14)


@pytest.mark.parametrize("length", LENGTHS[:-2])
def test_a_sum_does_not_see_the_other_rows(length):
    value = np.random.default_rng(length).standard_normal((7, length))
    expected = [padded_sum(row) for row in value]
    np.testing.assert_array_equal(padded_sum(value), expected)
    np.testing.assert_array_equal(padded_sum(value[2:4]), expected[2:4])
    np.testing.assert_array_equal(padded_sum(value[[6, 1]]), [expected[6], expected[1]])
    np.testing.assert_array_equal(padded_sum(value[None]), [expected])
    # A view into a wider table, and a table with its rows far apart.
    wide = np.ones((14, 2 * length))
    wide[::2, :length] = value
    np.testing.assert_array_equal(padded_sum(wide[::2, :length]), expected)


def test_plain_sums_of_long_rows_do_see_how_many_zeros_follow():
    """The mutant that the blocks are there for."""
    value = np.random.default_rng(0).random((200, 384))
    padded = np.zeros((200, 1024))
    padded[:, :384] = value
    assert (padded.sum(axis=-1) != value.sum(axis=-1)).any()
    np.testing.assert_array_equal(padded_sum(padded), padded_sum(value))


def test_a_sum_with_an_infinity_is_infinite():
    value = np.ones(2048)
    value[700] = np.inf
    assert padded_sum(value) == np.inf


@pytest.mark.parametrize(
    ("num", "capacity"),
    [
        (0, 8), (1, 8), (8, 8), (9, 16), (17, 32), (64, 64), (65, 128), (128, 128),
        (129, 1024), (1024, 1024), (1025, 2048), (40_000, 40_960),
    ],
)  # fmt: skip
def test_capacities(num, capacity):
    assert capacity_for(num) == capacity


# growth


@given(
    appended=st.lists(
        st.lists(st.integers(0, 3), min_size=1, max_size=150).map(sorted), min_size=1, max_size=6
    )
)
def test_growth_keeps_what_the_slots_hold(appended):
    slots = SlotTable(4, Adam(0.1), has_rewards=True, has_numbers=True)
    held: list[list[float]] = [[] for _ in range(4)]
    for rows in appended:
        row = np.array(rows)
        number = np.arange(row.size) + 1.0 + sum(map(len, held))
        slot = slots.append(
            row,
            arm_class=number % 7,
            base=-number,
            displacement=2 * number,
            weight=3 * number,
            reward=4 * number,
            arm=5 * number,
            mean=6 * number,
            mean_square=7 * number,
        )
        for of_row, value, at in zip(rows, number, slot, strict=True):
            assert at == len(held[of_row])
            held[of_row].append(value)
    assert slots.num_used.tolist() == [len(values) for values in held]
    assert slots.capacity == capacity_for(slots.capacity)
    assert slots.capacity >= max(map(len, held))
    assert slots.weight_blocks.shape == (4, max(1, slots.capacity // BLOCK))
    free = {
        "arm_class": -1, "base": -np.inf, "displacement": 0.0, "weight": 0.0, "reward": np.nan,
        "arm": -1, "mean": 0.0, "mean_square": 0.0,
    }  # fmt: skip
    factor = {
        "base": -1, "displacement": 2, "weight": 3, "reward": 4, "arm": 5, "mean": 6,
        "mean_square": 7,
    }  # fmt: skip
    for row, values in enumerate(held):
        used = np.array(values)
        for name, value in free.items():
            array = (slots.state[name] if name in slots.state else getattr(slots, name))[row]
            expected = used % 7 if name == "arm_class" else factor[name] * used
            np.testing.assert_array_equal(array[: used.size], expected, err_msg=name)
            np.testing.assert_array_equal(array[used.size :], value, err_msg=name)


def test_a_long_table_grows_by_half_so_that_copies_stay_few():
    slots = SlotTable(1, SGD(0.1), has_rewards=False, has_numbers=False)
    for num_slots, capacity in (
        (4096, 4096),
        (4096, 4096),
        (4097, 6144),
        (6144, 6144),
        (30_000, 30_720),
    ):
        slots._grow(num_slots)
        assert slots.capacity == capacity


def test_sums_of_blocks_survive_growth():
    rng = np.random.default_rng(0)
    slots = table_of(rng.random((3, 100)))
    before = sum_of_blocks(slots.weight_blocks)
    blocks = slots.weight_blocks.copy()
    assert slots.capacity == BLOCK
    slots.append(np.array([1] * 200), arm_class=0, base=0.0, displacement=0.0, weight=np.zeros(200))
    assert slots.capacity == 1024
    np.testing.assert_array_equal(slots.weight_blocks[:, :1], blocks)
    np.testing.assert_array_equal(slots.weight_blocks[:, 1:], np.zeros((3, 7)))
    np.testing.assert_array_equal(sum_of_blocks(slots.weight_blocks), before)
    slots.renew_sums(np.array([0, 2]))
    np.testing.assert_array_equal(sum_of_blocks(slots.weight_blocks), before)


@pytest.mark.parametrize("rows", [slice(None), np.array([0, 2])])
def test_renewed_sums_are_those_of_the_rows_asked_for(rows):
    slots = table_of(np.random.default_rng(1).random((3, 300)))
    old = slots.weight_blocks.copy()
    slots.weight *= 2.0
    slots.renew_sums(rows)
    np.testing.assert_array_equal(
        sum_of_blocks(slots.weight_blocks[rows]), padded_sum(slots.weight[rows])
    )
    np.testing.assert_array_equal(slots.weight_blocks[rows], 2.0 * old[rows])
    if not isinstance(rows, slice):
        np.testing.assert_array_equal(slots.weight_blocks[1], old[1])


# search


def plain_search(weight: np.ndarray, target: float) -> int:
    """First slot whose cumulative weight is above the target, else the last one of any weight."""
    cumulative = weight.cumsum()
    above = np.nonzero(cumulative > target)[0]
    return int(above[0]) if above.size else int(np.nonzero(weight)[0][-1])


@given(
    num=st.sampled_from([1, 7, 8, 100, 128, 129, 900, 1024, 3000]),
    seed=st.integers(0, 2**32 - 1),
    is_masked=st.booleans(),
)
def test_search_finds_the_slot_of_a_plain_cumulative_sum(num, seed, is_masked):
    """Small whole weights, whose sums are exact; many are 0, also at both ends."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(0, 4, (3, num)).astype(float) * (rng.random((3, num)) < 0.3)
    weight[:, rng.integers(num)] = 2.0
    slots = table_of(weight)
    is_allowed = np.zeros((3, slots.capacity), dtype=bool)
    is_allowed[:, :num] = rng.random((3, num)) < 0.5
    is_allowed[:, :num] |= weight == weight.max(axis=1, keepdims=True)
    seen = np.where(is_allowed[:, :num], weight, 0.0) if is_masked else weight
    row = np.repeat([0, 1, 2], 8)
    total = seen.sum(axis=1)[row]
    target = np.floor(rng.random(24) * total)
    target[::8], target[1::8] = 0.0, total[::8] - 1.0
    target[2::8], target[3::8] = np.nextafter(total[2::8], 0.0), total[3::8]
    target[4::8] += 0.5
    found = slots.search(row, target, is_allowed if is_masked else None)
    expected = [plain_search(seen[r], t) for r, t in zip(row, target, strict=True)]
    np.testing.assert_array_equal(found, expected)
    assert (seen[row, found] > 0.0).all()


@given(num=st.integers(1, 5000), seed=st.integers(0, 2**32 - 1))
def test_search_is_within_rounding_of_the_plain_one_for_any_weights(num, seed):
    rng = np.random.default_rng(seed)
    weight = np.exp(rng.standard_normal((2, num)) * 5)
    slots = table_of(weight)
    row = np.repeat([0, 1], 20)
    target = rng.random(40) * padded_sum(slots.weight)[row]
    found = slots.search(row, target)
    cumulative = weight.cumsum(axis=1)
    slack = 1e-13 * cumulative[row, -1]
    assert (cumulative[row, found] > target - slack).all()
    assert (cumulative[row, found] - weight[row, found] <= target + slack).all()


def test_search_finds_slots_as_often_as_they_weigh():
    """On a grid of targets, exactly; each block, block end and last slot among them."""
    weight = np.tile([1.0, 0.0, 2.0, 1.0], 300)[None]
    slots = table_of(weight)
    target = np.arange(1200.0)
    found = slots.search(np.zeros(1200, dtype=int), target)
    np.testing.assert_array_equal(np.bincount(found, minlength=1200), weight[0])


def test_search_does_not_see_other_rows_or_further_capacity():
    rng = np.random.default_rng(5)
    weight = np.full((3, 3000), np.nan)
    weight[0], weight[1, :200], weight[2, :5] = rng.random(3000), rng.random(200), 1.0
    together, alone = table_of(weight), table_of(weight[1:2, :200])
    target = rng.random(50) * np.nansum(weight[1])
    np.testing.assert_array_equal(
        together.search(np.full(50, 1), target), alone.search(np.zeros(50, dtype=int), target)
    )


# what is read and saved


@given(num=st.integers(1, 400), seed=st.integers(0, 2**32 - 1))
def test_class_sums_add_up_by_class(num, seed):
    rng = np.random.default_rng(seed)
    slots = table_of(rng.random((3, num)))
    found = slots.class_sums(slice(None), 4)
    np.testing.assert_array_equal(slots.class_sums(np.array([0, 2]), 4), found[[0, 2]])
    for arm_class in range(4):
        expected = [
            math.fsum(row[of_class == arm_class])
            for row, of_class in zip(slots.weight, slots.arm_class, strict=True)
        ]
        np.testing.assert_allclose(found[:, arm_class], expected, rtol=1e-13)


def test_an_empty_table_has_no_sums_and_finds_nothing():
    slots = SlotTable(3, SGD(0.1), has_rewards=False, has_numbers=True)
    assert slots.capacity == 0
    np.testing.assert_array_equal(slots.class_sums(slice(None), 2), np.zeros((3, 2)))
    np.testing.assert_array_equal(slots.find(np.array([0, 2]), np.array([5, 6])), [-1, -1])


def test_given_arms_are_found_in_their_own_row():
    slots = SlotTable(2, SGD(0.1), has_rewards=False, has_numbers=True)
    row, arm = np.array([0, 0, 1]), np.array([7, 10**15, 7])
    slots.append(row, arm_class=0, base=0.0, displacement=0.0, weight=1.0, arm=arm)
    found = slots.find(np.array([0, 0, 1, 1, 0]), np.array([10**15, 7, 7, 10**15, 8]))
    assert found.tolist() == [1, 0, 0, -1, -1]


@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.1), Adam(0.1)])
@pytest.mark.parametrize("has_rewards", [False, True])
def test_a_restored_table_is_the_same_and_a_copy(tmp_path, optimizer, has_rewards):
    rng = np.random.default_rng(2)
    slots = table_of(rng.random((3, 40)), optimizer=optimizer, has_rewards=has_rewards)
    for array in slots.state.values():
        array[...] = rng.random(array.shape)
    np.savez(tmp_path / "slots.npz", **slots.arrays())
    other = SlotTable(3, optimizer, has_rewards=has_rewards, has_numbers=False)
    with np.load(tmp_path / "slots.npz", allow_pickle=False) as saved:
        other.restore(dict(saved))
    assert set(other.arrays()) == set(slots.arrays())
    for name, array in slots.arrays().items():
        np.testing.assert_array_equal(other.arrays()[name], array, strict=True)
    again = SlotTable(3, optimizer, has_rewards=has_rewards, has_numbers=False)
    again.restore(slots.arrays())
    slots.weight[...] = np.nan
    assert np.isfinite(again.weight).all()
    for table in (other, again):
        grown = table.append(
            np.array([0, 0, 2]), arm_class=1, base=0.0, displacement=0.0, weight=1.0
        )
        assert grown.tolist() == [40, 41, 40]


def test_bytes_of_a_slot_are_those_of_its_arrays():
    for optimizer, num_states in ((SGD(0.1), 0), (Momentum(0.1), 1), (Adam(0.1), 2)):
        for has_rewards in (False, True):
            for has_numbers in (False, True):
                slots = SlotTable(5, optimizer, has_rewards=has_rewards, has_numbers=has_numbers)
                slots._grow(1000)
                arrays = slots.arrays()
                total = sum(
                    array.nbytes
                    for name, array in arrays.items()
                    if name not in ("num_used", "weight_blocks")
                )
                assert slots.bytes_per_slot() * 5 * slots.capacity == total
                in_doubles = 3 + num_states + has_rewards + has_numbers
                assert 0 < slots.bytes_per_slot() - 8 * in_doubles <= 8


def test_classes_of_any_number_are_kept():
    slots = SlotTable(1, SGD(0.1), has_rewards=False, has_numbers=False)
    arm_class = np.array([0, 32_767, 32_768, 70_000])
    slots.append(np.zeros(4, dtype=int), arm_class=arm_class, base=0.0, displacement=0.0, weight=1)
    np.testing.assert_array_equal(slots.arm_class[0, :4], arm_class)
