"""Inner epochs from a batch's kernel, against the parameters themselves and the isolated sample."""

import numpy as np
import pytest

from banditlab.rules import RULES, get_rule, score_weight
from llm_bridge.forecast.inner_rounds import (
    LARGEST_RATE,
    RUNAWAY_GROWTH,
    runaway_rate,
    runs_away,
    step_lengths,
    weight_of_log_ratio,
)
from theory.predict.runaway import predicted_runaway_learning_rate

HOW = {"learning_rate": 0.4, "inner_epochs": 4}


def batch(seed=0, num_rollouts=6, num_parameters=9):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=(num_rollouts, num_parameters))
    return score, rng.normal(size=num_rollouts)


def moved_lengths(rule, score, advantage, *, learning_rate, inner_epochs):
    """The same epochs in the parameters, the log-probs being linear in them."""
    parameter, lengths = np.zeros(score.shape[1]), []
    zero = np.zeros(len(score))
    for _ in range(inner_epochs):
        weight = score_weight(rule, score @ parameter, zero, advantage)
        step = learning_rate * (weight @ score) / len(score)
        lengths.append(np.linalg.norm(step))
        parameter = parameter + step
    return np.array(lengths)


@pytest.mark.parametrize("name", ["group_mean", "clip", "variance_penalty_bounded"])
def test_steps_are_as_long_as_those_of_the_parameters(name):
    score, advantage = batch()
    rule = get_rule(name)
    found = step_lengths(score @ score.T, weight_of_log_ratio(rule, advantage), **HOW)
    np.testing.assert_allclose(found, moved_lengths(rule, score, advantage, **HOW), rtol=1e-10)
    # The mutants: rollouts that do not push one another, and a sum for the mean over them.
    alone = np.diag(np.diag(score @ score.T))
    wrong = step_lengths(alone, weight_of_log_ratio(rule, advantage), **HOW)
    assert np.abs(wrong / found - 1.0).max() > 0.1
    summed = {**HOW, "learning_rate": len(score) * HOW["learning_rate"]}
    wrong = step_lengths(score @ score.T, weight_of_log_ratio(rule, advantage), **summed)
    assert np.abs(wrong / found - 1.0).max() > 0.1


@pytest.mark.parametrize("name", RULES)
def test_the_first_step_of_every_rule_is_its_weight_at_ratio_one(name):
    score, advantage = batch(1)
    weigh = weight_of_log_ratio(RULES[name], advantage)
    found = step_lengths(score @ score.T, weigh, learning_rate=0.3, inner_epochs=1)
    expected = 0.3 / 6 * np.linalg.norm(weigh(np.zeros(6)) @ score)
    np.testing.assert_allclose(found, [expected], rtol=1e-10)


def test_a_sample_that_reaches_infinity_is_infinitely_far():
    weigh = weight_of_log_ratio(get_rule("group_mean"), np.ones(1))
    found = step_lengths(np.eye(1), weigh, learning_rate=50.0, inner_epochs=4)
    assert np.isfinite(found[:2]).all()
    assert np.isinf(found[2:]).all()
    assert runs_away(found)


@pytest.mark.parametrize(
    ("lengths", "is_away"),
    [
        ([1.0, RUNAWAY_GROWTH, 0.5], False),
        ([1.0, 1.001 * RUNAWAY_GROWTH, 0.5], True),
        ([3.0, 2.0, 1.0], False),
        ([0.0, 0.0, 0.0], False),
    ],
)
def test_what_counts_as_running_away(lengths, is_away):
    assert runs_away(np.array(lengths)) == is_away


def test_the_rate_is_where_the_first_runaway_is():
    score, advantage = batch(2)
    gram, weigh = score @ score.T, weight_of_log_ratio(get_rule("group_mean"), advantage)
    rate = runaway_rate(gram, weigh, 4)
    for factor, is_away in ((0.998, False), (1.002, True)):
        lengths = step_lengths(gram, weigh, learning_rate=factor * rate, inner_epochs=4)
        assert runs_away(lengths) == is_away
    # In units of the kernel: twice the gram is half of the rate.
    assert runaway_rate(2.0 * gram, weigh, 4) == pytest.approx(rate / 2.0, rel=2e-3)


@pytest.mark.parametrize("num_copies", [1, 4])
def test_copies_run_away_together(num_copies):
    """As a lone sample of so many times the kernel; that one's closed form is an upper bound."""
    gram = np.zeros((16, 16))
    gram[:num_copies, :num_copies] = 900.0
    advantage = np.where(np.arange(16) < num_copies, 0.7, 0.0)
    weigh = weight_of_log_ratio(get_rule("group_mean"), advantage)
    alone = predicted_runaway_learning_rate(
        900.0, num_rollouts=16, inner_epochs=40, largest_advantage=0.7
    )
    rate = runaway_rate(gram, weigh, 40)
    # Steps have grown to three times at two thirds of the time to infinity, up to a step's size.
    assert num_copies * rate / alone == pytest.approx(2.0 / 3.0, rel=0.08)


def test_rules_that_settle_have_no_rate():
    score, advantage = batch(3)
    nothing = weight_of_log_ratio(get_rule("topr"), np.zeros(6))
    assert runaway_rate(score @ score.T, nothing, 4) is None
    for name, is_held in (("variance_penalty_bounded", True), ("variance_penalty", False)):
        weigh = weight_of_log_ratio(get_rule(name), 0.6 * np.sign(advantage))
        assert (runaway_rate(50.0 * np.eye(6), weigh, 4) is None) == is_held, name
    assert LARGEST_RATE == 10.0


def test_a_gram_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"step_lengths: `gram` must be of shape \[N, N\], got"):
        step_lengths(np.zeros((2, 3)), lambda log_ratio: log_ratio, **HOW)
