"""Learning from rollouts of one age: fresh data, waiting, the penalty's brake, refusals."""

import pytest
from scipy.special import expit, logit

from theory.predict import batch_curves
from theory.predict.stale_replay import predicted_replay_pass_rate

BATCH = {"learning_rate": 0.5, "group_size": 8}


def test_fresh_data_follow_the_recursion_of_the_group_mean():
    fresh = batch_curves.predicted_pass_rates(
        "group_mean",
        [-2.0],
        [30],
        learning_rate=0.5,
        shared_kernel=1.0,
        group_size=8,
        is_flow=False,
    )
    for rule in ("policy_gradient", "clip", "variance_penalty"):
        rate = predicted_replay_pass_rate(rule, -2.0, 30, age=0, **BATCH)
        assert rate == pytest.approx(fresh[0], rel=1e-12)


def test_nothing_moves_before_the_first_data_are_old_enough():
    for rule in ("policy_gradient", "clip", "variance_penalty", "topr"):
        assert predicted_replay_pass_rate(rule, -2.0, 5, age=5, **BATCH) == expit(-2.0)
        assert predicted_replay_pass_rate(rule, -2.0, 6, age=5, **BATCH) > expit(-2.0)


def test_importance_weights_lose_the_first_rounds_and_nothing_else():
    late = predicted_replay_pass_rate("policy_gradient", -2.0, 47, age=7, **BATCH)
    assert late == pytest.approx(
        predicted_replay_pass_rate("policy_gradient", -2.0, 40, age=0, **BATCH), rel=1e-12
    )


def test_penalty_brakes_by_the_drift_over_the_age():
    how = {"learning_rate": 1e-3, "group_size": 1_000_000}
    age, multiplier, start = 400, 0.5, 0.0
    before, after = (
        logit(
            predicted_replay_pass_rate(
                "variance_penalty", start, count, age=age, multiplier=multiplier, **how
            )
        )
        for count in (2000, 2001)
    )
    spread = expit(before) * expit(-before)
    speed = 1.0 / (1.0 + 2.0 * multiplier * age * how["learning_rate"] * spread)
    assert (after - before) / (how["learning_rate"] * spread) == pytest.approx(speed, rel=5e-3)


def test_clip_waits_on_old_data_and_the_penalty_brakes_on_young_data():
    how = {"learning_rate": 1.0, "group_size": 8}
    clip, penalty = (
        [predicted_replay_pass_rate(rule, -3.0, 40 + age, age=age, **how) for age in (1, 20)]
        for rule in ("clip", "variance_penalty")
    )
    assert clip[0] > penalty[0]
    assert clip[1] < penalty[1]


def test_wrong_inputs_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="`rule` must be a known rule for stale data"):
        predicted_replay_pass_rate("grpo", 0.0, 1, age=0, **BATCH)
    with pytest.raises(ValueError, match="`age` must be at least 0"):
        predicted_replay_pass_rate("clip", 0.0, 1, age=-1, **BATCH)
    with pytest.raises(ValueError, match="`group_size` must be at least 2"):
        predicted_replay_pass_rate("clip", 0.0, 1, age=0, learning_rate=0.5, group_size=1)
    with pytest.raises(ValueError, match="`learning_rate` must be a finite number above 0"):
        predicted_replay_pass_rate("clip", 0.0, 1, age=0, learning_rate=0.0, group_size=2)
