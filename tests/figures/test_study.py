"""Pictures of a study and of a calibration: drawn from objects, and again from files."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures import calibration as calibration_picture
from figures.calibration import draw_calibration
from figures.study import (
    ForecastPoint,
    _draw_cell,
    draw_study,
    main,
    read_forecast,
    write_forecast,
)
from llm_bridge.forecast.observed import write_points
from tests.llm_bridge.forecast.made import CALIBRATION, LONE, SGD
from tests.llm_bridge.forecast.test_observed import points_of

POINTS = [
    ForecastPoint("mean", "group_mean", 0.05, predictor, update, 0.3 + 0.025 * update, 0.25, 0.75)
    for predictor in ("drifting", "constant", "no_change", "theory")
    for update in (0, 4, 8, 12)
]
RUNS = {"mean": (np.array([0, 4, 12]), np.array([[0.3, 0.4, 0.5], [0.3, 0.5, 0.6]]))}


def is_picture(paths):
    png, svg = paths
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()
    return True


def test_a_forecast_is_read_back_as_it_was(tmp_path):
    points = [*POINTS, replace(POINTS[0], cell="mean, kernel 5")]
    write_forecast(tmp_path / "forecast.csv", points)
    found = read_forecast(tmp_path / "forecast.csv")
    # Six digits are kept.
    assert found == [replace(p, pass_rate=float(f"{p.pass_rate:.6g}")) for p in points]


def test_png_and_svg_are_written(tmp_path):
    other = [replace(point, cell="other", rule="clip") for point in POINTS]
    assert is_picture(draw_study([*POINTS, *other], RUNS, tmp_path / "study"))


def test_a_panel_shows_runs_band_theory_and_the_constant_kernel():
    axes = Figure().subplots()
    _draw_cell(axes, POINTS, RUNS["mean"])
    lines = axes.get_lines()
    dotted = [line for line in lines if line.get_linestyle() == ":"]
    assert len(dotted) == 3
    np.testing.assert_allclose(dotted[-1].get_ydata(), [0.3, 0.45, 0.55])
    assert [line.get_linestyle() for line in lines[3:]] == ["-", "-", "--"]
    (band,) = axes.collections
    extent = band.get_paths()[0].get_extents()
    assert (extent.ymin, extent.ymax) == (0.25, 0.75)
    assert axes.get_ylim() == (0.0, 1.0)
    forecast_only = Figure().subplots()
    _draw_cell(forecast_only, POINTS, None)
    assert len(forecast_only.get_lines()) == 3


def test_a_study_is_drawn_again_from_its_files(tmp_path, capsys):
    write_forecast(tmp_path / "forecast.csv", POINTS)
    write_points(tmp_path / "study.csv", points_of(SGD, 0, [0.3, 0.4, 0.5, 0.6]))
    words = [str(tmp_path / "forecast.csv"), str(tmp_path / "study.csv")]
    out = tmp_path / "again"
    assert main([*words, "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out / "study.png")
    assert is_picture([out / "study.png", out / "study.svg"])


@pytest.mark.parametrize("calibration", [CALIBRATION, LONE], ids=["all", "alone"])
def test_a_calibration_has_a_picture(tmp_path, calibration):
    assert is_picture(draw_calibration(calibration, tmp_path / "kernel"))


def test_the_kernel_is_shown_with_its_law():
    axes = Figure().subplots()
    calibration_picture._draw_kernel(axes, CALIBRATION)
    law = next(line for line in axes.get_lines() if line.get_label() == "ceiling law")
    rate, kernel = law.get_data()
    np.testing.assert_allclose(kernel, 12.0 * np.maximum(0.8 - rate, 0.0) / 0.5)
    (bars,) = axes.containers
    np.testing.assert_allclose(bars.lines[0].get_ydata(), [12.0, 9.5, 7.5])
