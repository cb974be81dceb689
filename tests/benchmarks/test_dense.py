"""The dense loop that the simulator is timed against does what the dense policy does."""

import math

import numpy as np
import pytest

from banditlab.arm_spaces import rare_correct
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import RULES
from banditlab.softmax import DenseSoftmax
from benchmarks import dense
from benchmarks.dense import DenseLoop

NUM_STEPS = 150
PROBLEM = rare_correct(3, 0.3, num_correct=5)
CONTEXTS = np.zeros((1, 1), dtype=np.int64)


def largest_difference(loop: DenseLoop, rule: str, group_size: int, step_size: float) -> float:
    """Largest difference of log-probs on the same draws; the arms drawn must be the same ones."""
    policy = DenseSoftmax(PROBLEM, 1, SGD(step_size))
    rng, largest = np.random.default_rng(7), 0.0
    for _ in range(NUM_STEPS):
        uniform = rng.random((1, 1, group_size, 2))
        expected = policy.sample(CONTEXTS, uniform).arm
        arm = loop.step(uniform[0, 0, :, 0])
        np.testing.assert_array_equal(arm, expected[0, 0])
        step(policy, RULES[rule], CONTEXTS, group_size=group_size, arms=expected)
        largest = max(largest, np.abs(loop.log_probs() - policy.log_probs()[0, 0]).max())
    return largest


@pytest.mark.parametrize("chunk", [64, 8192])
@pytest.mark.parametrize(
    ("rule", "group_size"), [("raw_reward", 1), ("raw_reward", 8), ("group_mean", 8)]
)
def test_dense_loop_equals_dense_policy(monkeypatch, chunk, rule, group_size):
    """Same uniforms, same arms, log-probs to 1e-12 (seen: 5e-15) over 150 rounds."""
    monkeypatch.setattr(dense, "_CHUNK", chunk)
    has_baseline = rule == "group_mean"
    loop = DenseLoop(PROBLEM, 0.3, has_baseline=has_baseline)
    assert largest_difference(loop, rule, group_size, 0.3) < 1e-12


@pytest.mark.parametrize(("rule", "group_size"), [("raw_reward", 8), ("group_mean", 8)])
def test_series_changes_nothing(monkeypatch, rule, group_size):
    """A small step, whose chunks without a drawn arm take the series, to the same 1e-12."""
    monkeypatch.setattr(dense, "_CHUNK", 64)
    scaled = []
    plain = DenseLoop._scale

    def counted(loop, weight, change):
        scaled.append(weight.size)
        plain(loop, weight, change)

    monkeypatch.setattr(DenseLoop, "_scale", counted)
    loop = DenseLoop(PROBLEM, 3e-3, has_baseline=rule == "group_mean", has_series=True)
    assert largest_difference(loop, rule, group_size, 3e-3) < 1e-12
    assert len(scaled) > NUM_STEPS


def test_weights_keep_their_unit(monkeypatch):
    """A large step shifts the sum of weights out of its range; the policy stays (seen: 4e-13)."""
    monkeypatch.setattr(dense, "_CHUNK", 256)
    loop = DenseLoop(PROBLEM, 20.0, has_baseline=False)
    assert largest_difference(loop, "raw_reward", 2, 20.0) < 1e-11
    assert 1.0 / 16.0 < loop.weight.sum() < 16.0


def test_check_rejects_another_step():
    """Mutant: 1 % more step size is found."""
    loop = DenseLoop(PROBLEM, 0.303, has_baseline=False)
    with pytest.raises(AssertionError):
        assert largest_difference(loop, "raw_reward", 8, 0.3) < 1e-12


def test_series_is_exp_to_the_last_bit():
    """Within its bound the cubic series differs from exp by half a unit in the last place."""
    change = np.linspace(-dense._CUBIC, dense._CUBIC, 4001)
    series = 1.0 + change * (1.0 + 0.5 * change * (1.0 + change / 3.0))
    assert np.abs(series - np.exp(change)).max() <= 2.0 * math.ulp(0.5)
