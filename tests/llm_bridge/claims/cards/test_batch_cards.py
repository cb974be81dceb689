"""Cards B1 to B5: their maps against closed forms, their cells, and verdicts that can fail."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from llm_bridge.claims.assess import assess
from llm_bridge.claims.cards import b1, b2, b3, b4, b5
from llm_bridge.claims.curve import Curve
from llm_bridge.claims.effect import HOLDS, NOT_REPRODUCED, OPPOSITE, REPRODUCED, judge, measure
from llm_bridge.claims.results import Results
from llm_bridge.claims.sweep import simulate_curves
from llm_bridge.claims.twins import twin
from theory.predict.batch_curves import predicted_pass_rates
from theory.predict.learning_curves import predicted_raw_log_odds
from theory.predict.reference_curve import predicted_final_log_odds

CARDS = (b1.CARD, b2.CARD, b3.CARD, b4.CARD, b5.CARD)


def says(card, name, x, y):
    """What a point of a map says of the claim."""
    flip_map = next(one for one in card.maps if one.name == name)
    return judge(flip_map.point(x, y), flip_map.expected)


def made_results(card, levels):
    """Language-model runs of all cells at given pass rates from the second evaluation on, or .3."""
    rng = np.random.default_rng(0)
    curves = {}
    for cell in card.trained:
        update = np.arange(0, cell.settings["num_updates"] + 1, cell.settings["eval_every"])
        size = cell.settings["num_prompts"] * cell.settings["group_size"]
        ends = levels.get(cell.name, 0.3) + 0.001 * rng.normal(size=cell.num_seeds)
        runs = [np.where(update > 0, end, 0.2) for end in ends]
        curves[cell.name] = [
            Curve(update, update * size, {"train": values, "heldout": values}) for values in runs
        ]
    return Results(curves={"language_model": curves})


def verdict_of(card, levels):
    return assess(card, made_results(card, levels)).verdicts["language_model"]


def swapped(card):
    """The card with the cells of each difference exchanged."""
    effects = [
        one if one.against is None else replace(one, cell=one.against, against=one.cell)
        for one in card.effects
    ]
    return replace(card, effects=tuple(effects))


def test_the_gain_of_the_baseline_is_that_of_its_recursion_and_nothing_without_success():
    start = np.full(32, logit(0.3))
    curve = predicted_pass_rates(
        "raw_reward", start, [0, 120], learning_rate=0.01, shared_kernel=15.0, group_size=1,
        is_flow=False,
    )  # fmt: skip
    found = b1.gain_by_kernel(0.3, 15.0)
    # 32 rollouts an update leave a curvature of second order in the noise: below 0.002 here.
    assert found.value == pytest.approx(curve[1] - curve[0], abs=0.006)
    assert says(b1.CARD, "kernel", 0.3, 15.0) == HOLDS
    assert says(b1.CARD, "kernel", 1e-6, 15.0) == OPPOSITE
    assert says(b1.CARD, "kernel", 0.3, 0.15) == OPPOSITE


def test_the_number_of_responses_does_not_matter():
    few, many = b1.gain_by_arms(3, 0.3), b1.gain_by_arms(100, 0.3)
    # The same uniforms: what is left is how often one of 2,000 responses is drawn twice.
    assert few.value == pytest.approx(many.value, abs=0.002)


def test_a_pair_takes_a_step_shorter_by_root_two():
    start, half_way = logit(0.3), 0.65
    # z + sinh z grows by t/2 under the plain reward.
    time = 2.0 * (logit(half_way) + np.sinh(logit(half_way)) - start - np.sinh(start))
    shorter = predicted_raw_log_odds(start, time / math.sqrt(2.0), kernel=1.0)
    # eps = 1e-6 beside a deviation of .7.
    found = b2.added_at_equal_updates(0.3, 2).value
    assert found == pytest.approx(float(expit(shorter)) - half_way, abs=1e-5)
    assert says(b2.CARD, "updates", 0.3, 2) == HOLDS
    assert says(b2.CARD, "updates", 0.3, 8) == OPPOSITE


def test_groups_of_eight_pay_where_their_rate_may_be_eight_over_the_amplification_larger():
    # For rare successes 8/((8 - 1)/sqrt(8)) = 3.23.
    assert (
        b2.added_at_equal_rollouts(1e-6, 3).value < 0.0 < b2.added_at_equal_rollouts(1e-6, 4).value
    )
    assert says(b2.CARD, "rollouts", 0.3, 1) == HOLDS
    assert says(b2.CARD, "rollouts", 0.3, 8) == OPPOSITE


def test_in_the_mean_a_larger_group_is_ahead():
    assert b3.over_split_in_the_mean(8, 0.3).value == pytest.approx(0.0, abs=1e-8)
    assert says(b3.CARD, "mean", 2, 0.3) == HOLDS
    assert says(b3.CARD, "mean", 256, 0.3) == OPPOSITE


def test_replay_is_late_where_few_visits_suffice_and_k3_ends_learning_where_theory_says():
    assert says(b4.CARD, "visits", 0.3, 64) == HOLDS
    assert says(b4.CARD, "visits", 0.3, 2) == OPPOSITE
    assert says(b4.CARD, "k3", 1e-3, 0.9) == HOLDS
    final = predicted_final_log_odds("k3", float(logit(0.32)), coefficient=1.0)
    assert b4.k3_less_none(1.0, 0.999).value == pytest.approx(expit(final) - 0.999, abs=1e-3)


def test_the_share_of_base_and_data_is_nothing_where_they_are_alike():
    assert b5.share_of_base_and_data(1, 1).value == pytest.approx(0.0, abs=1e-12)
    assert says(b5.CARD, "shares", 1, 1) == OPPOSITE
    assert says(b5.CARD, "shares", 100, 1) == HOLDS


def test_shares_are_those_of_an_analysis_of_variance():
    base, data, rule = np.array([0.0, 3.0, 6.0]), np.array([0.0, 2.0]), np.array([0.0, 1.0])
    gains = (base[:, None, None] + data[:, None] + rule).ravel()
    # Variances of the levels: 6, 1 and 1/4.
    for axes, share in (((0,), 6.0), ((1,), 1.0), ((2,), 0.25), ((0, 1), 7.0)):
        assert b5.share_of(*axes)(gains) == pytest.approx(share / 7.25)
    crossed = (base[:, None, None] * np.array([-1.0, 1.0])[:, None] + 0.0 * rule).ravel()
    assert b5.share_of(0)(crossed) == pytest.approx(0.0)
    assert b5.share_of(0, 1)(crossed) == pytest.approx(1.0)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_simulated_cells_have_trained_counterparts_of_their_settings(card):
    trained = {cell.name: cell.settings for cell in card.trained}
    for cell in card.simulated:
        settings, run = trained[cell.name], cell.experiment["run"]
        assert run["group_size"] == settings["group_size"]
        assert run["num_steps"] == settings["num_updates"]
        assert cell.experiment["optimizer"]["step_size"] == settings["learning_rate"]


def test_splits_of_the_budget_have_one_budget_and_kernels_of_their_own():
    kernels = set()
    for cell in b3.CARD.simulated:
        run = cell.experiment["run"]
        if cell.name != b3.LARGER.name:
            assert run["batch_size"] * run["group_size"] == 256
        if cell.experiment["optimizer"]["name"] == "adam":
            kernels.add(cell.experiment["problem"]["kernel"])
    assert len(kernels) == len(b3.ADAMW) - 1


def test_one_step_a_round_gives_clip_and_penalty_no_say_and_two_do():
    runs = {cell.name: simulate_curves(twin(cell, num_runs=3, run={}).experiment) for cell in (
        b4.MEAN, b4.CLIP, b4.PENALTY)}  # fmt: skip
    effects = [one for one in b4.CARD.effects if one.paired]
    assert len(effects) == 2
    for effect in effects:
        found = measure(effect, runs, np.random.default_rng(0))
        assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    two = {
        name: simulate_curves(twin(cell, num_runs=3, run={"inner_epochs": 4}).experiment)
        for name, cell in ((b4.MEAN.name, b4.MEAN), (b4.PENALTY.name, b4.PENALTY))
    }
    assert measure(effects[1], two, np.random.default_rng(0)).value != 0.0


def test_a_best_split_is_told_from_a_worst():
    lead = {b3.BEST.name: 0.7, b3.ADAMW_BEST.name: 0.7}
    assert verdict_of(b3.CARD, lead) == REPRODUCED
    assert verdict_of(swapped(b3.CARD), lead) == NOT_REPRODUCED


def test_choices_that_add_much_are_told_from_those_that_add_little():
    added = {effect.cell: 0.6 for effect in b2.CARD.effects}
    plain = {effect.against: 0.3 for effect in b2.CARD.effects}
    assert verdict_of(b2.CARD, {}) == REPRODUCED
    one_sided = [effect for effect in b2.CARD.effects if effect.cell not in plain]
    much = replace(b2.CARD, effects=tuple(one_sided))
    assert verdict_of(much, {**added, **plain}) == NOT_REPRODUCED


def test_no_gain_and_a_late_replay_are_not_taken_for_the_claim():
    everywhere = {cell.name: 0.5 for cell in b1.CARD.trained}
    assert verdict_of(b1.CARD, everywhere) == REPRODUCED
    assert verdict_of(b1.CARD, dict.fromkeys(everywhere, 0.2)) == NOT_REPRODUCED
    assert verdict_of(b4.CARD, {}) == REPRODUCED
    best = {b4.GRPO.name: 0.7, b4.ADAMW_GRPO.name: 0.7}
    assert verdict_of(b4.CARD, best) == NOT_REPRODUCED


def test_gains_that_the_rule_decides_are_not_those_of_base_and_data():
    by_rule = {cell.name: 0.7 if cell.name.endswith("grpo") else 0.3 for cell in b5.CELLS}
    ends = {"embedded": 0.7, "brief": 0.5, "clean": 0.3}
    by_base = {cell.name: ends[cell.base_model] for cell in b5.CELLS}
    assert verdict_of(b5.CARD, by_base) == REPRODUCED
    assert verdict_of(b5.CARD, by_rule) == NOT_REPRODUCED
