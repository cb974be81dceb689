"""The benchmark runs what it says, and its tables and pictures come out whole; nothing is timed."""

import inspect
import json

import numpy as np
import pytest

from banditlab.arm_spaces import rare_correct
from benchmarks import arms, scaling, simulator, touched, versus
from benchmarks.draw import draw, read_rows
from benchmarks.lumped import LumpedLoop
from benchmarks.rows import Setting, csv_text, table
from benchmarks.timing import interleave, largest_over_smallest, quartiles, steady_block

SETTING = Setting("arms", "raw reward", "log10 K", 3)


def test_interleave_runs_each_once_a_round():
    """Three rounds of two competitors: three calls each, none twice before the other's turn."""
    called = []
    blocks = {name: lambda name=name: float(called.append(name) or len(called)) for name in "ab"}
    cost = interleave(blocks, 3)
    assert [sorted(called[i : i + 2]) for i in (0, 2, 4)] == [["a", "b"]] * 3
    assert sorted([*cost["a"], *cost["b"]]) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_steady_block_divides_by_steps_and_units(monkeypatch):
    """A step of 0.25 s of two units costs 0.125 s a unit, in blocks of four steps."""
    steps = []
    monkeypatch.setattr("benchmarks.timing.time.process_time", lambda: 0.25 * len(steps))
    block = steady_block(lambda: steps.append(1), units=2, block_seconds=1.0)
    before = len(steps)
    assert block() == pytest.approx(0.125)
    assert len(steps) - before == 4


def test_summaries():
    """Medians, and a ratio of sizes that a slow round does not change."""
    assert quartiles(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == (3.0, 2.0, 4.0)
    cost = np.array([[1.0, 1.2], [1.0, 1.2], [10.0, 12.0]])
    assert largest_over_smallest(cost) == pytest.approx((1.2, 1.2, 1.2))


@pytest.mark.parametrize("num_touched", [1, 64, 1500])
def test_burn_in_touches_all_correct_arms_and_raw_reward_no_other(num_touched):
    """The number of touched arms is what the benchmark says, before and after steps."""
    problem = rare_correct(3, 0.5, max(2, num_touched))
    loop = LumpedLoop(problem, "raw_reward", num_runs=3, group_size=8)
    loop.touch_correct(num_touched)
    assert loop.touched() == num_touched
    if num_touched > 1:
        for _ in range(5):
            loop.advance()
        assert loop.touched() == num_touched


def test_group_mean_touches_more_arms():
    """The growing case is apart for a reason: wrong arms of up to e^100 are touched too."""
    small, large = (
        LumpedLoop(rare_correct(x, 0.5), "group_mean", num_runs=3, group_size=8) for x in (12, 100)
    )
    for loop in (small, large):
        for _ in range(5):
            loop.advance()
    assert small.touched() > 5
    assert large.touched() == 0


def test_bounds_are_judged_and_shown():
    """A bound kept, one missed, and none."""
    met = SETTING.row("ratio", "x", 1.0, at_most=2.0)
    missed = SETTING.row("other", "x", 1.0, at_least=2.0)
    plain = SETTING.row("cost", "us", np.array([1.0, 2.0, 4.0]))
    assert (met.is_met, missed.is_met, plain.is_met) == (True, False, None)
    text = table([met, missed, plain])
    assert all(cell in text for cell in ("(<= 2: met)", "(>= 2: MISSED)", "2 [1.5, 3]"))
    assert csv_text([met]).splitlines()[1] == "arms,raw reward,log10 K,3,ratio,x,1.0,1.0,1.0,2.0,"


def test_mabwiser_learns_what_it_pulls():
    """Arm 0 alone is paid, so that it alone has a mean above 0 after some steps."""
    pytest.importorskip("mabwiser")
    step = versus.mabwiser_step(3)
    bandit = inspect.getclosurevars(step).nonlocals["bandit"]
    for _ in range(20):
        step()
    assert bandit._imp.arm_to_mean == {0: 1.0, 1: 0.0, 2: 0.0}
    assert sum(bandit._imp.arm_to_count.values()) == 21


def test_all_sections_at_a_small_size(monkeypatch, tmp_path, capsys):
    """Every section gives rows, which are printed, written, read back and drawn."""
    monkeypatch.setattr(simulator, "pin", lambda: None)
    monkeypatch.setattr(touched, "NUM_TOUCHED", (16, 64))
    for name, values in (("_RUNS", (2, 4)), ("_GROUPS", (1, 2)), ("_CLASSES", (2, 4))):
        monkeypatch.setattr(scaling, name, values)
    monkeypatch.setattr(scaling, "_PROMPTS", (1, 3))
    monkeypatch.setattr(arms, "LOG10_ARMS", (3, 100))
    monkeypatch.setattr(versus, "NUM_STEPS", 2)
    monkeypatch.setattr(versus, "_MABWISER_SIZES", ())
    steady = {"num_runs": 4, "num_rounds": 2, "block_seconds": 1e-6}
    work = {
        "arms": lambda: arms.measure_fixed(**steady),
        "growth": lambda: arms.measure_growth(num_runs=4, num_rounds=2, num_steps=4),
        "dense": lambda: versus.measure(num_runs=4, num_rounds=2, log10_sizes=(3,)),
        "touched": lambda: touched.measure(**steady),
        "scaling": lambda: scaling.measure(**steady),
    }
    monkeypatch.setattr(simulator, "_work", lambda is_quick: work)
    assert simulator.main(["--quick", "--out", str(tmp_path)]) in (0, 1)
    printed = capsys.readouterr().out
    assert all(f"# {name}\n" in printed for name in simulator.SECTIONS)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"simulator.{suffix}" for suffix in ("json", "csv", "png", "svg")}
    rows = read_rows(tmp_path)
    assert {row.section for row in rows} == set(simulator.SECTIONS)
    assert all(row.low <= row.median <= row.high for row in rows if row.unit != "ratio")
    assert json.loads((tmp_path / "simulator.json").read_text())["provenance"]["is_quick"]
    assert len(draw(rows[:3]).axes) == 2
