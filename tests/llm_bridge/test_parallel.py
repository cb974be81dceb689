"""One process and two, on the same batches: the same updates, but for float32 rounding."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from llm_bridge.json_lines import read_json_lines
from llm_bridge.models import load_policy
from llm_bridge.parallel import Alone
from llm_bridge.run import prepare_run
from llm_bridge.train import train
from tests.llm_bridge.by_hand import OddsGrader
from tests.llm_bridge.launched_runs import CONFIGS, run
from tests.llm_bridge.training import assert_same_run, lasting, weights

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = (
    "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 "
    "--mixed_precision no --dynamo_backend no --main_process_port 0 -m"
)
# Of the largest change by training. Measured: 5e-6, one rounding of a weight near 1, and 1.5e-5
# with the thirty steps of the replay.
TOLERANCE = 1e-4

needs_accelerate = pytest.mark.skipif(
    find_spec("accelerate") is None, reason="accelerate is not installed; its extra brings it"
)


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """The folder of all runs by two processes: one launch, whose imports take longest."""
    folder = tmp_path_factory.mktemp("launched")
    words = [sys.executable, *LAUNCH.split(), "tests.llm_bridge.launched_runs", str(folder)]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "output.txt").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return {name: run(name, folder / name) for name in CONFIGS}


@pytest.fixture(scope="module")
def base():
    return load_policy("embedded").model.state_dict()


def relative_distance(folder, other, base):
    """Largest difference of a weight, in the largest change that training made."""
    ours, theirs = weights(folder), weights(other)
    assert ours.keys() == theirs.keys()
    error = max(float((ours[name] - theirs[name]).abs().max()) for name in ours)
    return error / max(float((ours[name] - base[name]).abs().max()) for name in ours)


def assert_same_lines(folder, other):
    for line, twin in zip(lasting(folder), lasting(other), strict=True):
        assert line.keys() == twin.keys()
        for name, value in line.items():
            # What is nothing but rounding where the policy is the one that sampled.
            is_rounding = name in ("log_prob_mismatch", "reference_k1", "reference_k3")
            absolute = 1e-5 if is_rounding else 1e-9
            if isinstance(value, float):
                value = pytest.approx(value, rel=1e-3, abs=absolute)
            assert twin[name] == value, name


def assert_same_samples(folder, other):
    pairs = [read_json_lines(path / "samples.jsonl") for path in (folder, other)]
    for line, twin in zip(*pairs, strict=True):
        assert twin == line | {"log_prob": pytest.approx(line["log_prob"], rel=1e-4)}


@needs_accelerate
@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_train_as_one(name, alone, launched, base):
    assert relative_distance(alone[name], launched / name, base) < TOLERANCE
    assert_same_lines(alone[name], launched / name)
    assert_same_samples(alone[name], launched / name)
    recorded = [
        json.loads((folder / name / "provenance.json").read_text())["num_processes"]
        for folder in (alone[name].parent, launched)
    ]
    assert recorded == [1, 2]
    assert {path.name for path in alone[name].iterdir()} == {
        path.name for path in (launched / name).iterdir()
    }


@needs_accelerate
@pytest.mark.parametrize(
    ("mutant", "name"),
    [("own_means", "clip"), ("own_baselines", "batch"), ("own_draws", "batch")],
)
def test_processes_that_do_not_share_all_numbers_would_be_seen(mutant, name, alone, launched, base):
    assert relative_distance(alone[name], launched / mutant, base) > 100 * TOLERANCE
    with pytest.raises(AssertionError):
        assert_same_lines(alone[name], launched / mutant)


@needs_accelerate
def test_gradients_that_are_not_summed_stop_the_run_at_its_checkpoint(launched):
    said = [(launched / f"own_gradients-{index}.txt").read_text() for index in (0, 1)]
    assert said[0] == said[1]
    assert said[0].startswith("RuntimeError: train: all processes must hold the same weights")
    assert not list((launched / "own_gradients").glob("*.pt"))


@needs_accelerate
def test_an_error_of_one_process_stops_both_with_one_message(launched):
    said = [(launched / f"blow_up_on_one-{index}.txt").read_text() for index in (0, 1)]
    assert said[0] == said[1]
    assert said[0].startswith("FloatingPointError: train: the run blew up at update 1: ")
    assert json.loads((launched / "blow_up_on_one" / "stopped.json").read_text())["update"] == 1


@needs_accelerate
def test_a_launched_run_that_ends_goes_on_to_the_same_bits(launched):
    assert (launched / "end_in_between-0.txt").exists()
    assert_same_run(launched / "end_in_between", launched / "dual")


@needs_accelerate
def test_a_disk_that_refuses_the_main_process_stops_both_and_the_run_goes_on(launched):
    said = [(launched / f"full_disk-{index}.txt").read_text() for index in (0, 1)]
    assert said[0] == said[1]
    refused = launched / "full_disk" / "checkpoint-00000002.pt"
    assert said[0].startswith(f"WriteRefusedError: {refused} cannot be written: File too large. ")
    files = (launched / "full_disk-files.txt").read_text().split()
    assert [name for name in files if name.endswith(".pt")] == ["checkpoint-00000001.pt"]
    assert_same_run(launched / "full_disk", launched / "batch")


@needs_accelerate
def test_another_number_of_processes_is_refused(launched):
    out = launched / "own_gradients"
    before = {path.name for path in out.iterdir()}
    with pytest.raises(ValueError, match=r"a run folder of 1 process, got .* began with 2\. Go on"):
        train(CONFIGS["clip"], out, grader=OddsGrader(), progress=False)
    assert {path.name for path in out.iterdir()} == before


@needs_accelerate
def test_the_command_is_launched_and_one_process_speaks(launched):
    assert [(launched / f"command-{index}.txt").read_text() for index in (0, 1)] == ["0", "0"]
    out = launched / "command"
    assert (out / "summary.json").exists()
    assert [path.name for path in out.glob("*.pt")] == ["checkpoint-00000002.pt"]
    assert len(list((out / "tensorboard").iterdir())) == 1
    assert (launched / "output.txt").read_text().count("group_mean() on embedded") == 1


@needs_accelerate
@pytest.mark.skipif(find_spec("trl") is None, reason="trl is not installed; its extra brings it")
def test_two_processes_under_trl_step_by_our_gradient_of_the_rollouts_of_both(launched):
    found = [(launched / f"trl-{index}.txt").read_text() for index in (0, 1)]
    assert found[0] == found[1]
    errors = [float(word) for word in found[0].split()]
    assert len(errors) == 4
    assert max(errors) < 1e-4


class Several(Alone):
    def __init__(self, count, index=0):
        self.count, self.index = count, index


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("num_rows", [0, 1, 7, 8, 100])
def test_shares_are_even_and_leave_nothing_out(count, num_rows):
    shares = [Several(count, index).share(num_rows) for index in range(count)]
    assert [row for share in shares for row in share] == list(range(num_rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_more_processes_than_prompts_are_refused():
    with pytest.raises(ValueError, match="`num_prompts` must be at least the 8 processes"):
        prepare_run(CONFIGS["clip"].resolved(), OddsGrader(), Several(8))
