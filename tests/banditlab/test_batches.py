"""Which prompts a round trains on: distinct, uniform, each once an epoch, the same for any R."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from banditlab.batches import BATCH_ORDERS, Batches
from banditlab.streams import RunStreams

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda pair: (max(pair), min(pair)))


def batches_of(num_train, num_runs, batch_size, order, *, num_rounds, seed=0, rng=None):
    rng = rng or RunStreams(seed, num_runs)
    batches = Batches(num_train, num_runs, batch_size, order)
    drawn = [batches.draw(rng) for _ in range(num_rounds)]
    return np.stack(drawn, axis=1)


@given(SIZES, st.sampled_from(sorted(BATCH_ORDERS)), st.integers(0, 1000))
def test_run_i_is_the_same_for_any_number_of_runs(sizes, order, seed):
    alone, few, many = (
        batches_of(sizes[0], num_runs, sizes[1], order, num_rounds=7, seed=seed)
        for num_runs in (1, 3, 40)
    )
    assert few.shape == (3, 7, sizes[1])
    np.testing.assert_array_equal(few[:1], alone)
    np.testing.assert_array_equal(many[:3], few)


@given(SIZES, st.sampled_from(sorted(BATCH_ORDERS)), st.integers(0, 1000))
def test_prompts_exist_and_come_once_unless_replaced(sizes, order, seed):
    found = batches_of(sizes[0], 5, sizes[1], order, num_rounds=6, seed=seed)
    assert found.min() >= 0
    assert found.max() < sizes[0]
    assert np.issubdtype(found.dtype, np.integer)
    if order != "replacement":
        assert (np.diff(np.sort(found, axis=-1), axis=-1) > 0).all()


@given(SIZES, st.integers(0, 1000))
def test_an_epoch_holds_each_prompt_once_less_a_rest(sizes, seed):
    num_train, batch_size = sizes
    rounds = num_train // batch_size
    found = batches_of(num_train, 4, batch_size, "epochs", num_rounds=3 * rounds, seed=seed)
    for epoch in np.split(found, 3, axis=1):
        prompts = np.sort(epoch.reshape(4, -1), axis=-1)
        assert (np.diff(prompts, axis=-1) > 0).all()
        if num_train % batch_size == 0:
            np.testing.assert_array_equal(prompts, np.tile(np.arange(num_train), (4, 1)))


@pytest.mark.parametrize("num_train", [2, 5, 300, 2000])
def test_a_subset_is_the_prompts_of_the_smallest_of_equal_uniforms(num_train):
    """So that all subsets are as likely, whatever the number of prompts."""
    for batch_size in {1, num_train // 2, num_train - 1}:
        found = batches_of(num_train, 4, batch_size, "subset", num_rounds=1, seed=3)[:, 0]
        smallest = RunStreams(3, 4).random((4, num_train)).argsort(axis=1)[:, :batch_size]
        np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(smallest, axis=1))


def test_each_epoch_and_each_run_has_an_order_of_its_own():
    found = batches_of(20, 30, 5, "epochs", num_rounds=8)
    orders = found.reshape(60, 20)
    assert len({tuple(order) for order in orders.tolist()}) == 60


def p_value(counts: np.ndarray) -> float:
    return float(stats.chisquare(counts.ravel()).pvalue)


def pair_counts(found: np.ndarray, num_train: int) -> np.ndarray:
    """How often each set of two prompts came."""
    pairs = np.sort(found.reshape(-1, 2), axis=-1)
    low, high = np.triu_indices(num_train, 1)
    return np.array([((pairs == pair).all(axis=1)).sum() for pair in zip(low, high, strict=True)])


class FavourFirst:
    """Uniforms of which the first prompt's are a little smaller."""

    def __init__(self, source: RunStreams) -> None:
        self._source = source

    def random(self, shape):
        number = self._source.random(shape).copy()
        number[:, 0] **= 1.2
        return number


@pytest.mark.parametrize("order", ["subset", "epochs"])
def test_all_pairs_of_prompts_are_as_frequent(order):
    """Chi-square on 10 pairs in 20,000 batches, false-alarm rate 1e-4."""
    sizes = (5, 2000, 2, order)
    # Of an epoch of five prompts the second batch does not depend on the first's order.
    found = batches_of(*sizes, num_rounds=20)[:, :: 2 if order == "epochs" else 1]
    assert p_value(pair_counts(found, 5)) > 1e-4
    mutant = batches_of(*sizes, num_rounds=20, rng=FavourFirst(RunStreams(0, 2000)))
    assert p_value(pair_counts(mutant, 5)) < 1e-4


