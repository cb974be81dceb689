"""The run loop: what it records, that runs do not depend on each other, and resume after a kill."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from banditlab.arm_spaces import from_pass_rates, rare_correct
from banditlab.config import SimulationConfig
from banditlab.problems import BanditProblem
from banditlab.reward_laws import FixedPerArm, Gaussian
from banditlab.rules import RULES
from banditlab.sequence.problem import rare_prefix
from banditlab.simulate import Simulation, require_runnable, simulate


def small_config(**changes) -> SimulationConfig:
    fields = {"num_runs": 5, "num_steps": 4, "group_size": 4, "step_size": 0.5}
    return SimulationConfig(**{**fields, **changes})


def test_one_inner_epoch_makes_clip_and_penalty_invisible():
    """Theory P3, on the same draws."""
    curves = [
        simulate(rare_correct(50, 0.2), RULES[name], small_config(num_steps=30)).curves["pass_rate"]
        for name in ("group_mean", "clip", "variance_penalty", "dual_clip")
    ]
    for curve in curves[1:]:
        np.testing.assert_array_equal(curves[0], curve)
    several = simulate(
        rare_correct(50, 0.2), RULES["clip"], small_config(num_steps=30, inner_epochs=4)
    )
    assert np.abs(several.curves["pass_rate"] - curves[0]).max() > 1e-3


def test_heldout_prompts_are_recorded_but_not_trained_on():
    problem = from_pass_rates(np.array([0.3, 0.4]), np.array([0.5]), shared_kernel=0.0)
    record = simulate(problem, RULES["raw_reward"], small_config())
    np.testing.assert_allclose(record.curves["heldout_pass_rate"], 0.5, rtol=1e-12)
    assert record.step.tolist() == [0, 1, 2, 3, 4]
    assert {curve.shape for curve in record.curves.values()} == {(5, 5)}


def test_heldout_prompts_learn_through_the_kernel():
    problem = from_pass_rates(np.array([0.3, 0.4]), np.array([0.5]), shared_kernel=3.0)
    record = simulate(problem, RULES["group_mean"], small_config(num_steps=200))
    assert (record.curves["heldout_pass_rate"][:, -1] > 0.8).all()


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    problem = rare_correct(1000, 0.1)
    first, again, other = (
        simulate(problem, RULES["grpo"], small_config(seed=seed)).curves["pass_rate"]
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("order", ["subset", "replacement", "epochs"])
def test_a_run_with_batches_is_the_same_whatever_the_number_of_runs(order):
    problem = from_pass_rates(np.linspace(0.1, 0.6, 7), np.array([0.5]), shared_kernel=3.0)
    alone, many = (
        simulate(
            problem,
            RULES["clip"],
            small_config(num_runs=num, batch_size=3, batch_order=order, inner_epochs=2),
        ).curves
        for num in (1, 30)
    )
    for name, curve in alone.items():
        np.testing.assert_array_equal(curve, many[name][:1])


def test_unanimous_groups_give_no_signal():
    """Theory P4: share of rounds with signal is 1 - p^G - q^G; |z| < 4 (6e-5)."""
    problem = from_pass_rates(np.array([0.3]), shared_kernel=0.0)
    record = simulate(problem, RULES["group_mean"], small_config(num_runs=4000, group_size=3))
    share = record.curves["signal_share"][:, 1:]
    expected = 1 - 0.3**3 - 0.7**3
    error = math.sqrt(expected * (1 - expected) / share.size)
    assert abs(share.mean() - expected) < 4 * error
    assert abs(share.mean() - (1 - 0.3**3)) > 8 * error


def test_only_stale_rollouts_learn_more_slowly_than_fresh_ones_and_begin_later():
    fresh, stale = (
        simulate(
            rare_correct(50, 0.2),
            RULES["group_mean"],
            small_config(num_runs=200, num_steps=12, rollout_ages=ages),
        ).curves["pass_rate"]
        for ages in ((0,), (5,))
    )
    np.testing.assert_allclose(stale[:, :6], 0.2, rtol=1e-12)
    assert (np.abs(stale[:, 6] - 0.2) > 1e-6).any()
    assert stale[:, -1].mean() < fresh[:, -1].mean()


SETTINGS = {
    "plain": (rare_correct(6, 0.1), "grpo", {}),
    "momentum_replay_dual": (
        rare_correct(2, 0.1),
        "variance_penalty_dual",
        {"optimizer": "momentum", "rollout_ages": (0, 1, 3), "inner_epochs": 2},
    ),
    "adam_history_huge": (rare_correct(1000, 0.1), "reward_history", {"optimizer": "adam"}),
    "kernel_epochs": (
        from_pass_rates(np.linspace(0.1, 0.6, 7), shared_kernel=3.0),
        "clip",
        {"batch_size": 3, "batch_order": "epochs", "inner_epochs": 2},
    ),
    "kept_rewards": (
        rare_correct(3, 0.3, reward_law=FixedPerArm(Gaussian(0.5))),
        "group_mean",
        {"rollout_ages": (0, 2)},
    ),
    "dense": (rare_correct(1, 0.1), "running_mean", {"policy": "dense", "optimizer": "adam"}),
    "sequence": (
        rare_prefix(5, 6, prefix=[1, 2], success_prob=0.1),
        "grpo",
        {"policy": "sequence", "level": "token", "inner_epochs": 2, "rollout_ages": (0, 1)},
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_run_goes_on_from_a_checkpoint_to_the_same_bits(setting, tmp_path):
    problem, rule, changes = SETTINGS[setting]
    config = small_config(num_runs=3, num_steps=12, **changes)
    whole = simulate(problem, RULES[rule], config)
    path = tmp_path / "checkpoint.npz"

    class KilledError(Exception):
        pass

    def kill(count):
        if count == 7:
            raise KilledError

    with pytest.raises(KilledError):
        simulate(
            problem, RULES[rule], config, on_step=kill, checkpoint=path, checkpoint_seconds=0.0
        )
    assert path.exists()
    seen = []
    resumed = simulate(problem, RULES[rule], config, on_step=seen.append, checkpoint=path)
    assert seen == [7, 8, 9, 10, 11, 12]
    assert not path.exists()
    for name, curve in whole.curves.items():
        np.testing.assert_array_equal(curve, resumed.curves[name])


def test_a_run_that_is_killed_for_good_goes_on_to_the_same_bits(tmp_path):
    """SIGKILL in mid-run, then the same call again."""
    program = """
