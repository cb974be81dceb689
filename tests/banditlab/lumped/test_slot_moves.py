"""The plain step on slots against its formula, for rows of any length beside any others."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.lumped import slot_moves
from banditlab.lumped.slot_moves import descend
from banditlab.lumped.slots import BLOCK, SlotTable, padded_sum
from banditlab.optimizers import SGD

NO_DRAWS = (np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros(0))
LONG = slot_moves._LONG_ROW


def table_of(lengths, seed: int = 0, *, spread: float = 3.0, extra_capacity: int = 0) -> SlotTable:
    """Rows of slots in use with weights exp(base + displacement - 0.3), about 1 in all."""
    slots = SlotTable(len(lengths), SGD(0.1), has_rewards=False, has_numbers=False)
    if extra_capacity:
        slots._grow(extra_capacity)
    for row, length in enumerate(lengths):
        rng = np.random.default_rng([seed, row])
        base = spread * rng.standard_normal(length)
        displacement = rng.standard_normal(length)
        base -= np.logaddexp.reduce(base + displacement) - 0.3
        slots.append(
            np.full(length, row),
            arm_class=0,
            base=base,
            displacement=displacement,
            weight=np.exp(base + displacement - 0.3),
        )
    slots.renew_sums(slice(None))
    return slots


def draws_of(lengths, num: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some slots of each row, some of them twice, and changes of a few tenths."""
    rng = np.random.default_rng([seed, 99])
    row = np.repeat(np.arange(len(lengths)), num)
    slot = rng.integers(0, np.asarray(lengths)[row])
    if num > 1:
        slot[1::num] = slot[::num]
    return row, slot, 0.3 * rng.standard_normal(row.size)


def expected_move(slots: SlotTable, row: int, rate: float, shift: float, drawn):
    """Displacement and weight of a row by the formula, in 80-bit numbers."""
    long = np.longdouble
    displacement = slots.displacement[row].astype(long)
    displacement -= long(rate) * slots.weight[row].astype(long)
    np.add.at(displacement, drawn[1][drawn[0] == row], drawn[2][drawn[0] == row].astype(long))
    return displacement, np.exp(slots.base[row].astype(long) + displacement - long(shift))


def largest_error(slots: SlotTable, rate: np.ndarray, drawn, rows=slice(None)) -> float:
    """Largest relative error of a move in displacements, weights and sums."""
    index = np.arange(slots.num_used.size)[rows]
    shift = np.full(index.size, 0.3)
    in_table = (index[drawn[0]], *drawn[1:])
    expected = [
        expected_move(slots, row, of_row, 0.3, in_table)
        for row, of_row in zip(index, rate, strict=True)
    ]
    size = [np.abs(slots.displacement[row]) + 1.0 for row in index]
    found = descend(slots, rows, rate, shift, drawn)
    errors = []
    for (displacement, weight), scale, row, total in zip(expected, size, index, found, strict=True):
        used = slots.num_used[row]
        assert (slots.weight[row, used:] == 0.0).all()
        assert (slots.displacement[row, used:] == 0.0).all()
        errors += [
            np.abs(slots.displacement[row] - displacement).max() / scale.max(),
            np.abs(slots.weight[row, :used] / weight[:used] - 1.0).max(),
            abs(total / weight.sum() - 1.0),
        ]
        assert total == padded_sum(slots.weight[row])
    np.testing.assert_array_equal(slots.weight_blocks[index].sum(), slots.weight_blocks[rows].sum())
    return float(max(errors))


RATES = [sign * 10.0**power for power in range(-12, 2) for sign in (1, -1)]


@pytest.mark.parametrize("rate", RATES)
def test_a_move_is_the_formula_for_short_and_long_rows(rate):
    """Weights up to 1, so that each order of the polynomial is met in rows of both kinds."""
    lengths = [3, 130, LONG - 1, LONG, 5000]
    drawn = draws_of(lengths, 4)
    assert largest_error(table_of(lengths), np.full(5, rate), drawn) < 1e-14