def test_prompts_left_out_of_an_epoch_are_chosen_uniformly():
    """The rest of five prompts in batches of two; chi-square, false-alarm rate 1e-4."""
    found = batches_of(5, 4000, 2, "epochs", num_rounds=4).reshape(4000, 2, 4)
    left_out = 10 - found.sum(axis=-1)
    assert p_value(np.bincount(left_out.ravel(), minlength=5)) > 1e-4


def test_with_replacement_all_ordered_pairs_are_as_frequent_the_same_prompt_twice_among_them():
    """Chi-square on 25 pairs in 20,000 batches, false-alarm rate 1e-4."""
    found = batches_of(5, 2000, 2, "replacement", num_rounds=10).reshape(-1, 2)
    assert p_value(np.bincount(found @ [5, 1], minlength=25)) > 1e-4
    mutant = batches_of(5, 2000, 2, "subset", num_rounds=10).reshape(-1, 2)
    assert p_value(np.bincount(mutant @ [5, 1], minlength=25)) < 1e-4


class LargestUniform:
    def random(self, shape):
        return np.full(shape, 1.0 - 2.0**-53)


def test_the_largest_uniform_still_finds_a_prompt():
    for num_train in (1, 3, 10**6, 2**31):
        assert Batches(num_train, 1, 1, "replacement").draw(LargestUniform()) == num_train - 1


def test_more_prompts_than_there_are_come_with_replacement_only():
    assert batches_of(2, 3, 7, "replacement", num_rounds=1).shape == (3, 1, 7)


@pytest.mark.parametrize("order", ["subset", "epochs"])
def test_a_batch_of_all_prompts_needs_no_chance(order):
    batches, source = Batches(4, 3, 4, order), RunStreams(0, 3)
    np.testing.assert_array_equal(batches.draw(source), np.tile(np.arange(4), (3, 1)))
    assert source.num_taken == 0


@pytest.mark.parametrize("order", BATCH_ORDERS)
@pytest.mark.parametrize("num_before", [0, 1, 2, 3, 4])
def test_restored_batches_go_on_to_the_same_bits(order, num_before):
    """Before the first round, within an epoch of three rounds and at its end."""
    batches, source = Batches(7, 3, 2, order), RunStreams(9, 3)
    for _ in range(num_before):
        batches.draw(source)
    state = {name: array.copy() for name, array in batches.state().items()}
    num_taken = source.num_taken
    expected = [batches.draw(source) for _ in range(8)]
    restored, resumed = Batches(7, 3, 2, order), RunStreams(9, 3)
    restored.restore(state)
    resumed.skip(num_taken)
    for batch in expected:
        np.testing.assert_array_equal(restored.draw(resumed), batch)
    assert resumed.num_taken == source.num_taken


def test_a_restored_order_is_a_copy():
    batches = Batches(6, 1, 2, "epochs")
    batches.draw(RunStreams(0, 1))
    state = batches.state()
    other = Batches(6, 1, 2, "epochs")
    other.restore(state)
    expected = batches.draw(RunStreams(1, 1)).copy()
    state["permutation"][...] = -1
    np.testing.assert_array_equal(other.draw(RunStreams(1, 1)), expected)


@pytest.mark.parametrize(
    ("batch_size", "order", "message"),
    [
        (
            4,
            "epoch",
            r"^Batches: `order` must be a known order, got 'epoch'\. Did you mean 'epochs'",
        ),
        (4, "subset", r"^Batches: `batch_size` must be between 1 and the 3 prompts.*got 4\. Only"),
        (
            4,
            "epochs",
            r"^Batches: `batch_size` must be between 1 and the 3 prompts trained on, got",
        ),
        (0, "subset", r"^Batches: `batch_size` must be between 1 and the 3 prompts.*got 0"),
        (-1, "replacement", r"^Batches: `batch_size` must be between 1 and the 3 prompts.*got -1"),
    ],
)
def test_impossible_batches_are_refused(batch_size, order, message):
    with pytest.raises(ValueError, match=message):
        Batches(3, 1, batch_size, order)
