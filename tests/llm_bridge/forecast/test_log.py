"""Logs of others: every form, every usual name, and what is refused."""

import json

import numpy as np
import pytest

from llm_bridge.forecast.log import PASS_RATE_COLUMNS, UPDATE_COLUMNS, read_log

UPDATES, RATES = [0, 5, 10], [0.25, 0.5, 0.75]


def lines_of(update, rate):
    return [{update: u, rate: r} for u, r in zip(UPDATES, RATES, strict=True)]


def write(path, text):
    path.write_text(text)
    return path


def is_read(path, **columns):
    updates, rates = read_log(path, **columns)
    np.testing.assert_array_equal(updates, UPDATES)
    np.testing.assert_array_equal(rates, RATES)
    return True


def as_csv(update, rate):
    return f"{update},loss,{rate}\n" + "".join(
        f"{u},1.5,{r}\n" for u, r in zip(UPDATES, RATES, strict=True)
    )


@pytest.mark.parametrize("update", UPDATE_COLUMNS)
@pytest.mark.parametrize("rate", PASS_RATE_COLUMNS)
def test_csv_with_every_usual_name(tmp_path, update, rate):
    assert is_read(write(tmp_path / "log.csv", as_csv(update, rate)))


def test_a_byte_order_mark_and_longer_rows_do_no_harm(tmp_path):
    text = "\ufeff" + as_csv("step", "reward").replace("0.5\n", "0.5,extra\n")
    assert is_read(write(tmp_path / "log.csv", text))


def test_json_lines(tmp_path):
    lines = [*lines_of("update", "heldout_pass_rate"), {"update": 3, "loss": 1.0}]
    assert is_read(write(tmp_path / "log.jsonl", "\n".join(map(json.dumps, lines)) + "\n\n"))
    one = write(tmp_path / "one.jsonl", json.dumps(lines[0]))
    assert [array.tolist() for array in read_log(one)] == [[0], [0.25]]


def test_verl_s_file_logger_has_its_fields_under_data(tmp_path):
    lines = [
        {"step": u, "data": {"critic/rewards/mean": r, "step": u + 100}}
        for u, r in zip(UPDATES, RATES, strict=True)
    ]
    # Of two of the same name the outer one counts, which comes first.
    assert is_read(write(tmp_path / "verl.jsonl", "\n".join(map(json.dumps, lines))))


def test_trainer_state(tmp_path):
    history = [*lines_of("step", "reward"), {"step": 10, "train_runtime": 3.0}]
    state = {"global_step": 10, "log_history": history}
    assert is_read(write(tmp_path / "trainer_state.json", json.dumps(state, indent=2)))
    assert is_read(write(tmp_path / "list.json", json.dumps(history)))


def test_columns_are_mapped(tmp_path):
    path = write(tmp_path / "log.csv", as_csv("iteration", "accuracy"))
    assert is_read(path, update_column="iteration", pass_rate_column="accuracy")
    both = "step,iteration,reward,accuracy\n" + "".join(
        f"{u + 7},{u},0.9,{r}\n" for u, r in zip(UPDATES, RATES, strict=True)
    )
    path = write(tmp_path / "both.csv", both)
    assert is_read(path, update_column="iteration", pass_rate_column="accuracy")


def test_order_and_repeats(tmp_path):
    text = "step,reward\n10,0.75\n0,0.25\n5,0.1\n5,0.5\n7,\n"
    assert is_read(write(tmp_path / "log.csv", text))


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "step,loss\n1,2\n", "`log_pass_rate` must be a column of a.csv: step, loss"),
        ("a.csv", "epoch,reward\n1,1\n", "`log_update` must be a column of a.csv: epoch, reward"),
        ("a.jsonl", "{}\n", "`log_update` must be a column of a.jsonl: it has none"),
        ("a.csv", "step,reward\n1,1.5\n", "`reward` must be pass rates between 0 and 1.*got 1.5"),
        ("a.csv", "step,reward\n1,nan\n", "`reward` must be pass rates between 0 and 1.*got nan"),
        ("a.csv", "step,reward\n1,high\n", "`reward` must be numbers, got 'high' at step '1'"),
        ("a.csv", "step,reward\ninf,0.5\n", "`reward` must be numbers, got '0.5' at step 'inf'"),
        ("a.csv", "step,reward\n1,\n", "got no line with both columns. Name another column"),
        ("a.jsonl", '{"step": 1}\n{"st', r"`path` must be a CSV file.*got a.jsonl \("),
    ],
)
def test_what_is_no_curve_is_refused(tmp_path, name, text, match):
    with pytest.raises(ValueError, match=match):
        read_log(write(tmp_path / name, text))


def test_a_column_that_is_named_must_be_there(tmp_path):
    path = write(tmp_path / "log.csv", as_csv("step", "reward"))
    with pytest.raises(ValueError, match=r"got 'rewards'\. Name it with --log-pass-rate"):
        read_log(path, pass_rate_column="rewards")