@given(
    lengths=st.lists(
        st.sampled_from([1, 8, 9, 128, 129, 1500, LONG, 3000]), min_size=1, max_size=4
    ),
    seed=st.integers(0, 1000),
    num_draws=st.integers(0, 5),
    is_slice=st.booleans(),
    data=st.data(),
)
def test_moves_of_any_rows_are_the_formula(lengths, seed, num_draws, is_slice, data):
    slots = table_of(lengths, seed)
    index = np.arange(len(lengths))
    if not is_slice:
        index = np.array(sorted(data.draw(st.sets(st.sampled_from(index.tolist()), min_size=1))))
    rate = np.array([data.draw(st.sampled_from([0.0, *RATES])) for _ in index])
    drawn = draws_of(np.array(lengths)[index], num_draws, seed)
    others = np.setdiff1d(np.arange(len(lengths)), index)
    before = slots.displacement[others], slots.weight[others], slots.weight_blocks[others]
    assert largest_error(slots, rate, drawn, slice(None) if is_slice else index) < 1e-14
    for kept, array in zip(
        before, (slots.displacement, slots.weight, slots.weight_blocks), strict=True
    ):
        np.testing.assert_array_equal(array[others], kept)


def test_a_rate_with_the_wrong_sign_or_draws_left_out_are_seen():
    lengths = [100, 3000]
    drawn = draws_of(lengths, 3)
    for rate, wrong in (
        (np.full(2, 0.1), (np.full(2, -0.1), drawn)),
        (np.full(2, 0.1), (np.full(2, 0.1), NO_DRAWS)),
    ):
        right, moved = table_of(lengths), table_of(lengths)
        descend(right, slice(None), rate, np.full(2, 0.3), drawn)
        descend(moved, slice(None), wrong[0], np.full(2, 0.3), wrong[1])
        for row in range(2):
            used = slice(right.num_used[row])
            assert np.abs(right.weight[row, used] / moved.weight[row, used] - 1).max() > 1e-5


# the polynomial


def factor_error(bound: float, sign: int) -> float:
    """Largest relative error of weight * exp(-rate * weight) where |rate * weight| <= bound."""
    weight = np.linspace(0.0, 1.0, 4097)[1:] ** 0.5
    moved, displacement = weight.copy(), np.zeros_like(weight)
    slot_moves._scale(moved, displacement, sign * bound, bound, np.empty((2, weight.size)))
    exact = weight.astype(np.longdouble)
    exact = exact * np.exp(np.longdouble(-sign * bound) * exact)
    np.testing.assert_allclose(displacement, -sign * bound * weight, rtol=1e-15)
    return float(np.abs(moved / exact - 1.0).max())


BOUNDS = {name: getattr(slot_moves, name) for name in ("_LINEAR", "_QUADRATIC", "_CUBIC")}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("side", [0.5, 1.0, 1.001])
@pytest.mark.parametrize("name", BOUNDS)
def test_factors_are_exact_to_the_last_digit_on_both_sides_of_each_bound(name, side, sign):
    assert factor_error(BOUNDS[name] * side, sign) < 3e-16


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("name", "order", "bound"),
    [("_LINEAR", 2, 8.7e-6), ("_QUADRATIC", 3, 2.2e-4), ("_CUBIC", 4, 6e-4)],
)
def test_one_order_fewer_is_seen(name, order, bound, sign, monkeypatch):
    """An order is dropped up to the bound of the next one, or a little beyond the last."""
    assert factor_error(bound, sign) < 3e-16
    monkeypatch.setattr(slot_moves, name, bound)
    found = factor_error(bound, sign)
    assert found > 1e-15
    assert found == pytest.approx(bound**order / math.factorial(order), rel=0.1)


def test_bounds_could_not_be_much_larger():
    """The first order left out is below half a unit in the last place, and not at four times."""
    for order, bound in enumerate(BOUNDS.values(), start=2):
        assert bound**order / math.factorial(order) < 2.0**-53
        assert (4 * bound) ** order / math.factorial(order) > 2.0**-53


# independence


def move_alone(length: int, rate: float, *, extra_capacity: int = 0):
    slots = table_of([length], seed=3, extra_capacity=extra_capacity)
    drawn = draws_of([length], 3)
    total = descend(slots, slice(None), np.array([rate]), np.array([0.3]), drawn)
    return slots.displacement[0, :length], slots.weight[0, :length], total[0]


@pytest.mark.parametrize("length", [1, 5, 8, 40, 100, 128, 129, 1000, LONG - 1, LONG, 4000])
@pytest.mark.parametrize("rate", [1e-9, 1e-4, 0.5])
def test_a_row_moves_to_the_same_bits_whatever_the_others_are(length, rate):
    expected = move_alone(length, rate)
    for others in ([], [2], [3000], [7, 300, LONG, 5000, 20]):
        for extra_capacity in (0, 6000):
            slots = table_of([length, *others], seed=3, extra_capacity=extra_capacity)
            own = draws_of([length], 3)
            rest = draws_of([1, *others], 2)
            is_rest = rest[0] > 0
            drawn = tuple(
                np.concatenate([one, two[is_rest]]) for one, two in zip(own, rest, strict=True)
            )
            rates = np.full(1 + len(others), 2.0)
            rates[0] = rate
            total = descend(slots, slice(None), rates, np.full(rates.size, 0.3), drawn)
            for found, same in zip(
                (slots.displacement[0, :length], slots.weight[0, :length], total[0]),
                expected,
                strict=True,
            ):
                np.testing.assert_array_equal(found, same)


