"""Advantages with memory, against a plain loop over each prompt's list of rewards."""

import array_api_strict
import numpy as np
import pytest
import torch

from banditlab.stateful_advantages import (
    reward_history,
    reward_history_state,
    running_mean,
    running_mean_state,
)

MEAN = {"forgetting": 0.0, "initial_baseline": 0.0}
HISTORY = {"history": 8, "ddof": 1, "eps": 1e-6}


def rewards(num_rounds=12, shape=(2, 3, 2), seed=0):
    return np.random.default_rng(seed).integers(0, 2, (num_rounds, *shape)).astype(float)


def play(advantage, state, rounds, **hyper):
    found = []
    for reward in rounds:
        value, state = advantage(reward, state, **hyper)
        found.append(value)
    return found, state


def test_running_mean_is_over_earlier_rewards_alone():
    rounds = rewards()
    found, state = play(running_mean, running_mean_state((2, 3), **MEAN), rounds, **MEAN)
    for number, (reward, advantage) in enumerate(zip(rounds, found, strict=True)):
        earlier = rounds[:number].mean(axis=(0, -1)) if number else np.zeros((2, 3))
        np.testing.assert_allclose(advantage, reward - earlier[..., None], rtol=1e-12, atol=1e-14)
        # The mutant: the present rewards are in the baseline.
        present = rounds[: number + 1].mean(axis=(0, -1))
        assert not np.allclose(advantage, reward - present[..., None])
    np.testing.assert_array_equal(state[..., 1], 24)


def test_running_mean_with_forgetting_is_exponential_after_a_plain_start():
    rounds = rewards(shape=(1,))
    hyper = {"forgetting": 0.25, "initial_baseline": 0.5}
    found, _ = play(running_mean, running_mean_state((), **hyper), rounds, **hyper)
    baseline = 0.5
    for number, (reward, advantage) in enumerate(zip(rounds, found, strict=True)):
        np.testing.assert_allclose(advantage, reward - baseline, rtol=1e-13)
        baseline += max(0.25, 1 / (number + 1)) * (float(reward[0]) - baseline)


def test_the_first_round_is_over_the_initial_baseline():
    hyper = {"forgetting": 0.0, "initial_baseline": 0.25}
    advantage, state = running_mean(np.array([1.0, 0.0]), running_mean_state((), **hyper), **hyper)
    np.testing.assert_array_equal(advantage, [0.75, -0.25])
    np.testing.assert_array_equal(state, [0.5, 2.0])


@pytest.mark.parametrize("group_size", [1, 2, 3, 8])
def test_reward_history_standardizes_by_the_last_rewards_with_the_present_ones(group_size):
    rounds = rewards(shape=(2, 3, group_size), seed=group_size)
    state = reward_history_state((2, 3), **HISTORY)
    found, _ = play(reward_history, state, rounds, **HISTORY)
    num_unlike_excluded = 0
    for number, advantage in enumerate(found):
        for index in np.ndindex(2, 3):
            seen = rounds[(slice(number + 1), *index)].ravel()
            last = seen[-8:]
            reward = rounds[(number, *index)]
            expected = reward
            if len(seen) >= 2:
                expected = (reward - last.mean()) / (last.std(ddof=1) + 1e-6)
            if len(seen) >= 2 and np.ptp(last) == 0:
                expected = 0.0 * reward
            np.testing.assert_allclose(advantage[index], expected, rtol=1e-12, atol=1e-13)
            # The mutant: a history that leaves the present rewards out.
            before = seen[:-group_size][-8:]
            if len(before) >= 2 and np.ptp(before) > 0:
                excluded = (reward - before.mean()) / (before.std(ddof=1) + 1e-6)
                num_unlike_excluded += not np.allclose(advantage[index], excluded)
    assert num_unlike_excluded > 30


def test_a_history_of_equal_rewards_gives_exactly_zero():
    state = reward_history_state((), **HISTORY)
    found, _ = play(reward_history, state, [np.full(1, 0.1)] * 11, **HISTORY)
    np.testing.assert_array_equal(np.ravel(found), [0.1, *[0.0] * 10])


@pytest.mark.parametrize("convert", [torch.asarray, array_api_strict.asarray])
@pytest.mark.parametrize(
    ("begin", "advantage", "hyper"),
    [(running_mean_state, running_mean, MEAN), (reward_history_state, reward_history, HISTORY)],
)
def test_other_namespaces_give_the_same_numbers_and_inputs_stay(convert, begin, advantage, hyper):
    state = begin((2, 3), **hyper)
    other = convert(state.copy())
    for reward in rewards():
        copies = reward.copy(), state.copy()
        found, next_state = advantage(reward, state, **hyper)
        np.testing.assert_array_equal(reward, copies[0])
        np.testing.assert_array_equal(state, copies[1])
        other_found, other = advantage(convert(reward), other, **hyper)
        assert type(other_found) is type(other)
        np.testing.assert_allclose(np.asarray(other_found), found, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(np.asarray(other), next_state, rtol=1e-12)
        state = next_state


def test_prompts_do_not_mix():
    """A batch of some prompts gives what the same prompts give among all."""
    rounds = rewards(shape=(3, 2))
    for begin, advantage, hyper in (
        (running_mean_state, running_mean, MEAN),
        (reward_history_state, reward_history, HISTORY),
    ):
        together, _ = play(advantage, begin((3,), **hyper), rounds, **hyper)
        alone, _ = play(advantage, begin((1,), **hyper), rounds[:, 1:2], **hyper)
        np.testing.assert_array_equal(np.array(together)[:, 1:2], alone)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: running_mean(np.ones((2, 4)), np.zeros((3, 2)), **MEAN),
            r"running_mean: `state` must be of shape \(2, 2\), as the rewards' shape \(2, 4\)",
        ),
        (
            lambda: running_mean(np.ones(1), np.zeros(2), forgetting=1.5, initial_baseline=0.0),
            r"running_mean: `forgetting` must be a finite number in \[0, 1\], got 1.5",
        ),
        (
            lambda: running_mean(
                np.ones(1), np.zeros(2), forgetting=0.0, initial_baseline=float("nan")
            ),
            r"running_mean: `initial_baseline` must be a finite number",
        ),
        (
            lambda: reward_history(np.ones(9), np.zeros(9), **HISTORY),
            r"reward_history: `reward` must be of group size 8 or less.*raise history",
        ),
        (
            lambda: reward_history(np.ones(4), np.zeros(17), **HISTORY),
            r"reward_history: `state` must be of shape \(9,\).*Begin with `initial_state`",
        ),
        (
            lambda: reward_history(np.ones(1), np.zeros(9), history=8, ddof=3, eps=0.0),
            r"reward_history: `ddof` must be 0 or 1, got 3",
        ),
        (
            lambda: reward_history_state((2,), history=1, ddof=1, eps=0.0),
            r"reward_history_state: `history` must be a whole number of 2 or more, got 1",
        ),
    ],
)
def test_wrong_states_and_hyperparameters_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
