import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom

from llm_bridge.pass_at_k import binomial_interval, estimate_pass_at_k, pass_at_k


def plugged_in(num_correct, num_samples, k):
    """The mutant: the share of right samples in place of the probability."""
    return 1.0 - (1.0 - num_correct / num_samples) ** k


def expected(estimator, prob, n, k):
    counts = np.arange(n + 1)
    values = np.array([estimator(np.array([c]), np.array([n]), k)[0] for c in counts])
    return float(binom.pmf(counts, n, prob) @ values)


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_it_is_the_share_of_subsets_that_hold_a_right_one(n):
    for c in range(n + 1):
        verdicts = [True] * c + [False] * (n - c)
        for k in range(1, n + 1):
            subsets = list(itertools.combinations(verdicts, k))
            exact = sum(any(subset) for subset in subsets) / len(subsets)
            found = pass_at_k(np.array([c]), np.array([n]), k)
            assert found == pytest.approx([exact], rel=1e-12)


@pytest.mark.parametrize("prob", [0.0, 0.03, 0.4, 0.9, 1.0])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (8, 1), (8, 4), (8, 8), (40, 10)])
def test_its_expectation_is_the_probability_and_the_plugged_in_one_is_too_low(prob, n, k):
    exact = 1.0 - (1.0 - prob) ** k
    assert expected(pass_at_k, prob, n, k) == pytest.approx(exact, rel=1e-10, abs=1e-14)
    if k > 1 and 0.0 < prob < 1.0:
        assert expected(plugged_in, prob, n, k) < exact * (1.0 - 1e-4) or exact > 0.999


def test_huge_counts_do_not_overflow():
    found = pass_at_k(np.array([3, 5000]), np.array([10_000, 10_000]), 1000)
    exact = 1.0 - math.prod((9997 - i) / (10_000 - i) for i in range(1000))
    np.testing.assert_allclose(found, [exact, 1.0], rtol=1e-10)


@pytest.mark.parametrize("k", [0, -1, 5])
def test_more_than_the_samples_of_a_prompt_is_refused(k):
    with pytest.raises(ValueError, match="`k` must be from 1 to the 4 samples of a prompt, got"):
        pass_at_k(np.array([1, 1]), np.array([4, 8]), k)


@pytest.mark.parametrize("n", [1, 10, 30])
def test_the_exact_interval_covers_at_least_95_percent_whatever_the_probability(n):
    ends = np.array([binomial_interval(c, n) for c in range(n + 1)])
    for prob in np.linspace(0.0, 1.0, 101):
        is_inside = (ends[:, 0] <= prob) & (prob <= ends[:, 1])
        assert binom.pmf(np.arange(n + 1), n, prob) @ is_inside >= 0.95 - 1e-12
    half = np.array([[c / n - 0.5 / n, c / n + 0.5 / n] for c in range(n + 1)])
    is_inside = (half[:, 0] <= 0.5) & (half[:, 1] >= 0.5)
    assert binom.pmf(np.arange(n + 1), n, 0.5) @ is_inside < 0.95 or n == 1, "would be seen"


def test_one_prompt_has_the_exact_interval_of_its_own_probability():
    found = estimate_pass_at_k(np.array([3]), np.array([10]), 4)
    low, high = binomial_interval(3, 10)
    assert (found.low, found.high) == pytest.approx((1 - (1 - low) ** 4, 1 - (1 - high) ** 4))
    assert (found.method, found.k) == ("exact", 4)
    assert found.low < found.estimate < found.high


def test_several_prompts_have_the_bootstrap_over_prompts():
    """All 5^5 resamples enumerated: the quantiles are those of the exact bootstrap law."""
    correct, samples = np.array([0, 1, 3, 4, 8]), np.full(5, 8)
    share = pass_at_k(correct, samples, 2)
    means = np.sort([np.mean(draw) for draw in itertools.product(share, repeat=5)])
    found = estimate_pass_at_k(correct, samples, 2)
    assert found.method == "bootstrap"
    assert found.estimate == pytest.approx(share.mean(), rel=1e-12)
    # 2,000 resamples put the share below an end within 4 standard errors of 2.5 %.
    slack = 4 * math.sqrt(0.025 * 0.975 / 2000)
    assert abs(np.mean(means <= found.low + 1e-12) - 0.025) < slack + 0.01
    assert abs(np.mean(means >= found.high - 1e-12) - 0.025) < slack + 0.01
    again = estimate_pass_at_k(correct, samples, 2)
    assert again == found, "the same draws in every call"


def test_the_bootstrap_is_as_wide_as_the_spread_of_prompts_says():
    rng = np.random.default_rng(0)
    correct = rng.binomial(4, rng.beta(1.0, 1.0, 500))
    found = estimate_pass_at_k(correct, np.full(500, 4), 1)
    exact = 1.96 * np.std(correct / 4, ddof=1) / math.sqrt(500)
    assert found.high - found.low == pytest.approx(2 * exact, rel=0.05)
    pooled = 1.96 * math.sqrt(found.estimate * (1 - found.estimate) / 2000)
    assert pooled < 0.8 * exact, "samples of a prompt are not prompts: it would be seen"


@pytest.mark.parametrize("is_right", [False, True])
def test_unanimous_prompts_still_have_an_interval(is_right):
    found = estimate_pass_at_k(np.full(20, 4 * is_right), np.full(20, 4), 2)
    assert found.estimate == float(is_right)
    assert found.high - found.low == pytest.approx(1.0 - 0.025 ** (1 / 20))
    assert found.method == "exact"


def test_the_bootstrap_covers_the_population_about_as_often_as_it_says():
    """400 experiments of 60 prompts: below .91 or above .985 once in 1,000 at a coverage of .95."""
    rng = np.random.default_rng(1)
    exact = 2.0 / 3.0  # E[1 - (1 - p)^2] for uniform p
    hits = naive_hits = 0
    for _ in range(400):
        correct = rng.binomial(4, rng.uniform(size=60))
        found = estimate_pass_at_k(correct, np.full(60, 4), 2)
        hits += found.low <= exact <= found.high
        width = 1.96 * math.sqrt(exact * (1 - exact) / (60 * 4))
        naive_hits += abs(found.estimate - exact) <= width
    assert 0.91 <= hits / 400 <= 0.985
    assert naive_hits / 400 < 0.91, "samples counted as prompts would be seen"
