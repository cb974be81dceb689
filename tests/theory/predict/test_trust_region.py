"""The exact trust-region step: constraint, gain, optimality, the sine law and its error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from theory.predict.trust_region import (
    predicted_flow_error,
    predicted_flow_log_odds,
    predicted_gain,
    predicted_multiplier,
    predicted_optimal_ratio,
    predicted_step_log_odds,
)


def random_bandit(seed: int, num_arms: int = 5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=num_arms), rng.dirichlet(np.full(num_arms, 5.0))


@given(st.integers(0, 10_000))
@settings(max_examples=50)
def test_step_meets_the_constraint_and_its_gain_exactly(seed):
    advantage, prob = random_bandit(seed)
    bound = 0.01
    ratio = predicted_optimal_ratio(advantage, prob, bound)
    assert prob @ ratio == pytest.approx(1.0, abs=1e-12)
    assert prob @ (ratio - 1.0) ** 2 == pytest.approx(bound, abs=1e-12)
    gain = predicted_gain(advantage, prob, bound)
    assert prob @ (ratio * advantage) - prob @ advantage == pytest.approx(gain, abs=1e-12)
    slope = np.sqrt(bound) * gain / bound
    assert np.ptp(
        advantage - 2.0 * predicted_multiplier(advantage, prob, bound) * (ratio - 1.0)
    ) < (1e-12 * max(1.0, slope))


def test_no_feasible_direction_gains_more():
    advantage, prob = random_bandit(1)
    best = predicted_gain(advantage, prob, 0.01)
    direction = np.random.default_rng(2).normal(size=(20_000, len(prob)))
    direction -= (direction @ prob)[:, None]
    direction *= np.sqrt(0.01 / (direction**2 @ prob))[:, None]
    gains = (direction * prob) @ advantage
    assert gains.max() <= best
    # The mutant gain bound * sd would already be beaten by chance.
    assert gains.max() > 0.01 * best / np.sqrt(0.01)


@given(st.floats(0.001, 0.9), st.floats(1e-4, 0.1))
def test_binary_step_is_the_general_one(pass_rate, bound):
    prob = np.array([pass_rate, 1.0 - pass_rate])
    after = predicted_step_log_odds(logit(pass_rate), bound)
    ratio = predicted_optimal_ratio([1.0, 0.0], prob, bound)
    np.testing.assert_allclose(expit(after), pass_rate * ratio[0], rtol=1e-12)
    np.testing.assert_allclose(
        expit(after), pass_rate + np.sqrt(bound * pass_rate * (1.0 - pass_rate)), rtol=1e-12
    )


def test_rare_arm_keeps_its_digits():
    # One step from 10^-100 at bound 0.01: p' = sqrt(bound p0) = 10^-51, then 10^-26.5.
    log_odds = -100.0 * np.log(10.0)
    found = []
    for _ in range(5):
        log_odds = float(predicted_step_log_odds(log_odds, 0.01))
        found.append(log_odds / np.log(10.0))
    np.testing.assert_allclose(found, [-51.0, -26.5, -14.25, -8.125, -5.06], atol=0.01)


@pytest.mark.parametrize(("bound", "largest"), [(0.04, 0.0119), (0.01, 0.0059), (0.0025, 0.0029)])
def test_sine_law_and_its_error_have_the_known_figures(bound, largest):
    start = float(logit(0.2))
    log_odds, steps, errors = start, 0, []
    while log_odds < 0.0:
        log_odds = float(predicted_step_log_odds(log_odds, bound))
        steps += 1
        errors.append(expit(log_odds) - expit(predicted_flow_log_odds(start, steps, bound)))
    assert np.abs(errors).max() == pytest.approx(largest, abs=1e-4)
    assert np.abs(errors).max() / np.sqrt(bound) == pytest.approx(0.058, abs=0.003)
    predicted = predicted_flow_error(start, np.arange(1, steps + 1), bound)
    np.testing.assert_allclose(errors, predicted, atol=0.15 * bound)
    # Without the 1/2 in the angle the curve is off by a large part of the unit interval.
    doubled = expit(predicted_flow_log_odds(start, 2.0 * steps, bound))
    assert doubled - expit(log_odds) > 0.25


def test_flow_reaches_one_in_finite_time():
    bound = 0.01
    end = (np.pi - 2.0 * np.arcsin(np.sqrt(0.2))) / np.sqrt(bound)
    flow = predicted_flow_log_odds(logit(0.2), [0.0, end - 1.0, end + 1e-6, end + 50.0], bound)
    assert flow[0] == pytest.approx(logit(0.2), abs=1e-12)
    assert 5.0 < flow[1] < 7.0
    assert np.isposinf(flow[2:]).all()
    assert predicted_flow_error(logit(0.2), end + 5.0, bound) == 0.0


def test_first_order_error_constants_from_one_fifth():
    updates = np.linspace(0.0, 22.0, 5_000)
    error = predicted_flow_error(logit(0.2), updates, 0.01) / np.sqrt(0.01)
    assert error.min() == pytest.approx(-np.log(1.25) / 4.0, abs=1e-6)
    assert error.max() == pytest.approx(0.8 / (4.0 * np.e), abs=1e-5)


def test_regime_ends_where_a_ratio_turns_negative():
    edge = float(predicted_step_log_odds(logit(0.8), 0.25 * (1.0 - 1e-12)))
    assert edge > 20.0
    with pytest.raises(ValueError, match=r"`bound` must be at most \(1 - p\)/p = 0.25, the regime"):
        predicted_step_log_odds(logit(0.8), 0.26)
    with pytest.raises(ValueError, match=r"`bound` must be at most 0\.25 here, the regime"):
        predicted_optimal_ratio([1.0, 0.0], [0.8, 0.2], 0.26)
    for function in (predicted_gain, predicted_multiplier):
        with pytest.raises(ValueError, match="the regime in which no ratio is negative"):
            function([1.0, 0.0], [0.8, 0.2], 0.26)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`bound` must be a finite number above 0"):
        predicted_optimal_ratio([1.0, 0.0], [0.5, 0.5], 0.0)
    with pytest.raises(ValueError, match="`prob` must be of the shape of `advantage`"):
        predicted_optimal_ratio([1.0, 0.0], [1.0], 0.1)
    with pytest.raises(ValueError, match="`prob` must be positive and of sum 1"):
        predicted_optimal_ratio([1.0, 0.0], [0.5, 0.6], 0.1)
    with pytest.raises(ValueError, match="`advantage` must be different between arms"):
        predicted_optimal_ratio([1.0, 1.0], [0.5, 0.5], 0.1)
    with pytest.raises(ValueError, match="`log_odds` must be smaller than 350 in size"):
        predicted_flow_error(-400.0, 1.0, 0.1)
