"""Estimators of the base model's numbers, on cases where the truth is known."""

import numpy as np
import pytest

from llm_bridge.calibrate import shared_kernel_from_blocks, smoothed_pass_rates


def test_smoothed_rates_stay_inside_and_keep_the_mean():
    rng = np.random.default_rng(0)
    truth = rng.beta(2.0, 4.0, 4000)
    counts = rng.binomial(16, truth)
    smoothed = smoothed_pass_rates(counts, 16)
    assert smoothed.min() > 0
    assert smoothed.max() < 1
    assert smoothed.mean() == pytest.approx((counts / 16).mean(), rel=1e-12)
    # Shrinkage is worth it: nearer to the truth than the raw shares are.
    assert np.mean((smoothed - truth) ** 2) < np.mean((counts / 16 - truth) ** 2)


def test_smoothing_finds_the_prior_it_was_drawn_from():
    rng = np.random.default_rng(1)
    counts = rng.binomial(16, rng.beta(2.0, 4.0, 100_000))
    smoothed = smoothed_pass_rates(counts, 16)
    # Posterior mean under Beta(2, 4): (count + 2) / (16 + 6); Beta(1, 1) would be the mutant.
    np.testing.assert_allclose(smoothed, (counts + 2) / 22, atol=0.005)
    assert np.abs(smoothed - (counts + 1) / 18).max() > 0.02


def test_one_rate_for_all_is_smoothed_to_the_mean():
    counts = np.random.default_rng(2).binomial(16, np.full(2000, 0.3))
    assert smoothed_pass_rates(counts, 16).std() < 0.02


def test_a_model_that_is_never_right_is_refused():
    with pytest.raises(
        ValueError, match=r"`num_correct` must be neither all 0 nor all num_samples"
    ):
        smoothed_pass_rates(np.zeros(5), 16)


def blocks(rng, mean, noise, count):
    return mean + noise * rng.normal(size=(count, mean.size))


def test_the_shared_kernel_is_the_scaled_product_of_the_mean_gradients():
    rng = np.random.default_rng(3)
    train, heldout = rng.normal(size=50), rng.normal(size=50)
    kernel, error, cosine = shared_kernel_from_blocks(
        blocks(rng, train, 0.0, 4), blocks(rng, heldout, 0.0, 4), 0.2, 0.25
    )
    assert kernel == pytest.approx(train @ heldout / 0.05, rel=1e-10)
    assert error == pytest.approx(0.0, abs=1e-10)
    expected = train @ heldout / np.linalg.norm(train) / np.linalg.norm(heldout)
    assert cosine == pytest.approx(expected, rel=1e-10)


def test_one_block_says_nothing_of_the_error():
    one = np.ones((1, 5))
    assert shared_kernel_from_blocks(one, one, 0.2, 0.2)[1:] == (None, None)


def test_its_standard_error_is_true():
    """Spread over 400 repetitions within 15 % of the mean stated error; half of it is rejected."""
    rng = np.random.default_rng(4)
    mean = rng.normal(size=30)
    kernels, errors = zip(
        *(
            shared_kernel_from_blocks(
                blocks(rng, mean, 2.0, 16), blocks(rng, mean, 2.0, 16), 0.2, 0.2
            )[:2]
            for _ in range(400)
        ),
        strict=True,
    )
    assert np.std(kernels) == pytest.approx(np.mean(errors), rel=0.15)
    assert np.std(kernels) != pytest.approx(0.5 * np.mean(errors), rel=0.15)
    bias = (np.mean(kernels) - mean @ mean / 0.04) / (np.std(kernels) / 20)
    assert abs(bias) < 4
