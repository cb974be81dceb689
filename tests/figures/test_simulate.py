import json

import numpy as np
import pytest

from banditlab.experiments.experiment import Experiment
from banditlab.experiments.grids import sweep_cells
from banditlab.experiments.run import run_experiment
from banditlab.experiments.sweep import claim_sweep_folder, run_cell
from banditlab.experiments.sweep_results import write_results
from banditlab.records import Record
from figures.redraw import redraw
from figures.simulate import bootstrap_interval, draw, is_log_grid, write_picture
from figures.style import rule_colour
from figures.sweep import draw as draw_sweep
from figures.sweep import read_cells
from figures.sweep import write_picture as write_sweep_picture

RATES = {"kind": "pass_rates", "train_pass_rates": [0.2, 0.4], "shared_kernel": 5.0}
ARMS = {"kind": "rare_correct", "log10_arms": 50, "success_prob": 0.1}


def record_of(problem, num_runs=60, rule="clip", out=None, **run):
    tables = {"problem": problem, "rule": {"name": rule}}
    tables["run"] = {"num_runs": num_runs, "num_steps": 20, "record_every": 2} | run
    return run_experiment(Experiment.from_mapping(tables), out)[0]


@pytest.fixture
def run_folder(tmp_path):
    record_of(ARMS, num_runs=3, out=tmp_path / "run")
    return tmp_path / "run"


def panels(figure):
    return {axes.get_ylabel(): axes for axes in figure.get_axes() if axes.get_ylabel()}


def test_runs_are_thin_the_mean_is_thick_and_right():
    record = record_of(RATES | {"heldout_pass_rates": [0.3]})
    axes = panels(draw(record))["pass rate"]
    thin = [line for line in axes.get_lines() if line.get_linewidth() == 0.5]
    thick = {line.get_label(): line for line in axes.get_lines() if line.get_linewidth() == 1.8}
    assert len(thin) == 2 * 50
    assert set(thick) == {"prompts trained on", "held-out prompts"}
    trained = thick["prompts trained on"]
    assert trained.get_color() == rule_colour("clip")
    np.testing.assert_array_equal(trained.get_xdata(), record.step)
    np.testing.assert_allclose(
        trained.get_ydata(), record.curves["pass_rate"].mean(axis=0), rtol=1e-12
    )
    assert axes.get_xlabel() == "rounds"


def test_axes_have_units_and_the_legend_says_what_the_band_is():
    figure = draw(record_of(RATES))
    assert set(panels(figure)) == {"pass rate", "entropy, nats", "mean (ratio - 1)$^2$"}
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["mean, all prompts", "95 % bootstrap interval", "50 of 60 runs"]
    top = panels(figure)["pass rate"].child_axes[0]
    assert top.get_xlabel() == "rollouts"
    # 20 rounds of 2 prompts with 8 rollouts each.
    figure.draw_without_rendering()
    assert top.get_xlim() == (0.0, pytest.approx(320.0))


