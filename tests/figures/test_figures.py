from pathlib import Path

import pytest

from figures.compare import main, panels_of, pictures, write_pictures
from figures.ship import main as ship
from figures.style import rule_colour
from figures.tables import CurvePoint, read_table, write_table

POINTS = [
    CurvePoint(cell, rate, source, split, series, update, update * 256, 0.3 + 0.01 * update, *band)
    for cell in ("raw_reward", "clip")
    for rate in (0.01, 0.1)
    for split in ("train", "heldout")
    for source, series, band in (
        ("model", "seed 0", ()),
        ("model", "seed 1", ()),
        ("simulation", "mean", (0.2, 0.7)),
        ("theory", "ode", ()),
    )
    for update in (0, 10, 20)
    # One run stops early.
    if not (cell == "clip" and series == "seed 1" and update == 20)
]


def test_tables_are_read_back_as_they_were(tmp_path):
    write_table(tmp_path / "table.csv", POINTS)
    assert read_table(tmp_path / "table.csv") == POINTS


def test_a_foreign_table_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"read_table: `path` must be a table with the columns"):
        read_table(tmp_path / "table.csv")


def test_every_panel_has_model_simulation_and_theory_on_the_same_axes():
    drawn = pictures(POINTS)
    assert set(drawn) == {"compare", "compare_raw_reward", "compare_clip"}
    axes = drawn["compare"].get_axes()
    assert len(axes) == 4
    for panel in axes:
        styles = {line.get_linestyle() for line in panel.get_lines()}
        assert {":", "-", "--"} <= styles
        assert panel.get_ylim() == (0.0, 1.0)
    assert axes[-1].get_xlabel() == "updates (top axis: thousand rollouts)"
    assert axes[0].get_ylabel() == "pass rate"


def test_a_run_that_stopped_is_marked():
    axes = pictures(POINTS)["compare_clip"].get_axes()
    assert any(line.get_marker() == "x" for line in axes[0].get_lines())
    axes = pictures(POINTS)["compare_raw_reward"].get_axes()
    assert not any(line.get_marker() == "x" for line in axes[0].get_lines())


def test_a_panel_whose_runs_all_stopped_has_marks_and_no_mean():
    stopped = [p for p in POINTS if p.source != "model" or p.cell != "clip" or p.update < 20]
    lines = pictures(stopped)["compare_clip"].get_axes()[0].get_lines()
    assert sum(line.get_marker() == "x" for line in lines) == 4
    assert not any(line.get_linewidth() == 1.8 for line in lines)


def test_the_same_table_gives_the_same_files(tmp_path):
    for folder in ("one", "two"):
        write_pictures(POINTS, tmp_path / folder)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert "compare.png" in names
    assert "compare_clip.svg" in names
    for name in names:
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert first == second


def test_the_command_draws_from_a_file(tmp_path, capsys):
    write_table(tmp_path / "table.csv", POINTS)
    assert main([str(tmp_path / "table.csv"), "--out", str(tmp_path / "out")]) == 0
    assert Path(capsys.readouterr().out.splitlines()[0]).name == "compare.png"


def test_shipping_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must be the folder of a finished comparison"):
        ship([str(tmp_path)])


def test_a_rule_has_one_colour():
    assert rule_colour("clip") != rule_colour("no_clip")
    assert rule_colour("somebody's own rule") == rule_colour("another")
    assert panels_of(POINTS)[0] == ("raw_reward", 0.01)
