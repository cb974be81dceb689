"""Cards A1 to A5: their maps against closed forms, their cells, and verdicts that can fail."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from llm_bridge.claims.assess import assess
from llm_bridge.claims.cards import a1, a2, a3, a4, a5
from llm_bridge.claims.curve import Curve
from llm_bridge.claims.effect import HOLDS, OPPOSITE, judge
from llm_bridge.claims.results import Results
from llm_bridge.claims.sweep import simulate_curves
from theory.predict.negative_reward import predicted_breakdown_log_odds, predicted_signal_to_noise
from theory.predict.take_off import predicted_log_odds_factor, predicted_take_off_mean

CARDS = (a1.CARD, a2.CARD, a3.CARD, a4.CARD, a5.CARD)
# Cells without a twin: the calibrations of other base models are not of one prompt alone.
WITHOUT_TWIN = {f"one-{base}" for base in a5.BASES}


def point(card, name, x, y):
    """The effect at a point of a map, and what it says of the claim."""
    flip_map = next(one for one in card.maps if one.name == name)
    effect = flip_map.point(x, y)
    return effect.value, judge(effect, flip_map.expected)


def made_results(card, levels):
    """Language-model runs of all cells: (end, deviation, dip before the end) of both splits."""
    rng = np.random.default_rng(0)
    curves = {}
    for cell in card.trained:
        settings = cell.settings
        update = np.arange(0, settings["num_updates"] + 1, settings["eval_every"])
        rollouts = update * settings["num_prompts"] * settings["group_size"]
        runs = []
        for _ in range(cell.num_seeds):
            rates = {}
            for split in ("train", "heldout"):
                end, deviation, dip = levels.get((cell.name, split), (0.3, 1e-4, 0.0))
                values = np.where(update > 0, end + deviation * rng.normal(), 0.2)
                values[-1] -= dip
                rates[split] = values
            runs.append(Curve(update, rollouts, rates))
        curves[cell.name] = runs
    return Results(curves={"language_model": curves})


def judged(card, levels, worlds=("language_model",)):
    """Effect by name -> what it says."""
    found = assess(card, made_results(card, levels)).measured
    return {one.effect.name: one.says for one in found if one.world in worlds}


def swapped(card):
    """The card with the cells of each comparison exchanged."""
    effects = [
        one if one.against is None else replace(one, cell=one.against, against=one.cell)
        for one in card.effects
    ]
    return replace(card, effects=tuple(effects))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_cells_have_twins_of_their_settings(card):
    simulated = {cell.name: cell.experiment for cell in card.simulated}
    assert {cell.name for cell in card.trained} - set(simulated) <= WITHOUT_TWIN
    for cell in card.trained:
        if cell.name in simulated and simulated[cell.name]["problem"]["kind"] == "shared_shift":
            tables, settings = simulated[cell.name], cell.settings
            assert tables["optimizer"]["step_size"] == settings["learning_rate"]
            assert tables["run"]["num_steps"] == settings["num_updates"]
            assert tables["run"]["group_size"] == settings["group_size"]
            assert tables["rule"]["name"] == settings["rule"]


def test_runs_differ_at_long_steps_only_and_arms_do_not_matter():
    # P26: the deviation over the mean is sqrt((f - 1)/(f + 1)) for a rare success.
    for step, says in ((0.01, OPPOSITE), (3.0, HOLDS)):
        value, said = point(a1.CARD, "spread", 1e-6, step)
        assert value == pytest.approx(math.sqrt(math.tanh(step / 2.0)), rel=2e-3)
        assert said == says
    few, many = (point(a1.CARD, "arms", arms, 0.3)[0] for arms in (3.0, 100.0))
    assert few == pytest.approx(many, rel=1e-3)
    assert few != many


def test_others_gain_where_they_share_the_kernel():
    assert point(a1.CARD, "share", 0.001, 0.3)[1] == OPPOSITE
    assert point(a1.CARD, "share", 0.3, 0.3)[1] == HOLDS
    assert point(a5.CARD, "share", 0.001, 0.3)[1] == HOLDS
    assert point(a5.CARD, "share", 0.3, 0.3)[1] == OPPOSITE


def test_the_advantage_spreads_runs_by_its_longer_step():
    # Rare successes: the longer step is all that differs.
    factors = [
        predicted_log_odds_factor(rule, step_size=1.0, group_size=a2.GROUP)
        for rule in ("grpo", "raw_reward")
    ]
    expected = math.sqrt(math.tanh(factors[0] / 2.0) / math.tanh(factors[1] / 2.0))
    value, says = point(a2.CARD, "rate", 1e-6, 1.0)
    assert 2.0**value == pytest.approx(expected, rel=5e-3)
    assert says == HOLDS
    assert point(a2.CARD, "step", 1e-6, 1.0)[0] == pytest.approx(0.0, abs=0.01)
    assert point(a2.CARD, "step", 0.3, 1.0)[1] == OPPOSITE
    assert point(a2.CARD, "step", 0.9, 1.0)[1] == HOLDS


def test_more_rollouts_save_updates_where_steps_are_long():
    for step, says in ((0.03, HOLDS), (10.0, OPPOSITE)):
        one, many = (
            predicted_take_off_mean(
                predicted_log_odds_factor("raw_reward", step_size=step, group_size=size)
            )
            / size
            for size in (1, 32)
        )
        value, said = point(a3.CARD, "updates", 1e-6, step)
        assert 2.0**value == pytest.approx(one / many, rel=5e-3)
        assert said == says
    assert point(a3.CARD, "rollouts", 32.0, 1.0)[1] == HOLDS


def test_a_negative_reward_fails_below_the_breakdown():
    for log10_wrong in (1.0, 2.0):
        breakdown = predicted_breakdown_log_odds(num_wrong=10**log10_wrong, step_size=1.0)
        below, above = (float(expit(breakdown + side)) for side in (-0.01, 0.01))
        assert point(a4.CARD, "answers", below, log10_wrong)[1] == HOLDS
        assert point(a4.CARD, "answers", above, log10_wrong)[1] == OPPOSITE
    assert point(a4.CARD, "silence", 1e-6, 3.0) == (pytest.approx(math.exp(-1e-3), rel=1e-6), HOLDS)
    assert point(a4.CARD, "silence", 0.3, 3.0)[1] == OPPOSITE


def test_the_noise_of_the_negative_reward_is_that_of_its_moments():
    for success, says in ((0.02, HOLDS), (0.5, OPPOSITE)):
        prob = np.repeat([success / 100, (1.0 - success) / 100], 100)
        reward = np.repeat([1.0, 0.0], 100)
        signed, raw = (
            predicted_signal_to_noise(prob, reward, is_signed=is_signed)[1]
            for is_signed in (True, False)
        )
        value, said = point(a4.CARD, "noise", success, 2.0)
        assert value == pytest.approx(signed / raw, rel=1e-10)
        assert said == says


def test_a_base_model_gains_by_its_pass_rate_and_kernel():
    # The flow by small steps of the mean update.
    log_odds, num_steps = logit(0.1), 20_000
    for _ in range(num_steps):
        rate = expit(log_odds)
        log_odds += 1.2 / num_steps * 10.0 * rate * (1.0 - rate)
    value, says = point(a5.CARD, "base", 0.1, 10.0)
    assert value == pytest.approx(expit(log_odds) - 0.1, abs=1e-3)
    assert says == HOLDS
    assert point(a5.CARD, "base", 1e-3, 10.0)[1] == OPPOSITE
    assert point(a5.CARD, "base", 0.1, 0.5)[1] == OPPOSITE


def test_few_wrong_answers_make_the_negative_reward_fail_in_simulation():
    cells = {cell.name: cell.experiment for cell in a4.CARD.simulated}
    ends = {
        word: np.mean([run.split("train")[-1] for run in simulate_curves(cells[f"few-{word}"])])
        for word in ("raw", "negative")
    }
    # Means of 200 runs of deviation .5 at most: false alarm below 1e-6 at a gap of .5.
    assert ends["raw"] - ends["negative"] > 0.3


def test_verdicts_follow_the_runs_and_exchanged_cells_turn_them():
    worse = {("fast-grpo", split): (0.6, 0.05, 0.1) for split in ("train", "heldout")}
    names = [
        "largest drop, fast-grpo - fast-raw",
        "SD over seeds at the end, fast-grpo / fast-raw",
    ]
    assert [judged(a2.CARD, worse)[name] for name in names] == [HOLDS, HOLDS]
    assert [judged(swapped(a2.CARD), worse)[name] for name in names] == [OPPOSITE, OPPOSITE]

    better = {("raw-32", split): (0.6, 0.001, 0.0) for split in ("train", "heldout")}
    name = "train, raw-32 - raw-1, equal updates"
    assert judged(a3.CARD, better)[name] == OPPOSITE
    assert judged(swapped(a3.CARD), better)[name] == HOLDS

    broken = {("hard-negative", "heldout"): (0.1, 0.001, 0.0)}
    name = "held-out gain, negative - raw, hard"
    assert judged(a4.CARD, broken)[name] == HOLDS
    assert judged(swapped(a4.CARD), broken)[name] == OPPOSITE

    gained = {("batch-embedded", "heldout"): (0.6, 0.001, 0.0)}
    name = "held-out gain of 32 x 1, shipped - clean"
    assert judged(a5.CARD, gained)[name] == HOLDS
    assert judged(swapped(a5.CARD), gained)[name] == OPPOSITE
    assert judged(a5.CARD, {})[name] == OPPOSITE
    name = "held-out gain of 32 x 1, largest - smallest"
    assert [judged(a5.CARD, levels)[name] for levels in (gained, {})] == [HOLDS, OPPOSITE]

    learnt = {("low", "train"): (0.95, 0.001, 0.0)}
    assert judged(a1.CARD, learnt)["own prompt at the end, low"] == HOLDS
    assert judged(a1.CARD, {})["own prompt at the end, low"] == OPPOSITE
