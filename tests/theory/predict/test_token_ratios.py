"""Moments of ratios at three levels, and the clip: limits in length, equal laws, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.predict.token_levels import LEVELS
from theory.predict.token_ratios import (
    predicted_clipped_share,
    predicted_gradient_moment,
    predicted_log_ratio,
    predicted_ratio_moment,
)

LAW, OLD_LAW = np.array([0.55, 0.3, 0.15]), np.array([0.35, 0.4, 0.25])
CHI2 = float(((LAW - OLD_LAW) ** 2 / OLD_LAW).sum())
KL = float(OLD_LAW @ np.log(OLD_LAW / LAW))
WIDTHS = {"clip_low": 0.2, "clip_high": 0.2}


@given(st.integers(1, 200))
def test_second_moments_of_token_and_sequence(num_tokens):
    token, sequence = (
        predicted_ratio_moment(level, LAW, OLD_LAW, num_tokens, 2.0) for level in LEVELS[:2]
    )
    assert token == pytest.approx(1.0 + CHI2)
    assert sequence == pytest.approx((1.0 + CHI2) ** num_tokens)
    for level in LEVELS[:2]:
        assert predicted_ratio_moment(level, LAW, OLD_LAW, num_tokens, 1.0) == pytest.approx(1.0)


def test_the_geometric_mean_settles_below_one():
    found = predicted_ratio_moment("sequence_geometric", LAW, OLD_LAW, 10**6, np.float64(1.0))
    assert found == pytest.approx(np.exp(-KL), rel=1e-5)
    mean, variance = predicted_log_ratio("sequence_geometric", LAW, OLD_LAW, [1, 100])
    np.testing.assert_allclose(mean, -KL)
    assert variance[0] == pytest.approx(100.0 * variance[1])


@given(st.integers(1, 50), st.sampled_from(LEVELS))
def test_equal_laws_have_ratio_one(num_tokens, level):
    assert predicted_ratio_moment(level, LAW, LAW, num_tokens, 3.0) == pytest.approx(1.0)
    noise = predicted_gradient_moment(level, LAW, LAW, num_tokens)
    scale = 1.0 / num_tokens if level == "sequence_geometric" else num_tokens
    assert noise == pytest.approx(scale * (1.0 - LAW @ LAW))
    for is_success in (True, False):
        share = predicted_clipped_share(
            level, [0.5, 0.5], [0.5, 0.5], num_tokens, is_success=is_success, **WIDTHS
        )
        assert share == 0.0


def test_all_levels_agree_for_one_token():
    for function in (predicted_log_ratio, predicted_gradient_moment):
        found = [function(level, LAW, OLD_LAW, 1) for level in LEVELS]
        np.testing.assert_allclose(found, [found[0]] * 3)


def test_staleness_raises_the_noise_of_tokens_by_a_factor_without_length():
    lengths = np.array([1, 10, 100])
    token, sequence = (
        predicted_gradient_moment(level, LAW, OLD_LAW, lengths) / lengths for level in LEVELS[:2]
    )
    np.testing.assert_allclose(token, token[0])
    np.testing.assert_allclose(sequence, token[0] * (1.0 + CHI2) ** (lengths - 1))


@pytest.mark.parametrize(("law", "share"), [([0.63, 0.37], 0.0), ([0.85, 0.15], 1.0)])
def test_clips_of_long_sequences(law, share):
    def clipped(level, is_success):
        return predicted_clipped_share(
            level, law, [0.5, 0.5], 5_000, is_success=is_success, **WIDTHS
        )

    assert clipped("sequence", False) == pytest.approx(1.0, abs=1e-3)
    assert clipped("sequence", True) == pytest.approx(0.0, abs=1e-3)
    assert clipped("sequence_geometric", False) == pytest.approx(share, abs=1e-3)
    assert clipped("token", False) == pytest.approx(0.5)


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`law` must be positive probabilities"):
        predicted_ratio_moment("token", [1.0, 0.0], [0.5, 0.5], 3, 2.0)
    with pytest.raises(ValueError, match="`old_law` must be of sum 1"):
        predicted_log_ratio("token", [0.5, 0.5], [0.5, 0.6], 3)
    with pytest.raises(ValueError, match="`law` must be over the vocabulary of old_law"):
        predicted_log_ratio("token", LAW, [0.5, 0.5], 3)
    with pytest.raises(ValueError, match="`num_tokens` must be whole numbers"):
        predicted_gradient_moment("token", LAW, OLD_LAW, 0)
    with pytest.raises(ValueError, match="`law` must be over two tokens"):
        predicted_clipped_share("token", LAW, OLD_LAW, 3, is_success=True, **WIDTHS)
    with pytest.raises(ValueError, match=r"`clip_low` must be in \(0, 1\)"):
        predicted_clipped_share(
            "token", [0.5, 0.5], [0.5, 0.5], 3, is_success=True, clip_low=0.0, clip_high=0.2
        )
