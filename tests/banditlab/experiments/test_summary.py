import numpy as np
import pytest

from banditlab.experiments.summary import (
    final_values,
    mean_and_error,
    moving_span,
    reward_label,
    stop_note,
    summary_table,
)
from banditlab.records import Record


def record_of(curve, problem_kind="rare_correct", **run):
    curve = np.array(curve)
    curves = {"pass_rate": curve, "entropy": curve, "ratio_variance": curve}
    config = {"problem": {"kind": problem_kind}, "run": run}
    return Record(curves, np.arange(curve.shape[1]), config, {})


def test_summaries_are_means_with_their_standard_errors():
    assert mean_and_error(np.array([1.0, 2.0, 3.0])) == (2.0, pytest.approx(1 / 3**0.5))
    # The deviations of 0.1 from the mean of 0.1, 0.1, 0.1 are rounding.
    assert mean_and_error(np.full(3, 0.1))[1] == 0.0
    assert np.isnan(mean_and_error(np.array([1.0]))[1])
    curve = np.array([[0.0, 0.5], [0.0, 1e-6]])
    others = {name: np.ones((2, 2)) for name in ("entropy", "ratio_variance")}
    record = Record({"pass_rate": curve, **others}, np.array([0, 10]), {}, {})
    header, rows = summary_table(record)
    assert header[:3] == ["step", "pass rate", "SE"]
    assert rows[0][:3] == ["0", "0.0000", "0.0000"]
    assert rows[1][:4] == ["10", "0.2500", "0.2500", "0.0250"]
    assert final_values(record)["pass_rate"][0] == pytest.approx(0.2500005)
    assert "held-out" not in header


def test_the_table_shows_where_the_pass_rate_moves():
    still, moving = np.full(100, 1e-100), np.linspace(0.0, 0.99, 12)
    record = record_of([np.concatenate([still, moving, np.full(50, 0.99)])] * 2)
    assert moving_span(record) == (101, 111)
    _, rows = summary_table(record)
    steps = [int(row[0]) for row in rows]
    assert (steps[0], steps[1], steps[-2], steps[-1]) == (0, 100, 111, 161)
    assert len({row[1] for row in rows}) >= 4
    # The mutant, rows at equal distance over all steps, shows two values.
    even = np.linspace(0, 161, 6).round().astype(int)
    assert len(np.unique(record.curves["pass_rate"][0, even])) == 2
    steady = record_of([np.linspace(0.0, 1.0, 101)])
    assert [row[0] for row in summary_table(steady)[1]] == ["0", "20", "40", "60", "80", "100"]
    assert moving_span(record_of([[0.5] * 7])) == (0, 6)


@pytest.mark.parametrize(
    ("problem_kind", "label"),
    [("rare_correct", "pass rate"), ("zipf", "pass rate"), ("classes", "true mean reward")],
)
def test_only_shares_of_successes_are_called_pass_rates(problem_kind, label):
    assert reward_label(problem_kind) == label
    assert summary_table(record_of([[0.0, 1.5]], problem_kind))[0][1] == label


def test_a_run_that_was_stopped_is_told():
    curve = [[0.1, 0.99], [0.1, 0.2]]
    assert stop_note(record_of(curve, stop_success_prob=0.99)) == (
        "stopped at success probability 0.99"
    )
    assert stop_note(record_of(curve, stop_success_prob=0.999)) is None
    assert stop_note(record_of(curve)) is None
    note = stop_note(record_of([[0.1, 0.2]], "rewards", stop_success_prob=0.9))
    assert note == "runs stop at success probability 0.9"
