"""The whole comparison at a small size: written, reused, refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from banditlab.cli import main
from llm_bridge.base_statistics import BaseMeasurement
from llm_bridge.compare.plan import CELLS, ComparePlan
from llm_bridge.compare.predictions import (
    _record_every,
    penalty_stability,
    simulate_cell,
    theory_points,
)

ROWS_FILE = Path(__file__).parent.parent / "data" / "rows.jsonl"
BASE = BaseMeasurement(
    train_pass_rates=[0.2, 0.4, 0.5, 0.3] * 8,
    heldout_pass_rates=[0.25, 0.35] * 8,
    num_samples=16,
    shared_kernel=12.0,
    shared_kernel_se=0.5,
    gradient_cosine=0.95,
    score_norm=300.0,
    score_gram_top=40.0,
)


def compare_words(out, *more):
    words = ["compare", "--cells", "raw_reward,clip", "--learning-rates", "0.02", "--seeds", "2"]
    words += ["--updates", "2", "--eval-every", "1", "--eval-samples", "64", "--take", "16"]
    words += ["--prompts", "8", "--group-size", "4", "--base-samples", "4"]
    return [*words, "--simulated-runs", "10", "--out", str(out), *more]


def test_compare_writes_everything_and_reuses_it(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(compare_words(out)) == 0
    shown = capsys.readouterr().out
    assert "about" in shown.splitlines()[0]
    assert "gain" in shown
    assert str(out / "compare.png") in shown
    with (out / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    sources = {(row["cell"], row["source"]) for row in rows}
    assert ("raw_reward", "theory") in sources
    assert ("clip", "theory") not in sources
    assert {("clip", "model"), ("clip", "simulation")} <= sources
    manifest = json.loads((out / "manifest.json").read_text())
    assert str(tmp_path) not in (out / "manifest.json").read_text()
    assert len(manifest["commits_of_runs"]) == 1
    assert manifest["base"]["shared_kernel_se"] > 0
    assert len(manifest["scoreboard"]) == 2

    untouched = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("metrics.jsonl")}
    table = (out / "compare.csv").read_bytes()
    assert main(compare_words(out)) == 0
    assert "what is finished there is reused" in capsys.readouterr().out
    assert untouched == {path: path.stat().st_mtime_ns for path in untouched}
    assert (out / "compare.csv").read_bytes() == table

    assert main(compare_words(out, "--seed", "7")) == 2
    assert "it differs in seed" in capsys.readouterr().err
    assert main(compare_words(out / "compare.csv")) == 2
    assert "is a file. Choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--cells", "klip"], "Did you mean 'clip'?"),
        (["--learning-rates", "-1"], "`learning_rates` must be a finite number"),
        (["--group-size", "1"], "`group_size` must be at least 2 for clip"),
        (["--model", "no/such/folder"], "no/such/folder"),
        (["--workers", "0"], "`workers` must be at least 1"),
        (["--dataset", str(ROWS_FILE)], "Name held-out prompts with --eval-dataset or"),
    ],
)
def test_bad_input_is_answered_before_anything_is_written(tmp_path, capsys, more, message):
    out = tmp_path / "run"
    assert main(compare_words(out, *more)) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_simulation_follows_the_ode_where_both_exist():
    """Mean of 200 runs against the flow; without the factor (G - 1)/G it would miss."""
    plan = ComparePlan(num_updates=20, num_prompts=16, num_simulated_runs=200)
    cell = CELLS["group_mean"]
    record = simulate_cell(plan, cell, 0.02, BASE)
    predicted = [p.pass_rate for p in theory_points(plan, cell, 0.02, BASE) if p.split == "heldout"]
    simulated = record.curves["heldout_pass_rate"].mean(axis=0)
    np.testing.assert_allclose(simulated, np.array(predicted)[record.step], atol=0.006)
    raw = theory_points(plan, CELLS["raw_reward"], 0.02, BASE)
    wrong = [p.pass_rate for p in raw if p.split == "heldout"]
    assert abs(simulated[-1] - wrong[-1]) > 0.012


def test_the_base_model_alone_says_where_inner_steps_on_the_penalty_break():
    plan = ComparePlan(learning_rates=(0.01, 0.1))
    low, high = penalty_stability(plan, BASE)
    assert low["is_batch_stable"]
    assert not high["is_batch_stable"]
    # 1 / (multiplier * gram_top) with multiplier 0.5.
    assert low["largest_stable_learning_rate"] == pytest.approx(1 / (0.5 * 40.0))


@pytest.mark.parametrize("eval_every", [1, 2, 5, 7, 10, 11, 24])
def test_every_evaluation_meets_a_simulated_point(eval_every):
    assert eval_every % _record_every(eval_every) == 0


def test_numbers_that_are_none_are_answered_with_an_example(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["compare", "--learning-rates", "abc"])
    assert "must be numbers separated by commas" in capsys.readouterr().err
