"""What was measured, written and read again, and the few numbers that are made of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from llm_bridge.base_statistics import smoothed_pass_rates
from llm_bridge.forecast.calibration import CALIBRATION_FILE, Calibration, InnerLimit
from tests.llm_bridge.forecast.made import ADAM, CALIBRATION, LONE


def test_it_is_read_back_as_it_was(tmp_path):
    limit = InnerLimit("clip", 4, 4, 2, [0.25, None])
    for written in (CALIBRATION, replace(CALIBRATION, inner_limits=[limit])):
        written.save(tmp_path)
        assert Calibration.load(tmp_path) == written
        assert Calibration.load(tmp_path / CALIBRATION_FILE) == written


def test_one_of_before_the_limits_were_measured_has_none(tmp_path):
    CALIBRATION.save(tmp_path)
    path = tmp_path / CALIBRATION_FILE
    found = json.loads(path.read_text())
    del found["inner_limits"]
    path.write_text(json.dumps(found))
    assert Calibration.load(path) == CALIBRATION


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"kind": "train"}', "`path` must be a calibration.json of banditlab calibrate"),
        ("[1, 2]", "`path` must be a calibration.json of banditlab calibrate"),
        ('{"points": [', "calibration.json, which is damaged"),
    ],
)
def test_another_file_is_refused(tmp_path, text, match):
    (tmp_path / CALIBRATION_FILE).write_text(text)
    with pytest.raises(ValueError, match=match):
        Calibration.load(tmp_path)


def test_rates_are_smoothed_over_prompts():
    train = smoothed_pass_rates(np.array(CALIBRATION.train_correct), 20)
    target = smoothed_pass_rates(np.array(CALIBRATION.target_correct), 16)
    np.testing.assert_array_equal(CALIBRATION.train_pass_rates(), train)
    np.testing.assert_array_equal(CALIBRATION.target_pass_rates(), target)


@pytest.mark.parametrize(("correct", "expected"), [(0, 0.5 / 21), (7, 7.5 / 21), (20, 20.5 / 21)])
def test_a_lone_prompt_has_jeffreys_rate(correct, expected):
    lone = replace(LONE, train_correct=[correct])
    np.testing.assert_allclose(lone.train_pass_rates(), [expected], rtol=1e-15)


def test_the_law_is_the_one_written_down():
    assert CALIBRATION.kernel_law().as_dict() == CALIBRATION.law
    assert CALIBRATION.kernel_law().strength(np.array(0.55)) == pytest.approx(6.0)


def test_entropy_lies_on_the_line_through_the_points():
    assert CALIBRATION.entropy_at(0.6) == pytest.approx(2.5, rel=1e-12)
    assert CALIBRATION.entropy_at(0.3) == pytest.approx(4.0, rel=1e-12)
    assert replace(CALIBRATION, points=CALIBRATION.points[:1]).entropy_at(0.5) is None


def test_entropy_does_not_fall_below_zero():
    steep = [replace(p, entropy=4.0 - 20.0 * (p.train_pass_rate - 0.3)) for p in CALIBRATION.points]
    assert replace(CALIBRATION, points=steep).entropy_at(0.9) == 0.0


def test_statistics_are_found_by_rule_and_size():
    assert CALIBRATION.batch("grpo", 4, 4) is ADAM
    message = "must be one of grpo 4x4, got grpo 4x8. Calibrate with the study"
    with pytest.raises(ValueError, match=message):
        CALIBRATION.batch("grpo", 4, 8)
    with pytest.raises(ValueError, match="those measured, of which there are none, got clip 4x4"):
        LONE.batch("clip", 4, 4)
