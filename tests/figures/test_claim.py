"""The picture of a claim: prediction dashed, measurement marked, every mutant on its scale."""

import json

import numpy as np
import pytest

from figures.claim import draw, write_picture
from tests.theory.verify.made_up import made_up_claim, sampled_claim
from theory.verify.claim import Axis
from theory.verify.explain import write_comparison


def picture_of(claim, folder):
    path = write_comparison(claim, folder, budget="quick", seed=0)
    return draw(json.loads(path.read_text()))


def test_values_along_an_axis_are_joined_and_theory_is_dashed(tmp_path):
    claim = made_up_claim(
        [1.0, 2.0, 4.0],
        [9.0, 9.0, 9.0],
        predicted=lambda: [1.0, 2.0, 4.0],
        axis=Axis("time, updates", [1, 10, 100], is_log=True),
        unit="log-odds, nats",
    )
    values, distances = picture_of(claim, tmp_path / "claim").get_axes()
    assert values.get_xlabel() == "time, updates"
    assert values.get_ylabel() == "log-odds, nats"
    assert values.get_xscale() == distances.get_xscale() == "log"
    dashed = [line for line in values.get_lines() if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed[0].get_ydata(), [1.0, 2.0, 4.0])
    names = [text.get_text() for text in distances.get_yticklabels()]
    assert names == ["the statement", "another constant"]


def test_a_single_mean_shows_its_runs_and_interval(tmp_path):
    values = picture_of(sampled_claim(), tmp_path / "claim").get_axes()[0]
    labels = values.get_legend_handles_labels()[1]
    assert "simulation, 95 % interval" in labels
    assert "runs (200 shown)" in labels


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`out` must be a folder that `banditlab verify"):
        write_picture(tmp_path)
