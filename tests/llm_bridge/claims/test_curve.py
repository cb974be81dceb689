"""Numbers read off one curve, against curves whose numbers are known by hand."""

import math

import numpy as np
import pytest

from llm_bridge.claims.curve import (
    Curve,
    ends_below_start,
    final,
    gain,
    largest_drop,
    mean_level,
    pass_rate_at,
    rollouts_to,
    total_fall,
    updates_to,
)

RISE_AND_FALL = Curve(
    update=np.array([0, 10, 20, 40]),
    rollouts=np.array([0, 80, 160, 320]),
    pass_rate={"train": np.array([0.2, 0.6, 0.4, 0.5])},
)


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        (final("train"), 0.5),
        (gain("train"), 0.3),
        (largest_drop("train"), 0.2),
        (total_fall("train"), 0.2),
        (ends_below_start("train"), 0.0),
        (mean_level("train"), (10 * 0.4 + 10 * 0.5 + 20 * 0.45) / 40),
        (pass_rate_at("train", update=15), 0.5),
        (pass_rate_at("train", rollouts=240), 0.45),
        (pass_rate_at("train", update=1000), 0.5),
        (updates_to("train", 0.4), 5.0),
        (rollouts_to("train", 0.4), 40.0),
        (updates_to("train", 0.1), 0.0),
        (rollouts_to("train", 0.9), math.inf),
    ],
)
def test_statistics_equal_those_by_hand(statistic, expected):
    assert statistic.of_run(RISE_AND_FALL) == pytest.approx(expected, rel=1e-12)


def test_a_curve_that_only_rises_never_drops():
    rising = Curve(np.arange(3), np.arange(3), {"train": np.array([0.1, 0.1, 0.7])})
    assert largest_drop("train").of_run(rising) == 0.0


def test_names_say_split_and_place():
    assert final("heldout").name == "final pass rate, held out"
    assert "240 rollouts" in pass_rate_at("train", rollouts=240).name


def test_falls_add_up_and_a_lost_run_ends_below_its_start():
    lost = Curve(
        update=np.arange(5),
        rollouts=np.arange(5),
        pass_rate={"heldout": np.array([0.3, 0.2, 0.4, 0.1, 0.1])},
    )
    assert total_fall("heldout").of_run(lost) == pytest.approx(0.1 + 0.3)
    assert ends_below_start("heldout").of_run(lost) == 1.0
