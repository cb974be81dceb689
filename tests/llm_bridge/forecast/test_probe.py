"""The probe: what it measures first, how far it steps, and that it leaves no trace."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from banditlab.advantages import leave_one_out
from llm_bridge.base_statistics import own_kernel_from_blocks, shared_kernel_from_blocks
from llm_bridge.forecast.measure import NUM_BLOCKS, Sampler
from llm_bridge.forecast.probe import probe
from llm_bridge.models import load_policy
from llm_bridge.scores import mean_gradient, score_gradients
from llm_bridge.tasks import load_task
from tests.llm_bridge.forecast.table import make_sampler, numbers

ALL = numbers(*range(20))


def weights_of(model):
    return [value.detach().clone() for value in model.parameters()]


def direct_blocks(sampler, task, num_samples):
    """Gradients of blocks of prompts and right responses, without the package's own loop."""
    edges = np.linspace(0, len(task), NUM_BLOCKS + 1).round().astype(int)
    gradients, correct = [], []
    for first, last in pairwise(edges.tolist()):
        rollout, reward = sampler.draw(task, np.arange(first, last), num_samples)
        advantage = torch.from_numpy(leave_one_out(reward))
        gradient = mean_gradient(sampler.policy.model, rollout, advantage).float().numpy()
        gradients.append(gradient * (last - first) * NUM_BLOCKS / len(task))
        correct.append(reward.sum(axis=1))
    return np.stack(gradients), np.concatenate(correct)


def test_the_first_place_is_what_a_direct_computation_finds():
    place = probe(make_sampler(20), ALL, ALL, num_responses=160, num_steps=0)[0]
    twin = make_sampler(20)
    (train, train_correct), (target, target_correct) = (
        direct_blocks(twin, ALL, 8) for _ in range(2)
    )
    np.testing.assert_array_equal(place.train.num_correct, train_correct)
    np.testing.assert_array_equal(place.target.num_correct, target_correct)
    kernel, error, cosine = shared_kernel_from_blocks(
        train, target, place.train.slope, place.target.slope
    )
    point = place.point
    assert (point.kernel, point.kernel_se) == pytest.approx((kernel, error), rel=1e-5)
    # Blocks of prompts of a table share no parameter: their length is hidden.
    assert point.cosine is cosine is None
    assert point.train_pass_rate == pytest.approx(train_correct.mean() / 8)
    assert point.target_pass_rate == pytest.approx(target_correct.mean() / 8)
    # The slope enters once for each of the two: squared, or once, is another number.
    assert point.kernel != pytest.approx(kernel * place.train.slope, rel=0.1)


def test_the_cosine_of_a_task_with_itself_is_nearly_one():
    few = numbers(*range(6))
    place = probe(make_sampler(6), few, few, num_responses=1280, num_steps=0)[0]
    found = shared_kernel_from_blocks(
        place.train.gradients, place.target.gradients, place.train.slope, place.target.slope
    )
    assert (place.point.kernel, place.point.kernel_se, place.point.cosine) == found
    assert place.point.cosine == pytest.approx(1.0, abs=0.05)


def test_a_prompt_alone_is_compared_with_itself():
    place = probe(make_sampler(1), numbers(0), None, num_responses=320, num_steps=0)[0]
    kernel, error = own_kernel_from_blocks(place.train.gradients, place.train.slope)
    assert place.target is place.train
    assert (place.point.kernel, place.point.kernel_se) == (kernel, error)
    assert place.point.cosine == 1.0


def test_a_step_goes_by_the_shift_over_kernel_and_slope_along_the_gradient():
    sampler, weights = make_sampler(20), []
    places = probe(
        sampler,
        ALL,
        ALL,
        num_responses=160,
        num_steps=2,
        shift=0.5,
        on_place=lambda place: weights.append(weights_of(sampler.policy.model)[0].flatten()),
    )
    assert len(places) == len(weights) == 3
    for place, before, after in zip(places, weights[:-1], weights[1:], strict=False):
        size = 0.5 / (place.point.kernel * place.train.slope)
        gradient = place.train.gradients.mean(axis=0).astype(np.float64)
        np.testing.assert_allclose((after - before).numpy(), size * gradient, rtol=1e-6, atol=1e-14)
        wrong = 0.5 / place.point.kernel
        assert np.abs((after - before).numpy() - wrong * gradient).max() > 1e-3


@pytest.fixture(scope="module")
def embedded(grading_worker):
    policy = load_policy("embedded")
    tasks = [load_task("embedded", split=name, take=16) for name in ("train", "heldout")]
    sampler = Sampler(policy, grading_worker, 40, torch.Generator().manual_seed(0))
    return sampler, tasks


def test_a_language_model_comes_back_bit_by_bit(embedded):
    sampler, (train, heldout) = embedded
    before = weights_of(sampler.policy.model)
    moved = []
    places = probe(
        sampler,
        train,
        heldout,
        num_responses=64,
        num_steps=1,
        on_place=lambda place: moved.append(weights_of(sampler.policy.model)),
    )
    assert all(map(torch.equal, before, weights_of(sampler.policy.model)))
    assert all(map(torch.equal, before, moved[0]))
    assert not any(map(torch.equal, before, moved[1]))
    # And two at each place for the scores.
    assert sampler.num_rollouts == 4 * 64 + 2 * 2
    for place in places:
        slopes = place.train.slope, place.target.slope
        found = shared_kernel_from_blocks(place.train.gradients, place.target.gradients, *slopes)
        assert (place.point.kernel, place.point.kernel_se, place.point.cosine) == found


def test_a_language_model_comes_back_after_an_error(embedded):
    sampler, (train, heldout) = embedded
    before = weights_of(sampler.policy.model)
    seen = []

    def interrupt(place):
        seen.append(weights_of(sampler.policy.model))
        if len(seen) == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        probe(sampler, train, heldout, num_responses=32, num_steps=3, on_place=interrupt)
    assert not any(map(torch.equal, before, seen[1]))
    assert all(map(torch.equal, before, weights_of(sampler.policy.model)))


def test_a_kernel_that_is_not_above_zero_is_refused():
    # Prompts of a table share no parameter, so one half does not move the other.
    first, second = numbers(*range(16)), numbers(*range(16, 32))
    match = r"`responses` must be enough to find a kernel above 0, got 64, with a kernel of 0 \+- 0"
    with pytest.raises(ValueError, match=match):
        probe(make_sampler(32), first, second, num_responses=64)


def test_scores_of_right_and_wrong_responses_are_measured_apart(embedded):
    sampler, (train, _) = embedded
    (place,) = probe(sampler, train, None, num_responses=1024, num_steps=0)
    generator = torch.Generator().manual_seed(sampler.generator.initial_seed() + 1)
    rollout, reward = replace(sampler, generator=generator).draw(train, np.arange(16), 2)
    square = (score_gradients(sampler.policy.model, rollout).double() ** 2).sum(dim=1).numpy()
    is_right = reward.flatten() > 0.0
    for found, chosen in (
        (place.point.right_score_square, is_right),
        (place.point.wrong_score_square, ~is_right),
    ):
        assert found == pytest.approx(square[chosen].mean(), rel=1e-10)
    # Right responses are the likelier ones, and the pull on them is the smaller.
    assert place.point.right_score_square < place.point.wrong_score_square
