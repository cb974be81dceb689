"""The replay buffer: which ages come back, when a draw is released, and how it is saved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.replay import ReplayBuffer
from banditlab.rounds import Rollouts

AGES = st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True).map(tuple)


class FakePolicy:
    """Draws are numbers; counts how often each was released."""

    def __init__(self) -> None:
        self.released: list[int] = []

    def release(self, draw: int) -> None:
        self.released.append(draw)

    def pack(self, draw: int) -> dict[str, np.ndarray]:
        return {"number": np.array(draw), "state.mean": np.full(3, draw)}

    def unpack(self, arrays: dict[str, np.ndarray]) -> int:
        assert set(arrays) == {"number", "state.mean"}
        np.testing.assert_array_equal(arrays["state.mean"], np.full(3, arrays["number"]))
        return int(arrays["number"])


def rollouts_of(born: int) -> Rollouts:
    rng = np.random.default_rng(born)
    return Rollouts(born, *rng.standard_normal((3, 2, 1, 5)), group_size=3 + born % 2)


def run(buffer: ReplayBuffer, policy: FakePolicy, rounds: range) -> list[list[int]]:
    """Draws that each round trains on besides its own."""
    trained = []
    for number in rounds:
        trained.append([rollouts.draw for rollouts in buffer.stale(number)])
        assert not set(trained[-1]) & set(policy.released), "a released draw is trained on"
        buffer.push(number, rollouts_of(number), policy)
    return trained


@given(AGES)
def test_each_round_trains_on_the_ages_asked_for(ages):
    policy = FakePolicy()
    trained = run(ReplayBuffer(ages), policy, range(1, 15))
    for number, draws in enumerate(trained, start=1):
        # Youngest first, and only rounds that there were.
        assert draws == [number - age for age in sorted(ages) if 0 < age < number]


@given(AGES)
def test_each_draw_is_released_once_as_soon_as_no_later_round_needs_it(ages):
    policy = FakePolicy()
    buffer = ReplayBuffer(ages)
    for number in range(1, 15):
        run(buffer, policy, range(number, number + 1))
        # The next round trains on draws that are up to the greatest age old.
        assert policy.released == list(range(1, number + 1 - max(ages)))
        kept = buffer.arrays(policy)["rounds"].tolist()
        assert sorted(policy.released + kept) == list(range(1, number + 1))


def test_only_ages_above_0_need_the_rollouts_after_their_round():
    assert not ReplayBuffer((0,)).keeps_rollouts
    assert ReplayBuffer((0, 1)).keeps_rollouts
    assert ReplayBuffer((4,)).keeps_rollouts


@given(AGES, st.integers(0, 12))
def test_a_restored_buffer_goes_on_alike(ages, num_before):
    policy, buffer = FakePolicy(), ReplayBuffer(ages)
    run(buffer, policy, range(1, num_before + 1))
    saved = {name: array.copy() for name, array in buffer.arrays(policy).items()}
    other_policy, other = FakePolicy(), ReplayBuffer(ages)
    other.restore(saved, other_policy)
    for name, array in other.arrays(other_policy).items():
        np.testing.assert_array_equal(array, saved[name], strict=True)
    assert set(other.arrays(other_policy)) == set(saved)
    policy.released.clear()
    rest = range(num_before + 1, num_before + 9)
    assert run(other, other_policy, rest) == run(buffer, policy, rest)
    assert other_policy.released == policy.released


def test_rollouts_come_back_from_disk_as_they_went(tmp_path):
    policy, buffer = FakePolicy(), ReplayBuffer((1, 12))
    run(buffer, policy, range(1, 13))
    np.savez(tmp_path / "buffer.npz", **buffer.arrays(policy))
    other = ReplayBuffer((1, 12))
    with np.load(tmp_path / "buffer.npz", allow_pickle=False) as saved:
        other.restore(dict(saved), policy)
    for number in (12, 13):
        found, expected = other.stale(number), buffer.stale(number)
        assert len(found) == len(expected) == number - 11
        for one, same in zip(found, expected, strict=True):
            assert (one.draw, one.group_size) == (same.draw, same.group_size)
            for name in ("reward", "advantage", "old_log_prob"):
                np.testing.assert_array_equal(getattr(one, name), getattr(same, name), strict=True)


def test_restored_rollouts_are_copies_and_replace_what_was_kept():
    policy, buffer = FakePolicy(), ReplayBuffer((2,))
    run(buffer, policy, range(1, 3))
    saved = buffer.arrays(policy)
    other = ReplayBuffer((2,))
    run(other, policy, range(7, 9))
    other.restore(saved, policy)
    assert other.arrays(policy)["rounds"].tolist() == [1, 2]
    saved["1.reward"][...] = np.nan
    assert np.isfinite(other.stale(3)[0].reward).all()


def test_a_mutant_that_keeps_draws_a_round_too_long_is_seen():
    class Late(ReplayBuffer):
        def push(self, num_rounds, rollouts, policy):
            super().push(num_rounds - 1, rollouts, policy)

    policy = FakePolicy()
    with pytest.raises(AssertionError):
        assert run(Late((1,)), policy, range(1, 4)) == [[], [1], [2]]