import sys
from pathlib import Path
import numpy as np
from banditlab.arm_spaces import rare_correct
from banditlab.config import SimulationConfig
from banditlab.rules import RULES
from banditlab.simulate import simulate
config = SimulationConfig(num_runs=20, num_steps=int(sys.argv[2]), group_size=8, step_size=0.1)
record = simulate(
    rare_correct(6, 0.05), RULES["grpo"], config,
    checkpoint=Path(sys.argv[1]), checkpoint_seconds=0.0,
)
np.save(sys.argv[3], record.curves["pass_rate"])
"""
    checkpoint, result = tmp_path / "checkpoint.npz", tmp_path / "curve.npy"
    arguments = [sys.executable, "-c", program, str(checkpoint), "300", str(result)]
    process = subprocess.Popen(arguments)
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not result.exists()
    subprocess.run(arguments, check=True)
    config = SimulationConfig(num_runs=20, num_steps=300, group_size=8, step_size=0.1)
    whole = simulate(rare_correct(6, 0.05), RULES["grpo"], config)
    np.testing.assert_array_equal(np.load(result), whole.curves["pass_rate"])


def test_a_checkpoint_of_the_middle_of_a_round_would_be_found(tmp_path):
    """The mutant forgets the momentum."""
    problem, rule, changes = SETTINGS["momentum_replay_dual"]
    config = small_config(num_runs=3, num_steps=12, **changes)
    simulation = Simulation(problem, RULES[rule], config)
    for _ in range(5):
        simulation.advance()
    arrays = {name: array.copy() for name, array in simulation.arrays().items()}
    forgetful = {
        name: np.zeros_like(array) if "velocity" in name else array
        for name, array in arrays.items()
    }
    ends = []
    for saved in (arrays, forgetful):
        resumed = Simulation(problem, RULES[rule], config)
        resumed.restore(saved)
        for _ in range(3):
            resumed.advance()
        ends.append(resumed.policy.expected_reward())
    assert np.abs(ends[0] - ends[1]).max() > 1e-6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_runs": 0}, r"`num_runs` must be a whole number of at least 1, got 0"),
        ({"group_size": 1}, r"`group_size` must be at least 2 for grpo, got 1"),
        ({"batch_size": 7}, r"`batch_size` must be between 1 and the 1 prompts"),
        ({"step_size": math.inf}, r"`step_size` must be a finite number"),
        ({"seed": -1}, r"^simulate: `seed` must be at least 0, got -1\. Give a whole number\.$"),
        ({"policy": "lumpt"}, r"`policy` must be a known policy.*'lumped'"),
        ({"policy": "sequence"}, r"`policy` must be lumped or dense, got sequence"),
        ({"rollout_ages": (0, 0)}, r"`rollout_ages` must be different ages"),
        ({"optimizer": "adamw"}, r"`name` must be a known optimizer.*'adam'"),
        ({"optimizer_hyper": {"beta": 1}}, r"`hyper` must be a known hyperparameter of sgd"),
        ({"level": "word"}, r"`level` must be a known level"),
        ({"level": "token"}, r"`level` must be sequence for arms, which have no tokens, got token"),
    ],
)
def test_bad_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        require_runnable(rare_correct(3, 0.1), RULES["grpo"], small_config(**changes))


def test_arms_too_many_to_number_are_refused_before_a_dense_run():
    config = small_config(policy="dense")
    with pytest.raises(
        ValueError,
        match=r"^arm_class: `log_count` must be small enough for at most 10000000 arms in all, got "
        r"log-counts up to 2\.303e\+05\. Use the lumped policy, which never numbers the arms\.$",
    ):
        require_runnable(rare_correct(100_000, 0.1), RULES["grpo"], config)


def test_a_kernel_with_adam_is_refused_before_the_run():
    problem = from_pass_rates(np.array([0.3]), shared_kernel=1.0)
    with pytest.raises(ValueError, match=r"`optimizer` must be SGD or momentum"):
        require_runnable(problem, RULES["grpo"], small_config(optimizer="adam"))


def test_a_blown_up_ratio_stops_the_run_and_names_the_step():
    # A correct arm of probability e^-2302 can grow by more than float64 can say.
    problem = from_pass_rates(np.array([0.5]), shared_kernel=0.0)
    tabular = type(problem)(problem.log_count, problem.log_mass, problem.reward)
    config = small_config(num_steps=50, step_size=3000.0, inner_epochs=2)
    with pytest.raises(FloatingPointError, match=r"simulate: stopped at step \d+"):
        simulate(tabular, RULES["raw_reward"], config)


def test_ctrl_c_waits_for_the_round_and_loses_nothing(tmp_path):
    problem, config = rare_correct(6, 0.1), small_config(num_runs=3, num_steps=12)
    path = tmp_path / "checkpoint.npz"

    def interrupt(count):
        if count == 5:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        simulate(problem, RULES["grpo"], config, on_step=interrupt, checkpoint=path)
    seen = []
    resumed = simulate(problem, RULES["grpo"], config, on_step=seen.append, checkpoint=path)
    assert seen[0] == 6
    whole = simulate(problem, RULES["grpo"], config)
    np.testing.assert_array_equal(resumed.curves["pass_rate"], whole.curves["pass_rate"])


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_told_with_its_remedy(content, tmp_path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"simulate: `checkpoint` must be a whole checkpoint.*Remove it; the run"
    ):
        simulate(rare_correct(6, 0.1), RULES["grpo"], small_config(), checkpoint=path)


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"step_size": 0.6}, {"num_runs": 4}, {"record_every": 2}, {"num_steps": 6}],
)
def test_a_checkpoint_of_another_run_is_refused(changes, tmp_path):
    path, config = tmp_path / "checkpoint.npz", small_config(num_runs=3, num_steps=12)

    def interrupt(count):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        simulate(rare_correct(6, 0.1), RULES["grpo"], config, on_step=interrupt, checkpoint=path)
    for problem, rule, other in (
        (rare_correct(6, 0.1), "grpo", replace(config, **changes)),
        (rare_correct(6, 0.1), "clip", config),
        (rare_correct(6, 0.2), "grpo", config),
    ):
        with pytest.raises(ValueError, match=r"`checkpoint` must be that of the same problem"):
            simulate(problem, RULES[rule], other, checkpoint=path)
    assert path.exists()


def test_a_ratio_too_large_to_be_squared_names_the_step():
    tabular = BanditProblem(np.array([[0.0, 2000.0]]), np.log([[0.5, 0.5]]), np.array([[0.0, 1.0]]))
    config = small_config(num_steps=3, step_size=400.0, group_size=1)
    with pytest.raises(FloatingPointError, match=r"simulate: stopped at step \d+\. ratio_variance"):
        simulate(tabular, RULES["raw_reward"], config)
