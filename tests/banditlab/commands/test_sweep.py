import re

import pytest

from banditlab.cli import main

GRID = """
[problem]
kind = "rare_correct"
log10_arms = 50
success_prob = 0.1
[run]
num_runs = 3
num_steps = 5
[sweep]
rule.name = ["raw_reward", "grpo"]
"run.seed" = [0, 1]
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


def sweep(path, out, *more):
    return main(["sweep", str(path), "--out", str(out), "--workers", "1", *more])


def test_dry_run_counts_cells_and_writes_nothing(grid, tmp_path, capsys):
    assert sweep(grid, tmp_path / "out", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "4 cells, 1 processes" in shown
    assert "estimate from 4 cells" in shown
    assert not (tmp_path / "out").exists()


def test_at_least_one_worker(grid, tmp_path, capsys):
    assert main(["sweep", str(grid), "--out", str(tmp_path / "out"), "--workers", "0"]) == 2
    assert "sweep: `workers` must be at least 1, got 0" in capsys.readouterr().err


@pytest.mark.parametrize(("num_cells", "num_tried"), [(6, 6), (7, 4), (11, 6), (13, 5)])
def test_dry_run_tries_some_cells_at_equal_distance(grid, tmp_path, capsys, num_cells, num_tried):
    seeds = list(range(num_cells))
    grid.write_text(GRID.split("[sweep]")[0] + f'[sweep]\n"run.seed" = {seeds}\n')
    assert sweep(grid, tmp_path / "out", "--dry-run", "--set", "rule.name=grpo") == 0
    assert f"estimate from {num_tried} cells" in capsys.readouterr().out


def test_dry_run_says_that_event_driven_cells_have_no_estimate(grid, tmp_path, capsys):
    assert sweep(grid, tmp_path / "out", "--dry-run", "--set", "run.events=true") == 0
    shown = capsys.readouterr().out
    assert "4 event-driven cells: no estimate: the time goes with the number of succ" in shown
    assert "estimate from" not in shown


def test_dry_run_names_cells_that_are_too_large(grid, tmp_path, capsys, monkeypatch):
    def exhaust(*_, **__):
        raise MemoryError("no room")

    monkeypatch.setattr("banditlab.experiments.estimate.Simulation", exhaust)
    assert sweep(grid, tmp_path / "out", "--dry-run") == 0
    assert re.search("rule=grpo,seed=1 would fail: no room", capsys.readouterr().out)


def test_a_mean_reward_is_called_so(grid, tmp_path, capsys):
    grid.write_text(
        'rule = {name = "grpo"}\nproblem = {kind = "rewards", reward = [2, 1]}\n'
        'run = {num_runs = 2, num_steps = 3}\nsweep = {"run.seed" = [0]}\n'
    )
    assert sweep(grid, tmp_path / "out") == 0
    assert "true mean reward (SE)" in capsys.readouterr().out
