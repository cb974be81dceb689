"""Tail experiments against the theory's exponents and constants, and the plain simulator."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import ks_2samp

from banditlab.arm_spaces import explicit_rewards
from banditlab.config import SimulationConfig
from banditlab.reward_laws import Bernoulli, Gaussian
from banditlab.rules import RULES, get_rule
from banditlab.simulate import simulate
from banditlab.tails.runs import EXACT, Arm, hill_exponent
from banditlab.tails.stuck import simulate_group_corner, simulate_stuck_times
from tests.banditlab.tails.statistics_of_tails import coin, mean_and_error, z_of

GRPO = get_rule("grpo", ddof=0, eps=0.0)


# -- against the plain simulator, round by round ---------------------------------------------------


def plain_times(correct: float, wrong: float, rule, *, horizon: int, **settings) -> np.ndarray:
    """First rounds at which the better of two Bernoulli arms has probability above 1/2."""
    log_odds = settings.pop("log_odds")
    problem = explicit_rewards(
        np.array([correct, wrong]), np.array([0.0, log_odds]), reward_law=Bernoulli()
    )
    config = SimulationConfig(num_steps=horizon, policy="dense", seed=3, **settings)
    is_there = simulate(problem, rule, config).curves["pass_rate"] > 0.5 * (correct + wrong)
    return np.where(is_there.any(axis=1), is_there.argmax(axis=1), np.inf)


def ks_of(first: np.ndarray, second: np.ndarray, horizon: float) -> float:
    return ks_2samp(
        np.minimum(first, 2.0 * horizon), np.minimum(second, 2.0 * horizon), method="asymp"
    ).pvalue


@pytest.mark.parametrize(("rule", "group_size", "step_size"), [(GRPO, 4, 1.0), (GRPO, 8, 2.0)])
def test_group_corner_has_the_law_of_the_plain_simulator(rule, group_size, step_size):
    """KS at 1e-4 (its false-alarm rate); twice the step size is found."""
    settings = {"group_size": group_size, "num_runs": 3000, "log_odds": 2.0, "horizon": 60}
    plain = plain_times(0.8, 0.4, rule, step_size=step_size, **settings)
    settings |= {"correct": coin(0.8), "wrong": coin(0.4), "rng": np.random.default_rng(1)}
    tail = simulate_group_corner(rule, step_size=step_size, **settings)
    assert tail.approximation == EXACT
    assert ks_of(tail.value, plain, 60) > 1e-4
    doubled = simulate_group_corner(rule, step_size=2.0 * step_size, **settings)
    assert ks_of(doubled.value, plain, 60) < 1e-12


def test_stuck_times_have_the_law_of_the_plain_simulator():
    """KS at 1e-4 twice; jumps from odds of 20 on are not told from none, twice the drift is."""
    settings = {"step_size": 1.0, "num_runs": 3000, "log_odds": 3.0, "horizon": 100}
    plain = plain_times(0.9, 0.4, RULES["raw_reward"], group_size=1, **settings)
    settings |= {"correct": coin(0.9), "rng": np.random.default_rng(2)}
    for threshold in (20.0, 1e9):
        tail = simulate_stuck_times(wrong=coin(0.4), threshold=threshold, **settings)
        assert (tail.num_jumps > 0).any() == (threshold == 20.0)
        assert ks_of(tail.value, plain, 100) > 1e-4
    doubled = simulate_stuck_times(wrong=coin(0.8), threshold=20.0, **settings)
    assert ks_of(doubled.value, plain, 100) < 1e-12


# -- against the theory ----------------------------------------------------------------------------


def stuck_root(wrong: float, correct: float) -> float:
    """Root c > 0 of 2 * c * mu_wrong + E exp(-2 * c * R_correct) = 1, Bernoulli rewards (P33)."""
    return brentq(lambda c: 2 * c * wrong - correct + correct * math.exp(-2 * c), 1e-3, 50.0)


@pytest.mark.parametrize("threshold", [20.0, 80.0])
def test_stuck_times_have_the_predicted_exponent(threshold):
    """P33, alpha = c/step_size, |z| < 4; the small-step exponent lies beyond 8."""
    runs = simulate_stuck_times(
        correct=coin(0.9),
        wrong=coin(0.5),
        step_size=1.0,
        log_odds=6.0,
        horizon=1e11,
        num_runs=60_000,
        rng=np.random.default_rng(5),
        threshold=threshold,
    )
    estimate = hill_exponent(runs.value, 1e5, 1e11)
    assert "asymptotic jumps" in runs.approximation
    assert abs(z_of(estimate, stuck_root(0.5, 0.9))) < 4
    assert abs(z_of(estimate, 0.4 / 0.9)) > 8


def test_stuck_times_on_silent_arms_are_exact_and_know_how_many_there_are():
    """P33 with four arms that pay 0 and Gaussian(0.5, 1): alpha = (4/5) * 2 * mean/(sd^2 step).

    |z| < 4; without (K - 1)/K, and the small-step exponent, beyond 8.
    """
    runs = simulate_stuck_times(
        correct=Arm(0.5, Gaussian(1.0)),
        wrong=Arm(0.0),
        num_wrong=4,
        step_size=1.0,
        log_odds=4.0,
        horizon=1e12,
        num_runs=60_000,
        rng=np.random.default_rng(6),
    )
    estimate = hill_exponent(runs.value, 2e3, 1e12)
    assert runs.approximation == EXACT
    assert not runs.num_jumps.any()
    assert abs(z_of(estimate, 0.8)) < 4
    assert abs(z_of(estimate, 1.0)) > 8
    assert abs(z_of(estimate, 0.8 * 0.5 / 1.25)) > 8


def group_moves(rule, group_size: int, wrong: float, correct: float) -> tuple[np.ndarray, ...]:
    """Probabilities and advantages of one correct rollout among wrong ones, Bernoulli rewards."""
    reward = np.array(list(product((0.0, 1.0), repeat=group_size)))
    mean = np.array([correct, *[wrong] * (group_size - 1)])
    prob = np.where(reward == 1.0, mean, 1.0 - mean).prod(axis=1)
    return prob, rule.advantage(reward, **rule.advantage_hyper)[:, 0]


@pytest.mark.parametrize(
    ("rule", "step_size", "exact", "gaussian"),
    [(GRPO, 2.0, 0.754, 0.679), (RULES["leave_one_out"], 3.0, 0.816, 0.741)],
)
def test_group_baselines_get_stuck_under_noise_with_the_predicted_exponent(
    rule, step_size, exact, gaussian
):
    """P34, Bernoulli 0.6 and 0.4, G = 4: |z| < 4 of the root, the Gaussian root beyond 8."""
    prob, advantage = group_moves(rule, 4, 0.4, 0.6)
    jump = 2.0 * step_size * advantage / 4
    root = brentq(lambda alpha: prob @ np.exp(-alpha * jump) - 1.0, 1e-2, 50.0)
    mutant = 2.0 * (prob @ jump) / (prob @ jump**2)
    np.testing.assert_allclose([root, mutant], [exact, gaussian], atol=5e-4)
    runs = simulate_group_corner(
        rule,
        correct=coin(0.6),
        wrong=coin(0.4),
        group_size=4,
        step_size=step_size,
        log_odds=4.0,
        horizon=1e9,
        num_runs=160_000,
        rng=np.random.default_rng(7),
    )
    estimate = hill_exponent(runs.value, 1e3, 1e9)
    assert abs(z_of(estimate, root)) < 4
    assert abs(z_of(estimate, mutant)) > 8


def test_group_baselines_have_no_tail_without_noise():
    """P34, jump 0.2: E[groups] * G / X0 = 1/(1 - e^-0.2) = 5.517, |z| < 4; none above 10 times."""
    log_odds, num_runs = 18.0, 20_000
    runs = simulate_group_corner(
        RULES["leave_one_out"],
        correct=Arm(0.9),
        wrong=Arm(0.4),
        group_size=5,
        step_size=1.0,
        log_odds=log_odds,
        horizon=1e15,
        num_runs=num_runs,
        rng=np.random.default_rng(3),
    )
    scaled = 5.0 * runs.value / math.exp(log_odds)
    expected = 1.0 / -math.expm1(-0.2)
    assert abs(z_of(mean_and_error(scaled), expected)) < 4
    assert abs(z_of(mean_and_error(scaled), 1.0 / -math.expm1(-0.2 * 4 / 5))) > 8
    assert (scaled < 10 * expected).all()


# -- bad input -------------------------------------------------------------------------------------

STUCK = {
    "correct": Arm(1.0),
    "wrong": Arm(0.0),
    "step_size": 1.0,
    "log_odds": 3.0,
    "horizon": 1e3,
    "num_runs": 2,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_size": 0.0}, r"^simulate_stuck_times: `step_size` must be .*, got 0\.0\. Try 1"),
        ({"horizon": math.inf}, r"`horizon` must be a finite number .*, got inf"),
        ({"threshold": 1.0}, r"`threshold` must be a finite number in \(1, inf\], got 1\.0"),
        ({"num_runs": 0}, r"`num_runs` must be at least 1, got 0"),
        ({"log_odds": -1.0}, r"`log_odds` must be a finite number in \(0, 600\], got -1\.0"),
        ({"num_wrong": 0}, r"`num_wrong` must be 1, or more where .*, got 0"),
        (
            {"num_wrong": 3, "wrong": Arm(0.1)},
            r"`num_wrong` must be 1, or more where wrong arms always pay 0, got 3\. Wrong arms",
        ),
        ({"wrong": Arm(-0.1)}, r"`wrong` must be an arm of mean reward 0 or more, got -0\.1"),
    ],
)
def test_bad_settings_of_stuck_times_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        simulate_stuck_times(**{**STUCK, **changes}, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("rule", "group_size", "message"),
    [
        ("raw_reward", 4, r"`rule` must be one whose score weights are advantages .* raw_reward\."),
        ("running_mean", 4, r"`rule` must be one without memory, .*, got running_mean\. Use group"),
        ("grpo_k3", 4, r"`rule` must be one without memory, reference term .*, got grpo_k3"),
        ("extra_rollouts", 4, r"or extra rollouts, got extra_rollouts"),
        ("grpo", 1, r"^simulate_group_corner: `group_size` must be at least 2, got 1\. A group of"),
    ],
)
def test_rules_whose_waits_are_not_geometric_are_refused(rule, group_size, message):
    with pytest.raises(ValueError, match=message):
        simulate_group_corner(
            RULES[rule], **STUCK, group_size=group_size, rng=np.random.default_rng(0)
        )
