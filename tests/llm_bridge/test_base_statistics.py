"""Estimators of the base model's numbers, on cases where the truth is known."""

import numpy as np
import pytest

from llm_bridge.base_statistics import (
    _variance_of_mean,
    own_kernel_from_blocks,
    shared_kernel_from_blocks,
    smoothed_pass_rates,
)


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


@pytest.mark.parametrize("noise", [0.5, 2.0, 16.0])
def test_its_standard_error_is_true(noise):
    """Spread over 600 repetitions against the root mean square of the stated errors.

    The spread's own error is 3 %; counting the interaction twice is off by up to 1.4.
    """
    rng = np.random.default_rng(4)
    mean = rng.normal(size=30)
    found = [
        shared_kernel_from_blocks(
            blocks(rng, mean, noise, 16), blocks(rng, mean, noise, 16), 0.2, 0.2
        )
        for _ in range(600)
    ]
    kernels, errors = (np.array([row[i] for row in found]) for i in (0, 1))
    stated = np.sqrt(np.mean(errors**2))
    assert np.std(kernels) == pytest.approx(stated, rel=0.12)
    assert np.std(kernels) != pytest.approx(0.75 * stated, rel=0.12)
    assert abs(np.mean(kernels) - mean @ mean / 0.04) < 4 * np.std(kernels) / np.sqrt(600)


def test_counting_the_interaction_twice_would_be_found():
    rng = np.random.default_rng(5)
    tables = [rng.normal(size=(16, 16)) for _ in range(400)]
    twice = np.mean([t.mean(0).var(ddof=1) / 16 + t.mean(1).var(ddof=1) / 16 for t in tables])
    truth = np.var([t.mean() for t in tables])
    assert np.mean([_variance_of_mean(t) for t in tables]) == pytest.approx(truth, rel=0.25)
    assert twice > 1.6 * truth


def test_the_own_kernel_is_exact_without_noise():
    mean = np.random.default_rng(6).normal(size=50)
    kernel, error = own_kernel_from_blocks(np.tile(mean, (5, 1)), 0.2)
    assert kernel == pytest.approx(mean @ mean / 0.04, rel=1e-12)
    assert error == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("noise", "least", "most"), [(0.5, 0.9, 1.1), (8.0, 1.25, 1.6)])
def test_the_own_kernel_is_unbiased_and_its_standard_error_not_too_small(noise, least, most):
    """Means at 5 standard errors over 2000 repetitions: a false alarm once in 10^6.

    The spread's own error is 1.6 %. The jackknife counts the product of two noises twice, so its
    error grows to sqrt(2) times the spread as they take over: 1.41 times here, at noise 8.
    """
    rng = np.random.default_rng(7)
    mean, count = rng.normal(size=30), 16
    drawn = [blocks(rng, mean, noise, count) for _ in range(2000)]
    kernels, errors = np.array([own_kernel_from_blocks(one, 0.2) for one in drawn]).T
    truth, spread = mean @ mean / 0.04, kernels.std(ddof=1)
    assert abs(kernels.mean() - truth) < 5.0 * spread / np.sqrt(2000)
    assert least < np.sqrt(np.mean(errors**2)) / spread < most
    # Mutant: with the diagonal the noise of each block would count as signal.
    with_diagonal = np.array([(one.mean(axis=0) ** 2).sum() / 0.04 for one in drawn])
    assert abs(with_diagonal.mean() - truth) > 10.0 * spread / np.sqrt(2000)
    assert with_diagonal.mean() - truth == pytest.approx(noise**2 * 30 / count / 0.04, rel=0.15)
