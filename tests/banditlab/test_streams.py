"""One stream of uniforms per run: its bits depend on the seed, the run and the numbers taken."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from banditlab import streams
from banditlab.streams import RunStreams

TAILS = st.lists(
    st.lists(st.integers(0, 5), min_size=0, max_size=3).map(tuple), min_size=1, max_size=6
)


def stream_of(seed: int, run: int, num: int) -> np.ndarray:
    """What NumPy gives for the run's child of the seed sequence, in one call."""
    child = np.random.SeedSequence(seed).spawn(run + 1)[run]
    return np.random.Generator(np.random.PCG64(child)).random(num)


@given(seed=st.integers(0, 2**70), tails=TAILS, num_runs=st.sampled_from([1, 3, 500]))
def test_run_i_is_the_same_for_any_number_of_runs_and_any_sequence_of_shapes(seed, tails, num_runs):
    with pytest.MonkeyPatch.context() as patch:
        # Blocks of a few numbers, so that requests straddle them.
        patch.setattr(streams, "_BLOCK_NUMBERS", 7 * num_runs)
        source = RunStreams(seed, num_runs)
        taken = [source.random((num_runs, *tail)) for tail in tails]
    assert [block.shape for block in taken] == [(num_runs, *tail) for tail in tails]
    total = sum(math.prod(tail) for tail in tails)
    for run in {0, num_runs // 2, num_runs - 1}:
        found = np.concatenate([block[run].ravel() for block in taken])
        np.testing.assert_array_equal(found, stream_of(seed, run, total))
    assert source.num_taken == total


@pytest.mark.parametrize("block_numbers", [1, 2, 30, 1000, 2**20])
def test_blocks_of_any_size_give_the_same_bits(block_numbers, monkeypatch):
    monkeypatch.setattr(streams, "_BLOCK_NUMBERS", block_numbers)
    source = RunStreams(5, 3)
    found = [source.random((3, num)) for num in (1, 4, 9, 100, 2, 0, 33)]
    expected = np.stack([stream_of(5, run, 149) for run in range(3)])
    np.testing.assert_array_equal(np.concatenate(found, axis=1), expected)


def test_numbers_taken_earlier_are_not_overwritten_by_a_later_block(monkeypatch):
    monkeypatch.setattr(streams, "_BLOCK_NUMBERS", 8)
    source = RunStreams(5, 2)
    first = source.random((2, 3))
    kept = first.copy()
    for _ in range(5):
        source.random((2, 3))
    np.testing.assert_array_equal(first, kept)


@given(
    before=st.lists(st.integers(0, 30), max_size=4),
    ahead=st.integers(0, 200),
    block_numbers=st.sampled_from([1, 20, 64, 2**20]),
)
def test_skip_goes_on_with_the_following_bits(before, ahead, block_numbers):
    """Within the present block, to its very end, and past it by any number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "_BLOCK_NUMBERS", block_numbers)
        source = RunStreams(11, 2)
        for num in before:
            source.random((2, num))
        target = sum(before) + ahead
        source.skip(target)
        assert source.num_taken == target
        found = np.concatenate([source.random((2, num)) for num in (1, 5, 40)], axis=1)
        assert source.num_taken == target + 46
    expected = np.stack([stream_of(11, run, target + 46)[target:] for run in range(2)])
    np.testing.assert_array_equal(found, expected)
    # The mutant: one number too many is skipped.
    assert not np.array_equal(found[:, :-1], expected[:, 1:])


def test_skip_past_more_numbers_than_were_ever_drawn_is_quick_and_exact():
    far = RunStreams(3, 2)
    far.skip(10**15)
    near = RunStreams(3, 2)
    near.skip(10**15 - 2)
    near.random((2, 2))
    np.testing.assert_array_equal(far.random((2, 8)), near.random((2, 8)))
    assert far.num_taken == 10**15 + 8


def test_runs_and_seeds_differ_in_every_number():
    taken = np.concatenate([RunStreams(seed, 20).random((20, 50)) for seed in (0, 1, 2**64)])
    assert np.unique(taken).size == taken.size


def test_numbers_are_uniform_within_runs_and_across_them():
    """Kolmogorov-Smirnov, each at a false-alarm rate of 1e-4."""

    def p_value(number: np.ndarray) -> float:
        return stats.kstest(number.ravel(), "uniform").pvalue

    number = RunStreams(2026, 400).random((400, 250))
    assert number.min() >= 0.0
    assert number.max() < 1.0
    assert p_value(number) > 1e-4
    for across_runs in (number[:, 0], number[:, 249]):
        assert p_value(across_runs) > 1e-4
    # The mutant: slightly too small numbers.
    assert p_value(number**1.05) < 1e-4


def test_neighbouring_runs_are_uncorrelated():
    """Fisher's z of 199 neighbours, |z| < 5 each: false-alarm rate 199 * 5.7e-7 = 1.1e-4."""
    number = RunStreams(7, 200).random((200, 2000))

    def largest_z(first: np.ndarray, second: np.ndarray) -> float:
        correlation = [np.corrcoef(*pair)[0, 1] for pair in zip(first, second, strict=True)]
        return float(np.abs(np.arctanh(correlation)).max() * np.sqrt(2000 - 3))

    assert largest_z(number[1:], number[:-1]) < 5.0
    # The mutant: a fifth of a run's numbers leaks into the next one.
    assert largest_z(number[1:] + 0.2 * number[:-1], number[:-1]) > 5.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RunStreams(-1, 2), r"^RunStreams: `seed` must be at least 0, got -1\. Give a"),
        (lambda: RunStreams(0, 0), r"^RunStreams: `num_runs` must be at least 1, got 0\. Raise it"),
        (
            lambda: RunStreams(0, 2).random((3, 1)),
            r"^RunStreams\.random: `shape` must be of first length 2, one row per run, got \(3, 1\)"
            r"\. Start the streams with as many runs",
        ),
    ],
)
def test_impossible_streams_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_streams_do_not_go_back():
    source = RunStreams(0, 2)
    source.random((2, 6))
    with pytest.raises(
        ValueError,
        match=r"^RunStreams\.skip: `num_taken` must be at least 6, what was taken already, got 5\. "
        "Start new streams with the same seed",
    ):
        source.skip(5)
