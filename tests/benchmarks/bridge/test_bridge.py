"""Every section runs on a tiny subject, and its rows are written and drawn; nothing is timed."""

import itertools
import json
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from benchmarks.bridge import __main__ as bridge
from benchmarks.bridge import draw, generation, machine, phases, subject, trl_side, updates
from llm_bridge import surrogate, update
from llm_bridge.config import TrainConfig
from llm_bridge.run import prepare_run, torch_threads
from llm_bridge.string_graders import StringGrader

TINY = subject.Subject(
    name="embedded",
    config=TrainConfig(
        rule="clip",
        optimizer="adamw",
        learning_rate=1e-4,
        max_new_tokens=12,
        take=16,
        num_threads=1,
    ).resolved(),
    updates=((4, 8, 2),),
    generation_rows=(16,),
    num_rounds=2,
    block_seconds=0.0,
    has_bounds=False,
)


@pytest.fixture(autouse=True)
def one_thread():
    with torch_threads(1):
        yield


@pytest.fixture
def quick_grader(monkeypatch):
    """A grader without a process of its own."""

    @contextmanager
    def grader(_):
        yield StringGrader("mark")

    for module in (updates, phases, trl_side):
        monkeypatch.setattr(module, "make_run_grader", grader)


@pytest.mark.usefixtures("quick_grader")
def test_all_sections_without_trl(monkeypatch, tmp_path, capsys):
    @contextmanager
    def tiny(*_):
        yield TINY

    monkeypatch.setattr(subject, "open_subject", tiny)
    monkeypatch.setattr(bridge, "pin", lambda: None)
    monkeypatch.setattr(updates, "trl_version", lambda: None)
    monkeypatch.setattr(updates, "_NUM_WARM_UP", 1)
    monkeypatch.setattr(phases, "_NUM_WARM_UP", 1)
    assert bridge.main(["--out", str(tmp_path)]) in (0, 1)
    printed = capsys.readouterr()
    assert all(f"# {name}\n" in printed.out for name in bridge.SECTIONS)
    assert '-e ".[bench]"' in printed.err
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"bridge.{suffix}" for suffix in ("json", "csv", "png", "svg")}
    rows = draw.read_rows(tmp_path)
    assert {row.section for row in rows} == set(bridge.SECTIONS)
    values = {(row.quantity, row.unit): row.median for row in rows}
    assert values["ours over generate", "ratio"] > 0
    assert 0 < values["largest log-prob mismatch", "nats"] < updates.LARGEST_MISMATCH
    assert not any(quantity.startswith("TRL") for quantity, _ in values)
    shares = [values[name, "share"] for name in (*phases.PHASES, "all else")]
    assert all(share >= 0 for share in shares)
    assert json.loads((tmp_path / "bridge.json").read_text())["provenance"]["device"] == "cpu"
    # A part of the rows is drawn too.
    assert len(draw.draw(rows[:3]).axes) == 3


@pytest.mark.usefixtures("quick_grader")
def test_rounds_of_trl_stand_beside_the_updates_that_ran_in_them(monkeypatch):
    """Of five updates three are warm-up; TRL's first one has no beginning and is not timed."""
    monkeypatch.setattr(updates, "trl_version", lambda: "1")
    clock = itertools.count()
    monkeypatch.setattr(updates, "both_clocks", lambda: float(next(clock)))
    monkeypatch.setattr(updates, "seconds_since", lambda start: (next(clock) - start, 0.5))

    def run_updates(config, num_updates, after_update):
        for _ in range(num_updates):
            after_update()
        return [(2.0, 1.0), (3.0, 1.0), (5.0, 1.5), (7.0, 2.5)], [10, 20, 30, 40, 50]

    def run_update(run, number):
        return {"mean_length": number, "log_prob_mismatch": 1e-6 * number, "seconds_grade": 0.25}

    monkeypatch.setattr(updates, "run_updates", run_updates)
    monkeypatch.setattr(updates, "run_update", run_update)
    rows = {(row.quantity, row.unit): row for row in updates.measure(TINY)}
    # Each of our updates takes one tick.
    assert rows["ours", "ms"].median == 1e3
    ratio = rows["TRL over ours", "ratio"]
    assert ratio.median == np.median([5.0, 7.0])
    assert rows["TRL over ours, processor time", "ratio"].median == np.median([3.0, 5.0])
    assert rows["tokens, TRL", "tokens"].median == 45
    assert rows["tokens, ours", "tokens"].median == 32 * 4.5
    assert rows["largest log-prob mismatch", "nats"].median == pytest.approx(5e-6)
    assert rows["grading", "share"].median == 0.25


