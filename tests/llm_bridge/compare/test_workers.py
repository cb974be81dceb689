"""What is left of a comparison that is killed, and what a second start makes of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from llm_bridge.compare.plan import ComparePlan
from llm_bridge.compare.workers import run_everything
from llm_bridge.config import TrainConfig
from llm_bridge.metrics import read_metrics
from llm_bridge.rewards import Grader
from llm_bridge.train import train
from tests.llm_bridge.compare.test_compare import BASE
from tests.llm_bridge.test_train import assert_same_run

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")

ROOT = Path(__file__).resolve().parents[3]

PLAN = ComparePlan(
    cells=("raw_reward", "clip"),
    learning_rates=(0.02,),
    num_seeds=2,
    take=16,
    num_prompts=8,
    group_size=4,
    num_updates=4,
    eval_every=2,
    num_eval_samples=32,
    num_simulated_runs=4,
)

# The workers' part of `compare`; what comes before takes longer and starts no worker.
KILLED_PROGRAM = """
import sys
from pathlib import Path
if __name__ == "__main__":
    from llm_bridge.compare.workers import run_everything
    from tests.llm_bridge.compare.test_workers import BASE, PLAN
    run_everything(PLAN, Path(sys.argv[1]), BASE, num_workers=2)
"""

PLAIN_POOL_PROGRAM = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


def runs_at_work(out):
    """Training runs with an update and without an end."""
    return [
        path.parent.name
        for path in (out / "runs").glob("*/metrics.jsonl")
        if '"kind": "update"' in path.read_text() and not (path.parent / "summary.json").exists()
    ]


def kill_at_work(folder, out):
    """Start a comparison, kill it amid its training runs; return its descendants."""
    program = folder / "program.py"
    program.write_text(KILLED_PROGRAM)
    parent = subprocess.Popen(
        [sys.executable, program, out],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        deadline = time.monotonic() + 60.0
        while not runs_at_work(out):
            assert parent.poll() is None, parent.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return psutil.Process(parent.pid).children(recursive=True)
    finally:
        parent.kill()
        parent.wait()
        parent.stderr.close()


def end_all(processes):
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=10)


def test_a_killed_comparison_leaves_no_process_and_goes_on_to_the_same_bits(tmp_path):
    out = tmp_path / "run"
    descendants = kill_at_work(tmp_path, out)
    try:
        assert len(descendants) >= 4, "two workers, each with a grader"
        _, alive = psutil.wait_procs(descendants, timeout=5)
        assert alive == []
    finally:
        end_all(psutil.wait_procs(descendants, timeout=0)[1])
    assert runs_at_work(out)
    # One worker, whose start takes the longest here; the bits are the same with any number.
    run_everything(PLAN, out, BASE, num_workers=1)
    folders = sorted((out / "runs").iterdir())
    assert [folder.name for folder in folders] == sorted(name for name, _ in PLAN.runs())
    with Grader() as grader:
        for folder in folders:
            config = json.loads((folder / "config.json").read_text())
            assert config.pop("kind") == "train"
            other = train(TrainConfig(**config), tmp_path / folder.name, grader=grader)
            assert_same_run(folder, other)
            lines = read_metrics(folder)
            for kind, updates in (("update", (1, 2, 3, 4)), ("evaluation", (0, 2, 4))):
                assert [line["update"] for line in lines if line["kind"] == kind] == [*updates]


def test_workers_of_a_plain_pool_would_be_seen(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PLAIN_POOL_PROGRAM)
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    try:
        assert psutil.wait_procs([worker], timeout=1)[1] == [worker]
    finally:
        end_all([worker])