def test_mean_rewards_are_not_called_pass_rates():
    record = record_of({"kind": "rewards", "reward": [3.0, -1.0]}, num_runs=1)
    figure = draw(record)
    assert "true mean reward" in panels(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mean, all prompts"]


def test_a_grid_in_log_step_is_drawn_in_log_step_where_something_happens():
    linear = record_of(ARMS, num_steps=100)
    assert not is_log_grid(linear.step)
    logarithmic = record_of(ARMS, num_steps=100, num_log_records=8)
    assert is_log_grid(logarithmic.step)
    assert panels(draw(logarithmic))["pass rate"].get_xscale() == "log"
    long = record_of(
        ARMS | {"success_prob": 1e-50},
        rule="raw_reward",
        num_steps=1e60,
        events=True,
        num_runs=4,
        group_size=1,
    )
    left, right = panels(draw(long))["pass rate"].get_xlim()
    assert right == 1e60
    assert 1e40 < left < 1e50
    assert draw(long).get_suptitle().endswith("\nstopped at success probability 0.99")
    assert "stopped" not in draw(linear).get_suptitle()
    assert "mean (ratio - 1)$^2$" not in panels(draw(long))


def test_the_bootstrap_interval_is_that_of_a_normal_mean():
    """Its ends lie within 12 % of +-1.96 SE, about 4 standard deviations of a resampled one."""
    curve = np.random.default_rng(1).standard_normal((400, 3))
    low, high = bootstrap_interval(curve)
    half = 1.96 * curve.std(axis=0, ddof=1) / 20
    np.testing.assert_allclose(0.5 * (high - low), half, rtol=0.12)
    np.testing.assert_allclose(0.5 * (high + low), curve.mean(axis=0), atol=0.02)
    narrow = bootstrap_interval(curve, level=0.68)
    assert (narrow[1] - narrow[0] < 0.6 * (high - low)).all()


def test_the_same_run_gives_the_same_files(run_folder, capsys):
    first = [path.read_bytes() for path in write_picture(run_folder)]
    assert redraw("simulate", write_picture, [str(run_folder)]) == 0
    assert capsys.readouterr().out.strip() == str(run_folder / "curves.png")
    names = ("curves.png", "curves.svg")
    assert [(run_folder / name).read_bytes() for name in names] == first


def test_a_folder_of_another_command_is_refused(run_folder):
    (run_folder / "config.json").write_text(json.dumps({"rule": "clip"}))
    with pytest.raises(ValueError, match="`out` must be a run folder of banditlab simulate"):
        write_picture(run_folder)


def sweep_of(tmp_path, grid):
    out = tmp_path / "sweep"
    run = {"num_runs": 3, "num_steps": 4, "record_every": 1}
    tables = {"problem": ARMS, "run": run, "sweep": grid}
    cells = sweep_cells(tables)
    for cell in claim_sweep_folder(out, tables, cells):
        assert run_cell(cell, out).error is None
    write_results(cells, out)
    return out


def test_a_sweep_has_one_curve_per_cell_in_the_colour_of_its_rule(tmp_path, capsys):
    out = sweep_of(tmp_path, {"rule.name": ["grpo", "clip"]})
    figure = draw_sweep(read_cells(out))
    (axes,) = figure.get_axes()
    assert figure.get_suptitle() == "rare correct, 10$^{50}$ arms  |  G = 8"
    assert axes.get_title() == "all prompts"
    assert axes.get_ylabel() == "pass rate, mean with its 95 % bootstrap interval"
    found = {line.get_label(): line.get_color() for line in axes.get_lines()}
    assert found == {"rule=grpo": rule_colour("grpo"), "rule=clip": rule_colour("clip")}
    mean = Record.load(out / "cells" / "rule=clip").curves["pass_rate"].mean(axis=0)
    np.testing.assert_allclose(axes.get_lines()[1].get_ydata(), mean, rtol=1e-12)
    assert redraw("sweep", write_sweep_picture, [str(out)]) == 0
    assert (out / "curves.svg").exists()
    assert capsys.readouterr().out.strip() == str(out / "curves.png")


def test_a_large_sweep_names_some_cells_and_counts_the_others(tmp_path):
    out = sweep_of(tmp_path, {"rule.name": ["raw_reward"], "run.seed": list(range(26))})
    figure = draw_sweep(read_cells(out))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(names) == 24
    assert names[-1] == "... 3 more: results.csv"


def test_a_sweep_without_finished_cells_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`out` must be a sweep with finished cells"):
        read_cells(tmp_path)


def test_a_sweep_of_mean_rewards_says_so_and_names_its_group_sizes(tmp_path):
    problems = [{"kind": "rewards", "reward": reward} for reward in ([2.0, 1.0], [3.0, 1.0])]
    grid = {"rule.name": ["grpo"], "problem": problems, "run.group_size": [2, 4]}
    figure = draw_sweep(read_cells(sweep_of(tmp_path, grid)))
    assert figure.get_suptitle() == "rewards  |  G = 2, 4"
    (axes,) = figure.get_axes()
    assert axes.get_ylabel() == "true mean reward, mean with its 95 % bootstrap interval"
