"""Gradients of updates on a table of logits, written out, and AdamW's kernel from them."""

import numpy as np
import pytest

from banditlab.rules import RULES, get_rule
from llm_bridge.forecast.batches import (
    _Moments,
    batch_rows,
    mean_own_kernel,
    measure_batches,
    update_advantages,
)
from llm_bridge.forecast.law_fit import fit_law
from llm_bridge.forecast.probe import probe
from tests.llm_bridge.forecast.table import (
    IS_RIGHT,
    NUM_ARMS,
    gradient_of,
    make_sampler,
    numbers,
    probabilities,
    recorded,
)

NUM_PROMPTS = 6
ALL = numbers(*range(NUM_PROMPTS))


@pytest.fixture
def places():
    return probe(make_sampler(NUM_PROMPTS, seed=9), ALL, ALL, num_responses=640, num_steps=2)


def measure(sampler, places, rule, **changes):
    sizes = {"num_prompts": 4, "group_size": 12, "num_batches": 24, "seed": 3, **changes}
    return measure_batches(sampler, ALL, places, get_rule(rule), **sizes)


def by_hand(draws, weight_of, group_size=12):
    """Gradients of the updates [N, D] and their weights [N, P, G]."""
    probability = probabilities(NUM_PROMPTS)
    weights = [weight_of(reward)[:, :group_size] for _, _, reward in draws]
    gradients = [
        gradient_of(probability, contexts, arms[:, :group_size], weight)
        for (contexts, arms, _), weight in zip(draws, weights, strict=True)
    ]
    return np.stack(gradients), np.stack(weights)


def mean_gradients(place):
    return [part.gradients.astype(float).mean(axis=0) for part in (place.train, place.target)]


def centred(reward):
    return reward - reward.mean(axis=1, keepdims=True)


def standardized(reward):
    return centred(reward) / (reward.std(axis=1, ddof=1, keepdims=True) + 1e-6)


@pytest.mark.parametrize(
    ("rule", "weight_of"),
    [
        ("group_mean", centred),
        ("raw_reward", lambda reward: reward),
        ("extra_rollouts", standardized),
    ],
)
def test_statistics_are_those_of_the_updates_drawn(places, monkeypatch, rule, weight_of):
    sampler = make_sampler(NUM_PROMPTS)
    draws = recorded(sampler, monkeypatch)
    found = measure(sampler, places, rule)
    *updates, (contexts, arms, _) = draws
    gradients, weights = by_hand(updates, weight_of)
    assert gradients.shape == (24, NUM_PROMPTS * NUM_ARMS)

    mean, trace = gradients.mean(axis=0), gradients.var(axis=0, ddof=1).sum()
    expected = max((mean**2).sum() - trace / 24, 0.0) / trace
    assert found.signal_to_noise == pytest.approx(expected, rel=1e-4)
    assert found.weight_square == pytest.approx((weights**2).mean(), rel=1e-12)
    assert found.share_without_signal == (weights == 0).all(axis=2).mean()

    is_reached = (gradients != 0).sum(axis=0) >= 4
    assert found.adam_share == is_reached.mean()
    root = np.where(is_reached, np.sqrt((gradients**2).mean(axis=0)) + 1e-8, np.inf)
    kernels = []
    for place in places:
        train, target = mean_gradients(place)
        kernels.append((target / root) @ train / (place.train.slope * place.target.slope))
    assert found.adam_kernels == pytest.approx(kernels, rel=1e-5)
    probability = probabilities(NUM_PROMPTS)
    scores = [
        gradient_of(probability, [context], [[arm]], np.ones((1, 1)))
        for context, row in zip(contexts, arms, strict=True)
        for arm in row
    ]
    own = (np.stack(scores) ** 2 / root).sum(axis=1).mean()
    assert found.adam_own_kernel == pytest.approx(own, rel=1e-5)
    assert (found.rule, found.num_prompts, found.group_size) == (rule, 4, 12)

    # Mutants: the mean square itself, the mean of |gradient|, the slope of one side for both.
    place = places[0]
    train, target = mean_gradients(place)
    for wrong in (
        (target / root**2) @ train / (place.train.slope * place.target.slope),
        (target / np.where(is_reached, np.abs(gradients).mean(axis=0), np.inf))
        @ train
        / (place.train.slope * place.target.slope),
        (target / root) @ train / place.train.slope,
    ):
        assert found.adam_kernels[0] != pytest.approx(wrong, rel=0.01)


def test_the_law_of_adamw_has_the_relative_errors_of_sgd(places):
    found = measure(make_sampler(NUM_PROMPTS), places, "group_mean")
    kernels = np.array(found.adam_kernels)
    relative = np.array([place.point.kernel_se / place.point.kernel for place in places])
    rates = np.array([place.point.train_pass_rate for place in places])
    expected = fit_law(rates, kernels, relative * kernels).law.as_dict()
    assert found.adam_law.pop("form") == expected.pop("form")
    assert found.adam_law == pytest.approx(expected, rel=1e-9)