@pytest.mark.usefixtures("quick_grader")
def test_trl_runs_the_updates_that_are_asked_for(monkeypatch):
    pytest.importorskip("trl")
    called = []
    seconds, tokens = trl_side.run_updates(TINY.config_of(4, 8, 2), 3, lambda: called.append(1))
    assert (len(called), len(seconds), len(tokens)) == (3, 2, 3)
    assert all(32 <= count <= 32 * 12 for count in tokens)


def test_the_stopwatch_sees_each_phase_and_leaves_nothing_behind():
    """By a clock that ticks when it is read, a phase that is entered once lasts one tick."""
    config = TINY.config_of(4, 2, 2)
    run = prepare_run(config, StringGrader("mark"))
    before = (torch.Tensor.backward, update._roll_out, surrogate.token_log_prob)
    ticks = itertools.count()
    with phases._stopwatch(run, lambda: float(next(ticks))) as spent:
        update.run_update(run, 1)
    # Two inner epochs, each with a gradient to measure and a step to take.
    expected = {"generation": 1, "grading": 1, "log-probs": 2, "backward": 2, "step": 4}
    assert spent == expected
    assert before == (torch.Tensor.backward, update._roll_out, surrogate.token_log_prob)
    counted = next(ticks)
    update.run_update(run, 2)
    assert next(ticks) == counted + 1


def test_unshared_rows_have_the_same_log_probs():
    run = prepare_run(TINY.config_of(4, 8, 1), StringGrader("mark"))
    rollout = update._roll_out(run, 1, np.arange(4))
    part = rollout.part(torch.arange(32))
    alone = phases._unshared(part)
    assert len(alone.prompt_tokens) == 32
    found, expected = (phases.token_log_prob(run.policy.model, one) for one in (alone, part))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_rates_are_operations_and_bytes_over_the_time_of_a_call(monkeypatch):
    monkeypatch.setattr(machine, "_best_seconds", lambda work, device, _: work() is None or 0.5)
    monkeypatch.setattr(machine, "_SIDE", {"cpu": 10})
    assert machine.measure_flops("cpu", torch.float32, 1.0) == 2 * 10**3 / 0.5
    assert machine.measure_flops("cpu", torch.float32, 1.0, [(3, 5), (2, 1)]) == 256 * 34 / 0.5
    monkeypatch.setattr(machine, "_best_seconds", lambda *_: 0.5)
    assert machine.measure_copy("cpu", 1.0, 400) == 800 / 0.5


def test_mean_context_counts_prompt_and_earlier_tokens():
    policy = prepare_run(TINY.config_of(4, 8, 1), StringGrader("mark")).policy
    batch = generation.Batch(policy, [[5, 6, 7], [5]], max_new_tokens=3)
    batch.sample()
    lengths = batch.last.mask.sum(dim=2)
    expected = [
        prompt + place + 1
        for prompt, row in zip((3, 1), lengths.tolist(), strict=True)
        for length in row
        for place in range(length)
    ]
    assert batch.mean_context() == pytest.approx(np.mean(expected))
    assert batch.tokens_last == len(expected)


def test_a_model_of_random_weights_takes_the_same_way_in_bfloat16(monkeypatch):
    small = {"vocab_size": 450, "hidden_size": 32, "intermediate_size": 48}
    small |= {"num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2}
    monkeypatch.setattr(subject, "QWEN2_SIZES", small)
    with subject.open_subject("qwen2-0.5b", "cpu", is_quick=True) as found:
        tiny = subject.replace(found, generation_rows=(8,), num_rounds=1, block_seconds=0.0)
        rows = {row.quantity: row for row in generation.measure(tiny)}
        run = prepare_run(tiny.config_of(2, 2, 1), StringGrader("mark"))
        line = update.run_update(run, 1)
    model = run.policy.model
    assert type(model).__name__ == "Qwen2ForCausalLM"
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}
    assert rows["ours"].median > 0
    assert rows["ours over generate"].is_met is None
    # A random model is never right, so that no group has a signal; AdamW steps all the same.
    assert line["reward_mean"] == 0.0
    assert np.isfinite(line["log_prob_mismatch"])


def test_help_comes_without_torch():
    code = "import sys; from benchmarks.bridge.__main__ import main\n"
    code += "try: main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.endswith("False\n")
