import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from joblib import Parallel, delayed

from banditlab.cli import main
from banditlab.experiments.grids import Cell, read_sweep
from banditlab.experiments.sweep import _workers, claim_sweep_folder, run_cell, run_sweep
from banditlab.records import Record

ARMS = {"kind": "rare_correct", "log10_arms": 50, "success_prob": 0.1}
GRID = """
[problem]
kind = "rare_correct"
log10_arms = 50
success_prob = 0.1
[run]
num_runs = {num_runs}
num_steps = {num_steps}
[sweep]
rule.name = ["raw_reward", "grpo"]
"run.seed" = [0, 1]
"""
CELLS = [f"rule={rule},seed={seed}" for rule in ("raw_reward", "grpo") for seed in (0, 1)]


@pytest.fixture
def grid(tmp_path):
    return write_grid(tmp_path)


def write_grid(folder, num_runs=3, num_steps=5):
    path = folder / "grid.toml"
    path.write_text(
        GRID.replace("{num_runs}", str(num_runs)).replace("{num_steps}", str(num_steps))
    )
    return path


def sweep(path, out, *more):
    return main(["sweep", str(path), "--out", str(out), "--workers", "1", *map(str, more)])


def curves(out):
    return {
        path.parent.name: path.read_bytes() for path in (out / "cells").glob("[!.]*/curves.npz")
    }


def assert_same_bits(one, two):
    names = {path.parent.name for path in (one / "cells").glob("[!.]*/curves.npz")}
    assert names == {path.parent.name for path in (two / "cells").glob("[!.]*/curves.npz")}
    for name in names:
        first, second = (Record.load(out / "cells" / name) for out in (one, two))
        np.testing.assert_array_equal(first.step, second.step)
        for metric, curve in first.curves.items():
            np.testing.assert_array_equal(second.curves[metric], curve)


def test_a_sweep_writes_cells_and_a_tidy_table(grid, tmp_path, capsys):
    out = tmp_path / "out"
    assert sweep(grid, out) == 0
    assert sorted(curves(out)) == sorted(CELLS)
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("cell", "rule.name", "run.seed", "metric", "step", "num_runs", "mean", "standard_error")
    ]
    assert len(rows) == 4 * 5
    row = next(r for r in rows if r["cell"] == CELLS[3] and r["metric"] == "pass_rate")
    value = Record.load(out / "cells" / CELLS[3]).curves["pass_rate"][:, -1]
    assert (row["rule.name"], row["run.seed"], row["step"]) == ("grpo", "1", "5")
    assert float(row["mean"]) == value.mean()
    assert float(row["standard_error"]) == pytest.approx(value.std(ddof=1) / 3**0.5, rel=1e-12)
    shown = capsys.readouterr().out
    assert "pass rate (SE)" in shown
    assert f"picture: {out / 'curves.png'}" in shown
    assert not list((out / "cells").glob(".*"))


def test_a_restart_skips_finished_cells_and_runs_what_is_missing(grid, tmp_path, capsys):
    out = tmp_path / "out"
    assert sweep(grid, out) == 0
    before = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*/*")}
    first = curves(out)
    for path in (out / "cells" / CELLS[2]).iterdir():
        path.unlink()
    (out / "cells" / CELLS[2]).rmdir()
    capsys.readouterr()
    assert sweep(grid, out) == 0
    assert "kept 3 of 4 cells, finished before" in capsys.readouterr().out
    after = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*/*")}
    assert {path.parent.name for path in after if after[path] != before[path]} == {CELLS[2]}
    assert curves(out) == first


def test_a_grid_may_grow_but_a_finished_cell_may_not_change(grid, tmp_path, capsys):
    out = tmp_path / "out"
    assert sweep(grid, out) == 0
    grid.write_text(grid.read_text().replace("[0, 1]", "[0, 1, 2]"))
    assert sweep(grid, out) == 0
    assert "kept 4 of 6 cells" in capsys.readouterr().out
    kept = curves(out)
    assert sweep(grid, out, "--set", "run.num_steps=6") == 2
    assert "the folder of another run (it differs in run)" in capsys.readouterr().err
    assert curves(out) == kept
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert sweep(grid, tmp_path / "mine") == 2
    assert "must be a new or empty folder" in capsys.readouterr().err


