"""Adam on lone and repeated successes: known figures, limits, a direct loop, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.adam import (
    predicted_lone_changes,
    predicted_lone_displacement,
    predicted_repeated_displacement,
)
from theory.predict.adam_arms import predicted_logit_sum, predicted_success_gains

USUAL = {"step_size": 1.0, "beta1": 0.9, "beta2": 0.999}


def loop(gradients, *, step_size, beta1, beta2, eps=1e-30):
    mean = square = 0.0
    changes = []
    for count, gradient in enumerate(gradients, start=1):
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        root = np.sqrt(square / (1 - beta2**count)) + eps
        changes.append(step_size * mean / (1 - beta1**count) / root)
    return np.array(changes)


@given(
    st.floats(1e-4, 1e3),
    st.integers(1, 60),
    st.floats(0.0, 0.95),
    st.floats(0.01, 0.99),
    st.floats(1e-12, 1e-2),
)
def test_lone_changes_are_those_of_a_direct_loop(gradient, first, beta1, beta2, eps):
    how = {"step_size": 0.3, "beta1": beta1, "beta2": beta2, "eps": eps}
    gradients = np.zeros(first + 9)
    gradients[first - 1] = gradient
    expected = loop(gradients, **how)[first - 1 :]
    found = predicted_lone_changes(gradient, first, 10, **how)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)


@given(st.floats(1e-3, 1e6), st.floats(-3.0, 3.0))
def test_the_first_change_is_the_sign_of_the_gradient(size, step_size):
    how = {"step_size": abs(step_size) + 1e-3}
    for gradient in (size, -size):
        change = predicted_lone_changes(gradient, 1, 1, **how)[0]
        assert change == pytest.approx(np.sign(gradient) * how["step_size"], rel=2e-5)


def test_known_figures_of_the_usual_settings():
    late = predicted_lone_changes(1.0, 10**6, 400, **USUAL, eps=1e-30)
    assert late[0] == pytest.approx(0.1 / np.sqrt(0.001), rel=1e-9)
    assert predicted_lone_displacement(**USUAL) == pytest.approx(31.7658, abs=1e-4)
    assert late.sum() == pytest.approx(predicted_lone_displacement(**USUAL), rel=1e-9)
    early = predicted_lone_changes(1.0, 1, 2000, **USUAL).sum()
    assert early == pytest.approx(6.0055, abs=1e-4)


def test_repeated_successes_join_one_step_a_root_and_a_lone_one():
    assert predicted_repeated_displacement(1, **USUAL) == pytest.approx(1.0)
    how = {"step_size": 1.0, "beta1": 0.0, "beta2": 0.9999}
    assert predicted_repeated_displacement(50, **how) == pytest.approx(np.sqrt(50), rel=5e-3)
    lone = predicted_lone_displacement(**USUAL)
    assert predicted_repeated_displacement(10**5, **USUAL) == pytest.approx(lone, rel=1e-12)
    how = USUAL | {"beta2": 0.95}
    for gap in (1, 3, 10, 40):
        changes = loop(np.arange(1, 3001) % gap == 0, **how)
        found = predicted_repeated_displacement(gap, **how)
        assert changes[-gap:].sum() == pytest.approx(float(found), rel=1e-9)


def test_wrong_arms_follow_until_there_are_too_many():
    how = {"step_size": 0.5}
    few = predicted_success_gains(1.0, 0.0, 0.0, 1, 1, **how)[0]
    many = predicted_success_gains(1.0, 0.0, 230_000.0, 1, 1, **how)[0]
    border = predicted_success_gains(1.0, 0.0, np.log(0.5 / 1e-8), 1, 1, **how)[0]
    assert few == pytest.approx(1.0, rel=1e-7)
    assert many == pytest.approx(0.5, rel=1e-7)
    assert border == pytest.approx(0.75, rel=1e-7)


@given(st.integers(1, 10**9))
def test_the_sum_of_logits_falls_no_further_than_eps_allows(num_wrong):
    how = {"coefficient": 1.0, "log_odds": -2.0, "step_size": 0.1, "eps": 1e-4}
    total = predicted_logit_sum(num_wrong, **how)
    lowest = 0.1 * (1.0 - 1.0 / 1e-4)
    assert lowest < total <= 1e-12
    assert total >= 0.1 * (1.0 - num_wrong) - 1e-4


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`beta1` must be in \[0, 1\)"):
        predicted_lone_changes(1.0, 1, 1, step_size=1.0, beta1=1.0)
    with pytest.raises(ValueError, match=r"`first_round` must be whole numbers of at least 1"):
        predicted_lone_changes(1.0, 0, 1, step_size=1.0)
    with pytest.raises(ValueError, match=r"`beta1` must be below sqrt\(beta2\)"):
        predicted_lone_displacement(step_size=1.0, beta1=0.9, beta2=0.81)
    with pytest.raises(ValueError, match="`gap` must be whole numbers"):
        predicted_repeated_displacement(1.5, step_size=1.0)
    with pytest.raises(ValueError, match="`coefficient` must be above 0"):
        predicted_success_gains(0.0, 0.0, 1.0, 1, 1, step_size=1.0)
    with pytest.raises(ValueError, match="`eps` must be a finite number above 0"):
        predicted_logit_sum(3, coefficient=1.0, log_odds=0.0, step_size=1.0, eps=0.0)
