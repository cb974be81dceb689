"""What is recorded and when, on small policies whose numbers are worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.metrics import METRICS, measure, record_steps
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.rounds import Memory, Round
from banditlab.softmax import DenseSoftmax

NUM_TRAIN = 2


def dense_policy() -> DenseSoftmax:
    """Three contexts of two arms, correct with probability 0.2, 0.5 and 0.9; the last held out."""
    rate = np.array([0.2, 0.5, 0.9])
    problem = BanditProblem(
        np.zeros((3, 2)),
        np.log(np.stack([rate, 1.0 - rate], axis=1)),
        np.tile([1.0, 0.0], (3, 1)),
        num_train=NUM_TRAIN,
    )
    return DenseSoftmax(problem, 2, SGD(1.0))


def entropy(rate: float) -> float:
    return -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)


def test_the_base_policy_is_measured_exactly():
    found = measure(dense_policy(), NUM_TRAIN, Memory(), None)
    expected = {
        "pass_rate": 0.35,
        "heldout_pass_rate": 0.9,
        "entropy": 0.5 * (entropy(0.2) + entropy(0.5)),
        "collision": 0.5 * (0.2**2 + 0.8**2 + 0.5),
        "ratio_variance": 0.0,
        "signal_share": 0.0,
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], [value, value], rtol=1e-14, err_msg=name)


def test_each_run_is_measured_after_its_own_moves():
    policy = dense_policy()
    contexts = np.array([[0], [1]])
    draw = policy.place(contexts, np.zeros((2, 1, 1), dtype=int))
    policy.accumulate(draw, np.full((2, 1, 1), 2.0))
    policy.move()
    found = measure(policy, NUM_TRAIN, Memory(), None)
    # A step of size 1 with coefficient 2 on a correct arm: log-odds move by 2 (1-p) + 2 (1-p).
    moved = [1.0 / (1.0 + math.exp(-math.log(p / (1 - p)) - 4 * (1 - p))) for p in (0.2, 0.5)]
    expected = [0.5 * (moved[0] + 0.5), 0.5 * (0.2 + moved[1])]
    np.testing.assert_allclose(found["pass_rate"], expected, rtol=1e-13)
    np.testing.assert_allclose(found["heldout_pass_rate"], [0.9, 0.9], rtol=1e-14)


def round_of(advantage: np.ndarray, log_ratio: np.ndarray) -> Round:
    return Round(np.zeros_like(advantage), advantage, log_ratio)


def test_a_round_s_signal_and_ratio_variance_are_means_over_its_rollouts():
    advantage = np.zeros((2, 4, 3))
    advantage[0, 0, 2], advantage[0, 3, :], advantage[1, 1, 0] = -1e-300, 1.0, 2.0
    log_ratio = np.zeros((2, 4, 3))
    log_ratio[0, 0, 0], log_ratio[0, 2, 1] = math.log(3.0), math.log(0.5)
    log_ratio[1] = 1e-9
    found = measure(dense_policy(), NUM_TRAIN, Memory(), round_of(advantage, log_ratio))
    np.testing.assert_array_equal(found["signal_share"], [0.5, 0.25])
    # To the last digit near a ratio of 1: exp(x) - 1 would keep 7 digits of 1e-9.
    expected = [(4.0 + 0.25) / 12, 1e-18 * (1 + 1e-9)]
    np.testing.assert_allclose(found["ratio_variance"], expected, rtol=1e-13)


def test_token_ratios_are_averaged_over_tokens_too():
    log_ratio = np.zeros((2, 1, 2, 4))
    log_ratio[1, 0, 0, 3] = math.log(2.0)
    found = measure(dense_policy(), NUM_TRAIN, Memory(), round_of(np.zeros((2, 1, 2)), log_ratio))
    np.testing.assert_allclose(found["ratio_variance"], [0.0, 1 / 8], rtol=1e-14)


def test_a_multiplier_is_recorded_where_there_is_one():
    memory = Memory(multiplier=np.array([0.1, 0.7]))
    found = measure(dense_policy(), NUM_TRAIN, memory, None)
    np.testing.assert_array_equal(found["multiplier"], [0.1, 0.7])


def test_without_held_out_prompts_none_are_recorded():
    found = measure(dense_policy(), 3, Memory(), None)
    assert "heldout_pass_rate" not in found
    np.testing.assert_allclose(found["pass_rate"], (0.2 + 0.5 + 0.9) / 3, rtol=1e-14)


def test_every_metric_is_explained():
    memory = Memory(multiplier=np.ones(2))
    assert set(measure(dense_policy(), NUM_TRAIN, memory, None)) == set(METRICS)


@given(
    num_steps=st.integers(1, 10**7),
    record_every=st.integers(1, 10**7),
    num_log_records=st.integers(0, 50),
)
def test_records_start_at_0_ascend_and_include_the_last_step(
    num_steps, record_every, num_log_records
):
    record_every = max(record_every, num_steps // 1000)
    steps = record_steps(num_steps, record_every, num_log_records)
    assert (steps[0], steps[-1]) == (0, num_steps)
    assert (np.diff(steps) > 0).all()
    assert steps.dtype == np.int64
    if num_log_records:
        assert len(steps) <= num_log_records + 2
    else:
        assert set(steps[:-1].tolist()) == set(range(0, num_steps, record_every))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((10, 4, 0), [0, 4, 8, 10]),
        ((8, 4, 0), [0, 4, 8]),
        ((3, 1, 0), [0, 1, 2, 3]),
        ((3, 50, 0), [0, 3]),
        ((1, 1, 0), [0, 1]),
        ((1000, 1, 4), [0, 1, 10, 100, 1000]),
        ((1000, 300, 4), [0, 1, 10, 100, 1000]),
        ((100, 1, 1), [0, 1, 100]),
        ((1, 1, 5), [0, 1]),
        ((5, 1, 100), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_step_grids_written_out(arguments, expected):
    assert record_steps(*arguments).tolist() == expected