def test_a_cell_that_fails_is_named_and_the_others_finish(grid, tmp_path, capsys):
    out = tmp_path / "out"
    grid.write_text(grid.read_text().replace('"run.seed" = [0, 1]', '"run.group_size" = [1, 2]'))
    assert sweep(grid, out) == 1
    shown = capsys.readouterr().out
    assert "1 of 4 cells failed:\n  rule=grpo,group_size=1: grid.toml, cell rule=grpo," in shown
    assert "`group_size` must be at least 2 for grpo, got 1" in shown
    assert len(curves(out)) == 3
    assert "rule=grpo,group_size=1" not in (out / "results.csv").read_text()
    assert not (out / "cells" / ".rule=grpo,group_size=1.partial").exists()


def test_an_unexpected_error_is_told_with_its_kind(tmp_path):
    (tmp_path / "cells").mkdir()
    outcome = run_cell(Cell("odd", {}, None), tmp_path)
    assert outcome.error.startswith("AttributeError: ")


class Fatal:
    """Ends the process that reads it, as a lack of memory would."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_worker_that_dies_is_told_and_finished_cells_are_kept(grid, tmp_path):
    tables, cells = read_sweep(grid)
    out = tmp_path / "out"
    claim_sweep_folder(out, tables, cells)
    assert run_cell(cells[0], out).error is None
    fatal = Cell("fatal", {}, Fatal())
    outcomes = run_sweep([cells[0], fatal], out, num_workers=2)
    assert "died: TerminatedWorkerError" in outcomes[1].error
    assert [cell.name for cell in claim_sweep_folder(out, tables, cells)] == CELLS[1:]


def test_cells_that_a_foreign_disk_keeps_are_told(grid, tmp_path):
    tables, cells = read_sweep(grid)
    out = tmp_path / "out"
    claim_sweep_folder(out, tables, cells)
    lose = {"on_cell": lambda outcome: shutil.rmtree(out / "cells" / outcome.name)}
    (outcome,) = run_sweep(cells[:1], out, num_workers=1, **lose)
    assert outcome.error.endswith(f"{CELLS[0]} cannot be seen here; share the disk")


@pytest.mark.parametrize("are_workers_killed", [True, False])
def test_a_sweep_that_is_killed_goes_on_to_the_same_bits(are_workers_killed, tmp_path):
    """Workers that outlive the sweep finish their cells, beside those of the restart."""
    path = write_grid(tmp_path, num_runs=20, num_steps=600)
    out, whole = tmp_path / "out", tmp_path / "whole"
    words = ["sweep", str(path), "--workers", "2", "--out"]
    command = [sys.executable, "-m", "banditlab", *words, str(out)]
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None and not curves(out):
        time.sleep(0.01)
    kill = os.killpg if are_workers_killed else os.kill
    kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = {name: (out / "cells" / name / "curves.npz").stat() for name in curves(out)}
    assert 1 <= len(finished) < 4
    assert main([*words, str(out)]) == 0
    assert main([*words, str(whole)]) == 0
    assert_same_bits(out, whole)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for name, status in finished.items():
        assert (out / "cells" / name / "curves.npz").stat().st_mtime_ns == status.st_mtime_ns
    assert not list((out / "cells").glob(".*"))


def _has_swept():
    return "banditlab.experiments.sweep" in sys.modules


def test_a_dask_cluster_of_two_workers_gives_the_same_bits(grid, tmp_path):
    from distributed import Client, LocalCluster

    assert sweep(grid, tmp_path / "local") == 0
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(processes=True, **settings) as cluster:
        address = cluster.scheduler_address
        assert sweep(grid, tmp_path / "dask", "--cluster", address) == 0
        with Client(address, set_as_default=False) as client:
            assert any(client.run(_has_swept).values())
    assert_same_bits(tmp_path / "local", tmp_path / "dask")


@pytest.mark.parametrize("cluster", [None, "local"])
def test_workers_have_one_blas_thread_each(cluster, monkeypatch):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    with _workers(2, cluster):
        # Each name twice, so that both workers are asked.
        found = Parallel(batch_size=1)(delayed(os.getenv)(name) for name in names * 2)
    assert found == ["1"] * 4


def test_a_cluster_of_its_own(grid, tmp_path):
    assert sweep(grid, tmp_path / "local") == 0
    assert sweep(grid, tmp_path / "dask", "--cluster", "local") == 0
    assert_same_bits(tmp_path / "local", tmp_path / "dask")
