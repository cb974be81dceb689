"""The regret constant, with jumps and without, against the theory."""

import math

import numpy as np
import pytest

from banditlab.tails import regret as tail_regret
from banditlab.tails.jumps import corner_jump
from banditlab.tails.regret import simulate_regret_constant
from banditlab.tails.runs import Arm
from tests.banditlab.tails.statistics_of_tails import coin, mean_and_error, z_of


def short_regret(threshold: float, num_runs: int) -> tuple[float, float]:
    runs = simulate_regret_constant(
        arms=[Arm(mean) for mean in (1.0, 0.6, 0.4, 0.2)],
        step_size=0.5,
        begin=20,
        horizon=400,
        num_runs=num_runs,
        rng=np.random.default_rng(int(threshold)),
        threshold=threshold,
    )
    return mean_and_error(runs.value)


def halved_drift(odds, drift, exponential):
    return corner_jump(odds, 0.5 * drift, exponential)


def wait_of_one_round(odds, drift, exponential):
    return corner_jump(odds, drift, exponential)[0], np.ones(len(odds))


def test_regret_with_jumps_is_that_without(monkeypatch):
    """Four arms, round by round and with jumps from odds of 10 on: |z| < 4 (rate 6e-5).

    A flow without its factor 2 and rounds that do not pass are found, beyond 8.
    """
    plain, jumped = short_regret(1e9, 3000), short_regret(10.0, 6000)
    error = math.hypot(plain[1], jumped[1])
    assert abs(plain[0] - jumped[0]) < 4 * error
    for mutant in (halved_drift, wait_of_one_round):
        monkeypatch.setattr(tail_regret, "corner_jump", mutant)
        wrong = short_regret(10.0, 2000)
        assert abs(wrong[0] - plain[0]) > 8 * math.hypot(plain[1], wrong[1])


def test_regret_constant_of_two_noisy_arms():
    """P32, Bernoulli 0.9 and 0.3 at step size 0.2: 1/(2 * step size), |z| < 4; not 1/step size."""
    settings = {"step_size": 0.2, "begin": 1e5, "horizon": 1e10, "num_runs": 4000, "threshold": 20}
    runs = simulate_regret_constant(
        arms=[coin(0.9), coin(0.3)], rng=np.random.default_rng(1), **settings
    )
    estimate = mean_and_error(0.2 * runs.value)
    assert runs.approximation == (
        "asymptotic jumps where the largest arm had odds above 20, "
        "neglecting terms of relative order 1/20"
    )
    assert abs(z_of(estimate, 0.5)) < 4
    assert abs(z_of(estimate, 1.0)) > 8


def test_regret_constant_of_five_arms_does_not_depend_on_the_gaps():
    """P32: 0.8/step_size for K = 5 whatever the gaps, |z| < 4; without (K - 1)/K beyond 8."""
    settings = {"step_size": 0.2, "begin": 1e4, "horizon": 1e9, "num_runs": 600, "threshold": 20}
    runs = simulate_regret_constant(
        arms=[Arm(1.0), *map(Arm, (0.5, 0.3, 0.2, 0.1))], rng=np.random.default_rng(2), **settings
    )
    estimate = mean_and_error(0.2 * runs.value)
    assert abs(z_of(estimate, 0.8)) < 4
    assert abs(z_of(estimate, 1.0)) > 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": [Arm(1.0)]}, r"`arms` must be at least two, got 1\. One has no regret\.$"),
        ({"begin": 1e3}, r"`begin` must be below horizon, 1000\.0, got 1000\.0\."),
        ({"begin": 0.5}, r"`begin` must be a finite number in \[1, inf\], got 0\.5"),
    ],
)
def test_bad_settings_of_regret_are_refused(changes, message):
    settings = {"arms": [Arm(1.0), Arm(0.5)], "begin": 10.0, "horizon": 1e3, "num_runs": 2}
    with pytest.raises(ValueError, match=message):
        simulate_regret_constant(
            **{**settings, **changes}, step_size=0.1, rng=np.random.default_rng(0)
        )