def test_a_prompt_alone_has_halves_of_its_blocks(monkeypatch):
    task = numbers(0)
    alone = probe(make_sampler(1, seed=1), task, None, num_responses=640, num_steps=0)
    sampler = make_sampler(1)
    draws = recorded(sampler, monkeypatch)
    sizes = {"num_prompts": 1, "group_size": 8, "num_batches": 32, "seed": 0}
    found = measure_batches(sampler, task, alone, get_rule("group_mean"), **sizes)
    probability = probabilities(1)
    gradients = np.stack(
        [gradient_of(probability, c, arms, centred(reward)) for c, arms, reward in draws[:-1]]
    )
    root = np.sqrt((gradients**2).mean(axis=0)) + 1e-8
    blocks = alone[0].train.gradients.astype(float)
    first, second = blocks[:8].mean(axis=0), blocks[8:].mean(axis=0)
    slope = alone[0].train.slope
    assert found.adam_kernels == pytest.approx([(first / root) @ second / slope**2], rel=1e-5)
    # With the whole on both sides the noise of the blocks would count as signal.
    whole = blocks.mean(axis=0)
    assert found.adam_kernels[0] != pytest.approx((whole / root) @ whole / slope**2, rel=1e-4)


def test_the_moments_are_those_of_enumerated_updates():
    """Raw rewards of one prompt: E[g] and E[g^2] over all responses, by enumeration.

    Over 3000 updates of 3 rollouts, each at 5 standard errors: a false alarm once in 10^5.
    """
    sampler, (probability,) = make_sampler(1, seed=4), probabilities(1)
    pass_rate = probability @ IS_RIGHT
    scores = np.eye(NUM_ARMS) - probability
    mean = probability * (IS_RIGHT - pass_rate)
    single = probability @ (IS_RIGHT[:, None] * scores**2)
    size, count = 3, 3000
    square = (single + (size - 1) * mean**2) / size
    rollout, reward = sampler.draw(numbers(0), np.array([0] * count), size)
    moments = _Moments()
    gradients = []
    for arms, of_row in zip(rollout.response_tokens[..., 0].numpy(), reward, strict=True):
        gradients.append((of_row[:, None] * scores[arms]).mean(axis=0))
        moments.add(gradients[-1])
    gradients = np.stack(gradients)
    root = moments.root() - 1e-8
    error = (gradients**2).std(axis=0) / np.sqrt(count)
    assert (np.abs(root**2 - square) < 5.0 * error).all()
    # Mutant: rollouts of a group taken for independent means, without the signal's square.
    assert (np.abs(root**2 - single / size) > 5.0 * error).any()
    ratio = (mean**2).sum() / (square - mean**2).sum()
    assert moments.signal_to_noise() == pytest.approx(ratio, rel=0.15)


def test_noise_alone_is_no_signal():
    """Over 400 times 16 draws of mean 0 the numerator has mean 0; uncorrected it would be 1/16."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        moments = _Moments()
        for row in rng.normal(size=(16, 50)):
            moments.add(row)
        found.append(moments.signal_to_noise())
    # Half of the estimates are cut at 0; the others are of the size of their spread.
    assert np.mean(np.array(found) == 0.0) == pytest.approx(0.5, abs=0.12)
    assert np.mean(found) < 0.25 / 16


def test_parameters_that_few_updates_reach_do_not_move():
    moments = _Moments()
    for place in range(8):
        moments.add(np.array([1.0, float(place < 4), float(place < 3)]))
    np.testing.assert_allclose(moments.root(), [1.0, np.sqrt(0.5), np.inf], rtol=1e-7)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_advantages_of_the_rollouts_trained_on(name):
    rule = RULES[name]
    shape = (3, 4 + rule.extra_rollouts)
    reward = np.random.default_rng(1).integers(0, 2, shape).astype(np.float64)
    found = update_advantages(rule, reward)
    assert found.shape == (3, 4)
    assert np.isfinite(found).all()


def test_a_memory_starts_from_the_rewards_at_hand():
    reward = np.array([[1.0, 0.0, 0.0, 1.0]])
    # The running mean has seen .5 once, and not its initial 0.
    found = update_advantages(get_rule("running_mean"), reward)
    assert found.mean() == pytest.approx(0.0, abs=0.26)
    assert not np.array_equal(found, reward)


@pytest.mark.parametrize(("num_prompts", "num_batches"), [(2, 9), (4, 7), (6, 3)])
def test_prompts_come_in_orders_without_repeats(num_prompts, num_batches):
    rows = batch_rows(ALL, num_prompts, num_batches, seed=0)
    assert rows.shape == (num_batches, num_prompts)
    per_order = NUM_PROMPTS // num_prompts
    for start in range(0, num_batches - per_order + 1, per_order):
        order = rows[start : start + per_order].ravel()
        assert len(set(order.tolist())) == per_order * num_prompts


def test_sizes_are_checked(places):
    with pytest.raises(ValueError, match="`batches` must be at least 8, got 7"):
        measure(make_sampler(NUM_PROMPTS), places, "group_mean", num_batches=7)
    with pytest.raises(ValueError, match="`num_prompts` must be at most the 6 prompts trained on"):
        measure(make_sampler(NUM_PROMPTS), places, "group_mean", num_prompts=7)


def test_the_own_kernel_is_the_mean_squared_norm(monkeypatch):
    sampler = make_sampler(4)
    draws = recorded(sampler, monkeypatch)
    found = mean_own_kernel(sampler, numbers(0, 1, 2, 3), 10)
    ((contexts, arms, _),) = draws
    assert arms.shape == (4, 3)
    probability = probabilities(4)
    norms = [
        ((np.eye(NUM_ARMS)[arm] - probability[context]) ** 2).sum()
        for context, row in zip(contexts, arms, strict=True)
        for arm in row
    ]
    assert found == pytest.approx(np.mean(norms), rel=1e-6)
