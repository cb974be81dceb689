import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from banditlab.cli import main
from banditlab.records import claim_run_folder
from llm_bridge import train as train_module
from llm_bridge.config import TrainConfig
from llm_bridge.lock import lock_run_folder
from llm_bridge.metrics import MetricsFile, is_timing, read_metrics
from llm_bridge.rewards import Grader
from llm_bridge.run import (
    EVALUATION,
    SAMPLES,
    choose_prompts,
    make_generator,
    make_optimizer,
    prepare_run,
)
from llm_bridge.train import run_update, train
from tests.llm_bridge.small_model import ROWS_FILE, save_small_model

DATA_FOLDER = os.environ.get("BANDITLAB_DATA")

# Small enough for seconds, and with inner epochs and moments so that all state matters.
SMALL = TrainConfig(
    rule="clip",
    num_prompts=6,
    group_size=4,
    inner_epochs=2,
    optimizer="adamw",
    learning_rate=1e-3,
    num_updates=5,
    eval_every=3,
    eval_samples=16,
    take=16,
    eval_take=16,
    checkpoint_every=2,
    num_threads=1,
)

# The grader's process runs what stands outside the block once more.
TRAIN_PROGRAM = """
import json, sys
from pathlib import Path
if __name__ == "__main__":
    from llm_bridge.config import TrainConfig
    from llm_bridge.train import train
    train(TrainConfig(**json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def lasting(folder):
    return [
        {name: value for name, value in line.items() if not is_timing(name)}
        for line in read_metrics(folder)
    ]


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def assert_same_run(folder, other):
    assert lasting(folder) == lasting(other)
    ours, theirs = weights(folder), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module", autouse=True)
def shared_grader():
    """One worker for all runs of this file: its start takes longer than most runs here."""
    with pytest.MonkeyPatch.context() as patch, Grader() as grader:
        patch.setattr(train_module, "Grader", lambda: nullcontext(grader))
        yield grader


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, shared_grader):
    return train(SMALL, tmp_path_factory.mktemp("runs") / "uninterrupted")


def test_a_run_leaves_its_record(uninterrupted):
    assert sorted(path.name for path in uninterrupted.iterdir()) == [
        "checkpoint-00000004.pt",
        "checkpoint-00000004.pt.sha256",
        "checkpoint-00000005.pt",
        "checkpoint-00000005.pt.sha256",
        "config.json",
        "metrics.jsonl",
        "model",
        "provenance.json",
        "summary.json",
    ]
    lines = read_metrics(uninterrupted)
    kinds = [(line["kind"], line["update"]) for line in lines]
    assert kinds == [
        ("evaluation", 0),
        *(("update", update) for update in (1, 2, 3)),
        ("evaluation", 3),
        *(("update", update) for update in (4, 5)),
        ("evaluation", 5),
    ]
    config = json.loads((uninterrupted / "config.json").read_text())
    assert config["kind"] == "train"
    assert config["hyper"] == {"clip_low": 0.2, "clip_high": 0.2}
    assert json.loads((uninterrupted / "provenance.json").read_text())["num_threads"] == 1
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert summary["first_evaluation"] == lines[0]
    assert summary["last_evaluation"] == lines[-1]


def test_metrics_are_consistent(uninterrupted):
    lines = read_metrics(uninterrupted)
    for line in lines:
        if line["kind"] == "update":
            assert line["reward_mean"] * 24 == pytest.approx(round(line["reward_mean"] * 24))
            assert line["entropy_estimate"] > 0
            assert 1 <= line["mean_length"] <= 40
            assert line["gradient_norm"] > 0
            assert line["last_forward_ratio_variance"] > 0, "the second epoch saw other weights"
        else:
            for split in ("train", "heldout"):
                assert line[f"{split}_num_samples"] == line[f"{split}_num_prompts"] == 16
                rate = line[f"{split}_num_correct"] / line[f"{split}_num_samples"]
                assert line[f"{split}_pass_rate"] == pytest.approx(rate)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(uninterrupted, tmp_path):
    assert_same_run(uninterrupted, train(SMALL, tmp_path / "again"))
    other = train(replace(SMALL, seed=1, num_updates=1), tmp_path / "other")
    assert lasting(other)[1] != lasting(uninterrupted)[1]


def test_evaluation_does_not_change_what_training_draws(uninterrupted, tmp_path):
    rarely = train(replace(SMALL, eval_every=5, eval_samples=8), tmp_path / "rarely")
    updates = [
        [line for line in lasting(folder) if line["kind"] == "update"]
        for folder in (uninterrupted, rarely)
    ]
    assert updates[0] == updates[1]


@pytest.mark.parametrize(
    ("function", "call", "update"),
    [
        ("write_json", 1, "before anything ran"),
        ("run_evaluation", 1, "before the first update"),
        ("save_checkpoint", 1, "before the first checkpoint is written"),
        ("run_evaluation", 2, "between an update and its evaluation"),
        ("save_policy", 1, "after the last update"),
        ("write_json", 2, "before the summary"),
    ],
)
def test_a_run_that_ends_anywhere_goes_on_to_the_same_bits(
    function, call, update, uninterrupted, tmp_path, monkeypatch
):
    calls = 0
    original = getattr(train_module, function)

    def end_at_call(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed(update)
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, function, end_at_call)
        with pytest.raises(Killed):
            train(SMALL, tmp_path / "run")
    assert_same_run(uninterrupted, train(SMALL, tmp_path / "run"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_killed_process_goes_on_to_the_same_bits(uninterrupted, tmp_path):
    program, out = tmp_path / "program.py", tmp_path / "run"
    program.write_text(TRAIN_PROGRAM)
    process = subprocess.Popen(
        [sys.executable, program, json.dumps(SMALL.as_dict()), out], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60.0
    while not (out / "checkpoint-00000002.pt").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    # Held still, so that it cannot end before it is killed.
    process.send_signal(signal.SIGSTOP)
    before = contents(out)
    with pytest.raises(ValueError, match=f"no other process works on.*stop process {process.pid}"):
        train(SMALL, out)
    assert contents(out) == before
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    assert not (out / "summary.json").exists()
    assert_same_run(uninterrupted, train(SMALL, out))


def test_a_second_process_gets_exit_code_2_and_writes_nothing(tmp_path, monkeypatch, capsys):
    words = ["train", "--prompts", "4", "--eval-samples", "8", "--out", str(tmp_path / "run")]
    codes = []

    def start_another(run, out, progress):
        before = contents(out)
        with monkeypatch.context() as patch:
            patch.setattr(train_module, "prepare_run", None)
            codes.append(main(words))
        assert contents(out) == before
        raise Killed

    monkeypatch.setattr(train_module, "_run_updates", start_another)
    with pytest.raises(Killed):
        main(words)
    assert codes == [2]
    assert (
        f"train: `out` must be a run folder that no other process works on, got "
        f"{tmp_path / 'run'}, on which process {os.getpid()} works."
    ) in capsys.readouterr().err


def test_of_two_processes_that_begin_a_run_together_one_is_refused(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with ExitStack() as other:

        def prepare_beside_another(*arguments):
            claim_run_folder(out, SMALL.resolved().as_dict(), "train")
            other.enter_context(lock_run_folder(out))
            return prepare_run(*arguments)

        monkeypatch.setattr(train_module, "prepare_run", prepare_beside_another)
        with pytest.raises(ValueError, match="no other process works on"):
            train(SMALL, out)
        assert set(contents(out)) == {"config.json", "lock"}


def test_a_run_that_another_process_ends_meanwhile_is_reused(uninterrupted, tmp_path, monkeypatch):
    out = tmp_path / "run"

    def prepare_beside_another(*arguments):
        shutil.copytree(uninterrupted, out)
        return prepare_run(*arguments)

    monkeypatch.setattr(train_module, "prepare_run", prepare_beside_another)
    assert train(SMALL, out) == out
    assert contents(out) == contents(uninterrupted)


def test_resuming_without_the_optimizer_would_be_seen(uninterrupted, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "save_policy", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train(SMALL, tmp_path / "run")
    (tmp_path / "run" / "checkpoint-00000005.pt").unlink()
    (tmp_path / "run" / "checkpoint-00000005.pt.sha256").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "load_state_dict", lambda *_: None)
        train(SMALL, tmp_path / "run")
    with pytest.raises(AssertionError):
        assert_same_run(uninterrupted, tmp_path / "run")


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(uninterrupted, tmp_path, capsys):
    out = train(SMALL, tmp_path / "run")
    (out / "summary.json").unlink()
    newest = out / "checkpoint-00000005.pt"
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    assert_same_run(uninterrupted, train(SMALL, out))
    assert "checkpoint-00000005.pt is damaged" in capsys.readouterr().err


def test_a_finished_run_is_reused_at_once(uninterrupted, monkeypatch):
    monkeypatch.setattr(train_module, "prepare_run", None)
    before = (uninterrupted / "metrics.jsonl").read_bytes()
    assert train(SMALL, uninterrupted) == uninterrupted
    assert (uninterrupted / "metrics.jsonl").read_bytes() == before


def test_a_folder_of_another_run_is_refused_untouched(uninterrupted, tmp_path):
    with pytest.raises(ValueError, match=r"folder of another run \(it differs in seed\)"):
        train(replace(SMALL, seed=7), uninterrupted)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="which holds other files"):
        train(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_thread_count_of_the_first_part_holds_for_the_rest(tmp_path, monkeypatch):
    config = replace(SMALL, num_threads=None, num_updates=1)
    before = torch.get_num_threads()
    used = []
    original = train_module.run_update

    def record(run, update):
        used.append(torch.get_num_threads())
        if len(used) == 1:
            raise Killed
        return original(run, update)

    monkeypatch.setattr(train_module, "run_update", record)
    try:
        torch.set_num_threads(1)
        with pytest.raises(Killed):
            train(config, tmp_path / "run")
        torch.set_num_threads(2)
        train(config, tmp_path / "run")
        assert torch.get_num_threads() == 2, "the caller's own count comes back"
    finally:
        torch.set_num_threads(before)
    assert used == [1, 1]


def test_a_run_that_blows_up_names_the_update_and_writes_nothing_after_it(tmp_path):
    config = replace(SMALL, optimizer="sgd", rule="group_mean", learning_rate=1e30)
    out = tmp_path / "run"
    with pytest.raises(
        FloatingPointError, match=r"train: the run blew up at update [12]: "
    ) as error:
        train(config, out)
    stopped = json.loads((out / "stopped.json").read_text())
    assert f"update {stopped['update']}: {stopped['reason']}" in str(error.value)
    assert max(line["update"] for line in read_metrics(out)) < stopped["update"]
    assert not (out / "model").exists()
    assert not (out / "summary.json").exists()
    before = contents(out)
    with pytest.raises(FloatingPointError, match="the run blew up at update"):
        train(config, out)
    assert contents(out) == before


def test_a_metrics_line_with_a_broken_number_is_not_written(tmp_path):
    metrics = MetricsFile(tmp_path)
    metrics.append({"fine": 1.0})
    with pytest.raises(FloatingPointError, match="gradient_norm is not finite"):
        metrics.append({"fine": 1.0, "gradient_norm": float("inf")})
    assert read_metrics(tmp_path) == [{"fine": 1.0}]
    with pytest.raises(ValueError, match=r"metrics.jsonl has at least 99 bytes, got"):
        metrics.truncate(99)


def train_two_updates(model_folder, rows_file, out):
    config = TrainConfig(
        model=str(model_folder),
        dataset=str(rows_file),
        take=min(32, len(Path(rows_file).read_text().splitlines())),
        rule="grpo",
        num_prompts=4,
        group_size=4,
        inner_epochs=2,
        learning_rate=1e-3,
        optimizer="adamw",
        num_updates=2,
        eval_samples=8,
        max_new_tokens=12,
        num_threads=1,
    )
    train(config, out)
    return read_metrics(out)


@pytest.fixture(scope="module")
def qwen3_folder(tmp_path_factory):
    return save_small_model(tmp_path_factory.mktemp("qwen3") / "model")


def assert_two_updates(lines):
    assert [line["update"] for line in lines] == [0, 1, 2, 2]
    # Random weights answer nothing, so the advantage and with it the gradient is exactly 0.
    for line in lines[1:3]:
        assert line["reward_mean"] == 0.0
        assert line["gradient_norm"] == 0.0
        assert line["share_without_signal"] == 1.0
        assert line["entropy_estimate"] > 12.0


def test_two_updates_on_a_saved_folder_and_rows_in_the_format_of_gsm8k(qwen3_folder, tmp_path):
    assert_two_updates(train_two_updates(qwen3_folder, ROWS_FILE, tmp_path / "run"))


@pytest.mark.skipif(not DATA_FOLDER, reason="BANDITLAB_DATA is not set: no real GSM8K rows here")
def test_two_updates_on_a_saved_folder_and_the_real_gsm8k_rows(qwen3_folder, tmp_path):
    rows_file = Path(DATA_FOLDER) / "gsm8k" / "test.jsonl"
    assert_two_updates(train_two_updates(qwen3_folder, rows_file, tmp_path / "run"))


def assert_each_prompt_once_an_epoch(choose, config, num_questions):
    per_epoch = num_questions // config.num_prompts
    for epoch in range(3):
        updates = range(epoch * per_epoch + 1, (epoch + 1) * per_epoch + 1)
        drawn = np.concatenate([choose(config, num_questions, update) for update in updates])
        assert len(set(drawn.tolist())) == per_epoch * config.num_prompts


def test_prompts_are_drawn_without_replacement_within_an_epoch():
    config = replace(SMALL, num_prompts=5)
    assert_each_prompt_once_an_epoch(choose_prompts, config, 20)
    assert_each_prompt_once_an_epoch(choose_prompts, config, 23)
    first, second = (choose_prompts(config, 20, update) for update in (1, 5))
    assert not np.array_equal(first, second), "each epoch is shuffled anew"
    np.testing.assert_array_equal(first, choose_prompts(config, 20, 1))
    assert not np.array_equal(first, choose_prompts(replace(config, seed=9), 20, 1))


def test_drawing_with_replacement_would_be_seen():
    def with_replacement(config, num_questions, update):
        return np.random.default_rng(update).integers(num_questions, size=config.num_prompts)

    with pytest.raises(AssertionError):
        assert_each_prompt_once_an_epoch(with_replacement, replace(SMALL, num_prompts=5), 20)


def test_every_use_of_randomness_has_a_seed_of_its_own():
    keys = [
        (seed, purpose, update) for seed in (0, 1) for purpose in (1, 2) for update in (0, 1, 2)
    ]
    assert {SAMPLES, EVALUATION} == {1, 2}
    draws = {
        float(torch.rand(1, generator=make_generator(replace(SMALL, seed=seed), purpose, update)))
        for seed, purpose, update in keys
    }
    assert len(draws) == len(keys)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_optimizers_neither_carry_momentum_nor_decay(kind):
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = make_optimizer(replace(SMALL, optimizer=kind, learning_rate=0.1), [weight])
    weight.grad = torch.full((1,), 2.0)
    optimizer.step()
    assert float(weight.detach()) == pytest.approx(0.8 if kind == "sgd" else 0.9, abs=1e-6)
    weight.grad = torch.zeros(1)
    before = float(weight.detach())
    if kind == "sgd":
        optimizer.step()
        assert float(weight.detach()) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "grop"}, r"`name` must be a known rule, got 'grop'\. Did you mean 'grpo'"),
        ({"hyper": {"clip": 1.0}}, r"`clip` must be a hyperparameter of clip"),
        ({"hyper": {"clip_low": 2.0}}, r"`clip_low` must be a finite number in \[0, 1\]"),
        ({"group_size": 1}, r"`group_size` must be at least 2 for clip, which compares"),
        ({"num_prompts": 0}, r"TrainConfig: `num_prompts` must be at least 1, got 0"),
        ({"take": 0}, r"TrainConfig: `take` must be at least 1, got 0"),
        ({"seed": -1}, r"TrainConfig: `seed` must be at least 0, got -1"),
        ({"learning_rate": 0.0}, r"TrainConfig: `learning_rate` must be a finite number in \(0"),
        ({"temperature": float("nan")}, r"TrainConfig: `temperature` must be a finite number"),
        ({"optimizer": "adam"}, r"`optimizer` must be a known optimizer, .*'adamw'"),
        ({"level": "word"}, r"TrainConfig: `level` must be a known level"),
        ({"prompt_format": "chat"}, r"TrainConfig: `prompt_format` must be a known prompt format"),
    ],
)
def test_an_impossible_configuration_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changes)


def test_a_count_must_be_an_integer():
    with pytest.raises(TypeError, match="TrainConfig: `num_updates` must be an integer, got float"):
        replace(SMALL, num_updates=2.5)


def test_more_prompts_than_questions_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="`num_prompts` must be at most the 16 questions"):
        train(replace(SMALL, num_prompts=17), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_limits_of_tokens_follow_the_model_and_the_dataset():
    from llm_bridge.embedded.corpus import MAX_NEW_TOKENS

    assert TrainConfig().resolved().max_new_tokens == MAX_NEW_TOKENS
    assert TrainConfig().resolved().prompt_format == "embedded"
    other = TrainConfig(model="a", dataset="b").resolved()
    assert (other.max_new_tokens, other.prompt_format) == (256, "instruction")
    assert TrainConfig(max_new_tokens=5).resolved().max_new_tokens == 5
    assert other.resolved() == other


@pytest.mark.parametrize("rule", ["group_mean", "clip", "variance_penalty"])
def test_unanimous_groups_leave_the_model_alone_with_and_without_the_short_cut(rule, monkeypatch):
    """All rewards equal: the pass that is skipped would have moved nothing but rounding.

    The penalty reads the ratio, which the training pass gives to float32 rounding only.
    """
    config = replace(SMALL, rule=rule, hyper={}, optimizer="sgd").resolved()
    monkeypatch.setattr(Grader, "grade", lambda self, texts, golds: np.zeros(len(texts)))
    ends = []
    for is_skipped in (True, False):
        with Grader() as grader:
            run = prepare_run(config, grader)
            before = [value.clone() for value in run.policy.model.parameters()]
            if not is_skipped:
                monkeypatch.setattr("llm_bridge.train._has_signal", lambda *_: True)
            line = run_update(run, 1)
            assert line["gradient_norm"] < (1e-4 if rule == "variance_penalty" else 1e-30)
            ends.append([value.clone() for value in run.policy.model.parameters()])
    for first, second, base in zip(*ends, before, strict=True):
        assert torch.equal(first, base)
        torch.testing.assert_close(second, base, rtol=0.0, atol=1e-6)


def test_taking_heldout_rows_where_there_are_none_is_refused(tmp_path):
    config = replace(SMALL, dataset=str(ROWS_FILE), take=None, eval_take=2)
    with pytest.raises(ValueError, match=r"`eval_take` must be left out.*--eval-dataset"):
        train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
