"""Classes of responses and the kernel between them, on tokens and gradients written by hand."""

import itertools

import numpy as np
import pytest

from llm_bridge.forecast.responses import _classes, _summed, measure_responses
from tests.llm_bridge.forecast.table import (
    NUM_ARMS,
    make_sampler,
    numbers,
    probabilities,
    recorded,
)

# Five draws of three different responses; the first one was drawn three times and is right.
TOKENS = np.array([[7, 1, 0], [3, 3, 0], [7, 1, 0], [3, 4, 0], [7, 1, 0]])
IS_RIGHT = np.array([True, False, True, False, True])
LOG_PROB = np.log([0.5, 0.125, 0.5, 0.25, 0.5])


def test_classes_of_one_prompt():
    found = _classes(IS_RIGHT, LOG_PROB, TOKENS)
    assert found == {
        "pass_rate": 0.6,
        "num_distinct": 3.0,
        "num_distinct_right": 1.0,
        # Of 20 ordered pairs of draws 6 agree; with a draw and itself it would be 11 of 25.
        "collision": 0.3,
        "mass_covered": pytest.approx(0.875),
        "entropy": pytest.approx(-LOG_PROB.mean()),
        "entropy_right": pytest.approx(np.log(2.0) + np.log(0.6)),
        "entropy_wrong": pytest.approx(2.5 * np.log(2.0) + np.log(0.4)),
    }


def test_a_class_without_draws_has_no_entropy():
    found = _classes(np.zeros(5, dtype=bool), LOG_PROB, TOKENS)
    assert "entropy_right" not in found
    assert found["entropy_wrong"] == pytest.approx(found["entropy"])


def test_collision_is_unbiased():
    """Draws from (.5, .3, .2): the sum of squares is .38; 4000 times 6 draws, z at 5 errors.

    The share of agreeing pairs with each draw beside itself would be .38 + .62 / 6 = .48.
    """
    rng = np.random.default_rng(0)
    draws = rng.choice(3, p=[0.5, 0.3, 0.2], size=(4000, 6, 1))
    right, log_prob = np.zeros(6, dtype=bool), np.zeros(6)
    found = np.array([_classes(right, log_prob, tokens)["collision"] for tokens in draws])
    assert abs(found.mean() - 0.38) < 5.0 * found.std() / np.sqrt(4000)
    assert found.mean() < 0.43


def test_identical_responses_are_no_pair():
    scores = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0], [3.0, 1.0], [1.0, 0.0]])
    found = _summed(IS_RIGHT, LOG_PROB, TOKENS, scores)
    assert found.square == 1 + 4 + 1 + 10 + 1
    assert found.counts.tolist() == [3.0, 2.0]
    assert found.sums.tolist() == [[3.0, 0.0], [3.0, 3.0]]
    # All right draws are the same response; the two wrong ones differ.
    assert found.own_counts.tolist() == [[0.0, 6.0], [6.0, 2.0]]
    assert found.own_products.tolist() == [[0.0, 9.0], [9.0, 4.0]]


def by_pairs(draws, num_trained):
    """Every pair of responses one by one: kind -> inner products."""
    responses = []
    for place, (contexts, arms, reward) in enumerate(draws):
        probability = probabilities(4)
        for arm, right in zip(arms[0], reward[0] >= 1.0, strict=True):
            score = np.zeros((4, NUM_ARMS))
            score[contexts[0]] = np.eye(NUM_ARMS)[arm] - probability[contexts[0]]
            responses.append((place, arm, right, score.ravel()))
    found = {"self": [score @ score for place, _, _, score in responses if place < num_trained]}
    for one, other in itertools.product(responses, repeat=2):
        if one[0] >= num_trained:
            continue
        where = "across prompts" if other[0] < num_trained else "held-out prompts"
        if one[0] == other[0]:
            where = "same prompt"
            if one[1] == other[1]:
                continue
        kind = {2: "right-right", 1: "right-wrong", 0: "wrong-wrong"}[int(one[2]) + int(other[2])]
        found.setdefault(f"{where}, {kind}", []).append(one[3] @ other[3])
    return found


def test_the_kernel_is_the_mean_over_pairs(monkeypatch):
    sampler = make_sampler(4)
    draws = recorded(sampler, monkeypatch)
    # Prompt 1 is trained on and held out, so that it moves itself there.
    train, target = numbers(0, 1, 2), numbers(1, 3)
    found = measure_responses(sampler, train, target, num_prompts=3, num_samples=9, seed=0)
    assert [contexts.tolist() for contexts, _, _ in draws] == [[0], [1], [2], [1], [3]]
    expected = by_pairs(draws, num_trained=3)
    assert found["kernel"].keys() == {"self"} | {
        f"{where}, {kind}"
        for where in ("same prompt", "across prompts", "held-out prompts")
        for kind in ("right-right", "right-wrong", "wrong-wrong")
    }
    for name, products in expected.items():
        one = found["kernel"][name]
        assert one["mean"] == pytest.approx(np.mean(products), rel=1e-5, abs=1e-9), name
        assert one["num_pairs"] == len(products)
        assert one["low"] <= one["mean"] + 1e-9
        assert one["mean"] <= one["high"] + 1e-9
    # Prompts of a table do not move each other; a held-out prompt that is trained on does.
    assert found["kernel"]["across prompts, right-wrong"]["mean"] == 0.0
    assert found["kernel"]["held-out prompts, right-right"]["mean"] > 0.0
    rate = np.mean([reward.mean() for _, _, reward in draws[:3]])
    assert found["classes"]["pass_rate"] == pytest.approx(rate)
    assert (found["num_prompts"], found["num_samples"]) == (3, 9)


def test_without_held_out_prompts_there_are_no_such_pairs():
    found = measure_responses(make_sampler(1), numbers(0), None, num_samples=16)
    assert found["num_prompts"] == 1
    assert found["kernel"]["held-out prompts, right-right"] is None
    assert found["kernel"]["across prompts, wrong-wrong"] is None
    assert found["kernel"]["self"]["num_pairs"] == 16
