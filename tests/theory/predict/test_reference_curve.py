"""Learning curves with a reference term: quadrature, ends, known figures, the bound, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit, logit

from theory.predict.learning_curves import predicted_raw_time
from theory.predict.reference_curve import (
    predicted_delay_bound,
    predicted_final_log_odds,
    predicted_k3_log_odds,
    predicted_k3_time,
    predicted_reference_drift,
)


@settings(max_examples=20)
@given(st.floats(-5.0, 1.0), st.floats(1e-4, 0.5), st.floats(0.05, 0.95))
def test_time_is_the_integral_of_the_inverse_drift(ref, coefficient, share):
    final = predicted_final_log_odds("k3", ref, coefficient=coefficient)
    target = ref + share * (final - ref)
    expected, _ = quad(
        lambda z: 1.0 / float(predicted_reference_drift("k3", z, ref, coefficient=coefficient)),
        ref,
        target,
        limit=200,
    )
    time = predicted_k3_time(target, ref, coefficient=coefficient, kernel=2.0)
    assert time == pytest.approx(expected / 2.0, rel=1e-6)
    back = predicted_k3_log_odds(time, ref, coefficient=coefficient, kernel=2.0)
    assert back == pytest.approx(target, abs=1e-6)


@settings(max_examples=20)
@given(st.floats(-8.0, 2.0), st.floats(0.02, 0.5), st.sampled_from([1, 2, 8]))
def test_drift_vanishes_at_the_end(ref, coefficient, group_size):
    how = {"coefficient": coefficient, "group_size": group_size}
    for estimator in ("k2", "k3"):
        final = predicted_final_log_odds(estimator, ref, **how)
        assert final > ref
        drift = predicted_reference_drift(estimator, [final - 0.1, final, final + 0.1], ref, **how)
        assert drift[0] > 0.0 > drift[2]
        assert abs(drift[1]) < 1e-6 * (drift[0] - drift[2])


def test_known_figures_at_the_usual_coefficient():
    ref = logit(0.05)
    final = predicted_final_log_odds("k3", ref, coefficient=1e-3)
    assert expit(-final) == pytest.approx(0.95e-3, rel=2e-3)
    grouped = predicted_final_log_odds("k3", ref, coefficient=1e-3, group_size=8)
    assert expit(-grouped) == pytest.approx(0.95e-3 * np.sqrt(8) / 7, rel=2e-3)
    assert predicted_final_log_odds("k2", ref, coefficient=1e-3) == pytest.approx(ref + 1000.0)
    rates = np.array([0.5, 0.9, 0.99])
    with_term = predicted_k3_time(logit(rates), ref, coefficient=1e-3, kernel=1.0)
    delay = with_term / predicted_raw_time(ref, logit(rates), kernel=1.0)
    np.testing.assert_allclose(delay, [1.00066, 1.00220, 1.03979], atol=1e-5)
    assert (delay < predicted_delay_bound(logit(rates), coefficient=1e-3)).all()


def test_without_the_term_the_curve_is_that_of_the_reward():
    time = predicted_k3_time(1.0, -1.0, coefficient=1e-6, kernel=0.7)
    assert time == pytest.approx(float(predicted_raw_time(-1.0, 1.0, kernel=0.7)), rel=1e-5)
    np.testing.assert_allclose(
        predicted_reference_drift("k1", [-1.0, 2.0], 0.0, coefficient=5.0),
        expit([-1.0, 2.0]) * expit([1.0, -2.0]),
    )


def test_the_curve_stays_at_its_end():
    final = predicted_final_log_odds("k3", -1.0, coefficient=0.1)
    found = predicted_k3_log_odds([0.0, 1e6], -1.0, coefficient=0.1, kernel=1.0)
    np.testing.assert_allclose(found, [-1.0, final], atol=1e-8)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`estimator` must be a known estimator"):
        predicted_reference_drift("k4", 0.0, 0.0, coefficient=0.1)
    with pytest.raises(ValueError, match="`estimator` must be a known estimator that stops"):
        predicted_final_log_odds("k1", 0.0, coefficient=0.1)
    with pytest.raises(ValueError, match="`coefficient` must be a finite number above 0"):
        predicted_final_log_odds("k3", 0.0, coefficient=0.0)
    with pytest.raises(ValueError, match=r"`coefficient` must be at least 1e-6"):
        predicted_k3_time(0.0, -1.0, coefficient=1e-9, kernel=1.0)
    with pytest.raises(ValueError, match=r"`ref_log_odds` must be in \[-20, 20\]"):
        predicted_k3_time(0.0, -30.0, coefficient=0.1, kernel=1.0)
    with pytest.raises(ValueError, match="`log_odds` must be from the base policy's to below"):
        predicted_k3_time(9.0, -1.0, coefficient=0.1, kernel=1.0)
    with pytest.raises(ValueError, match="`log_odds` must be below"):
        predicted_delay_bound(8.0, coefficient=0.001)
