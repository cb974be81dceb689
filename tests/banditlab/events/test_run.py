"""Event-driven simulation has the law of the step-by-step one, and of the theory's exact times."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import ks_2samp

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.config import SimulationConfig
from banditlab.events import simulation as event_simulation
from banditlab.events.draws import (
    geometric_wait,
)
from banditlab.events.run import simulate_events, take_off_rounds
from banditlab.events.simulation import EventSimulation
from banditlab.metrics import record_steps
from banditlab.problems import BanditProblem
from banditlab.rules import RULES
from banditlab.simulate import simulate
from theory.predict.take_off import (
    predicted_log_odds_factor,
    predicted_take_off_mean,
    predicted_take_off_variance,
)


def config_of(**changes) -> SimulationConfig:
    fields = {"num_runs": 5, "num_steps": 20, "group_size": 1, "step_size": 1.0}
    return SimulationConfig(**{**fields, **changes})


def mean_z(sample: np.ndarray, expected: float) -> float:
    return (sample.mean() - expected) / (sample.std() / math.sqrt(sample.size))


def variance_z(sample: np.ndarray, expected: float) -> float:
    return mean_z((sample - sample.mean()) ** 2, expected)


def two_sample_z(first: np.ndarray, second: np.ndarray) -> float:
    error = math.sqrt(first.var() / first.size + second.var() / second.size)
    return (first.mean() - second.mean()) / error


# -- in law: event-driven against step by step -----------------------------------------------------

TWO_PROMPTS = BanditProblem(
    log_count=np.log([[1.0, 999.0], [3.0, 500.0]]),
    log_mass=np.log([[0.4, 0.6], [0.02, 0.98]]),
    reward=np.array([[1.0, 0.0], [1.0, 0.0]]),
)
SETTINGS = {
    "raw reward": (rare_correct(3, 0.2), "raw_reward", {"step_size": 0.7}),
    "raw reward, slow": (rare_correct(3, 0.2), "raw_reward", {"step_size": 0.05}),
    "grpo": (rare_correct(3, 0.06), "grpo", {"group_size": 8, "step_size": 2.0}),
    "clip": (rare_correct(3, 0.1), "clip", {"group_size": 8, "step_size": 3.0, "inner_epochs": 4}),
    "two prompts": (TWO_PROMPTS, "leave_one_out", {"group_size": 4, "step_size": 3.0}),
}


def discrepancy(setting: str) -> tuple[float, float]:
    """Smallest KS p-value and largest |z| between event-driven and step-by-step runs."""
    problem, rule, changes = SETTINGS[setting]
    config = config_of(num_runs=4000, num_steps=16, seed=1, **changes)
    by_event = simulate_events(problem, RULES[rule], config)
    by_step = simulate(problem, RULES[rule], replace(config, seed=2))
    np.testing.assert_array_equal(by_event.step, by_step.step)
    p_values, z, pairs = [], [], []
    for record in (by_event, by_step):
        # Equal up to rounding, which must not decide which of two runs is the higher one.
        rate = record.curves["pass_rate"].round(9)
        first_change = (rate != rate[:, :1]).argmax(axis=1).astype(float)
        statistics = [rate[:, 5], rate[:, -1], record.curves["entropy"][:, -1].round(9)]
        statistics.append(np.where(first_change > 0, first_change, 99.0))
        for name in ("ratio_variance", "signal_share"):
            statistics.append(record.curves[name].mean(axis=1).round(9))
        pairs.append(statistics)
    for first, second in zip(*pairs, strict=True):
        p_values.append(ks_2samp(first, second, method="asymp").pvalue)
        z.append(two_sample_z(first, second))
        z.append(two_sample_z((first - first.mean()) ** 2, (second - second.mean()) ** 2))
    return min(p_values), np.abs(z).max()


@pytest.mark.parametrize("setting", SETTINGS)
def test_event_driven_equals_step_by_step_in_law(setting):
    """Six KS tests at 1e-4 and twelve |z| < 4 a setting: false-alarm rate 0.7 % for all five."""
    p_value, z = discrepancy(setting)
    assert p_value > 1e-4
    assert z < 4


def from_zero(hazard, uniform):
    return geometric_wait(hazard, uniform) - 1.0


def unconditioned(first, num_rollouts):
    return np.full((len(first), num_rollouts), -1)


def uniform_first(cumulative_hazard, uniform):
    return (uniform * cumulative_hazard.shape[1]).astype(np.int64)


@pytest.mark.parametrize(
    ("setting", "name", "mutant"),
    [
        ("raw reward, slow", "geometric_wait", from_zero),
        ("raw reward", "outcomes_given_first", unconditioned),
        ("grpo", "outcomes_given_first", unconditioned),
        ("two prompts", "first_success", uniform_first),
    ],
)
def test_wrong_draws_are_found(monkeypatch, setting, name, mutant):
    monkeypatch.setattr(event_simulation, name, mutant)
    p_value, z = discrepancy(setting)
    assert p_value < 1e-12
    assert z > 8


# -- exact times of the theory ---------------------------------------------------------------------


def success_probs(logits: np.ndarray, step_size: float, num: int) -> np.ndarray:
    """Success probability after 0, 1, ... successes of arm 0, which determine the logits."""
    probs, logits = [], logits.copy()
    for _ in range(num):
        policy = softmax(logits)
        probs.append(policy[0])
        logits += step_size * ((np.arange(len(logits)) == 0) - policy)
    return np.array(probs)


def test_time_of_the_nth_success_has_its_exact_mean_and_variance():
    """P25, |z| < 4 for both (false-alarm rate 1.3e-4); first-order growth lies beyond 8."""
    logits, num, step_size = np.array([-4.0, 1.0, 0.3, 0.0, -0.5, 0.7]), 6, 0.5
    problem = explicit_rewards(np.eye(6)[0], logits)
    config = config_of(num_runs=20_000, num_steps=1e9, step_size=step_size, seed=5)
    simulation = EventSimulation(problem, RULES["raw_reward"], config)
    for _ in range(num):
        simulation.advance()
    prob = success_probs(logits, step_size, num)
    assert abs(mean_z(simulation.clock, (1.0 / prob).sum())) < 4
    assert abs(variance_z(simulation.clock, ((1.0 - prob) / prob**2).sum())) < 4
    first_order = prob[0] * (1.0 + step_size) ** np.arange(num)
    assert abs(mean_z(simulation.clock, (1.0 / first_order).sum())) > 8


def sums_of_exponentials(log_factor: float, num: int) -> np.ndarray:
    """Samples of sum_k E_k f^-k."""
    terms = np.exp(-log_factor * np.arange(int(40.0 / log_factor) + 1))
    return np.random.default_rng(8).exponential(size=(num, len(terms))) @ terms


TAKE_OFFS = {
    "raw_reward": {"group_size": 1, "step_size": 1.0},
    "group_mean": {"group_size": 2, "step_size": 2.0},
    "grpo": {"group_size": 8, "step_size": 2.0},
}


@pytest.mark.parametrize("name", TAKE_OFFS)
def test_take_off_from_1e_100_has_the_universal_law(name):
    """P26: |z| < 4 of mean and variance, KS at 1e-4; false-alarm rate 7e-4 for all three rules."""
    settings = TAKE_OFFS[name]
    config = config_of(num_runs=3000, num_steps=1e103, seed=6, **settings)
    rounds = take_off_rounds(rare_correct(1000, 1e-100), RULES[name], config)
    scaled = rounds * 1e-100 * settings["group_size"]
    log_factor = predicted_log_odds_factor(name, **settings)
    assert abs(mean_z(scaled, predicted_take_off_mean(log_factor))) < 4
    assert abs(variance_z(scaled, predicted_take_off_variance(log_factor))) < 4
    assert ks_2samp(scaled, sums_of_exponentials(log_factor, 20_000)).pvalue > 1e-4
    sum_not_mean = log_factor * max(2, settings["group_size"])
    assert abs(mean_z(scaled, predicted_take_off_mean(sum_not_mean))) > 8
    assert ks_2samp(scaled, sums_of_exponentials(sum_not_mean, 20_000)).pvalue < 1e-12


def test_ten_correct_arms_take_off_as_the_fastest_of_ten():
    """P28, |z| < 4 with a sampled prediction; the law of one arm lies beyond 8."""
    config = config_of(num_runs=1500, num_steps=1e103, seed=7)
    rounds = take_off_rounds(
        rare_correct(1000, 1e-100, num_correct=10), RULES["raw_reward"], config
    )
    fastest = 10.0 * sums_of_exponentials(1.0, 200_000).reshape(-1, 10).min(axis=1)
    assert abs(two_sample_z(rounds * 1e-100, fastest)) < 4
    assert abs(mean_z(rounds * 1e-100, predicted_take_off_mean(1.0))) > 8


def test_an_arm_of_probability_1e_300_takes_off_in_a_thousand_rounds_of_signal():
    calls = []
    config = config_of(num_runs=200, num_steps=1e300, num_log_records=10)
    problem = rare_correct(1000, 1e-299)
    record = simulate_events(
        problem, RULES["raw_reward"], config, stop_success_prob=0.9, on_event=calls.append
    )
    assert len(calls) < 1000
    assert calls == sorted(calls)
    assert calls[-1] == 200
    share = (record.curves["pass_rate"][:, -1] > 0.9).mean()
    assert share > 0.95
    np.testing.assert_allclose(record.curves["pass_rate"][:, 0], 1e-299)


# -- what is recorded ------------------------------------------------------------------------------


def test_values_at_a_step_are_those_after_the_last_event_until_then():
    problem, rule = rare_correct(3, 0.05), RULES["grpo"]
    config = config_of(num_runs=3, num_steps=60, group_size=4, record_every=7)
    record = simulate_events(problem, rule, config)
    assert record.step.tolist() == [0, 7, 14, 21, 28, 35, 42, 49, 56, 60]
    simulation = EventSimulation(problem, rule, config)
    clocks, rates, shares = [np.zeros(3)], [np.full(3, 0.05)], [np.zeros(3)]
    while simulation.is_running().any():
        outcome = simulation.advance()
        clocks.append(simulation.clock)
        rates.append(simulation.success_prob()[:, 0])
        shares.append((outcome.advantage != 0.0).any(axis=-1)[:, 0].astype(float))
    clocks, rates, shares = (np.array(value) for value in (clocks, rates, shares))
    for at, now in enumerate(record.step):
        last = (clocks <= now).sum(axis=0) - 1
        rate, share = rates[last, range(3)], shares[last, range(3)]
        np.testing.assert_allclose(record.curves["pass_rate"][:, at], rate, rtol=1e-12)
        is_now = clocks[last, range(3)] == now
        np.testing.assert_array_equal(record.curves["signal_share"][:, at], share * is_now)


def test_a_run_is_the_same_however_many_there_are():
    config = config_of(num_runs=3, num_steps=40, group_size=4, seed=3)
    few, many, other = (
        simulate_events(TWO_PROMPTS, RULES["grpo"], replace(config, **changes)).curves
        for changes in ({}, {"num_runs": 8}, {"seed": 4})
    )
    for name, curve in few.items():
        np.testing.assert_array_equal(curve, many[name][:3])
    assert (few["pass_rate"] != other["pass_rate"]).any()


def test_finished_runs_are_not_moved():
    config = config_of(num_runs=40, num_steps=12, group_size=4, inner_epochs=3)
    for name in ("grpo", "clip", "variance_penalty"):
        simulation = EventSimulation(rare_correct(3, 0.05), RULES[name], config)
        while simulation.is_running().any():
            before, is_idle = simulation.policy.state()["own"].copy(), ~simulation.is_running()
            simulation.advance()
            after = simulation.policy.state()["own"]
            np.testing.assert_array_equal(after[is_idle], before[is_idle])
        assert np.isinf(simulation.clock).any()


def test_a_stopped_run_holds_what_it_had():
    config = config_of(num_runs=50, num_steps=400, record_every=1, step_size=1.0)
    problem, rule = rare_correct(3, 0.1), RULES["raw_reward"]
    free = simulate_events(problem, rule, config).curves["pass_rate"]
    held = simulate_events(problem, rule, config, stop_success_prob=0.5).curves["pass_rate"]
    is_there = free >= 0.5
    assert is_there[:, -1].all()
    np.testing.assert_array_equal(held[~is_there], free[~is_there])
    first = free[np.arange(50), is_there.argmax(axis=1)]
    np.testing.assert_array_equal(held[:, -1], first)


def test_take_off_is_inf_past_the_horizon_and_0_where_nothing_is_to_be_learned():
    rule = RULES["raw_reward"]
    early, done = (
        take_off_rounds(rare_correct(9, prob), rule, config_of(num_steps=10))
        for prob in (1e-9, 0.6)
    )
    assert early.tolist() == [math.inf] * 5
    assert done.tolist() == [0.0] * 5


def test_recorded_steps_are_floats_that_may_be_huge():
    assert record_steps(10, 4, 0).tolist() == [0.0, 4.0, 8.0, 10.0]
    assert record_steps(1e300, 1e299, 0)[-1] == 1e300
    steps = record_steps(1e300, 1, 301)
    np.testing.assert_allclose(steps[1:], np.logspace(0, 300, 301), rtol=1e-9)


def test_a_clock_that_stands_still_is_reported(monkeypatch):
    monkeypatch.setattr(event_simulation, "MAX_STANDSTILL", 3)
    with pytest.raises(
        FloatingPointError, match=r"simulate_events: 3 rounds with a success passed "
    ):
        take_off_rounds(rare_correct(9, 1e-100), RULES["raw_reward"], config_of(num_steps=1e103))


def test_a_run_that_blows_up_says_at_which_step():
    config = config_of(group_size=4, step_size=1e6, inner_epochs=2, num_steps=1e201)
    with pytest.raises(
        FloatingPointError, match=r"^simulate_events: stopped by step .* not finite"
    ):
        take_off_rounds(rare_correct(3, 1e-200), RULES["variance_penalty"], config)
