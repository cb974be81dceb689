"""Given rounds of one success: epochs, rounds to a probability, and what dual ascent remembers."""

from dataclasses import replace

import numpy as np
import pytest

from banditlab.advantages import raw
from banditlab.rules import get_rule
from theory.verify.experiments.clip_growth import (
    measure_coupled_ratio,
    measure_dual_budget,
    measure_idle_dual,
    measure_isolated_ratios,
    rounds_with_success,
)

CLIP = replace(get_rule("clip"), advantage=raw)
DUAL = replace(
    get_rule("variance_penalty_dual", bound=0.1, dual_step_size=1.0, initial=0.5), advantage=raw
)


def test_first_epoch_is_the_plain_step_and_the_last_ones_stand_still():
    ratios = measure_isolated_ratios(
        CLIP, success_prob=1e-12, log10_wrong=1e5, step_size=0.4, num_samples=4, num_epochs=5
    ).value
    assert ratios[0] == pytest.approx(np.exp(0.1))
    assert ratios[-1] == ratios[-2] > 1.2


def test_one_round_suffices_for_a_target_below_the_first_ratio():
    how = {"step_size": 0.4, "num_samples": 4, "inner_epochs": 1}
    for target, rounds in ((1e-9, 0), (1.1e-9, 1), (1.2e-9, 2)):
        measured = rounds_with_success(CLIP, success_prob=1e-9, target_prob=target, **how)
        assert measured == rounds


def test_dual_falls_while_idle_and_finds_the_budget_when_repeated():
    how = {"step_size": 2.0, "num_samples": 8}
    idle = measure_idle_dual(DUAL, inner_epochs=1, num_idle=3, **how).value
    assert idle[0] == pytest.approx(0.2)
    multiplier, ratio = measure_dual_budget(DUAL, inner_epochs=40, num_ascents=60, **how).value
    assert (ratio - 1.0) ** 2 / 8 == pytest.approx(0.1, rel=1e-6)
    assert ratio == pytest.approx(1.0 + 0.5 / multiplier)


def test_ratio_of_the_praised_arm_is_read():
    measured = measure_coupled_ratio(
        get_rule("group_mean"),
        prob=np.array([0.2, 0.8]),
        reward=np.array([1.0, 0.0]),
        arms=np.array([0, 1]),
        step_size=1.0,
        inner_epochs=1,
    )
    # Advantages of 1/2 and -1/2, averaged over two samples, move the logits apart by 1/2.
    assert measured.value == pytest.approx([5.0 / (1.0 + 4.0 * np.exp(-0.5))])