@pytest.mark.parametrize("length", [5, 100, 500, LONG, 4000])
def test_rows_as_numbers_and_as_a_slice_move_to_the_same_bits(length):
    lengths = [length, 30, 3000]
    drawn = draws_of(lengths, 2)
    rate, shift = np.array([0.1, 1e-5, -0.2]), np.full(3, 0.3)
    tables = [table_of(lengths) for _ in range(3)]
    totals = [
        descend(table, rows, rate, shift, drawn)
        for table, rows in zip(tables, (slice(None), np.arange(3)), strict=False)
    ]
    one_by_one = [
        descend(
            tables[2],
            np.array([row]),
            rate[[row]],
            shift[[row]],
            (np.zeros(2, dtype=int), drawn[1][drawn[0] == row], drawn[2][drawn[0] == row]),
        )
        for row in range(3)
    ]
    totals.append(np.concatenate(one_by_one))
    for table, total in zip(tables[1:], totals[1:], strict=True):
        np.testing.assert_array_equal(total, totals[0])
        for name in ("displacement", "weight", "weight_blocks"):
            np.testing.assert_array_equal(getattr(table, name), getattr(tables[0], name))


def test_many_short_rows_are_moved_a_cache_full_at_a_time(monkeypatch):
    lengths = np.random.default_rng(0).integers(1, 300, 100).tolist()
    drawn = draws_of(lengths, 2)
    rate, shift = np.linspace(-1, 1, 100), np.full(100, 0.3)
    tables = []
    for num_cached in (1, 1000, 8192, 10**9):
        monkeypatch.setattr(slot_moves, "_CACHED_NUMBERS", num_cached)
        tables.append(table_of(lengths))
        descend(tables[-1], slice(None), rate, shift, drawn)
    for table in tables[1:]:
        np.testing.assert_array_equal(table.weight, tables[0].weight)
        np.testing.assert_array_equal(table.weight_blocks, tables[0].weight_blocks)


# extremes


@pytest.mark.parametrize("length", [100, 4000])
def test_a_weight_that_overflows_says_so_without_a_warning(length):
    slots = table_of([length, length])
    drawn = (np.array([0]), np.array([17]), np.array([800.0]))
    total = descend(slots, slice(None), np.full(2, 0.1), np.full(2, 0.3), drawn)
    assert total[0] == np.inf
    assert np.isfinite(total[1])


@pytest.mark.parametrize("length", [100, 4000])
@pytest.mark.parametrize(("down", "up"), [(-735.0, 733.0), (-800.0, 700.0), (-800.0, 790.0)])
def test_a_weight_that_vanished_comes_back(length, down, up):
    """Below 1e-308 a weight has few digits or none, but its logit has them all."""
    slots = table_of([length])
    for change in (down, up, 90.0):
        drawn = (np.array([0]), np.array([17]), np.array([change]))
        descend(slots, slice(None), np.array([1e-6]), np.array([0.3]), drawn)
    expected = np.exp(slots.base[0, 17] + slots.displacement[0, 17] - 0.3)
    np.testing.assert_allclose(slots.weight[0, 17], expected, rtol=1e-12)


def test_weights_stay_with_their_logits_over_many_moves():
    """Moves below half a unit in the last place of either: at most a unit, 2.2e-16, a move."""
    slots = table_of([LONG])
    for _ in range(10_000):
        descend(slots, slice(None), np.array([1e-13]), np.array([0.3]), NO_DRAWS)
    logit = slots.base[0].astype(np.longdouble) + slots.displacement[0] - np.longdouble(0.3)
    error = np.abs(slots.weight[0, :LONG] / np.exp(logit[:LONG]) - 1.0).max()
    assert error < 10_000 * 2.2e-16


def test_no_rows_and_no_draws_move_nothing():
    slots = table_of([5, 3000])
    before = {name: array.copy() for name, array in slots.arrays().items()}
    assert descend(slots, np.zeros(0, dtype=int), np.zeros(0), np.zeros(0), NO_DRAWS).size == 0
    for name, array in slots.arrays().items():
        np.testing.assert_array_equal(array, before[name])
    assert slots.capacity % BLOCK == 0
