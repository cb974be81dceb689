"""Curves of coupled prompts: against closed forms, single prompts, limits; what has no curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from theory.predict.batch_curves import predicted_pass_rates, predicted_shift
from theory.predict.drift import predicted_class_gradient
from theory.predict.learning_curves import predicted_raw_log_odds, predicted_standardized_log_odds

UPDATES = np.array([0.0, 20.0, 40.0, 80.0, 300.0])
HOW = {"learning_rate": 0.02, "shared_kernel": 6.0}


@pytest.mark.parametrize(
    ("rule", "group_size", "factor"),
    [("raw_reward", 1, 1.0), ("leave_one_out", 4, 1.0), ("group_mean", 4, 0.75)],
)
def test_one_prompt_follows_the_closed_form(rule, group_size, factor):
    shift = predicted_shift(rule, [-2.0], UPDATES, group_size=group_size, **HOW)
    closed = predicted_raw_log_odds(-2.0, factor * 0.02 * UPDATES, kernel=6.0)
    np.testing.assert_allclose(-2.0 + shift, closed, rtol=1e-8)


def test_two_rollouts_of_grpo_follow_the_raw_closed_form():
    shift = predicted_shift("grpo", [-2.0], UPDATES, group_size=2, ddof=0, eps=0.0, **HOW)
    closed = predicted_raw_log_odds(-2.0, 0.02 * UPDATES, kernel=6.0)
    np.testing.assert_allclose(-2.0 + shift, closed, rtol=1e-8)


def test_large_group_approaches_the_infinite_one_and_a_small_one_does_not():
    closed = predicted_standardized_log_odds(-2.0, 0.02 * UPDATES[:4], kernel=6.0)
    errors = {
        size: np.abs(
            predicted_shift("grpo", [-2.0], UPDATES[:4], group_size=size, ddof=0, eps=0.0, **HOW)
            - 2.0
            - closed
        ).max()
        for size in (4, 1024)
    }
    assert errors[1024] < 0.1
    assert errors[4] > 1.0


@given(st.floats(-5.0, 5.0), st.sampled_from(["raw_reward", "group_mean", "grpo"]))
@settings(max_examples=8, deadline=None)
def test_equal_prompts_are_one_prompt(log_odds, rule):
    one = predicted_pass_rates(rule, [log_odds], UPDATES, group_size=4, **HOW)
    many = predicted_pass_rates(rule, np.full(7, log_odds), UPDATES, group_size=4, **HOW)
    np.testing.assert_allclose(many, one, rtol=1e-8)


def test_batch_starts_with_the_mean_drift_and_the_mean_pass_rate():
    train, heldout = np.array([-3.0, 0.0, 1.0]), np.array([-1.0, 2.0])
    small = 1e-4
    shift = predicted_shift("grpo", train, [small], group_size=8, **HOW)[0]
    drift = predicted_class_gradient("grpo", train, group_size=8).mean()
    assert shift / (small * 0.02 * 6.0) == pytest.approx(drift, rel=1e-5)
    curve = predicted_pass_rates(
        "grpo", train, [0.0, 50.0], group_size=8, evaluated_log_odds=heldout, **HOW
    )
    assert curve[0] == pytest.approx(expit(heldout).mean(), rel=1e-14)
    after = predicted_shift("grpo", train, [50.0], group_size=8, **HOW)[0]
    assert curve[1] == pytest.approx(expit(heldout + after).mean(), rel=1e-12)


def test_single_updates_approach_the_flow_as_they_get_smaller():
    flow = predicted_shift("group_mean", [-2.0, 1.0], [40.0], group_size=8, **HOW)[0]
    errors = []
    for factor in (1, 2, 4):
        how = {**HOW, "learning_rate": 0.02 / factor}
        steps = predicted_shift(
            "group_mean", [-2.0, 1.0], [40 * factor], group_size=8, is_flow=False, **how
        )
        errors.append(steps[0] - flow)
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.1)
    assert errors[1] / errors[2] == pytest.approx(2.0, abs=0.1)


def test_updates_may_come_in_any_order_and_repeat():
    ordered = predicted_shift("raw_reward", [-1.0], [0, 5, 9], group_size=1, **HOW)
    shuffled = predicted_shift("raw_reward", [-1.0], [9, 0, 5, 9], group_size=1, **HOW)
    np.testing.assert_allclose(shuffled, ordered[[2, 0, 1, 2]], rtol=1e-9)
    still = predicted_shift("raw_reward", [-1.0], [0], group_size=1, **HOW)
    np.testing.assert_array_equal(still, [0.0])


def test_inner_epochs_of_an_unclipped_rule_count_as_updates():
    four = predicted_shift("group_mean", [-1.0], [10], group_size=4, inner_epochs=4, **HOW)
    one = predicted_shift("group_mean", [-1.0], [40], group_size=4, **HOW)
    np.testing.assert_allclose(four, one, rtol=1e-8)


def test_late_failures_of_a_finite_group_decay_as_one_over_time():
    updates = 1e6
    rate = predicted_pass_rates("grpo", [0.0], [updates], group_size=8, ddof=0, eps=0.0, **HOW)
    constant = (1.0 - rate[0]) * np.sqrt(7.0) * 0.02 * 6.0 * updates
    assert constant == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("rule", ["clip", "variance_penalty"])
def test_no_curve_is_drawn_where_no_closed_form_exists(rule):
    with pytest.raises(ValueError, match=f"`inner_epochs` must be 1 for {rule}.*No closed form"):
        predicted_pass_rates(rule, [0.0], [1], group_size=4, inner_epochs=4, **HOW)
    one_epoch = predicted_pass_rates(rule, [0.0], UPDATES, group_size=4, **HOW)
    group_mean = predicted_pass_rates("group_mean", [0.0], UPDATES, group_size=4, **HOW)
    np.testing.assert_array_equal(one_epoch, group_mean)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`inner_epochs` must be at least 1"):
        predicted_shift("group_mean", [0.0], [1], group_size=4, inner_epochs=0, **HOW)
    with pytest.raises(ValueError, match="`shared_kernel` must be a finite number above 0"):
        predicted_shift(
            "group_mean", [0.0], [1], group_size=4, learning_rate=0.1, shared_kernel=-1.0
        )
    with pytest.raises(ValueError, match="`updates` must be whole numbers"):
        predicted_shift("group_mean", [0.0], [1.5], group_size=4, is_flow=False, **HOW)
    with pytest.raises(ValueError, match="`evaluated_log_odds` must be log-odds"):
        predicted_pass_rates(
            "group_mean", [0.0], [1], group_size=4, evaluated_log_odds=[np.nan], **HOW
        )
    with pytest.raises(ValueError, match="`train_log_odds` must be log-odds"):
        predicted_shift("group_mean", [], [1], group_size=4, **HOW)


TRAIN = np.array([-1.5, -0.5, 0.25, 1.0])


@pytest.mark.parametrize("is_flow", [True, False])
@pytest.mark.parametrize("rule", ["raw_reward", "group_mean", "grpo"])
def test_a_kernel_function_that_is_constant_is_the_number(rule, is_flow):
    how = {"learning_rate": 0.02, "group_size": 4, "is_flow": is_flow}
    number = predicted_shift(rule, TRAIN, UPDATES, shared_kernel=6.0, **how)
    function = predicted_shift(rule, TRAIN, UPDATES, shared_kernel=lambda rate: 6.0, **how)
    np.testing.assert_array_equal(function, number)


def test_a_kernel_with_a_ceiling_follows_a_fine_euler_integration():
    """Euler's error is of first order: it halves with the step, and Richardson removes it."""

    def kernel(rate):
        return max(12.0 * (0.8 - rate) / 0.4, 0.0)

    def euler(steps_per_update):
        shift, step = 0.0, 1.0 / steps_per_update
        for _ in range(40 * steps_per_update):
            rates = expit(TRAIN + shift)
            drift = predicted_class_gradient("group_mean", TRAIN + shift, group_size=8).mean()
            shift += step * 0.05 * kernel(rates.mean()) * drift
        return shift

    how = {"learning_rate": 0.05, "group_size": 8}
    flow = predicted_shift("group_mean", TRAIN, [40.0], shared_kernel=kernel, **how)[0]
    coarse, fine = euler(8), euler(16)
    assert 2.0 * fine - coarse == pytest.approx(flow, rel=1e-4)
    assert abs(fine - flow) < 0.6 * abs(coarse - flow)
    # Mutant: the kernel of the first moment, held.
    held = predicted_shift("group_mean", TRAIN, [40.0], shared_kernel=kernel(0.46), **how)[0]
    assert held > 1.2 * flow


def test_nothing_moves_above_the_ceiling():
    def kernel(rate):
        return 12.0 * max(0.6 - rate, 0.0)

    curve = predicted_pass_rates(
        "group_mean", TRAIN, [0.0, 1e6], learning_rate=0.05, shared_kernel=kernel, group_size=8
    )
    assert curve[1] == pytest.approx(0.6, abs=1e-6)
