"""Bandit problems from measured pass rates, and the files that these stand in."""

import math

import numpy as np
import pytest

from banditlab.arm_spaces import from_pass_rates, read_pass_rates


def test_from_pass_rates_moves_log_odds_by_the_shared_kernel():
    problem = from_pass_rates(np.array([0.2, 0.5]), np.array([0.4]), shared_kernel=12.0)
    assert (problem.num_contexts, problem.num_train) == (3, 2)
    np.testing.assert_allclose(np.exp(problem.log_mass[:, 0]), [0.2, 0.5, 0.4], rtol=1e-15)
    np.testing.assert_array_equal(problem.reward, [[1.0, 0.0]] * 3)
    push = np.array([1.0, 0.0]) - np.array([0.2, 0.8])
    change = problem.kernel.across_contexts @ push
    assert change[0] - change[1] == pytest.approx(12.0 * 0.8, rel=1e-14)
    assert problem.kernel.self_part == 0.0


def test_from_pass_rates_takes_the_number_of_responses():
    assert from_pass_rates([0.5], shared_kernel=1.0, log10_arms=2).count().tolist() == [[100, 100]]
    assert from_pass_rates([0.5], shared_kernel=1.0).log_count[0, 0] == 1000 * math.log(10.0)


@pytest.mark.parametrize(
    ("rates", "arguments", "message"),
    [
        (
            [0.0, 0.5],
            {},
            r"`train_pass_rates, heldout_pass_rates` must be in \(0, 1\), got values ",
        ),
        ([0.5, 1.0], {}, r"must be in \(0, 1\), got values from 0\.5 to 1\. Smooth measured rates"),
        ([0.5, math.nan], {}, r"must be in \(0, 1\), got values from nan"),
        (
            [0.5],
            {"heldout_pass_rates": [1.5]},
            r"must be in \(0, 1\), got values from 0\.5 to 1\.5",
        ),
        (
            [0.5],
            {"log10_arms": -1.0},
            r"`log10_arms` must be a finite number in \[0, inf\], got -1",
        ),
    ],
)
def test_impossible_pass_rates_are_refused(rates, arguments, message):
    with pytest.raises(ValueError, match=rf"^from_pass_rates: .*{message}"):
        from_pass_rates(rates, **{"shared_kernel": 1.0, **arguments})


def test_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match=r"`num_train` must be a whole number between 1"):
        from_pass_rates([], [0.5], shared_kernel=1.0)
    with pytest.raises(ValueError, match=r"`log_count` must be of at least one context"):
        from_pass_rates([], shared_kernel=1.0)


def test_a_negative_shared_kernel_is_refused():
    with pytest.raises(ValueError, match=r"^log_odds_kernel: `strength` must be a finite number"):
        from_pass_rates([0.5], shared_kernel=-1.0)


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_pass_rates_are_read_from_their_column(tmp_path, start):
    """Also from a file with a byte order mark, as spreadsheets write it."""
    path = tmp_path / "rates.csv"
    path.write_text(f'{start}rate,prompt\n0.25,"a,b"\n1,"two\nlines"\n\n 0 ,c\n', encoding="utf-8")
    np.testing.assert_array_equal(read_pass_rates(path, "rate"), [0.25, 1.0, 0.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,rate\na,0.5\n", r"`column` must be one of prompt, rate, got 'pass_rate'"),
        ("", r"`column` must be one of the columns, of which there are none, got 'pass_rate'"),
        ("pass_rate\n", r"`path` must be a file with rows, got rates\.csv\. Fill it"),
        (
            "pass_rate\n0.5\nhigh\n",
            r"`pass_rate` must be a number in every row, got 'high' in line 3\. Leave rows without",
        ),
        ("pass_rate,x\n0.5,1\n\n,2\n", r"`pass_rate` must be a number.*, got '' in line 4"),
        ("x,pass_rate\n1,0.5\n2\n", r"`pass_rate` must be a number.*, got None in line 3"),
    ],
)
def test_files_without_pass_rates_are_refused(tmp_path, text, message):
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^read_pass_rates: {message}"):
        read_pass_rates(path, "pass_rate")


def test_a_missing_file_is_not_hidden(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        read_pass_rates(tmp_path / "none.csv", "pass_rate")
